#include "serve/trace_log.h"

#include "protocol/json_text.h"

#include <nlohmann/json.hpp>

#include <cerrno>
#include <system_error>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

namespace hadal {

Result<std::unique_ptr<TraceLog>> TraceLog::open(const std::string& path) {
  const int fd = ::open(path.c_str(), O_CREAT | O_APPEND | O_WRONLY | O_CLOEXEC, S_IRUSR | S_IWUSR);
  struct stat status {};
  const bool is_file = fd >= 0 && ::fstat(fd, &status) == 0 && S_ISREG(status.st_mode);
  if (is_file) ::fchmod(fd, S_IRUSR | S_IWUSR);  // of an old file, too; no pipe or terminal
  std::FILE* file = fd < 0 ? nullptr : ::fdopen(fd, "a");
  if (file == nullptr) {
    return error(ErrorCode::io_error, "{}: cannot be opened for writing: {}", path,
                 std::generic_category().message(errno));
  }
  return std::unique_ptr<TraceLog>(new TraceLog(file));
}

void TraceLog::request(std::string_view id, std::string_view path, std::string_view body) {
  write(json_text({{"id", id}, {"path", path}, {"request", valid_utf8(body)}}));
}

void TraceLog::answer(std::string_view id, std::size_t choice, std::string_view prompt,
                      std::string_view answer) {
  write(json_text({{"id", id},
                   {"choice", choice},
                   {"prompt", valid_utf8(prompt)},
                   {"answer", valid_utf8(answer)}}));
}

void TraceLog::write(const std::string& line) {
  const std::lock_guard lock(mutex_);
  std::fwrite(line.data(), 1, line.size(), file_.get());
  std::fputc('\n', file_.get());
  std::fflush(file_.get());
}

}  // namespace hadal
