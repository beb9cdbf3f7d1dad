// A file that appears under its name only when it is complete.
#pragma once

#include "base/result.h"
#include "formats/tensor_sink.h"

#include <cstddef>
#include <filesystem>
#include <span>
#include <vector>

namespace hadal {

/// Writes NAME.partial-PID-N beside the target; commit() flushes it to disk and renames it. Without
/// commit() the partial file is removed on destruction. Move-only; one thread at a time.
class AtomicFile final : public TensorSink {
 public:
  /// Errors: io_error.
  static Result<AtomicFile> create(const std::filesystem::path& path);

  AtomicFile(AtomicFile&& other) noexcept;
  AtomicFile& operator=(AtomicFile&&) = delete;
  ~AtomicFile() override;

  /// Buffered. Errors: io_error.
  Result<void> write(std::span<const std::byte> bytes) override;
  /// No write may follow. Errors: io_error.
  Result<void> commit();

 private:
  AtomicFile() = default;
  Result<void> flush();
  Result<void> write_through(std::span<const std::byte> bytes);
  Error failed(const char* what) const;

  std::filesystem::path path_;
  std::filesystem::path partial_;
  int fd_ = -1;
  std::vector<std::byte> buffer_;
};

}  // namespace hadal
