// The JSON header of a safetensors file, event by event: memory stays a small multiple of the text
// and no key is lost to a duplicate. Internal to formats/.
#pragma once

#include "base/result.h"

#include <array>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace hadal {

struct SafetensorsHeader {
  struct Entry {
    std::string name;
    std::string dtype;
    std::vector<std::uint64_t> shape;
    std::array<std::uint64_t, 2> data_offsets;  // [begin, end) in the data area
  };
  std::vector<Entry> entries;  // in header order
  std::map<std::string, std::string> metadata;
};

/// Checks structure and types only; sizes and offsets are the caller's. Errors: bad_format.
Result<SafetensorsHeader> parse_safetensors_header(std::string_view json, std::string_view source);

}  // namespace hadal
