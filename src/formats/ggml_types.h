// The element types of GGUF files: id, name and block layout of each. Facts of the ggml format
// (ggml.h, ggml-common.h).
#pragma once

#include "base/dtype.h"

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

namespace hadal {

struct GgmlType {
  std::uint32_t id;
  std::string_view name;         ///< "Q4_K"
  std::uint32_t block_elements;  ///< elements per block, along the fastest dimension
  std::uint32_t block_bytes;
  std::optional<DType> dtype;  ///< ours, when we can read it
};

/// nullptr for an id that is not in our table (a removed or newer type).
const GgmlType* find_ggml_type(std::uint32_t id);
/// nullptr when ggml has no such type.
const GgmlType* find_ggml_type(DType dtype);
std::span<const GgmlType> all_ggml_types();

}  // namespace hadal
