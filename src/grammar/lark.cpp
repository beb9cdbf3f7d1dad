#include "grammar/lark.h"

#include "formats/quote.h"
#include "grammar/regex.h"
#include "grammar/rule_items.h"
#include "grammar/text_cursor.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

namespace hadal::grammar {
namespace {

struct CommonTerminal {
  std::string_view name, definition;
};
/// What Lark's own common.lark defines, without its look-behinds: the languages are the same.
constexpr std::array kCommonTerminals = {
    CommonTerminal{"DIGIT", R"("0".."9")"},
    CommonTerminal{"HEXDIGIT", R"("a".."f" | "A".."F" | DIGIT)"},
    CommonTerminal{"INT", "DIGIT+"},
    CommonTerminal{"SIGNED_INT", R"(["+" | "-"] INT)"},
    CommonTerminal{"DECIMAL", R"(INT "." INT? | "." INT)"},
    CommonTerminal{"_EXP", R"(("e" | "E") SIGNED_INT)"},
    CommonTerminal{"FLOAT", "INT _EXP | DECIMAL _EXP?"},
    CommonTerminal{"SIGNED_FLOAT", R"(["+" | "-"] FLOAT)"},
    CommonTerminal{"NUMBER", "FLOAT | INT"},
    CommonTerminal{"SIGNED_NUMBER", R"(["+" | "-"] NUMBER)"},
    CommonTerminal{"ESCAPED_STRING", R"(/"([^"\\\n]|\\.)*"/)"},
    CommonTerminal{"LCASE_LETTER", R"("a".."z")"},
    CommonTerminal{"UCASE_LETTER", R"("A".."Z")"},
    CommonTerminal{"LETTER", "UCASE_LETTER | LCASE_LETTER"},
    CommonTerminal{"WORD", "LETTER+"},
    CommonTerminal{"CNAME", R"(("_" | LETTER) ("_" | LETTER | DIGIT)*)"},
    CommonTerminal{"WS_INLINE", R"((" " | /\t/)+)"},
    CommonTerminal{"WS", R"(/[ \t\f\r\n]/+)"},
    CommonTerminal{"CR", R"(/\r/)"},
    CommonTerminal{"LF", R"(/\n/)"},
    CommonTerminal{"NEWLINE", "(CR? LF)+"},
    CommonTerminal{"SH_COMMENT", R"(/#[^\n]*/)"},
    CommonTerminal{"CPP_COMMENT", R"(/\/\/[^\n]*/)"},
    CommonTerminal{"C_COMMENT", R"(/\/\*([^*]|\*+[^*\/])*\*+\//)"},
    CommonTerminal{"SQL_COMMENT", R"(/--[^\n]*/)"}};

/// Names of common terminals inside of the grammar; no name of a text has a dot.
constexpr std::string_view kCommonPrefix = "common.";

bool is_upper(char32_t c) {
  return c >= U'A' && c <= U'Z';
}
bool is_lower(char32_t c) {
  return c >= U'a' && c <= U'z';
}

/// Rules are in small letters, terminals in capitals.
bool is_terminal_name(std::string_view name) {
  const auto first = name.find_first_not_of('_');
  return first != std::string_view::npos && is_upper(static_cast<unsigned char>(name[first]));
}

RuleItem rule_item(RuleId rule) {
  RuleItem item;
  item.kind = RuleItem::Kind::rule;
  item.rule = rule;
  return item;
}

RuleItem group_item(RuleAlternatives alternatives) {
  RuleItem item;
  item.kind = RuleItem::Kind::group;
  item.alternatives = std::move(alternatives);
  return item;
}

RuleItem chars_item(CharSet set) {
  RuleItem item;
  item.kind = RuleItem::Kind::chars;
  item.chars = std::move(set);
  return item;
}

class Reader : private TextCursor {
 public:
  Reader(GrammarBuilder& builder, std::string_view text, std::string_view source)
      : TextCursor(text, source), builder_(builder) {}

  Result<RuleId> read() {
    skip_space(/*over_lines=*/true);
    while (!at_end() && !problem_ && !builder_.full()) {
      if (peek() == U'%') {
        directive();
      } else {
        definition();
      }
      skip_space(/*over_lines=*/true);
    }
    if (!problem_ && builder_.full())
      return error(ErrorCode::unsupported, "{}: the grammar is too large", source_);
    if (!problem_) check_names();
    if (problem_) return *problem_;
    return write();
  }

 private:
  struct Rule {
    RuleId id = 0;
    bool is_defined = false;
    bool is_terminal = false;
    std::size_t first_use = 0;  ///< place in chars_
    RuleAlternatives body;
  };

  // --- Characters

  void refuse(std::string_view what) {
    fail(ErrorCode::unsupported, fmt::format("{} is not supported", what));
  }

  void skip_space(bool over_lines) {
    while (!at_end()) {
      const char32_t c = peek();
      if (c == U'#' || (c == U'/' && peek(1) == U'/')) {
        while (!at_end() && peek() != U'\n') ++at_;
      } else if (c == U' ' || c == U'\t' || c == U'\r' || (over_lines && c == U'\n')) {
        ++at_;
      } else if (c == U'\\' && peek(1) == U'\n') {  // the line goes on
        at_ += 2;
      } else {
        return;
      }
    }
  }
  void end_of_line() {
    skip_space(false);
    if (!at_end() && peek() != U'\n') fail(ErrorCode::bad_format, "expected the end of the line");
  }

  bool at_name() const {
    const char32_t c = peek();
    return c == U'_' || is_lower(c) || is_upper(c);
  }
  std::string name() {
    std::string name;
    while (at_name() || is_digit(peek())) name += static_cast<char>(chars_[at_++]);
    if (name.empty()) fail(ErrorCode::bad_format, "expected a name");
    return name;
  }

  // --- Statements

  Rule& rule_named(const std::string& name, std::size_t place) {
    const auto [rule, is_new] = rules_.try_emplace(name);
    if (is_new) {
      rule->second.id = builder_.add_rule(fmt::format("rule {} of {}", quote(name), source_));
      rule->second.is_terminal = is_terminal_name(name) || name.starts_with(kCommonPrefix);
      rule->second.first_use = place;
    }
    return rule->second;
  }

  void define(const std::string& name, std::size_t place, RuleAlternatives body) {
    if (problem_) return;
    Rule& rule = rule_named(name, place);
    if (rule.is_defined) {
      return fail_at(place, ErrorCode::bad_format, fmt::format("{} is defined twice", quote(name)));
    }
    rule.is_defined = true;
    rule.body = std::move(body);
  }

  void definition() {
    while (skip(U'?') || skip(U'!')) {
    }
    const std::size_t place = at_;
    const std::string defined = name();
    if (peek() == U'{') return refuse("a template");
    skip_space(false);
    if (skip(U'.')) {  // a priority
      skip(U'-');
      if (!number()) return fail(ErrorCode::bad_format, "expected a priority behind '.'");
      skip_space(false);
    }
    if (!problem_ && !skip(U':'))
      return fail(ErrorCode::bad_format, "expected ':' behind the name of a rule");
    RuleAlternatives body = alternatives();
    end_of_line();
    define(defined, place, std::move(body));
  }

  void directive() {
    const std::size_t place = at_;
    ++at_;
    const std::string kind = name();
    skip_space(false);
    if (kind == "ignore") {
      for (RuleSequence& sequence : alternatives()) ignored_.push_back(std::move(sequence));
      end_of_line();
    } else if (kind == "import") {
      import();
    } else {
      at_ = place;
      refuse("%" + kind);
    }
  }

  void import() {
    if (!skip(U"common")) return refuse("an import that is not from common");
    std::vector<std::string> names;
    std::string alias;
    skip_space(false);
    if (skip(U'.')) {
      names.push_back(name());
      skip_space(false);
      if (skip(U"->")) {
        skip_space(false);
        alias = name();
      }
    } else if (skip(U'(')) {
      do {
        skip_space(true);
        names.push_back(name());
        skip_space(true);
      } while (!problem_ && skip(U','));
      if (!skip(U')')) fail(ErrorCode::bad_format, "expected ')'");
    } else {
      fail(ErrorCode::bad_format, "expected '.' and a name, or names in parentheses");
    }
    const std::size_t place = at_;
    for (const std::string& imported : names) {
      const auto rule = common_terminal(imported);
      if (!rule) {
        return fail_at(place, ErrorCode::unsupported,
                       fmt::format("common has no terminal {}", quote(imported)));
      }
      const std::string& name = alias.empty() ? imported : alias;
      const auto [known, is_new] = imported_.try_emplace(name, *rule);
      if (is_new || known->second != *rule) define(name, place, {{rule_item(*rule)}});
    }
    end_of_line();
  }

  /// Its rule, with those that it needs; nothing if Lark has none of this name.
  std::optional<RuleId> common_terminal(std::string_view name) {
    const auto found = std::find_if(kCommonTerminals.begin(), kCommonTerminals.end(),
                                    [&](const auto& terminal) { return terminal.name == name; });
    if (found == kCommonTerminals.end()) return std::nullopt;
    const std::string full = std::string(kCommonPrefix) + std::string(name);
    if (const auto known = rules_.find(full); known != rules_.end()) return known->second.id;
    const RuleId id = rule_named(full, at_).id;
    // The definition is read in place of the text.
    std::u32string outer = std::exchange(chars_, decode_chars(found->definition));
    const std::size_t outer_at = std::exchange(at_, 0);
    const bool outer_common = std::exchange(in_common_, true);
    RuleAlternatives body = alternatives();
    chars_ = std::move(outer);
    at_ = outer_at;
    in_common_ = outer_common;
    define(full, at_, std::move(body));
    return id;
  }

  // --- Right-hand sides

  RuleAlternatives alternatives() {
    RuleAlternatives all;
    do {
      all.push_back(sequence());
    } while (!problem_ && skip_or());
    return all;
  }

  /// '|', which may stand at the beginning of the next line.
  bool skip_or() {
    const std::size_t before = at_;
    skip_space(true);
    if (skip(U'|')) return true;
    at_ = before;
    return false;
  }

  bool at_end_of_sequence() {
    skip_space(/*over_lines=*/depth_ > 0);
    const char32_t c = peek();
    return problem_ || at_end() || c == U'|' || c == U')' || c == U']' || c == U'\n' ||
           (c == U'-' && peek(1) == U'>');
  }

  RuleSequence sequence() {
    RuleSequence items;
    while (!at_end_of_sequence()) {
      RuleItem item = parse_item();
      if (problem_) return items;
      skip_space(false);
      quantify(item);
      items.push_back(std::move(item));
    }
    if (skip(U"->")) {  // an alias
      skip_space(false);
      name();
    }
    return items;
  }

  RuleItem parse_item() {
    const char32_t c = peek();
    if (c == U'"') return string_or_range();
    if (c == U'/') return regular_expression();
    if (c == U'(' || c == U'[') return bracketed();
    if (at_name()) return reference();
    fail(ErrorCode::bad_format, "expected a name, a string, a regular expression, '(' or '['");
    return {};
  }

  RuleItem reference() {
    const std::size_t place = at_;
    const std::string referred = name();
    if (peek() == U'{') refuse("a template");
    // Inside of common every name is one of common's.
    if (in_common_) return rule_item(common_terminal(referred).value());
    return rule_item(rule_named(referred, place).id);
  }

  RuleItem bracketed() {
    const bool is_optional = peek() == U'[';
    ++at_;
    if (++depth_ > kMaxLarkDepth) {
      fail(ErrorCode::unsupported, fmt::format("more than {} open parentheses", kMaxLarkDepth));
      return {};
    }
    RuleItem item = group_item(alternatives());
    skip_space(true);
    --depth_;
    if (!skip(is_optional ? U']' : U')'))
      fail(ErrorCode::bad_format, is_optional ? "expected ']'" : "expected ')'");
    if (!is_optional) return item;
    RuleItem option = group_item({{std::move(item)}});
    option.alternatives.emplace_back();
    return option;
  }

  RuleItem string_or_range() {
    const std::u32string text = string();
    const bool ignores_case = peek() == U'i' && skip(U'i');
    skip_space(false);
    if (!problem_ && peek() == U'.' && peek(1) == U'.') {
      at_ += 2;
      skip_space(false);
      const std::u32string last = peek() == U'"' ? string() : std::u32string();
      if (ignores_case || peek() == U'i') refuse("a range that ignores case");
      if (text.size() != 1 || last.size() != 1 || last < text) {
        fail(ErrorCode::bad_format, "a range goes from one character to a later one");
        return {};
      }
      return chars_item(CharSet({{text[0], last[0]}}));
    }
    if (!ignores_case) {
      RuleItem item;
      for (const char32_t c : text) append_utf8(item.literal, c);
      return item;
    }
    RuleSequence letters;
    for (const char32_t c : text) {
      if (c > U'\x7f') refuse("a string with i and characters beyond ASCII");
      const bool is_letter = is_lower(c) || is_upper(c);
      letters.push_back(
          chars_item(is_letter ? CharSet::of(c) | CharSet::of(c ^ 0x20) : CharSet::of(c)));
    }
    return terminal_item("string", write_alternatives(builder_, {std::move(letters)}, kReturn));
  }

  /// A terminal without a name, as a rule: nothing is ignored inside of it.
  RuleItem terminal_item(std::string_view what, StateId body) {
    const RuleId id = builder_.add_rule(fmt::format("a {} of {}", what, source_));
    builder_.define_rule(id, body);
    terminals_.insert(id);
    return rule_item(id);
  }

  std::u32string string() {
    std::u32string text;
    ++at_;
    while (!at_end() && peek() != U'"' && peek() != U'\n' && !problem_) text += one_char();
    if (!problem_ && !skip(U'"')) fail(ErrorCode::bad_format, "a string is not closed");
    return text;
  }

  char32_t one_char() {
    const char32_t c = chars_[at_++];
    if (c != U'\\') return c;
    const char32_t kind = peek();
    ++at_;
    if (const auto known = common_escape(kind)) return *known;
    if (kind == U'f') return U'\f';
    if (kind == U'\\' || kind == U'"') return kind;
    --at_;  // as Lark does: both characters stand for themselves
    return c;
  }

  RuleItem regular_expression() {
    const std::size_t place = at_++;
    std::string pattern;
    while (!at_end() && peek() != U'/' && peek() != U'\n') {
      if (peek() == U'\\' && peek(1) == U'/') ++at_;
      if (peek() == U'\\') append_utf8(pattern, chars_[at_++]);
      if (!at_end()) append_utf8(pattern, chars_[at_++]);
    }
    if (!skip(U'/')) fail(ErrorCode::bad_format, "a regular expression is not closed");
    RegexDialect dialect = RegexDialect::python;
    for (; is_lower(peek()) && !problem_; ++at_) {
      if (peek() == U's') {
        dialect = RegexDialect::python_dot_all;
      } else if (peek() != U'u') {
        refuse(fmt::format("the flag {} of a regular expression", static_cast<char>(peek())));
      }
    }
    if (problem_) return {};
    const auto [known, is_new] = expressions_.try_emplace({std::move(pattern), dialect});
    if (!is_new) return known->second;
    const auto nfa = nfa_of(known->first.first, dialect);
    if (!nfa) {
      fail_at(place, nfa.error().code, nfa.error().message);
      return {};
    }
    known->second =
        terminal_item("regular expression", write_nfa(builder_, *nfa, CharEncoding::utf8, kReturn));
    if (builder_.full()) fail_at(place, ErrorCode::unsupported, "the grammar is too large");
    return known->second;
  }

  static Result<CharNfa> nfa_of(std::string_view pattern, RegexDialect dialect) {
    HADAL_ASSIGN(const auto alternatives, parse_regex(pattern, dialect));
    for (const RegexAlternative& one : alternatives)
      if (one.is_anchored_at_start || one.is_anchored_at_end)
        return error(ErrorCode::unsupported, "'^' or '$' cannot be part of a terminal");
    return compile_regex_nfa(pattern, RegexMatch::whole, dialect);
  }

  void quantify(RuleItem& item) {
    std::uint32_t min = 1, max = 1;
    if (skip(U'*')) {
      min = 0, max = kUnbounded;
    } else if (skip(U'+')) {
      max = kUnbounded;
    } else if (skip(U'?')) {
      min = 0;
    } else if (skip(U'~')) {
      skip_space(false);
      const auto low = number();
      min = max = low.value_or(0);
      skip_space(false);
      if (low && skip(U"..")) {
        skip_space(false);
        max = number().value_or(0);
      }
      if (!low || max < min)
        return fail(ErrorCode::bad_format, "expected ~ n or ~ n..m with n <= m");
      if (max > kMostRepetitions) {
        return fail(ErrorCode::unsupported,
                    fmt::format("more than {} repetitions", kMostRepetitions));
      }
    } else {
      return;
    }
    item.min = min;
    item.max = max;
    const char32_t next = peek();
    if (next == U'*' || next == U'+' || next == U'?' || next == U'~')
      fail(ErrorCode::bad_format, "a repetition of a repetition: use parentheses");
  }

  // --- The whole

  void check_names() {
    const auto start = rules_.find("start");
    if (start == rules_.end() || !start->second.is_defined)
      return fail_at(0, ErrorCode::bad_format, "there is no rule 'start'");
    for (const auto& [name, rule] : rules_) {
      if (!rule.is_defined) {
        return fail_at(rule.first_use, ErrorCode::bad_format,
                       fmt::format("{} is not defined", quote(name)));
      }
    }
  }

  RuleId write() {
    std::optional<RuleId> ignored;
    if (!ignored_.empty()) {
      ignored = builder_.add_rule("%ignore");
      builder_.define_rule(*ignored, write_alternatives(builder_, ignored_, kReturn));
    }
    for (const auto& [name, rule] : rules_)
      if (rule.is_terminal) terminals_.insert(rule.id);
    for (auto& [name, rule] : rules_) {
      if (ignored && !rule.is_terminal) let_ignore(rule.body, *ignored);
      builder_.define_rule(rule.id, write_alternatives(builder_, rule.body, kReturn));
    }
    const RuleId start = rules_.at("start").id;
    if (!ignored) return start;
    const RuleId whole = builder_.add_rule("start with %ignore");
    RuleItem rest = rule_item(*ignored);
    rest.min = 0, rest.max = kUnbounded;
    builder_.define_rule(
        whole, write_alternatives(builder_, {{rule_item(start), std::move(rest)}}, kReturn));
    return whole;
  }

  /// Puts what is ignored before every terminal.
  void let_ignore(RuleAlternatives& body, RuleId ignored) const {
    for (RuleSequence& sequence : body) {
      for (RuleItem& item : sequence) {
        if (item.kind == RuleItem::Kind::group) {
          let_ignore(item.alternatives, ignored);
          continue;
        }
        if (item.kind == RuleItem::Kind::rule && terminals_.count(item.rule) == 0) continue;
        RuleItem before = rule_item(ignored);
        before.min = 0, before.max = kUnbounded;
        RuleItem both;
        both.min = std::exchange(item.min, 1);
        both.max = std::exchange(item.max, 1);
        both.kind = RuleItem::Kind::group;
        both.alternatives.emplace_back();
        both.alternatives.back().push_back(std::move(before));
        both.alternatives.back().push_back(std::move(item));
        item = std::move(both);
      }
    }
  }

  GrammarBuilder& builder_;
  std::size_t depth_ = 0;
  bool in_common_ = false;
  std::map<std::string, Rule, std::less<>> rules_;
  std::map<std::string, RuleId> imported_;
  /// One rule for each, however often it stands in the text.
  std::map<std::pair<std::string, RegexDialect>, RuleItem> expressions_;
  std::set<RuleId> terminals_;
  RuleAlternatives ignored_;
};

}  // namespace

Result<RuleId> add_lark(GrammarBuilder& builder, std::string_view text, std::string_view source) {
  if (text.size() > kMaxLarkBytes) {
    return error(ErrorCode::unsupported, "{}: expected at most {} bytes of grammar, found {}",
                 source, kMaxLarkBytes, text.size());
  }
  return Reader(builder, text, source).read();
}

Result<Grammar> compile_lark(std::string_view text, std::string_view source) {
  GrammarBuilder builder;
  HADAL_ASSIGN(const RuleId root, add_lark(builder, text, source));
  return std::move(builder).finish(root, source);
}

}  // namespace hadal::grammar
