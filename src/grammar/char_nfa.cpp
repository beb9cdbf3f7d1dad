#include "grammar/char_nfa.h"

#include <map>
#include <utility>

namespace hadal::grammar {
namespace {

Error too_large(std::string_view what) {
  return error(ErrorCode::unsupported,
               "{} needs more than {} states or {} edges; use smaller bounds", what, kMaxNfaStates,
               kMaxNfaEdges);
}

}  // namespace

Result<CharNfa> nfa_of_length(std::uint32_t min, std::uint32_t max) {
  const std::uint32_t n = max == kUnbounded ? min + 1 : max;
  if (n >= kMaxNfaStates) return too_large("a length together with a pattern");
  CharNfa nfa;
  nfa.states.resize(n + 1);
  for (std::uint32_t i = 0; i <= n; ++i) {
    nfa.states[i].accepts = i >= min;
    if (i > 0) nfa.states[i].entered_by = CharSet::all();
    if (i < n) nfa.states[i].next.push_back(i + 1);
  }
  if (max == kUnbounded) nfa.states[n].next.push_back(n);
  return nfa;
}

Result<CharNfa> intersect(const CharNfa& a, const CharNfa& b) {
  CharNfa both;
  std::map<std::pair<std::uint32_t, std::uint32_t>, std::uint32_t> ids = {{{0, 0}, 0}};
  std::vector<std::pair<std::uint32_t, std::uint32_t>> pairs = {{0, 0}};
  both.states.push_back({{}, {}, a.states[0].accepts && b.states[0].accepts});
  std::size_t n_edges = 0;
  for (std::size_t at = 0; at < pairs.size(); ++at) {
    const auto [p, q] = pairs[at];
    for (const std::uint32_t p2 : a.states[p].next) {
      for (const std::uint32_t q2 : b.states[q].next) {
        if (++n_edges > kMaxNfaEdges) return too_large("the intersection of patterns");
        const auto known = ids.find({p2, q2});
        if (known != ids.end()) {
          both.states[at].next.push_back(known->second);
          continue;
        }
        CharSet common = a.states[p2].entered_by & b.states[q2].entered_by;
        if (common.empty()) continue;
        if (pairs.size() >= kMaxNfaStates) return too_large("the intersection of patterns");
        const auto id = static_cast<std::uint32_t>(pairs.size());
        ids.emplace(std::pair(p2, q2), id);
        pairs.emplace_back(p2, q2);
        both.states.push_back(
            {std::move(common), {}, a.states[p2].accepts && b.states[q2].accepts});
        both.states[at].next.push_back(id);
      }
    }
  }
  return both;
}

StateId write_nfa(GrammarBuilder& builder, const CharNfa& nfa, CharEncoding encoding,
                  StateId next) {
  const std::size_t n = nfa.states.size();
  std::vector<StateId> behind(n), entry(n, kReturn);
  for (StateId& id : behind) id = builder.undecided();
  for (std::size_t i = 1; i < n && !builder.full(); ++i)
    entry[i] = read_char(builder, nfa.states[i].entered_by, encoding, behind[i]);
  for (std::size_t i = 0; i < n && !builder.full(); ++i) {
    std::vector<StateId> targets;
    if (nfa.states[i].accepts) targets.push_back(next);
    for (const std::uint32_t target : nfa.states[i].next) targets.push_back(entry[target]);
    builder.decide(behind[i], std::move(targets));
  }
  return behind[0];
}

bool nfa_accepts(const CharNfa& nfa, std::string_view text) {
  std::vector<std::uint32_t> now = {0};
  for (const char32_t c : decode_chars(text)) {
    std::vector<bool> is_in(nfa.states.size(), false);
    std::vector<std::uint32_t> then;
    for (const std::uint32_t at : now) {
      for (const std::uint32_t target : nfa.states[at].next) {
        if (is_in[target] || !nfa.states[target].entered_by.contains(c)) continue;
        is_in[target] = true;
        then.push_back(target);
      }
    }
    now = std::move(then);
  }
  for (const std::uint32_t at : now)
    if (nfa.states[at].accepts) return true;
  return false;
}

}  // namespace hadal::grammar
