#include "formats/atomic_file.h"

#include <atomic>
#include <cerrno>
#include <cstring>
#include <utility>

#include <fcntl.h>
#include <unistd.h>

namespace hadal {
namespace {

constexpr std::size_t kBufferBytes = 1024 * 1024;

std::filesystem::path partial_name(const std::filesystem::path& path) {
  static std::atomic<unsigned> counter{0};
  std::filesystem::path partial = path;
  partial += fmt::format(".partial-{}-{}", ::getpid(), counter++);
  return partial;
}

}  // namespace

Result<AtomicFile> AtomicFile::create(const std::filesystem::path& path) {
  AtomicFile file;
  file.path_ = path;
  file.partial_ = partial_name(path);
  file.fd_ = ::open(file.partial_.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
  if (file.fd_ < 0) return file.failed("cannot create");
  file.buffer_.reserve(kBufferBytes);
  return file;
}

AtomicFile::AtomicFile(AtomicFile&& other) noexcept
    : path_(std::move(other.path_)),
      partial_(std::move(other.partial_)),
      fd_(std::exchange(other.fd_, -1)),
      buffer_(std::move(other.buffer_)) {}

AtomicFile::~AtomicFile() {
  if (fd_ < 0) return;
  ::close(fd_);
  ::unlink(partial_.c_str());
}

Result<void> AtomicFile::write(std::span<const std::byte> bytes) {
  if (buffer_.size() + bytes.size() > kBufferBytes) HADAL_TRY(flush());
  if (bytes.size() > kBufferBytes) return write_through(bytes);
  buffer_.insert(buffer_.end(), bytes.begin(), bytes.end());
  return {};
}

Result<void> AtomicFile::flush() {
  HADAL_TRY(write_through(buffer_));
  buffer_.clear();
  return {};
}

Result<void> AtomicFile::write_through(std::span<const std::byte> bytes) {
  while (!bytes.empty()) {
    const ::ssize_t n = ::write(fd_, bytes.data(), bytes.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return failed("cannot write");
    bytes = bytes.subspan(static_cast<std::size_t>(n));
  }
  return {};
}

Result<void> AtomicFile::commit() {
  HADAL_TRY(flush());
  if (::fsync(fd_) != 0) return failed("cannot flush");
  if (::rename(partial_.c_str(), path_.c_str()) != 0)
    return failed("cannot rename the complete file to");
  ::close(std::exchange(fd_, -1));
  return {};
}

Error AtomicFile::failed(const char* what) const {
  return error(ErrorCode::io_error, "{}: {}: {}", path_.string(), what, std::strerror(errno));
}

}  // namespace hadal
