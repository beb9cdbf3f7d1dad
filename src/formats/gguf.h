// Reader of GGUF files, versions 2 and 3, little-endian: typed metadata and tensors. Nothing is
// copied but names. Format: github.com/ggml-org/ggml, docs/gguf.md.
#pragma once

#include "base/dtype.h"
#include "base/mapped_file.h"
#include "base/result.h"
#include "formats/ggml_types.h"

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <variant>
#include <vector>

namespace hadal {

/// Of a tensor, as ggml has them.
inline constexpr std::size_t kMaxGgufDims = 4;

/// Ids of the file format.
enum class GgufType : std::uint32_t {
  u8 = 0,
  i8 = 1,
  u16 = 2,
  i16 = 3,
  u32 = 4,
  i32 = 5,
  f32 = 6,
  boolean = 7,
  string = 8,
  array = 9,
  u64 = 10,
  i64 = 11,
  f64 = 12,
};

std::string_view name_of(GgufType type);

/// Numbers or booleans as they lie in the file (little-endian, unaligned).
struct GgufPackedArray {
  GgufType element;
  std::size_t count;
  std::span<const std::byte> bytes;
};

/// A metadata value. Strings view the file.
struct GgufValue {
  GgufType type;  ///< as stored; `array` for the last two alternatives
  std::variant<std::uint64_t, std::int64_t, double, bool, std::string_view, GgufPackedArray,
               std::vector<std::string_view>>
      data;
};

struct GgufTensor {
  std::string name;
  std::uint32_t ggml_type;     ///< id in the file
  std::string type_name;       ///< "Q8_0"; "type 77" when the id is not in our table
  std::optional<DType> dtype;  ///< nothing when we cannot compute with it; see require_usable
  std::vector<std::uint64_t>
      dims;  ///< ggml order: fastest first (a [rows, cols] matrix is {cols, rows})
  std::span<const std::byte> data;  ///< exactly the tensor; empty when the id is not in our table
};

/// Ok when we can compute with the tensor's type. Errors: unsupported ("... IQ3_S is not supported
/// yet").
Result<void> require_usable(const GgufTensor& tensor, std::string_view source);

/// One GGUF model: a file, its split parts joined, or an image in memory.
/// Move-only; views stay valid as long as it (or what it was moved to) lives. Immutable; threads
/// may share it.
class GgufFile {
 public:
  /// Opens a file. Any part of a split model (NAME-00002-of-00005.gguf) opens all of its parts;
  /// metadata comes from the first. Errors: not_found (also a missing part), io_error, bad_format,
  /// unsupported (version, big-endian).
  static Result<GgufFile> open(const std::filesystem::path& path);

  /// A whole unsplit image, which must outlive the result and begin at a multiple of 8 bytes if
  /// tensors are to be read as typed memory. `source` names it in messages.
  static Result<GgufFile> parse(std::span<const std::byte> image, std::string source);

  GgufFile(GgufFile&&) noexcept = default;
  GgufFile& operator=(GgufFile&&) noexcept = default;
  GgufFile(const GgufFile&) = delete;
  GgufFile& operator=(const GgufFile&) = delete;

  const std::string& source() const noexcept { return source_; }
  std::uint32_t version() const noexcept { return version_; }
  /// The parts, in order; none for an image in memory.
  std::span<const MappedFile> files() const noexcept { return files_; }
  /// In order of the file's list, parts one after the other.
  std::span<const GgufTensor> tensors() const noexcept { return tensors_; }
  /// nullptr when absent.
  const GgufTensor* find_tensor(std::string_view name) const;

  /// Metadata keys in order of the file.
  std::span<const std::string> keys() const noexcept { return keys_; }
  /// nullptr when absent.
  const GgufValue* find(std::string_view key) const;

  // Typed access. Any stored integer type serves if the value fits; floats also accept integers and
  // the other width. `find_x` gives nothing when the key is absent or of another kind; `require_x`
  // says which of the two it was (not_found or bad_format, naming key, expected and found).
  std::optional<bool> find_bool(std::string_view key) const;
  std::optional<std::uint32_t> find_u32(std::string_view key) const;
  std::optional<std::int64_t> find_i64(std::string_view key) const;
  std::optional<std::uint64_t> find_u64(std::string_view key) const;
  std::optional<float> find_f32(std::string_view key) const;
  std::optional<double> find_f64(std::string_view key) const;
  std::optional<std::string_view> find_string(std::string_view key) const;
  std::optional<std::vector<bool>> find_bool_array(std::string_view key) const;
  std::optional<std::vector<std::uint32_t>> find_u32_array(std::string_view key) const;
  std::optional<std::vector<std::int32_t>> find_i32_array(std::string_view key) const;
  std::optional<std::vector<float>> find_f32_array(std::string_view key) const;
  /// Points into this object; nullptr when absent or of another kind.
  const std::vector<std::string_view>* find_string_array(std::string_view key) const;

  Result<bool> require_bool(std::string_view key) const;
  Result<std::uint32_t> require_u32(std::string_view key) const;
  Result<float> require_f32(std::string_view key) const;
  Result<std::string_view> require_string(std::string_view key) const;
  Result<std::vector<std::uint32_t>> require_u32_array(std::string_view key) const;
  Result<std::vector<float>> require_f32_array(std::string_view key) const;
  Result<const std::vector<std::string_view>*> require_string_array(std::string_view key) const;

 private:
  friend class GgufAssembler;

  GgufFile() = default;
  Error missing(std::string_view key, std::string_view expected) const;

  std::string source_;
  std::uint32_t version_ = 0;
  std::vector<MappedFile> files_;
  std::vector<GgufTensor> tensors_;
  std::unordered_map<std::string_view, std::size_t> tensor_by_name_;
  std::vector<std::string> keys_;
  std::vector<GgufValue> values_;
  std::unordered_map<std::string_view, std::size_t> value_by_key_;
};

}  // namespace hadal
