#include "serve/loop_guard.h"

#include <algorithm>

namespace hadal {

bool LoopGuard::take(std::int32_t token) {
  bool is_loop = false;
  const std::size_t n = tokens_.size();
  for (std::size_t period = 1; period <= std::min(kMaxPeriod, n); ++period) {
    std::size_t& run = runs_[period];
    run = tokens_[n - period] == token ? run + 1 : 0;
    // The first copy is in front of the run.
    is_loop |= run + period >= std::max(kMinTokens, kMinCopies * period);
  }
  tokens_.push_back(token);
  return is_loop;
}

}  // namespace hadal
