// What can be said of a grammar before it runs: which states reach an end, which match nothing,
// where it would call itself without reading a byte. Linear in its size.
#pragma once

#include "grammar/grammar.h"

#include <optional>
#include <vector>

namespace hadal::grammar {

/// Per state: some text leads from it to the end of its rule (kReturn) or of all (kAccept).
std::vector<bool> find_productive(const Grammar& grammar);

/// Per state: the empty text does.
std::vector<bool> find_nullable(const Grammar& grammar);

struct LeftPaths {
  std::optional<StateId> recursive_call;  ///< a call that leads back to itself without a byte
  std::size_t depth = 0;                  ///< states on the longest way to a first byte
};

/// Looks at productive states only.
LeftPaths find_left_paths(const Grammar& grammar, const std::vector<bool>& nullable,
                          const std::vector<bool>& productive);

}  // namespace hadal::grammar
