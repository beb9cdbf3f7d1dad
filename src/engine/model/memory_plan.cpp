#include "engine/model/memory_plan.h"

#include <algorithm>

namespace hadal {

WorkShape work_shape(const ModelConfig& c, const PassLimits& limits) {
  const std::size_t context = limits.context > 0 ? limits.context : c.max_position_embeddings;
  WorkShape shape{.n_tokens = limits.n_tokens,
                  .hidden_size = c.hidden_size,
                  .hc_mult = c.hc_mult,
                  .widest_input = std::max({c.hidden_size, c.q_lora_rank, c.o_group_width(),
                                            c.o_groups * c.o_lora_rank}),
                  .n_heads = c.num_attention_heads,
                  .head_dim = c.head_dim,
                  .n_keys = c.sliding_window,
                  .n_index_rows = 0,
                  .index_n_heads = c.index_n_heads,
                  .index_head_dim = c.index_head_dim,
                  .n_routed_experts = c.n_routed_experts,
                  .num_experts_per_tok = c.num_experts_per_tok,
                  .n_shared_experts = c.n_shared_experts,
                  .moe_intermediate_size = c.moe_intermediate_size};
  for (std::size_t layer = 0; layer < c.num_hidden_layers; ++layer) {
    if (c.layer_types[layer] == AttentionType::sliding) continue;
    const std::size_t n_rows = context / c.compress_ratios[layer];
    const bool indexed = c.layer_types[layer] == AttentionType::csa;
    const std::size_t n_selected = indexed ? std::min(c.index_topk, n_rows) : n_rows;
    shape.n_keys = std::max(shape.n_keys, c.sliding_window + n_selected);
    if (indexed) shape.n_index_rows = std::max(shape.n_index_rows, n_rows);
  }
  return shape;
}

}  // namespace hadal
