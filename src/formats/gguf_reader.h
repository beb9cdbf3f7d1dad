// Reads the bytes of one GGUF file into values and tensors, checking everything. Internal to
// formats/.
#pragma once

#include "base/result.h"
#include "formats/gguf.h"

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace hadal {

struct GgufPart {
  std::uint32_t version = 0;
  std::vector<std::string> keys;
  std::vector<GgufValue> values;    // one per key
  std::vector<GgufTensor> tensors;  // data spans view the image
};

/// Memory: a small multiple of the header, whatever counts the file claims. Errors: bad_format,
/// unsupported.
Result<GgufPart> read_gguf(std::span<const std::byte> image, std::string_view source);

}  // namespace hadal
