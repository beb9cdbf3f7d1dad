// Finite automata over characters: what regular expressions become before they are written as
// bytes, so that several expressions and a length can be asked of one string.
#pragma once

#include "base/result.h"
#include "grammar/char_set.h"
#include "grammar/grammar_builder.h"

#include <cstddef>
#include <cstdint>
#include <vector>

namespace hadal::grammar {

inline constexpr std::size_t kMaxNfaStates = 20'000;
inline constexpr std::size_t kMaxNfaEdges = 400'000;

/// Without steps that read nothing. State 0 is the start; every other state is entered by one
/// character of its set.
struct CharNfa {
  struct State {
    CharSet entered_by;
    std::vector<std::uint32_t> next;
    bool accepts = false;
  };
  std::vector<State> states;
};

/// All strings of min to max characters (kUnbounded: no upper limit).
/// Errors: unsupported (kMaxNfaStates).
Result<CharNfa> nfa_of_length(std::uint32_t min, std::uint32_t max);

/// Strings that both accept. Errors: unsupported (kMaxNfaStates, kMaxNfaEdges).
Result<CharNfa> intersect(const CharNfa& a, const CharNfa& b);

/// The strings of `nfa`, then `next`.
StateId write_nfa(GrammarBuilder& builder, const CharNfa& nfa, CharEncoding encoding, StateId next);

/// Whether it accepts `text`, valid UTF-8.
bool nfa_accepts(const CharNfa& nfa, std::string_view text);

}  // namespace hadal::grammar
