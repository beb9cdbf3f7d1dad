#include "grammar/json_text.h"

#include "grammar/char_set.h"

#include <nlohmann/json.hpp>

#include <string>
#include <utility>
#include <vector>

namespace hadal::grammar {
namespace {

StateId hex_digits(GrammarBuilder& builder, int n, StateId next) {
  for (int i = 0; i < n; ++i)
    next = builder.read({{'0', '9', next}, {'A', 'F', next}, {'a', 'f', next}});
  return next;
}

// Behind the backslash.
StateId escape(GrammarBuilder& builder, StateId next) {
  const StateId two = hex_digits(builder, 2, next), three = hex_digits(builder, 1, two);
  const StateId low_second = builder.read({{'C', 'F', two}, {'c', 'f', two}});  // \uDC00 to \uDFFF
  const StateId low =
      builder.literal("\\u", builder.read({{'D', 'D', low_second}, {'d', 'd', low_second}}));
  const StateId high_rest = hex_digits(builder, 2, low);
  const StateId behind_d = builder.read(
      {{'0', '7', two}, {'8', '9', high_rest}, {'A', 'B', high_rest}, {'a', 'b', high_rest}});
  const StateId unicode = builder.read({{'0', '9', three},
                                        {'A', 'C', three},
                                        {'E', 'F', three},
                                        {'a', 'c', three},
                                        {'e', 'f', three},
                                        {'D', 'D', behind_d},
                                        {'d', 'd', behind_d}});
  std::vector<Edge> edges = {{'u', 'u', unicode}};
  for (const char c : {'"', '\\', '/', 'b', 'f', 'n', 'r', 't'}) {
    const auto byte = static_cast<std::uint8_t>(c);
    edges.push_back({byte, byte, next});
  }
  return builder.read(std::move(edges));
}

StateId digit(GrammarBuilder& builder, StateId next) {
  return builder.byte_range('0', '9', next);
}

StateId optional_space(GrammarBuilder& builder, StateId next) {
  return builder.split({next, builder.literal(" ", next)});
}

StateId line_and_indent(GrammarBuilder& builder, StateId next) {
  return builder.literal("\n", builder.repeat(builder.literal(" ", kReturn), 0, kMaxIndent, next));
}

}  // namespace

StateId json_string_char(GrammarBuilder& builder) {
  if (builder.string_char() != kAccept) return builder.string_char();
  // The automaton of plain characters, with one more edge for escapes.
  const CharSet plain = CharSet({{0, 0x1f}, {'"', '"'}, {'\\', '\\'}}).complement();
  const StateId unescaped = read_char(builder, plain, CharEncoding::utf8, kReturn);
  const StateId state = builder.read_with(unescaped, {'\\', '\\', escape(builder, kReturn)});
  builder.set_string_char(state);
  return state;
}

StateId json_string(GrammarBuilder& builder, std::uint32_t min, std::uint32_t max, StateId next) {
  const StateId close = builder.literal("\"", next);
  return builder.literal("\"", builder.repeat(json_string_char(builder), min, max, close));
}

StateId json_integer(GrammarBuilder& builder, StateId next) {
  const StateId more = builder.repeat(digit(builder, kReturn), 0, kMaxIntegerDigits - 1, next);
  const StateId nonzero = builder.byte_range('1', '9', more);
  return builder.split({builder.literal("0", next), nonzero, builder.literal("-", nonzero)});
}

StateId json_number(GrammarBuilder& builder, StateId next) {
  const StateId exponent_digits =
      builder.repeat(digit(builder, kReturn), 1, kMaxExponentDigits, next);
  const StateId signed_digits = builder.split(
      {exponent_digits, builder.read({{'+', '+', exponent_digits}, {'-', '-', exponent_digits}})});
  const StateId exponent =
      builder.split({next, builder.read({{'E', 'E', signed_digits}, {'e', 'e', signed_digits}})});
  const StateId fraction =
      builder.split({exponent, builder.literal(".", builder.repeat(digit(builder, kReturn), 1,
                                                                   kMaxFractionDigits, exponent))});
  const StateId more = builder.repeat(digit(builder, kReturn), 0, kMaxIntegerDigits - 1, fraction);
  const StateId whole =
      builder.split({builder.literal("0", fraction), builder.byte_range('1', '9', more)});
  return builder.split({whole, builder.literal("-", whole)});
}

StateId json_constant(GrammarBuilder& builder, const nlohmann::ordered_json& value, JsonSpace space,
                      StateId next) {
  if (builder.full()) return next;
  if (value.is_string()) {
    return builder.literal('"' + escape_json(value.get_ref<const std::string&>()) + '"', next);
  }
  if (!value.is_structured()) return builder.literal(value.dump(), next);
  StateId at = builder.literal(value.is_object() ? "}" : "]", next);
  if (!value.empty()) at = space_at_bracket(builder, space, at);
  bool is_last = true;
  for (auto item = value.end(); item != value.begin();) {
    --item;
    if (!is_last) at = builder.literal(",", space_behind_comma(builder, space, at));
    is_last = false;
    at = json_constant(builder, *item, space, at);
    if (value.is_object()) {
      at = builder.literal('"' + escape_json(item.key()) + "\":",
                           space_behind_colon(builder, space, at));
    }
  }
  if (!value.empty()) at = space_at_bracket(builder, space, at);
  return builder.literal(value.is_object() ? "{" : "[", at);
}

StateId space_behind_colon(GrammarBuilder& builder, JsonSpace space, StateId next) {
  return space == JsonSpace::none ? next : optional_space(builder, next);
}

StateId space_behind_comma(GrammarBuilder& builder, JsonSpace space, StateId next) {
  if (space != JsonSpace::pretty) return space_behind_colon(builder, space, next);
  return builder.split({next, builder.literal(" ", next), line_and_indent(builder, next)});
}

StateId space_at_bracket(GrammarBuilder& builder, JsonSpace space, StateId next) {
  if (space != JsonSpace::pretty) return next;
  return builder.split({next, line_and_indent(builder, next)});
}

}  // namespace hadal::grammar
