// Writer of GGUF version 3, little-endian, alignment 32, one file.
#pragma once

#include "base/dtype.h"
#include "base/result.h"
#include "formats/tensor_sink.h"

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <unordered_set>
#include <vector>

namespace hadal {

struct GgufValue;

/// Add metadata and declare tensors in any order, then write. The file is written beside its final
/// name and renamed when complete. Adding a key twice or an empty key is a bug in the caller
/// (HADAL_CHECK).
class GgufWriter {
 public:
  void add_bool(std::string_view key, bool value);
  void add_u32(std::string_view key, std::uint32_t value);
  void add_i32(std::string_view key, std::int32_t value);
  void add_u64(std::string_view key, std::uint64_t value);
  void add_f32(std::string_view key, float value);
  void add_f64(std::string_view key, double value);
  void add_string(std::string_view key, std::string_view value);
  void add_bool_array(std::string_view key, const std::vector<bool>& values);
  void add_u32_array(std::string_view key, std::span<const std::uint32_t> values);
  void add_i32_array(std::string_view key, std::span<const std::int32_t> values);
  void add_f32_array(std::string_view key, std::span<const float> values);
  void add_string_array(std::string_view key, std::span<const std::string> values);
  /// A value of another file, in the type that it has there.
  void add_value(std::string_view key, const GgufValue& value);
  bool has(std::string_view key) const { return keys_.contains(std::string(key)); }

  /// `dims` in ggml order, fastest first, 1 to 4 of them.
  /// Errors: invalid_argument (name empty or used twice; dtype unknown to ggml; dims; fastest not a
  /// multiple of the block).
  Result<void> declare(std::string name, DType dtype, std::vector<std::uint64_t> dims);

  /// Calls `source` for each tensor in order of declaration.
  /// Errors: io_error, invalid_argument (too few or too many bytes), or what `source` returned.
  Result<void> write(const std::filesystem::path& path, const TensorSource& source) const;
  /// The same in memory (tests).
  Result<std::vector<std::byte>> write_to_memory(const TensorSource& source) const;

 private:
  struct Declaration {
    std::string name;
    std::uint32_t ggml_type;
    std::vector<std::uint64_t> dims;
    std::uint64_t n_bytes;
    std::uint64_t offset;  // in the data area
  };

  void begin_value(std::string_view key, std::uint32_t type);
  void begin_array(std::string_view key, std::uint32_t element_type, std::size_t count);
  std::string header() const;
  Result<void> write_all(const TensorSource& source, TensorSink& out) const;

  std::string metadata_;  // encoded key-value pairs
  std::uint64_t n_values_ = 0;
  std::unordered_set<std::string> keys_;
  std::vector<Declaration> declarations_;
  std::unordered_set<std::string> names_;
  std::uint64_t data_bytes_ = 0;
};

}  // namespace hadal
