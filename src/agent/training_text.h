// What the built-in model reads in training: plain narratives, the same episodes as conversations
// in the V4 chat format, and a little small talk (world-model.md 3.2).
#pragma once

#include "worlds/counterfactual_pair.h"
#include "worlds/narrator.h"

#include <cstdint>
#include <optional>
#include <vector>

namespace hadal {

struct TrainingTextOptions {
  worlds::WorldOptions world;
  worlds::DomainChoice domains;
  int max_depth = 3;                 ///< depths 1..max_depth
  double depth_one_share = 1.0 / 3;  ///< sequences of depth 1; the rest is shared equally
  double chat_share = 1.0 / 3;       ///< sequences in the chat format
  double tools_share =
      0.25;  ///< of these: with the full tool section of deepseek-v4.md 11.4 in the system text
  double small_talk_share = 0.02;
  /// Sequences whose worlds have as many mechanisms as world.min_mechanisms .. max_mechanisms say;
  /// the rest follows distractor_ratio, so that small worlds stay in the mix.
  double sized_share = 1.0;
};

/// Sequence `index` of the stream (split, seed): text cut at special tokens, with a loss weight per
/// token of each piece. Pure function of its arguments; any thread. @param max_depth  at most
/// options.max_depth (curriculum)
std::vector<worlds::Piece> training_text(worlds::Split split, std::uint64_t seed,
                                         std::uint64_t index, const TrainingTextOptions& options,
                                         int max_depth);

/// The world of sequence `index`, told twice with one intervention between (also where the sequence
/// itself is small talk); nothing if it has no such pair.
std::optional<worlds::CounterfactualPair> training_pair(worlds::Split split, std::uint64_t seed,
                                                        std::uint64_t index,
                                                        const TrainingTextOptions& options,
                                                        int max_depth);

/// An episode as a conversation. Assistant turns carry the weight of acts, mistakes none.
std::vector<worlds::Piece> chat_training_text(const worlds::WorldKey& key,
                                              const worlds::WorldOptions& options,
                                              bool with_tool_section);

}  // namespace hadal
