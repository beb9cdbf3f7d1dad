#include "engine/model/costs.h"

#include "base/check.h"

#include <algorithm>
#include <numeric>
#include <string_view>

namespace hadal {
namespace {

/// A matrix product for one token: `rows` outputs of `cols` inputs.
constexpr std::uint64_t product(std::size_t rows, std::size_t cols) {
  return 2 * static_cast<std::uint64_t>(rows) * cols;
}

/// Keys and values of `width`, seen by `n_heads` heads.
constexpr std::uint64_t attend(std::size_t n_keys, std::size_t n_heads, std::size_t width) {
  return 2 * product(n_keys * n_heads, width);
}

std::uint64_t compressor_flops(std::size_t series, std::size_t width, std::size_t d) {
  return 2 * product(series * width, d);  // values and gates
}

/// Projections of one attention layer, with its compressor and indexer.
std::uint64_t projection_flops(const ModelConfig& c, std::size_t layer) {
  const std::size_t d = c.hidden_size, o_rows = c.o_groups * c.o_lora_rank;
  std::uint64_t flops =
      product(c.q_lora_rank, d) + product(c.num_attention_heads * c.head_dim, c.q_lora_rank) +
      product(c.head_dim, d) + product(o_rows, c.o_group_width()) + product(d, o_rows);
  if (c.layer_types[layer] == AttentionType::sliding) return flops;
  flops += compressor_flops(c.compressor_series(layer), c.head_dim, d);
  if (c.layer_types[layer] == AttentionType::hca) return flops;
  return flops + product(c.index_n_heads * c.index_head_dim, c.q_lora_rank) +
         product(c.index_n_heads, d) + compressor_flops(2, c.index_head_dim, d);
}

/// Scores and values of one layer, with the indexer's choice where there is one to make.
std::uint64_t score_flops(const ModelConfig& c, std::size_t layer, std::size_t position) {
  std::size_t n_keys = std::min(c.sliding_window, position + 1);
  std::uint64_t flops = 0;
  if (c.layer_types[layer] != AttentionType::sliding) {
    const std::size_t n_rows = (position + 1) / c.compress_ratios[layer];
    const bool chooses = c.layer_types[layer] == AttentionType::csa && n_rows > c.index_topk;
    if (chooses) flops += product(n_rows * c.index_n_heads, c.index_head_dim + 1);
    n_keys += chooses ? c.index_topk : n_rows;
  }
  return flops + attend(n_keys, c.num_attention_heads, c.head_dim);
}

std::uint64_t ffn_flops(const ModelConfig& c) {
  const std::size_t n_experts = c.num_experts_per_tok + c.n_shared_experts;
  return product(c.n_routed_experts, c.hidden_size) +
         n_experts * 3 * product(c.moe_intermediate_size, c.hidden_size);
}

std::uint64_t module_flops(const ModelConfig& c, std::size_t n_keys) {
  if (!c.world_model) return 0;
  const WorldModelConfig& m = *c.world_model;
  const std::size_t w = m.latent_dim, q_width = m.n_heads * m.head_dim;
  const std::uint64_t layer = 2 * product(q_width, w)                      // q, o
                              + 2 * product(m.n_kv_heads * m.head_dim, w)  // k, v
                              + 3 * product(m.intermediate, w) +
                              attend(n_keys, m.n_heads, m.head_dim);
  return product(w, c.hidden_size) + m.n_latent_steps * m.layers * layer +
         product(c.hidden_size, w);
}

std::uint64_t* part_of(CostParts& parts, std::string_view name) {
  const auto has = [&](std::string_view word) { return name.find(word) != std::string_view::npos; };
  if (name.starts_with("world_model.")) return &parts.module;
  if (name == "embed.weight") return &parts.embedding;
  if (has("hc_")) return &parts.mhc;
  if (has(".ffn.") || has("ffn_norm")) return &parts.ffn;
  if (has(".attn.") || has("attn_norm")) return &parts.attention;
  return &parts.head;  // head.weight and the last norm
}

/// What a decode step reads of a tensor that takes `amount` (bytes or weights) as a whole.
std::uint64_t share_read(const ModelConfig& c, std::string_view name, std::uint64_t amount) {
  if (name.starts_with("mtp.")) return 0;
  if (name == "embed.weight" || name.find("tid2eid") != std::string_view::npos)
    return amount / c.vocab_size;
  return amount;
}

/// Sums up tensors; experts are summed whole and divided last.
class WeightSum {
 public:
  explicit WeightSum(const ModelConfig& config) : config_(config) {}

  void add(std::string_view name, std::uint64_t amount) {
    const bool is_main = !name.starts_with("mtp.");
    if (is_main && name.find(".experts.") != std::string_view::npos) {
      experts_ += amount;
    } else {
      *part_of(parts_, name) += share_read(config_, name, amount);
    }
  }
  CostParts parts() const {
    CostParts parts = parts_;
    parts.ffn += experts_ * config_.num_experts_per_tok / config_.n_routed_experts;
    return parts;
  }

 private:
  const ModelConfig& config_;
  CostParts parts_;
  std::uint64_t experts_ = 0;
};

}  // namespace

CostParts& CostParts::operator+=(const CostParts& other) {
  attention += other.attention;
  ffn += other.ffn;
  mhc += other.mhc;
  head += other.head;
  module += other.module;
  embedding += other.embedding;
  return *this;
}

CostParts token_flops(const ModelConfig& c, std::size_t position, bool with_head,
                      std::optional<std::size_t> module_keys) {
  const std::size_t n = c.hc_mult, width = n * c.hidden_size;
  CostParts parts;
  for (std::size_t layer = 0; layer < c.num_hidden_layers; ++layer) {
    parts.attention += projection_flops(c, layer) + score_flops(c, layer, position);
    parts.ffn += ffn_flops(c);
    parts.mhc += 2 * product((2 + n) * n, width);  // before attention and before the experts
  }
  if (with_head) {
    parts.mhc += product(n, width);
    parts.head = product(c.vocab_size, c.hidden_size);
  }
  parts.module = module_flops(c, module_keys.value_or(position + 1));
  return parts;
}

CostParts mean_token_flops(const ModelConfig& config, std::size_t n_tokens) {
  HADAL_CHECK(n_tokens > 0, "a mean over no tokens");
  CostParts sum;
  for (std::size_t position = 0; position < n_tokens; ++position)
    sum += token_flops(config, position);
  for (std::uint64_t* part :
       {&sum.attention, &sum.ffn, &sum.mhc, &sum.head, &sum.module, &sum.embedding})
    *part /= n_tokens;
  return sum;
}

CostParts weight_bytes_per_token(const Checkpoint& checkpoint) {
  WeightSum sum(checkpoint.config());
  for (const CheckpointTensor& tensor : checkpoint.tensors())
    sum.add(tensor.name, bytes_of(tensor.view));
  return sum.parts();
}

CostParts weights_per_token(const ModelConfig& config) {
  WeightSum sum(config);
  for (const TensorSpec& spec : expected_tensors(config))
    sum.add(spec.name, std::accumulate(spec.shape.begin(), spec.shape.end(), std::uint64_t{1},
                                       std::multiplies<>()));
  return sum.parts();
}

}  // namespace hadal
