#include "formats/json_limits.h"
#include "fuzz_target.h"

#include <nlohmann/json.hpp>

// The library alone and our limited parsers must agree on what is JSON and on its value.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace hadal;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto strict = parse_json(text, "input");
  const auto lenient = parse_json(text, "input", {.duplicate_keys = DuplicateKeys::last_wins});
  const auto ordered =
      parse_ordered_json(text, "input", {.duplicate_keys = DuplicateKeys::last_wins});
  const auto strict_ordered = parse_ordered_json(text, "input");
  fuzz::require(lenient.has_value() == ordered.has_value(), "both trees accept the same text");
  fuzz::require(strict.has_value() == strict_ordered.has_value(),
                "both trees accept the same text");
  fuzz::require(!strict || lenient, "what is accepted strictly is accepted leniently");
  if (!lenient) {
    fuzz::require(lenient.error().message.starts_with("input: "), "an error names its source");
    return 0;
  }
  const nlohmann::json expected = nlohmann::json::parse(text, nullptr, false);
  fuzz::require(*lenient == expected, "the value is the library's");
  fuzz::require(nlohmann::json::parse(ordered->dump()) == expected,
                "the ordered value is the library's");
  return 0;
}
