// What a dense model must cost to reach the loss of a mixture of experts (world-model.md 4.4).
#pragma once

#include "base/result.h"

#include <span>

namespace hadal::eval {

/// One trained dense model.
struct CostPoint {
  double cost;  ///< > 0: FLOPs, bytes or seconds per token
  double loss;  ///< on the validation split, in any one unit
};

/// The cost per token at which dense models reach `loss`: straight lines between neighbours in the
/// plane of log cost and loss. Where noise makes the curve cross `loss` more than once, the first
/// crossing from the cheap side counts (the smaller saving for the mixture). Points in any order.
/// Errors: invalid_argument (fewer than two points, a cost that is not positive, or no two
/// neighbours bracket the loss: an extrapolation is not a measurement).
Result<double> cost_at_loss(std::span<const CostPoint> dense, double loss);

}  // namespace hadal::eval
