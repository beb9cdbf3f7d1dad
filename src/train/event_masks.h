// The event graphs of a batch as dense attention masks, for training; the engine walks the ranges
// instead.
#pragma once

#include "engine/model/world_model_config.h"

#include <cstdint>
#include <span>
#include <vector>

#include <ATen/ATen.h>

namespace hadal::train {

/// Which rows one sequence gets.
struct SequenceMask {
  MaskMode mode = MaskMode::causal_graph;
  std::uint64_t seed = 0;  ///< of random_graph

  bool operator==(const SequenceMask&) const = default;
};

/// The rows of sequence `index` of a stream when nothing is dropped: the config's mode; the graph
/// of random_graph depends on the index alone.
SequenceMask evaluation_mask(const WorldModelConfig& config, std::uint64_t index);
/// The same in training: token_causal with probability mask_dropout, by (seed, index).
SequenceMask training_mask(const WorldModelConfig& config, std::uint64_t seed, std::uint64_t index);

/// B sequences of S tokens.
struct EventMasks {
  /// Added to attention scores: float [B, 1, S, S], 0 where token j is seen by token i, -inf
  /// elsewhere. Undefined: no token sees any.
  at::Tensor bias;
  at::Tensor is_event;  ///< float [B * S, 1]: 1 for the tokens of events, 0 for the root's
  std::vector<EventGraph> graphs;  ///< one a sequence
};

/// @param ids  int64 [B, S], contiguous; padding on the right is read as text, which changes no row
/// before it.
/// @param rows  one a sequence. Memory: 4 B S S bytes. Any thread.
EventMasks make_event_masks(const WorldModelConfig& config, const at::Tensor& ids,
                            std::span<const SequenceMask> rows);

}  // namespace hadal::train
