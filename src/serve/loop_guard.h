// Notices a model that says the same thing again and again (serving.md section 6).
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace hadal {

/// A loop: the newest kMinTokens tokens or more, and kMinCopies copies or more, repeat with a
/// period of at most kMaxPeriod tokens, exactly. Lists and tables repeat their words, but not that
/// long without a difference.
class LoopGuard {
 public:
  static constexpr std::size_t kMaxPeriod = 256;
  static constexpr std::size_t kMinTokens = 384;
  static constexpr std::size_t kMinCopies = 8;

  /// Takes the next token. True: it goes round in a loop. O(kMaxPeriod).
  bool take(std::int32_t token);

 private:
  std::vector<std::int32_t> tokens_;
  std::vector<std::size_t> runs_ =
      std::vector<std::size_t>(kMaxPeriod + 1, 0);  ///< by period: newest tokens that repeat
};

}  // namespace hadal
