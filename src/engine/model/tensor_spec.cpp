// The list of tensors of deepseek-v4.md 8.2 for any shape, and of world-model.md 2.4.
#include "engine/model/checkpoint.h"

namespace hadal {
namespace {

using Kind = TensorSpec::Kind;
using Shape = std::vector<std::uint64_t>;

/// Appends specs whose names share a prefix.
class SpecList {
 public:
  explicit SpecList(std::vector<TensorSpec>& out) : out_(out) {}

  void set_prefix(std::string prefix) { prefix_ = std::move(prefix); }
  void add(std::string_view name, Shape shape, Kind kind) {
    out_.push_back({.name = prefix_ + std::string(name), .shape = std::move(shape), .kind = kind});
  }

 private:
  std::vector<TensorSpec>& out_;
  std::string prefix_;
};

void add_hyper_connections(const ModelConfig& c, SpecList& out) {
  const std::size_t n = c.hc_mult;
  for (std::string_view site : {"hc_attn", "hc_ffn"}) {
    out.add(fmt::format("{}_fn", site), {(2 + n) * n, n * c.hidden_size}, Kind::f32);
    out.add(fmt::format("{}_base", site), {(2 + n) * n}, Kind::f32);
    out.add(fmt::format("{}_scale", site), {3}, Kind::f32);
  }
}

void add_hc_head(const ModelConfig& c, SpecList& out) {
  out.add("hc_head_fn", {c.hc_mult, c.hc_mult * c.hidden_size}, Kind::f32);
  out.add("hc_head_base", {c.hc_mult}, Kind::f32);
  out.add("hc_head_scale", {1}, Kind::f32);
}

/// `width` is the width of a compressed row; `series` 2 when windows overlap (CSA), else 1.
void add_compressor(std::string_view prefix, std::size_t series, std::size_t width,
                    std::size_t ratio, const ModelConfig& c, SpecList& out) {
  out.add(fmt::format("{}.wkv.weight", prefix), {series * width, c.hidden_size}, Kind::bf16);
  out.add(fmt::format("{}.wgate.weight", prefix), {series * width, c.hidden_size}, Kind::bf16);
  out.add(fmt::format("{}.ape", prefix), {ratio, series * width}, Kind::f32);
  out.add(fmt::format("{}.norm.weight", prefix), {width}, Kind::bf16);
}

void add_indexer(std::size_t ratio, const ModelConfig& c, SpecList& out) {
  out.add("attn.indexer.wq_b.weight", {c.index_n_heads * c.index_head_dim, c.q_lora_rank},
          Kind::fp8);
  out.add("attn.indexer.weights_proj.weight", {c.index_n_heads, c.hidden_size}, Kind::bf16);
  add_compressor("attn.indexer.compressor", 2, c.index_head_dim, ratio, c, out);
}

void add_attention(AttentionType type, std::size_t ratio, const ModelConfig& c, SpecList& out) {
  const std::size_t o_rows = c.o_groups * c.o_lora_rank;
  out.add("attn.attn_sink", {c.num_attention_heads}, Kind::f32);
  out.add("attn.wq_a.weight", {c.q_lora_rank, c.hidden_size}, Kind::fp8);
  out.add("attn.q_norm.weight", {c.q_lora_rank}, Kind::bf16);
  out.add("attn.wq_b.weight", {c.num_attention_heads * c.head_dim, c.q_lora_rank}, Kind::fp8);
  out.add("attn.wkv.weight", {c.head_dim, c.hidden_size}, Kind::fp8);
  out.add("attn.kv_norm.weight", {c.head_dim}, Kind::bf16);
  out.add("attn.wo_a.weight", {o_rows, c.o_group_width()}, Kind::fp8);
  out.add("attn.wo_b.weight", {c.hidden_size, o_rows}, Kind::fp8);
  if (type == AttentionType::sliding) return;
  add_compressor("attn.compressor", type == AttentionType::csa ? 2 : 1, c.head_dim, ratio, c, out);
  if (type == AttentionType::csa) add_indexer(ratio, c, out);
}

void add_experts(MlpType type, const ModelConfig& c, SpecList& out) {
  const std::size_t d = c.hidden_size;
  const std::size_t f = c.moe_intermediate_size;
  out.add("ffn.gate.weight", {c.n_routed_experts, d}, Kind::bf16);
  if (type == MlpType::score) out.add("ffn.gate.bias", {c.n_routed_experts}, Kind::f32);
  if (type == MlpType::hash)
    out.add("ffn.gate.tid2eid", {c.vocab_size, c.num_experts_per_tok}, Kind::token_table);
  for (std::size_t expert = 0; expert < c.n_routed_experts; ++expert) {
    out.add(fmt::format("ffn.experts.{}.w1.weight", expert), {f, d}, Kind::fp4);
    out.add(fmt::format("ffn.experts.{}.w2.weight", expert), {d, f}, Kind::fp4);
    out.add(fmt::format("ffn.experts.{}.w3.weight", expert), {f, d}, Kind::fp4);
  }
  const std::size_t shared = c.n_shared_experts * f;
  out.add("ffn.shared_experts.w1.weight", {shared, d}, Kind::fp8);
  out.add("ffn.shared_experts.w2.weight", {d, shared}, Kind::fp8);
  out.add("ffn.shared_experts.w3.weight", {shared, d}, Kind::fp8);
}

void add_block(AttentionType type, std::size_t ratio, MlpType mlp, const ModelConfig& c,
               SpecList& out) {
  out.add("attn_norm.weight", {c.hidden_size}, Kind::bf16);
  out.add("ffn_norm.weight", {c.hidden_size}, Kind::bf16);
  add_hyper_connections(c, out);
  add_attention(type, ratio, c, out);
  add_experts(mlp, c, out);
}

void add_world_model_layer(const WorldModelConfig& c, SpecList& out) {
  const std::size_t w = c.latent_dim;
  const std::size_t q = c.n_heads * c.head_dim;
  const std::size_t kv = c.n_kv_heads * c.head_dim;
  out.add("attn_norm.weight", {w}, Kind::bf16);
  out.add("q_proj.weight", {q, w}, Kind::bf16);
  out.add("k_proj.weight", {kv, w}, Kind::bf16);
  out.add("v_proj.weight", {kv, w}, Kind::bf16);
  out.add("o_proj.weight", {w, q}, Kind::bf16);
  out.add("attn_sink", {c.n_heads}, Kind::f32);
  out.add("ffn_norm.weight", {w}, Kind::bf16);
  out.add("w1.weight", {c.intermediate, w}, Kind::bf16);
  out.add("w2.weight", {w, c.intermediate}, Kind::bf16);
  out.add("w3.weight", {c.intermediate, w}, Kind::bf16);
}

/// Small and sensitive: no kind is quantised.
void add_world_model(const ModelConfig& c, SpecList& out) {
  const WorldModelConfig& m = *c.world_model;
  out.set_prefix("world_model.");
  out.add("read_weight", {c.hc_mult}, Kind::f32);
  out.add("write_weight", {c.hc_mult}, Kind::f32);
  out.add("in_norm.weight", {c.hidden_size}, Kind::bf16);
  out.add("in_proj.weight", {m.latent_dim, c.hidden_size}, Kind::bf16);
  out.add("step_embed", {m.max_latent_steps, m.latent_dim}, Kind::f32);
  for (std::size_t layer = 0; layer < m.layers; ++layer) {
    out.set_prefix(fmt::format("world_model.layers.{}.", layer));
    add_world_model_layer(m, out);
  }
  out.set_prefix("world_model.");
  out.add("out_norm.weight", {m.latent_dim}, Kind::bf16);
  out.add("out_proj.weight", {c.hidden_size, m.latent_dim}, Kind::bf16);
}

}  // namespace

std::vector<TensorSpec> mtp_tensors(const ModelConfig& c, std::size_t block) {
  std::vector<TensorSpec> specs;
  SpecList out(specs);
  out.set_prefix(fmt::format("mtp.{}.", block));
  out.add("enorm.weight", {c.hidden_size}, Kind::bf16);
  out.add("hnorm.weight", {c.hidden_size}, Kind::bf16);
  out.add("e_proj.weight", {c.hidden_size, c.hidden_size}, Kind::fp8);
  out.add("h_proj.weight", {c.hidden_size, c.hidden_size}, Kind::fp8);
  add_block(AttentionType::sliding, 0, MlpType::score, c, out);
  out.add("norm.weight", {c.hidden_size}, Kind::bf16);
  add_hc_head(c, out);
  return specs;
}

std::vector<TensorSpec> expected_tensors(const ModelConfig& c) {
  std::vector<TensorSpec> specs;
  SpecList out(specs);
  out.add("embed.weight", {c.vocab_size, c.hidden_size}, Kind::bf16);
  for (std::size_t layer = 0; layer < c.num_hidden_layers; ++layer) {
    out.set_prefix(fmt::format("layers.{}.", layer));
    add_block(c.layer_types[layer], c.compress_ratios[layer], c.mlp_layer_types[layer], c, out);
  }
  out.set_prefix("");
  add_hc_head(c, out);
  out.add("norm.weight", {c.hidden_size}, Kind::bf16);
  out.add("head.weight", {c.vocab_size, c.hidden_size}, Kind::bf16);
  if (c.world_model) add_world_model(c, out);
  for (std::size_t block = 0; block < c.num_nextn_predict_layers; ++block)
    for (TensorSpec& spec : mtp_tensors(c, block)) specs.push_back(std::move(spec));
  return specs;
}

}  // namespace hadal
