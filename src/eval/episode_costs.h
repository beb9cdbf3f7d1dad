// What the episodes of an evaluation cost to compute, from the shapes of the model.
#pragma once

#include "engine/model/costs.h"
#include "eval/episode_table.h"

#include <cstdint>
#include <span>

namespace hadal::eval {

/// Operations of the model in this episode (token_flops()): every token once, its keys and values
/// being kept, and logits for each token written. The world model's attention counts as if it saw
/// all tokens; under a causal graph it sees fewer.
std::uint64_t episode_flops(const ModelConfig& config, const EpisodeRow& row);
/// Of all episodes, per solved one; 0 if none was solved.
double flops_per_solved(const ModelConfig& config, std::span<const EpisodeRow> rows);

}  // namespace hadal::eval
