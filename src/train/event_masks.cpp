#include "train/event_masks.h"

#include "base/check.h"
#include "base/random.h"
#include "engine/model/event_graph.h"

#include <algorithm>
#include <limits>

namespace hadal::train {
namespace {

/// Without structure tokens every token is text.
StructureTokens tokens_of(const WorldModelConfig& config) {
  if (config.structure_tokens) return *config.structure_tokens;
  std::array<std::int32_t, StructureTokens::kCount> none;
  none.fill(-1);
  return StructureTokens::from_list(none);
}

EventGraph graph_of(const WorldModelConfig& config, const SequenceMask& rows,
                    const std::int64_t* ids, std::size_t n) {
  EventGraph graph(tokens_of(config),
                   {.mode = rows.mode, .max_events = config.max_events, .seed = rows.seed});
  for (std::size_t i = 0; i < n; ++i) graph.push(static_cast<std::int32_t>(ids[i]));
  return graph;
}

/// Zeros where token i sees token j; `row` is [n].
void unmask(const EventGraph& graph, std::size_t i, float* row) {
  const VisibleTokens seen = graph.visible(i);
  for (const TokenRange& range : seen.before) std::fill(row + range.begin, row + range.end, 0.0f);
  if (seen.tail <= i) std::fill(row + seen.tail, row + i + 1, 0.0f);
}

}  // namespace

SequenceMask evaluation_mask(const WorldModelConfig& config, std::uint64_t index) {
  return {config.mask, splitmix64_at(fnv1a64("random_graph"), index)};
}

SequenceMask training_mask(const WorldModelConfig& config, std::uint64_t seed,
                           std::uint64_t index) {
  SequenceMask rows = evaluation_mask(config, index);
  RandomStream random(splitmix64_at(seed ^ fnv1a64("mask_dropout"), index));
  if (random.uniform() < config.mask_dropout) rows.mode = MaskMode::token_causal;
  return rows;
}

EventMasks make_event_masks(const WorldModelConfig& config, const at::Tensor& ids,
                            std::span<const SequenceMask> rows) {
  HADAL_CHECK(ids.dim() == 2 && ids.scalar_type() == at::kLong && ids.is_contiguous(),
              "ids are int64 [B, S]");
  const auto batch = static_cast<std::size_t>(ids.size(0)),
             n = static_cast<std::size_t>(ids.size(1));
  HADAL_CHECK(rows.size() == batch, "one mask a sequence");
  EventMasks masks;
  masks.is_event = at::zeros({ids.numel(), 1});
  if (std::any_of(rows.begin(), rows.end(),
                  [](const SequenceMask& r) { return r.mode != MaskMode::none; }))
    masks.bias = at::full({ids.size(0), 1, ids.size(1), ids.size(1)},
                          -std::numeric_limits<double>::infinity(), at::kFloat);
  float* is_event = masks.is_event.data_ptr<float>();
  float* bias = masks.bias.defined() ? masks.bias.data_ptr<float>() : nullptr;
  for (std::size_t b = 0; b < batch; ++b) {
    masks.graphs.push_back(graph_of(config, rows[b], ids.data_ptr<std::int64_t>() + b * n, n));
    const EventGraph& graph = masks.graphs.back();
    for (std::size_t i = 0; i < n; ++i) {
      is_event[b * n + i] = graph.segment(i) > 0 ? 1.0f : 0.0f;
      if (bias == nullptr) continue;
      unmask(graph, i, bias + (b * n + i) * n);
    }
  }
  return masks;
}

}  // namespace hadal::train
