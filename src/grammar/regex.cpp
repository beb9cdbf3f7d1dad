#include "grammar/regex.h"

#include "formats/quote.h"
#include "grammar/regex_syntax.h"

#include <utility>
#include <vector>

namespace hadal::grammar {
namespace {

using Positions = std::vector<std::uint32_t>;

// Glushkov's construction: one state per character of the (unrolled) expression.
class NfaWriter {
 public:
  NfaWriter() { nfa_.states.emplace_back(); }

  struct Part {
    bool is_nullable = true;
    Positions first, last;
  };

  Part write(const RegexNode& node) {
    if (is_too_large_) return {};
    switch (node.kind) {
      case RegexNode::Kind::chars: {
        if (nfa_.states.size() >= kMaxNfaStates) {
          is_too_large_ = true;
          return {};
        }
        const auto id = static_cast<std::uint32_t>(nfa_.states.size());
        nfa_.states.push_back({node.chars, {}, false});
        return {false, {id}, {id}};
      }
      case RegexNode::Kind::sequence: {
        Part all;
        for (const RegexNode& child : node.children) all = join(std::move(all), write(child));
        return all;
      }
      case RegexNode::Kind::choice: {
        Part any{false, {}, {}};
        for (const RegexNode& child : node.children) {
          const Part part = write(child);
          any.is_nullable |= part.is_nullable;
          append(any.first, part.first);
          append(any.last, part.last);
        }
        return any;
      }
      case RegexNode::Kind::repeat:
        return write_repeat(node);
    }
    return {};
  }

  Result<CharNfa> finish(const Part& part) {
    connect({0}, part.first);
    nfa_.states[0].accepts = part.is_nullable;
    for (const std::uint32_t id : part.last) nfa_.states[id].accepts = true;
    if (is_too_large_) {
      return error(ErrorCode::unsupported,
                   "it needs more than {} states or {} edges; use smaller bounds", kMaxNfaStates,
                   kMaxNfaEdges);
    }
    return std::move(nfa_);
  }

 private:
  Part write_repeat(const RegexNode& node) {
    const RegexNode& child = node.children.front();
    Part all;
    for (std::uint32_t i = 0; i + 1 < node.min && !is_too_large_; ++i)
      all = join(std::move(all), write(child));
    if (node.max == kUnbounded) {
      Part loop = write(child);
      connect(loop.last, loop.first);
      loop.is_nullable |= node.min == 0;
      return join(std::move(all), std::move(loop));
    }
    if (node.min > 0) all = join(std::move(all), write(child));
    // x{0,3} is (x(x(x)?)?)?: written from the left, every copy may be the last.
    Part optional;
    Positions before;  // ends of the copy before
    for (std::uint32_t i = node.min; i < node.max && !is_too_large_; ++i) {
      const Part copy = write(child);
      if (i == node.min || copy.is_nullable) append(optional.first, copy.first);
      connect(copy.is_nullable ? optional.last : before, copy.first);
      append(optional.last, copy.last);
      before = copy.last;
    }
    return join(std::move(all), std::move(optional));
  }

  Part join(Part a, Part b) {
    connect(a.last, b.first);
    if (a.is_nullable) append(a.first, b.first);
    if (b.is_nullable) {
      append(b.last, a.last);
    }
    return {a.is_nullable && b.is_nullable, std::move(a.first), std::move(b.last)};
  }

  void connect(const Positions& from, const Positions& to) {
    n_edges_ += from.size() * to.size();
    if (n_edges_ > kMaxNfaEdges) is_too_large_ = true;
    if (is_too_large_) return;
    for (const std::uint32_t id : from) append(nfa_.states[id].next, to);
  }

  void append(Positions& list, const Positions& more) {
    n_edges_ += more.size() / 16;  // lists cost time too
    if (n_edges_ > kMaxNfaEdges) is_too_large_ = true;
    if (!is_too_large_) list.insert(list.end(), more.begin(), more.end());
  }

  CharNfa nfa_;
  std::size_t n_edges_ = 0;
  bool is_too_large_ = false;
};

RegexNode anything() {
  RegexNode any;
  any.kind = RegexNode::Kind::chars;
  any.chars = CharSet::all();
  RegexNode loop;
  loop.kind = RegexNode::Kind::repeat;
  loop.min = 0;
  loop.max = kUnbounded;
  loop.children.push_back(std::move(any));
  return loop;
}

}  // namespace

Result<CharNfa> compile_regex_nfa(std::string_view pattern, RegexMatch match,
                                  RegexDialect dialect) {
  HADAL_ASSIGN(auto alternatives, parse_regex(pattern, dialect));
  RegexNode all;
  all.kind = RegexNode::Kind::choice;
  for (RegexAlternative& alternative : alternatives) {
    RegexNode line;
    const bool anywhere = match == RegexMatch::anywhere;
    if (anywhere && !alternative.is_anchored_at_start) line.children.push_back(anything());
    line.children.push_back(std::move(alternative.node));
    if (anywhere && !alternative.is_anchored_at_end) line.children.push_back(anything());
    all.children.push_back(std::move(line));
  }
  NfaWriter writer;
  const auto part = writer.write(all);
  auto nfa = writer.finish(part);
  if (nfa) return nfa;
  return Error{nfa.error().code,
               fmt::format("regular expression {}: {}", quote(pattern), nfa.error().message)};
}

Result<RuleId> add_regex(GrammarBuilder& builder, std::string_view pattern) {
  HADAL_ASSIGN(const CharNfa nfa, compile_regex_nfa(pattern, RegexMatch::whole));
  const RuleId rule = builder.add_rule("regular expression");
  builder.define_rule(rule, write_nfa(builder, nfa, CharEncoding::utf8, kReturn));
  return rule;
}

Result<Grammar> compile_regex(std::string_view pattern) {
  GrammarBuilder builder;
  HADAL_ASSIGN(const RuleId root, add_regex(builder, pattern));
  return std::move(builder).finish(root, "regular expression " + quote(pattern));
}

}  // namespace hadal::grammar
