#include "formats/quote.h"

#include <fmt/format.h>

#include <cstddef>
#include <iterator>

namespace hadal {

std::string quote(std::string_view name) {
  constexpr std::size_t kMaxBytes = 120;
  std::string out = "'";
  for (const char c : name.substr(0, kMaxBytes)) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte < 0x20 || byte == 0x7F) {
      fmt::format_to(std::back_inserter(out), "\\x{:02x}", byte);
    } else {
      out.push_back(c);
    }
  }
  out += name.size() > kMaxBytes ? "...'" : "'";
  return out;
}

}  // namespace hadal
