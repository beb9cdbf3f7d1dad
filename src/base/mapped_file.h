// A read-only memory-mapped file.
#pragma once

#include "base/result.h"

#include <cstddef>
#include <filesystem>
#include <span>

namespace hadal {

/// Owns the mapping; move-only. The bytes stay valid until destruction. If another process
/// truncates the file meanwhile, the kernel raises SIGBUS: model files are expected not to change
/// while in use.
class MappedFile {
 public:
  /// Maps the whole regular file. Errors: not_found, io_error (message names path and reason). An
  /// empty file maps to an empty span.
  static Result<MappedFile> open(const std::filesystem::path& path);

  MappedFile(MappedFile&& other) noexcept;
  MappedFile& operator=(MappedFile&& other) noexcept;
  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;
  ~MappedFile();

  std::span<const std::byte> bytes() const noexcept { return {data_, size_}; }
  const std::filesystem::path& path() const noexcept { return path_; }

 private:
  MappedFile() = default;

  std::filesystem::path path_;
  const std::byte* data_ = nullptr;
  std::size_t size_ = 0;
};

}  // namespace hadal
