#include "eval/equal_loss.h"

#include <algorithm>
#include <cmath>
#include <vector>

namespace hadal::eval {

Result<double> cost_at_loss(std::span<const CostPoint> dense, double loss) {
  if (dense.size() < 2)
    return error(ErrorCode::invalid_argument, "two dense models at least, found {}", dense.size());
  std::vector<CostPoint> points(dense.begin(), dense.end());
  std::sort(points.begin(), points.end(),
            [](const auto& a, const auto& b) { return a.cost < b.cost; });
  if (!(points.front().cost > 0.0))
    return error(ErrorCode::invalid_argument, "costs must be positive, found {}",
                 points.front().cost);
  for (std::size_t i = 0; i + 1 < points.size(); ++i) {
    const CostPoint &a = points[i], &b = points[i + 1];
    if (std::min(a.loss, b.loss) > loss || std::max(a.loss, b.loss) < loss) continue;
    if (a.loss == loss) return a.cost;
    const double share = (loss - a.loss) / (b.loss - a.loss);
    const double log_a = std::log(a.cost), log_b = std::log(b.cost);
    return std::exp(log_a + share * (log_b - log_a));
  }
  const auto [best, worst] = std::minmax_element(
      points.begin(), points.end(), [](const auto& a, const auto& b) { return a.loss < b.loss; });
  return error(
      ErrorCode::invalid_argument,
      "loss {} lies outside of the dense models' {} to {}; train a dense model beyond that "
      "end",
      loss, best->loss, worst->loss);
}

}  // namespace hadal::eval
