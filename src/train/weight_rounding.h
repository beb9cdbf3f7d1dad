// Rounding of weights to the types that the published files use: FP4 for routed experts, FP8 for
// other linears, bf16 for the rest of the matrices. Used for quantisation-aware training
// (straight-through) with the encoder of `convert`.
#pragma once

#include "train/v4_model.h"

namespace hadal::train {

/// Writes the rounded values of `from` into `to` (same model shape, other storage).
void round_weights(const V4Model& from, const V4Model& to);

}  // namespace hadal::train
