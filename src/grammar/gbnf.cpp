#include "grammar/gbnf.h"

#include "formats/quote.h"
#include "grammar/char_set.h"
#include "grammar/grammar_builder.h"
#include "grammar/rule_items.h"
#include "grammar/text_cursor.h"

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace hadal::grammar {
namespace {

class GbnfParser : private TextCursor {
 public:
  GbnfParser(std::string_view text, std::string_view source) : TextCursor(text, source) {}

  Result<Grammar> parse() {
    skip_space(/*over_lines=*/true);
    while (!at_end() && !problem_ && !builder_.full()) {
      parse_rule();
      skip_space(/*over_lines=*/true);
    }
    if (!problem_ && !builder_.full()) check_names();
    if (problem_) return *problem_;
    return std::move(builder_).finish(rules_.at("root").id, source_);
  }

 private:
  struct Rule {
    RuleId id;
    bool is_defined = false;
    std::size_t first_use;  ///< place in chars_
  };

  void skip_space(bool over_lines) {
    while (!at_end()) {
      const char32_t c = peek();
      if (c == U'#') {
        while (!at_end() && peek() != U'\n') ++at_;
      } else if (c == U' ' || c == U'\t' || (over_lines && (c == U'\n' || c == U'\r'))) {
        ++at_;
      } else {
        return;
      }
    }
  }

  static bool is_name_char(char32_t c) {
    return (c >= U'a' && c <= U'z') || (c >= U'A' && c <= U'Z') || (c >= U'0' && c <= U'9') ||
           c == U'-' || c == U'_';
  }

  std::string name() {
    std::string name;
    while (is_name_char(peek())) name += static_cast<char>(chars_[at_++]);
    return name;
  }

  Rule& rule_named(const std::string& name, std::size_t place) {
    const auto [rule, is_new] = rules_.try_emplace(name, Rule{0, false, place});
    if (is_new) rule->second.id = builder_.add_rule("rule " + quote(name));
    return rule->second;
  }

  void parse_rule() {
    const std::size_t place = at_;
    const std::string rule_name = name();
    if (rule_name.empty()) return fail(ErrorCode::bad_format, "expected the name of a rule");
    skip_space(false);
    if (!(skip(U':') && skip(U':') && skip(U'='))) {
      return fail(ErrorCode::bad_format, "expected '::=' behind the name of a rule");
    }
    Rule& rule = rule_named(rule_name, place);
    if (rule.is_defined) return fail_at(place, ErrorCode::bad_format, "this rule is defined twice");
    rule.is_defined = true;
    const RuleId id = rule.id;
    skip_space(true);
    const RuleAlternatives body = alternatives(/*over_lines=*/false);
    if (problem_) return;
    if (!at_end() && peek() != U'\n' && peek() != U'\r')
      return fail(ErrorCode::bad_format, "expected the end of the line");
    builder_.define_rule(id, write_alternatives(builder_, body, kReturn));
  }

  RuleAlternatives alternatives(bool over_lines) {
    RuleAlternatives all;
    do {
      skip_space(true);
      all.push_back(sequence(over_lines));
    } while (!problem_ && skip(U'|'));
    return all;
  }

  RuleSequence sequence(bool over_lines) {
    RuleSequence items;
    for (;;) {
      skip_space(over_lines);
      const char32_t c = peek();
      if (problem_ || at_end() || c == U'|' || c == U')' || c == U'\n' || c == U'\r') return items;
      RuleItem item = parse_item();
      if (problem_) return items;
      skip_space(over_lines);
      quantify(item);
      items.push_back(std::move(item));
    }
  }

  RuleItem parse_item() {
    RuleItem item;
    const char32_t c = peek();
    if (c == U'"') {
      item.kind = RuleItem::Kind::literal;
      ++at_;
      while (!at_end() && peek() != U'"' && !problem_) append_utf8(item.literal, one_char());
      if (!skip(U'"')) fail(ErrorCode::bad_format, "a literal is not closed");
    } else if (c == U'[') {
      item.kind = RuleItem::Kind::chars;
      item.chars = char_class();
    } else if (c == U'.') {
      ++at_;
      item.kind = RuleItem::Kind::chars;
      item.chars = CharSet::all();
    } else if (c == U'(') {
      item.kind = RuleItem::Kind::group;
      ++at_;
      if (++depth_ > kMaxGbnfDepth) {
        fail(ErrorCode::unsupported, fmt::format("more than {} open parentheses", kMaxGbnfDepth));
        return item;
      }
      item.alternatives = alternatives(/*over_lines=*/true);
      --depth_;
      if (!skip(U')')) fail(ErrorCode::bad_format, "expected ')'");
    } else if (is_name_char(c)) {
      item.kind = RuleItem::Kind::rule;
      const std::size_t place = at_;
      item.rule = rule_named(name(), place).id;
    } else {
      fail(ErrorCode::bad_format, "expected a literal, a class, a rule, '(' or '.'");
    }
    return item;
  }

  CharSet char_class() {
    ++at_;
    const bool is_negated = skip(U'^');
    std::vector<CharRange> ranges;
    while (!at_end() && peek() != U']' && !problem_) {
      const char32_t low = one_char();
      char32_t high = low;
      if (peek() == U'-' && at_ + 1 < chars_.size() && chars_[at_ + 1] != U']') {
        ++at_;
        high = one_char();
      }
      if (high < low) fail(ErrorCode::bad_format, "a range in [] that runs backwards");
      ranges.push_back({low, high});
    }
    if (!skip(U']')) fail(ErrorCode::bad_format, "'[' is not closed");
    const CharSet set(std::move(ranges));
    return is_negated ? set.complement() : set;
  }

  char32_t one_char() {
    const char32_t c = chars_[at_++];
    if (c != U'\\') return c;
    const char32_t kind = peek();
    ++at_;
    if (const auto known = common_escape(kind)) return *known;
    switch (kind) {
      case U'\\':
      case U'"':
      case U'[':
      case U']':
      case U'-':
      case U'^':
        return kind;
      default:
        fail(ErrorCode::bad_format, "unknown escape");
        return U' ';
    }
  }

  void quantify(RuleItem& item) {
    if (skip(U'*')) {
      item.min = 0;
      item.max = kUnbounded;
    } else if (skip(U'+')) {
      item.max = kUnbounded;
    } else if (skip(U'?')) {
      item.min = 0;
    } else if (skip(U'{')) {
      const auto low = number();
      skip_space(false);
      item.min = item.max = low.value_or(0);
      if (skip(U',')) {
        skip_space(false);
        item.max = number().value_or(kUnbounded);
        skip_space(false);
      }
      if (!low || !skip(U'}') || item.max < item.min)
        return fail(ErrorCode::bad_format, "expected {m}, {m,} or {m,n} with m <= n");
      if (item.min > kMostRepetitions || (item.max != kUnbounded && item.max > kMostRepetitions))
        return fail(ErrorCode::unsupported,
                    fmt::format("more than {} repetitions", kMostRepetitions));
    } else {
      return;
    }
    const char32_t next = peek();
    if (next == U'*' || next == U'+' || next == U'?' || next == U'{')
      fail(ErrorCode::bad_format, "a repetition of a repetition: use parentheses");
  }

  void check_names() {
    if (!rules_.contains("root"))
      return fail_at(0, ErrorCode::bad_format, "there is no rule 'root'");
    for (const auto& [name, rule] : rules_) {
      if (!rule.is_defined) {
        return fail_at(rule.first_use, ErrorCode::bad_format,
                       fmt::format("rule {} is not defined", quote(name)));
      }
    }
  }

  std::size_t depth_ = 0;
  GrammarBuilder builder_;
  std::map<std::string, Rule> rules_;
};

}  // namespace

Result<Grammar> compile_gbnf(std::string_view text, std::string_view source) {
  if (text.size() > kMaxGbnfBytes) {
    return error(ErrorCode::unsupported, "{}: expected at most {} bytes of grammar, found {}",
                 source, kMaxGbnfBytes, text.size());
  }
  return GbnfParser(text, source).parse();
}

}  // namespace hadal::grammar
