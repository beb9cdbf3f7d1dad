// Auxiliary losses on the latents of events (world-model.md 2.7): prediction of an event's latent
// from those of its causes, and pairs of sequences that differ in one intervention. Training only.
#pragma once

#include "train/pair_stream.h"
#include "train/world_model.h"

#include <cstdint>
#include <span>
#include <vector>

#include <ATen/ATen.h>

namespace hadal::train {

/// Rows of Latents that stand for an event; -1: the event has no such token.
struct EventRows {
  std::int64_t colon;  ///< its <|:|>
  std::int64_t close;  ///< its <|/ev|>: the event's latent
};

/// Those of the events of one sequence. @param ids  its tokens, as pushed. @param first_row  of the
/// sequence in Latents
std::vector<EventRows> event_rows(const EventGraph& graph, std::span<const std::int64_t> ids,
                                  const StructureTokens& tokens, std::int64_t first_row);

/// What an event is predicted from, or two events are compared by.
struct LatentLoss {
  at::Tensor loss;  ///< scalar with gradient, guard included; undefined: nothing to predict
  std::size_t n_events = 0;     ///< predicted
  double log_std = 0.0;         ///< mean over dimensions of log std of the event latents
  double effective_rank = 0.0;  ///< of the event latents, see below
};

/// Latent prediction: for each closed act and obs with causes before it, a latent from theirs
/// (attention pooling, the query by kind; for obs also its act) and from u_0 at its <|:|>:
///   c = sum_p softmax_p(z_p . e_kind / sqrt w) z_p,  zhat = W_2 silu(W_0 [c; u_0] + b_0) + b_2,
///   mean over events of smoothL1(LN zhat, LN z), no gradient into z.
/// Collapse guard: while the effective rank of all event latents is below w / 8, plus
/// 0.04 mean_d max(0, 1 - std_d). @param ids  int64 [B, S], those of `masks`
LatentLoss latent_loss(const LatentPredictor& predictor, const Latents& latents,
                       const EventMasks& masks, const at::Tensor& ids,
                       const StructureTokens& tokens);

/// exp of the entropy of the normalised singular values of x [M, w] less its mean (Roy, Vetterli
/// 2007); 0 for M < 2 or a constant.
double effective_rank(const at::Tensor& x);

/// Mean over pairs of D (together) and max(0, 0.5 - D) (apart), D = mean_d (LN z - LN z')_d^2,
/// which is about 2 for unrelated latents: the mean, so that the margin means the same at every w.
/// z, z' are rows of u_T [N, w]. 0 without pairs.
at::Tensor counterfactual_loss(const at::Tensor& latents, std::span<const EventPair> pairs);

}  // namespace hadal::train
