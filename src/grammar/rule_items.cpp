#include "grammar/rule_items.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <utility>

namespace hadal::grammar {
namespace {

StateId write_once(GrammarBuilder& builder, const RuleItem& item, StateId next) {
  switch (item.kind) {
    case RuleItem::Kind::literal:
      return builder.literal(item.literal, next);
    case RuleItem::Kind::chars:
      return read_char(builder, item.chars, CharEncoding::utf8, next);
    case RuleItem::Kind::rule:
      return builder.call(item.rule, next);
    case RuleItem::Kind::group:
      return write_alternatives(builder, item.alternatives, next);
  }
  return next;
}

StateId write_item(GrammarBuilder& builder, const RuleItem& item, StateId next) {
  if (item.min == 1 && item.max == 1) return write_once(builder, item, next);
  if (item.max == 1) return builder.split({next, write_once(builder, item, next)});
  if (item.max == kUnbounded && item.min <= 1) {  // a loop needs no counter
    const StateId loop = builder.undecided();
    const StateId once = write_once(builder, item, loop);
    builder.decide(loop, {next, once});
    return item.min == 0 ? loop : once;
  }
  return builder.repeat(write_once(builder, item, kReturn), item.min, item.max, next);
}

}  // namespace

StateId write_alternatives(GrammarBuilder& builder, const RuleAlternatives& alternatives,
                           StateId next) {
  std::vector<StateId> ways;
  for (const RuleSequence& items : alternatives) {
    StateId at = next;
    for (std::size_t i = items.size(); i-- > 0;) at = write_item(builder, items[i], at);
    ways.push_back(at);
  }
  return builder.split(std::move(ways));
}

std::string line_and_column(std::u32string_view text, std::size_t place) {
  const auto begin = text.begin(),
             here = begin + static_cast<std::ptrdiff_t>(std::min(place, text.size()));
  const auto line = 1 + std::count(begin, here, U'\n');
  const auto column = 1 + (here - std::find(std::make_reverse_iterator(here),
                                            std::make_reverse_iterator(begin), U'\n')
                                      .base());
  return fmt::format("line {}, column {}", line, column);
}

}  // namespace hadal::grammar
