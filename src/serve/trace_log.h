// Prompts and answers word by word, for whoever debugs a client. Off unless asked for: it holds
// private text.
#pragma once

#include "base/result.h"

#include <cstdio>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>

namespace hadal {

/// One JSON object a line. Any thread.
class TraceLog {
 public:
  /// Appends to `path`, readable by its owner alone. Errors: io_error.
  static Result<std::unique_ptr<TraceLog>> open(const std::string& path);

  /// {"id", "path", "request"}
  void request(std::string_view id, std::string_view path, std::string_view body);
  /// {"id", "choice", "prompt", "answer"}: the texts that the model read and wrote, special tokens
  /// included.
  void answer(std::string_view id, std::size_t choice, std::string_view prompt,
              std::string_view answer);

 private:
  struct Close {
    void operator()(std::FILE* file) const { std::fclose(file); }
  };
  explicit TraceLog(std::FILE* file) : file_(file) {}
  void write(const std::string& line);

  std::mutex mutex_;
  std::unique_ptr<std::FILE, Close> file_;
};

}  // namespace hadal
