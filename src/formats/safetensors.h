// Reader of the safetensors format: an 8-byte little-endian header length, a JSON header, then raw
// tensor bytes. Format: github.com/huggingface/safetensors, README "Format". Nothing is copied:
// tensors are views of the bytes.
#pragma once

#include "base/dtype.h"
#include "base/mapped_file.h"
#include "base/result.h"

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

namespace hadal {

/// The format's own limit on the JSON header.
inline constexpr std::uint64_t kMaxSafetensorsHeaderBytes = 100'000'000;

/// Names in a folder (the convention of Hugging Face): all in one file, or shards and their index.
inline constexpr std::string_view kSafetensorsFile = "model.safetensors";
inline constexpr std::string_view kSafetensorsIndex = "model.safetensors.index.json";

struct SafetensorsTensor {
  std::string name;
  std::string dtype_name;  ///< as the file spells it: "BF16", "F8_E4M3", "BOOL", ...
  std::optional<DType>
      dtype;  ///< nothing for types we cannot compute with (BOOL, F64, ...); see require_usable
  std::vector<std::uint64_t> shape;  ///< row-major, slowest first; empty is a scalar
  std::span<const std::byte>
      data;  ///< exactly the elements of `shape` when dtype_name is a known type

  /// Elements of `shape`; never overflows for a parsed tensor.
  std::uint64_t n_elements() const;
};

/// Ok when the tensor can be read as typed memory: a dtype we know and an address aligned for it.
/// Errors: unsupported (dtype), bad_format (misaligned; says to rewrite the file with `hadal
/// convert`).
Result<void> require_usable(const SafetensorsTensor& tensor, std::string_view source);

/// A parsed file image. Does not own the image: it must outlive the view and everything taken from
/// it. Immutable; threads may share it.
class SafetensorsView {
 public:
  /// Checks everything the format promises: header length and JSON, unique names, shape * size ==
  /// byte range, ranges that tile the data area without overlap or hole. `source` names the image
  /// in messages. Errors: bad_format.  Cost: O(header bytes), memory a small multiple of the
  /// header.
  static Result<SafetensorsView> parse(std::span<const std::byte> image, std::string source);

  /// In order of their place in the file.
  std::span<const SafetensorsTensor> tensors() const noexcept { return tensors_; }
  /// nullptr when absent.
  const SafetensorsTensor* find(std::string_view name) const;
  /// The "__metadata__" strings.
  const std::map<std::string, std::string>& metadata() const noexcept { return metadata_; }
  const std::string& source() const noexcept { return source_; }

 private:
  SafetensorsView() = default;

  std::string source_;
  std::vector<SafetensorsTensor> tensors_;
  std::unordered_map<std::string_view, std::size_t>
      by_name_;  // keys view tensors_[i].name; the class is move-only
  std::map<std::string, std::string> metadata_;

 public:
  SafetensorsView(SafetensorsView&&) noexcept = default;
  SafetensorsView& operator=(SafetensorsView&&) noexcept = default;
  SafetensorsView(const SafetensorsView&) = delete;
  SafetensorsView& operator=(const SafetensorsView&) = delete;
};

/// A mapped file with its view. Move-only; tensors stay valid as long as it (or what it was moved
/// to) lives.
class SafetensorsFile {
 public:
  /// Errors: not_found, io_error, bad_format.
  static Result<SafetensorsFile> open(const std::filesystem::path& path);

  const SafetensorsView& view() const noexcept { return view_; }
  const std::filesystem::path& path() const noexcept { return file_.path(); }

 private:
  SafetensorsFile(MappedFile file, SafetensorsView view)
      : file_(std::move(file)), view_(std::move(view)) {}

  MappedFile file_;
  SafetensorsView view_;
};

/// All safetensors files of a model directory, as one set of tensors.
class SafetensorsDirectory {
 public:
  /// Opens, in this order of preference: the shards of model.safetensors.index.json,
  /// model.safetensors, or every
  /// *.safetensors file. With an index, every shard must exist inside the directory and hold what
  /// the index says. Errors: not_found (no such file, missing shard), io_error, bad_format (also:
  /// one name in two files).
  static Result<SafetensorsDirectory> open(const std::filesystem::path& directory);

  std::span<const SafetensorsFile> files() const noexcept { return files_; }
  std::size_t n_tensors() const noexcept { return by_name_.size(); }
  /// Sum of the tensors' bytes.
  std::uint64_t n_bytes() const noexcept { return n_bytes_; }
  /// nullptr when absent.
  const SafetensorsTensor* find(std::string_view name) const;

 private:
  SafetensorsDirectory() = default;
  Result<void> add_indexed(const std::filesystem::path& directory);
  Result<void> add(const std::filesystem::path& path);

  std::vector<SafetensorsFile> files_;
  std::unordered_map<std::string_view, const SafetensorsTensor*> by_name_;
  std::uint64_t n_bytes_ = 0;
};

}  // namespace hadal
