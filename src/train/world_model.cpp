#include "train/world_model.h"

#include "train/ops.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <tuple>
#include <utility>

namespace hadal::train {
namespace {

using at::Tensor;

std::int64_t i64(std::size_t n) {
  return static_cast<std::int64_t>(n);
}

/// cos and sin of position * theta^(-2 i / rope_dim), [positions, 1, rope_dim / 2].
std::pair<Tensor, Tensor> rope_tables(std::size_t positions, std::size_t rope_dim,
                                      at::ScalarType type) {
  const Tensor i = at::arange(i64(rope_dim / 2), at::kDouble);
  const Tensor freq = at::pow(at::full_like(i, WorldModelConfig::kRopeTheta),
                              i * (-2.0 / static_cast<double>(std::max<std::size_t>(rope_dim, 1))));
  const Tensor angle = at::arange(i64(positions), at::kDouble).view({-1, 1, 1}) * freq;
  return {angle.cos().to(type), angle.sin().to(type)};
}

WorldModelLayer make_layer(const WorldModelConfig& c, const std::string& p,
                           const WorldModel::Make& make) {
  const std::int64_t w = i64(c.latent_dim), f = i64(c.intermediate),
                     q = i64(c.n_heads * c.head_dim), kv = i64(c.n_kv_heads * c.head_dim);
  constexpr auto kMatrix = ParameterKind::matrix;
  WorldModelLayer layer;
  layer.attn_norm = make(p + "attn_norm.weight", ParameterKind::norm, {w});
  layer.q_proj = make(p + "q_proj.weight", kMatrix, {q, w});
  layer.k_proj = make(p + "k_proj.weight", kMatrix, {kv, w});
  layer.v_proj = make(p + "v_proj.weight", kMatrix, {kv, w});
  layer.o_proj = make(p + "o_proj.weight", kMatrix, {w, q});
  layer.attn_sink = make(p + "attn_sink", ParameterKind::vector, {i64(c.n_heads)});
  layer.ffn_norm = make(p + "ffn_norm.weight", ParameterKind::norm, {w});
  layer.w1 = make(p + "w1.weight", kMatrix, {f, w});
  layer.w2 = make(p + "w2.weight", kMatrix, {w, f});
  layer.w3 = make(p + "w3.weight", kMatrix, {f, w});
  return layer;
}

LatentPredictor make_predictor(std::int64_t w, const WorldModel::Make& make) {
  const std::string p = "world_model.predictor.";
  LatentPredictor predictor;
  predictor.w0 = make(p + "0.weight", ParameterKind::matrix, {w, 2 * w});
  predictor.b0 = make(p + "0.bias", ParameterKind::vector, {w});
  predictor.w2 = make(p + "2.weight", ParameterKind::matrix, {w, w});
  predictor.b2 = make(p + "2.bias", ParameterKind::vector, {w});
  predictor.kind_embed =
      make(p + "kind_embed", ParameterKind::vector, {i64(StructureTokens::kKinds), w});
  return predictor;
}

/// [B, S, groups, width] -> [B groups, S, width].
Tensor by_head(const Tensor& x) {
  return x.transpose(1, 2).reshape({x.size(0) * x.size(2), x.size(1), x.size(3)});
}

/// masked_attention in plain operations, of any type. The sink is one more key, [0 .. 0, 1] with
/// value 0: queries carry its logit as one more channel, so that softmax, its gradient and the
/// products need no separate case.
Tensor plain_attention(const Tensor& q, const Tensor& k, const Tensor& v, const Tensor& sink,
                       const Tensor& bias) {
  const std::int64_t b = q.size(0), s = q.size(1), heads = q.size(2), kv_heads = k.size(2),
                     width = q.size(3);
  const Tensor sink_logit = sink.view({1, 1, heads, 1}).expand({b, s, heads, 1});
  const Tensor sink_key =
      at::constant_pad_nd(at::ones({b, 1, kv_heads, 1}, k.options()), {width, 0});
  const Tensor scaled = q * (1.0 / std::sqrt(static_cast<double>(width)));
  const Tensor queries =
      by_head(at::cat({scaled, sink_logit}, -1)).reshape({b * kv_heads, -1, width + 1});
  const Tensor keys = by_head(at::cat({at::constant_pad_nd(k, {0, 1}), sink_key}, 1));
  const Tensor values = by_head(at::constant_pad_nd(v, {0, 0, 0, 0, 0, 1}));
  const Tensor scores = at::bmm(queries, keys.transpose(1, 2)).view({b, heads, s, s + 1});
  const Tensor weights = at::softmax(scores + at::constant_pad_nd(bias, {0, 1}), -1);
  const Tensor o = at::bmm(weights.view({b * kv_heads, -1, s + 1}), values);
  return o.view({b, heads, s, width}).transpose(1, 2).contiguous();
}

Tensor silu_gate(const Tensor& x, const WorldModelLayer& w) {
  return at::linear(at::silu(at::linear(x, w.w1)) * at::linear(x, w.w3), w.w2);
}

}  // namespace

WorldModel::WorldModel(const ModelConfig& config, const Make& make)
    : config_(config.world_model.value()), eps_(config.rms_norm_eps) {
  const std::int64_t n = i64(config.hc_mult), d = i64(config.hidden_size),
                     w = i64(config_.latent_dim);
  const std::string p = "world_model.";
  read_weight_ = make(p + "read_weight", ParameterKind::vector, {n});
  write_weight_ = make(p + "write_weight", ParameterKind::vector, {n});
  in_norm_ = make(p + "in_norm.weight", ParameterKind::norm, {d});
  in_proj_ = make(p + "in_proj.weight", ParameterKind::matrix, {w, d});
  step_embed_ = make(p + "step_embed", ParameterKind::vector, {i64(config_.max_latent_steps), w});
  for (std::size_t l = 0; l < config_.layers; ++l)
    layers_.push_back(make_layer(config_, fmt::format("{}layers.{}.", p, l), make));
  out_norm_ = make(p + "out_norm.weight", ParameterKind::norm, {w});
  out_proj_ = make(p + "out_proj.weight", ParameterKind::matrix, {d, w});
  if (config_.loss.latent > 0.0) predictor_ = make_predictor(w, make);
  std::tie(cos_, sin_) =
      rope_tables(config.max_position_embeddings, config_.rope_dim, in_proj_.scalar_type());
}

Tensor WorldModel::norm(const Tensor& x, const Tensor& weight) const {
  if (x.scalar_type() == at::kFloat) return norm_rope(x, weight, eps_, {}, 1, 1);
  return x * at::rsqrt(x.square().mean(-1, true) + eps_) * weight;
}

/// Rotates pairs (i, i + rope_dim / 2) of the last rope_dim channels. x [B, S, heads, head_dim].
Tensor WorldModel::rope(const Tensor& x) const {
  const std::int64_t half = i64(config_.rope_dim / 2), still = x.size(-1) - 2 * half;
  if (half == 0) return x;
  const Tensor cos = cos_.slice(0, 0, x.size(1)), sin = sin_.slice(0, 0, x.size(1));
  const Tensor a = x.slice(-1, still, still + half), b = x.slice(-1, still + half);
  return at::cat({x.slice(-1, 0, still), a * cos - b * sin, b * cos + a * sin}, -1);
}

Tensor WorldModel::attend(const WorldModelLayer& w, const Tensor& x,
                          const EventMasks& masks) const {
  const std::int64_t b = masks.bias.size(0), s = masks.bias.size(2), width = i64(config_.head_dim);
  const Tensor n = norm(x, w.attn_norm);
  const Tensor q = rope(at::linear(n, w.q_proj).view({b, s, -1, width}));
  const Tensor k = rope(at::linear(n, w.k_proj).view({b, s, -1, width}));
  const Tensor v = at::linear(n, w.v_proj).view({b, s, -1, width});
  const Tensor o = x.scalar_type() == at::kFloat
                       ? masked_attention(q, k, v, w.attn_sink, masks.bias)
                       : plain_attention(q, k, v, w.attn_sink, masks.bias);
  return at::linear(o.view({b * s, -1}), w.o_proj);
}

Tensor WorldModel::forward(const Tensor& streams, const EventMasks& masks, Latents* latents) const {
  const Tensor r = (streams * read_weight_.view({1, -1, 1})).sum(1);  // [N, d]
  Tensor u = at::linear(norm(r, in_norm_), in_proj_);                 // u_0 [N, w]
  if (latents != nullptr) latents->first = u;
  for (std::size_t t = 0; t < config_.n_latent_steps; ++t) {
    u = u + step_embed_[i64(t)];
    for (const WorldModelLayer& w : layers_) {
      const Tensor x = masks.bias.defined() ? u + attend(w, u, masks) : u;
      u = x + silu_gate(norm(x, w.ffn_norm), w);
    }
  }
  if (latents != nullptr) latents->last = u;
  Tensor d = at::linear(norm(u, out_norm_), out_proj_);  // D [N, d]
  if (config_.skip_root) d = d * masks.is_event;
  return at::addcmul(streams, d.unsqueeze(1), write_weight_.view({1, -1, 1}));
}

}  // namespace hadal::train
