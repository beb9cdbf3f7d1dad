// Fuzzes the compilers of answers' forms: the first byte chooses JSON schema, GBNF-like grammar,
// regular expression or Lark grammar. What compiles can be followed to its end by a walk that takes
// the first byte that is allowed.
#include "fuzz_target.h"
#include "grammar/config_sets.h"
#include "grammar/gbnf.h"
#include "grammar/json_schema.h"
#include "grammar/lark.h"
#include "grammar/regex.h"

#include <memory>
#include <string_view>
#include <utility>

namespace {

using namespace hadal;

Result<grammar::Grammar> compile(unsigned kind, std::string_view text) {
  switch (kind % 4) {
    case 0:
      return grammar::compile_json_schema(text, "fuzz");
    case 1:
      return grammar::compile_gbnf(text, "fuzz");
    case 2:
      return grammar::compile_regex(text);
    default:
      return grammar::compile_lark(text, "fuzz");
  }
}

/// Some steps of a text that the grammar allows.
void walk(grammar::Grammar compiled, std::size_t seed) {
  constexpr int kSteps = 64;
  grammar::ConfigSets sets(std::make_shared<const grammar::Grammar>(std::move(compiled)));
  auto at = sets.start();
  for (int i = 0; i < kSteps; ++i) {
    bool moved = false;
    for (unsigned k = 0; k < 256 && !moved; ++k) {
      const auto next = sets.step(at, static_cast<std::uint8_t>((seed + 7 * i + k) % 256));
      if (next == 0) continue;
      at = next;
      moved = true;
    }
    if (!moved) {
      fuzz::require(sets.is_complete(at), "where nothing may follow the text is complete");
      return;
    }
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::string_view text(reinterpret_cast<const char*>(data) + 1, size - 1);
  auto compiled = compile(data[0], text);
  if (compiled) walk(std::move(*compiled), size);
  return 0;
}
