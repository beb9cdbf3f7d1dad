#include "train/v4_model.h"

#include "base/check.h"
#include "train/kernels.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <utility>

namespace hadal::train {
namespace {

using at::Tensor;

std::int64_t i64(std::size_t n) {
  return static_cast<std::int64_t>(n);
}

/// Rope frequencies in single precision, as the reference forms them (deepseek-v4.md 3.2, 13.9).
std::vector<float> frequencies(std::size_t rope_dim, double base,
                               const std::optional<YarnScaling>& yarn) {
  const std::size_t half = rope_dim / 2;
  std::vector<float> freq(half);
  for (std::size_t i = 0; i < half; ++i) {
    const float exponent = static_cast<float>(2 * i) / static_cast<float>(rope_dim);
    freq[i] = 1.0f / std::pow(static_cast<float>(base), exponent);
  }
  if (!yarn) return freq;
  const double rd = static_cast<double>(rope_dim),
               length = static_cast<double>(yarn->original_max_position_embeddings);
  const auto correction = [&](double rotations) {
    return rd * std::log(length / (rotations * 2.0 * M_PI)) / (2.0 * std::log(base));
  };
  const double lo = std::max(std::floor(correction(yarn->beta_fast)), 0.0);
  double hi = std::min(std::ceil(correction(yarn->beta_slow)), rd - 1.0);
  if (lo == hi) hi += 0.001;
  for (std::size_t i = 0; i < half; ++i) {
    const auto ramp =
        static_cast<float>(std::clamp((static_cast<double>(i) - lo) / (hi - lo), 0.0, 1.0));
    freq[i] = freq[i] * (1.0f - ramp) + freq[i] / static_cast<float>(yarn->factor) * ramp;
  }
  return freq;
}

Rope make_rope(std::size_t positions, const std::vector<float>& freq) {
  const std::int64_t half = i64(freq.size());
  Rope rope{at::empty({i64(positions), half}), at::empty({i64(positions), half})};
  auto* cos = rope.cos.data_ptr<float>();
  auto* sin = rope.sin.data_ptr<float>();
  for (std::size_t p = 0; p < positions; ++p)
    for (std::size_t i = 0; i < freq.size(); ++i) {
      const float angle = static_cast<float>(p) * freq[i];
      cos[p * freq.size() + i] = std::cos(angle);
      sin[p * freq.size() + i] = std::sin(angle);
    }
  return rope;
}

}  // namespace

// --- Construction
// -----------------------------------------------------------------------------------------------------

V4Model::V4Model(const ModelConfig& c, const TensorSource& source) : config_(c) {
  const std::int64_t v = i64(c.vocab_size), d = i64(c.hidden_size), n = i64(c.hc_mult);
  embed_ = make(source, "embed.weight", ParameterKind::embedding, {v, d});
  head_ = make(source, "head.weight", ParameterKind::head, {v, d});
  norm_ = make(source, "norm.weight", ParameterKind::norm, {d});
  hc_head_ = make_hyper(source, "hc_head", n, 1);
  for (std::size_t l = 0; l < c.num_hidden_layers; ++l)
    layers_.push_back(make_layer(source, fmt::format("layers.{}.", l), c.layer_types[l],
                                 i64(c.compress_ratios[l]), c.mlp_layer_types[l]));
  if (c.world_model)
    world_model_.emplace(c, [&](const std::string& name, ParameterKind kind,
                                at::IntArrayRef shape) { return make(source, name, kind, shape); });
  for (std::size_t m = 0; m < c.num_nextn_predict_layers; ++m) {
    const std::string prefix = fmt::format("mtp.{}.", m);
    MtpWeights w;
    w.layer = make_layer(source, prefix, AttentionType::sliding, 0, MlpType::score);
    w.enorm = make(source, prefix + "enorm.weight", ParameterKind::norm, {d});
    w.hnorm = make(source, prefix + "hnorm.weight", ParameterKind::norm, {d});
    w.e_proj = make(source, prefix + "e_proj.weight", ParameterKind::matrix, {d, d});
    w.h_proj = make(source, prefix + "h_proj.weight", ParameterKind::matrix, {d, d});
    w.norm = make(source, prefix + "norm.weight", ParameterKind::norm, {d});
    w.hc_head = make_hyper(source, prefix + "hc_head", n, 1);
    mtp_.push_back(std::move(w));
  }
  main_rope_ = make_rope(c.max_position_embeddings,
                         frequencies(c.qk_rope_head_dim, c.rope_theta, std::nullopt));
  compress_rope_ = make_rope(c.max_position_embeddings,
                             frequencies(c.qk_rope_head_dim, c.compress_rope_theta, c.yarn));
  for (std::size_t ratio : c.compress_ratios) {
    const std::int64_t step = i64(ratio);
    if (ratio > 0 && row_ropes_.count(step) == 0)
      row_ropes_[step] = {compress_rope_.cos.slice(0, 0, c10::nullopt, step).contiguous(),
                          compress_rope_.sin.slice(0, 0, c10::nullopt, step).contiguous()};
  }
}

Tensor V4Model::make(const TensorSource& source, const std::string& name, ParameterKind kind,
                     at::IntArrayRef shape) {
  Tensor value = source(name, kind, shape);
  HADAL_CHECK(value.defined() && value.sizes() == shape && value.is_contiguous(),
              "tensor source kept the shape");
  parameters_.push_back({name, kind, value});
  if (parameters_.back().trainable()) value.set_requires_grad(true);
  return value;
}

HyperWeights V4Model::make_hyper(const TensorSource& source, const std::string& prefix,
                                 std::int64_t outputs, std::int64_t scales) {
  const std::int64_t nd = i64(config_.hc_mult * config_.hidden_size);
  return {make(source, prefix + "_fn", ParameterKind::hyper, {outputs, nd}),
          make(source, prefix + "_base", ParameterKind::vector, {outputs}),
          make(source, prefix + "_scale", ParameterKind::vector, {scales})};
}

CompressorWeights V4Model::make_compressor(const TensorSource& source, const std::string& prefix,
                                           std::int64_t ratio, std::int64_t series,
                                           std::int64_t width) {
  const std::int64_t d = i64(config_.hidden_size);
  return {make(source, prefix + "wkv.weight", ParameterKind::matrix, {series * width, d}),
          make(source, prefix + "wgate.weight", ParameterKind::matrix, {series * width, d}),
          make(source, prefix + "ape", ParameterKind::vector, {ratio, series * width}),
          make(source, prefix + "norm.weight", ParameterKind::norm, {width})};
}

AttentionWeights V4Model::make_attention(const TensorSource& source, const std::string& p,
                                         AttentionType type, std::int64_t ratio) {
  const ModelConfig& c = config_;
  const std::int64_t d = i64(c.hidden_size), head_dim = i64(c.head_dim),
                     heads = i64(c.num_attention_heads), qr = i64(c.q_lora_rank),
                     groups = i64(c.o_groups), o_rank = i64(c.o_lora_rank);
  constexpr auto kMatrix = ParameterKind::matrix;
  AttentionWeights w;
  w.type = type;
  w.ratio = ratio;
  w.wq_a = make(source, p + "wq_a.weight", kMatrix, {qr, d});
  w.q_norm = make(source, p + "q_norm.weight", ParameterKind::norm, {qr});
  w.wq_b = make(source, p + "wq_b.weight", kMatrix, {heads * head_dim, qr});
  w.wkv = make(source, p + "wkv.weight", kMatrix, {head_dim, d});
  w.kv_norm = make(source, p + "kv_norm.weight", ParameterKind::norm, {head_dim});
  w.wo_a = make(source, p + "wo_a.weight", kMatrix, {groups * o_rank, i64(c.o_group_width())});
  w.wo_b = make(source, p + "wo_b.weight", kMatrix, {d, groups * o_rank});
  w.sink = make(source, p + "attn_sink", ParameterKind::vector, {heads});
  if (type == AttentionType::sliding) return w;
  const std::int64_t series = type == AttentionType::csa ? 2 : 1;
  w.compressor = make_compressor(source, p + "compressor.", ratio, series, head_dim);
  if (type != AttentionType::csa) return w;
  const std::int64_t ih = i64(c.index_n_heads), id = i64(c.index_head_dim);
  IndexerWeights indexer;
  indexer.wq_b = make(source, p + "indexer.wq_b.weight", kMatrix, {ih * id, qr});
  indexer.weights_proj = make(source, p + "indexer.weights_proj.weight", kMatrix, {ih, d});
  indexer.compressor = make_compressor(source, p + "indexer.compressor.", ratio, 2, id);
  w.indexer = indexer;
  return w;
}

MoeWeights V4Model::make_moe(const TensorSource& source, const std::string& p, MlpType type) {
  const ModelConfig& c = config_;
  const std::int64_t d = i64(c.hidden_size), f = i64(c.moe_intermediate_size),
                     e = i64(c.n_routed_experts), shared = f * i64(c.n_shared_experts);
  constexpr auto kMatrix = ParameterKind::matrix;
  MoeWeights w;
  w.type = type;
  w.gate = make(source, p + "gate.weight", ParameterKind::router, {e, d});
  if (type == MlpType::hash)
    w.tid2eid = make(source, p + "gate.tid2eid", ParameterKind::table,
                     {i64(c.vocab_size), i64(c.num_experts_per_tok)});
  else
    w.bias = make(source, p + "gate.bias", ParameterKind::bias, {e});
  w.w1 = make(source, p + "experts.*.w1.weight", kMatrix, {e, f, d});
  w.w2 = make(source, p + "experts.*.w2.weight", kMatrix, {e, d, f});
  w.w3 = make(source, p + "experts.*.w3.weight", kMatrix, {e, f, d});
  if (shared == 0) return w;
  w.shared_w1 = make(source, p + "shared_experts.w1.weight", kMatrix, {shared, d});
  w.shared_w2 = make(source, p + "shared_experts.w2.weight", kMatrix, {d, shared});
  w.shared_w3 = make(source, p + "shared_experts.w3.weight", kMatrix, {shared, d});
  return w;
}

LayerWeights V4Model::make_layer(const TensorSource& source, const std::string& prefix,
                                 AttentionType type, std::int64_t ratio, MlpType mlp) {
  const std::int64_t d = i64(config_.hidden_size), n = i64(config_.hc_mult);
  LayerWeights w;
  w.hc_attn = make_hyper(source, prefix + "hc_attn", (2 + n) * n, 3);
  w.attn_norm = make(source, prefix + "attn_norm.weight", ParameterKind::norm, {d});
  w.attn = make_attention(source, prefix + "attn.", type, ratio);
  w.hc_ffn = make_hyper(source, prefix + "hc_ffn", (2 + n) * n, 3);
  w.ffn_norm = make(source, prefix + "ffn_norm.weight", ParameterKind::norm, {d});
  w.ffn = make_moe(source, prefix + "ffn.", mlp);
  return w;
}

V4Model V4Model::replica() const {
  std::size_t next = 0;
  return V4Model(config_, [&](std::string_view name, ParameterKind, at::IntArrayRef) {
    const Parameter& own = parameters_[next++];
    HADAL_CHECK(own.name == name, "parameters are made in a fixed order");
    return own.value.detach();
  });
}

std::int64_t V4Model::n_parameters() const {
  std::int64_t n = 0;
  for (const Parameter& p : parameters_)
    if (p.trainable()) n += p.value.numel();
  return n;
}

std::vector<Tensor> V4Model::router_biases() const {
  std::vector<Tensor> biases;
  for (const LayerWeights& w : layers_) biases.push_back(w.ffn.bias);
  for (const MtpWeights& w : mtp_) biases.push_back(w.layer.ffn.bias);
  return biases;
}

// --- Forward
// ----------------------------------------------------------------------------------------------------------

HyperSettings V4Model::hyper_settings() const {
  return {i64(config_.hc_sinkhorn_iters), config_.hc_eps, config_.rms_norm_eps};
}

Tensor V4Model::norm(const Tensor& x, const Tensor& weight) const {
  return norm_rope(x, weight, config_.rms_norm_eps, {}, 1, 1);
}

Tensor V4Model::streams(const Tensor& ids, RouterTrace* trace, WorldModelTrace* world_model) const {
  const Shape shape{ids.size(0), ids.size(1)};
  HADAL_CHECK(shape.sequence <= i64(config_.max_position_embeddings),
              "the sequence fits max_position_embeddings");
  const Tensor e = at::embedding(embed_, ids.reshape({-1}));  // [N, d]
  Tensor h = e.unsqueeze(1)
                 .expand({e.size(0), i64(config_.hc_mult), e.size(1)})
                 .contiguous();  // [N, n, d]
  for (std::size_t l = 0; l < layers_.size(); ++l) {
    h = layer(layers_[l], h, ids, shape, l, trace);
    if (!config_.world_model || config_.world_model->after_layer != l) continue;
    h = add_world_model(h, ids, world_model);
    if (world_model != nullptr && world_model->is_end) break;
  }
  return h;
}

Tensor V4Model::add_world_model(const Tensor& h, const Tensor& ids, WorldModelTrace* trace) const {
  if (trace != nullptr) return world_model_->forward(h, trace->masks, &trace->latents);
  const std::vector<SequenceMask> rows(static_cast<std::size_t>(ids.size(0)),
                                       {.mode = config_.world_model->mask});
  const EventMasks masks = make_event_masks(*config_.world_model, ids.contiguous(), rows);
  return world_model_->forward(h, masks, nullptr);
}

Tensor V4Model::collapse(const Tensor& h) const {
  return norm(hyper_head(h, hc_head_.fn, hc_head_.base, hc_head_.scale, hyper_settings()), norm_);
}

// u[j] = e_proj RMSNorm(embed[t_{p+1}]) + h_proj RMSNorm(h_p[j]); then one sliding layer (7.1).
Tensor V4Model::mtp(std::size_t block, const Tensor& h, const Tensor& next_ids, RouterTrace* trace,
                    Tensor* out_streams) const {
  const MtpWeights& w = mtp_.at(block);
  const std::int64_t n = h.size(1), d = h.size(2);
  const Tensor e =
      at::linear(norm(at::embedding(embed_, next_ids.reshape({-1})), w.enorm), w.e_proj);  // [N, d]
  const Tensor g =
      at::linear(norm(h.reshape({-1, d}), w.hnorm), w.h_proj).view({-1, n, d});  // [N, n, d]
  Tensor u = g + e.unsqueeze(1);
  u = layer(w.layer, u, next_ids, {next_ids.size(0), next_ids.size(1)}, layers_.size() + block,
            trace);
  if (out_streams != nullptr) *out_streams = u;
  return norm(hyper_head(u, w.hc_head.fn, w.hc_head.base, w.hc_head.scale, hyper_settings()),
              w.norm);
}

Tensor V4Model::layer(const LayerWeights& w, const Tensor& h, const Tensor& ids, Shape shape,
                      std::size_t block, RouterTrace* trace) const {
  auto [x, post, comb] =
      hyper_read(h, w.hc_attn.fn, w.hc_attn.base, w.hc_attn.scale, hyper_settings());
  const Tensor a = attend(w.attn, norm(x, w.attn_norm), shape);
  const Tensor mid = hyper_mix(h, a, post, comb);
  auto [x2, post2, comb2] =
      hyper_read(mid, w.hc_ffn.fn, w.hc_ffn.base, w.hc_ffn.scale, hyper_settings());
  const Tensor y = moe(w.ffn, norm(x2, w.ffn_norm), ids, shape, block, trace);
  return hyper_mix(mid, y, post2, comb2);
}

Tensor V4Model::attend(const AttentionWeights& w, const Tensor& x, Shape shape) const {
  const ModelConfig& c = config_;
  const std::int64_t heads = i64(c.num_attention_heads), width = i64(c.head_dim), b = shape.batch,
                     s = shape.sequence;
  const Rope& rope = w.type == AttentionType::sliding ? main_rope_ : compress_rope_;
  const double eps = c.rms_norm_eps;
  const Tensor qa = norm(at::linear(x, w.wq_a), w.q_norm);  // [N, qr]
  const Tensor q =
      norm_rope(at::linear(qa, w.wq_b).view({-1, width}), {}, eps, rope, heads, s);  // [N*H, c]
  const Tensor kv = norm_rope(at::linear(x, w.wkv), w.kv_norm, eps, rope, 1, s);     // [N, c]
  Tensor rows, selected;
  if (w.compressor && s >= w.ratio) {
    rows = compress(*w.compressor, x, shape, w.type == AttentionType::csa, w.ratio);
    if (w.indexer && rows.size(1) > i64(c.index_topk))
      selected = select_rows(*w.indexer, x, qa, shape, w.ratio);
  }
  const Tensor o = attention(q.view({b, s, heads, width}), kv.view({b, s, width}), rows, w.sink,
                             selected, rope, i64(c.sliding_window), w.ratio);
  return at::linear(grouped_linear(o.view({b * s, heads * width}), w.wo_a, i64(c.o_groups)),
                    w.wo_b);
}

/// Compressed rows [B, T, e], normed and roped at the first token of their window (section 4).
Tensor V4Model::compress(const CompressorWeights& w, const Tensor& x, Shape shape, bool overlap,
                         std::int64_t ratio) const {
  const Tensor k = at::linear(x, w.wkv).view({shape.batch, shape.sequence, -1});
  const Tensor g = at::linear(x, w.wgate).view({shape.batch, shape.sequence, -1});
  const Tensor rows = pool(k, g, w.ape, overlap);
  const std::int64_t n_rows = rows.size(1), width = rows.size(2);
  return norm_rope(rows.view({-1, width}), w.norm, config_.rms_norm_eps, row_ropes_.at(ratio), 1,
                   n_rows)
      .view({shape.batch, n_rows, width});
}

/// The lightning indexer's choice, without gradient (section 5).
Tensor V4Model::select_rows(const IndexerWeights& w, const Tensor& x, const Tensor& qa, Shape shape,
                            std::int64_t ratio) const {
  const at::NoGradGuard no_grad;
  const std::int64_t heads = i64(config_.index_n_heads), width = i64(config_.index_head_dim),
                     rope_dim = i64(config_.qk_rope_head_dim);
  Tensor q = at::linear(qa, w.wq_b).contiguous();
  const RopeTable table{compress_rope_.cos.data_ptr<float>(), compress_rope_.sin.data_ptr<float>(),
                        static_cast<std::size_t>(rope_dim / 2)};
  rotate_rows({static_cast<std::size_t>(q.size(0) * heads), static_cast<std::size_t>(width),
               static_cast<std::size_t>(heads), static_cast<std::size_t>(shape.sequence)},
              table, 1.0f, q.data_ptr<float>());
  const Tensor rows = compress(w.compressor, x, shape, true, ratio);
  const Tensor weights = at::linear(x, w.weights_proj).contiguous();
  Tensor selected = at::empty({shape.batch, shape.sequence, rows.size(1)}, at::kByte);
  index_select_rows(static_cast<std::size_t>(shape.batch), static_cast<std::size_t>(shape.sequence),
                    config_.index_n_heads, config_.index_head_dim,
                    static_cast<std::size_t>(rows.size(1)), static_cast<std::size_t>(ratio),
                    config_.index_topk, q.data_ptr<float>(), rows.data_ptr<float>(),
                    weights.data_ptr<float>(), selected.data_ptr<std::uint8_t>());
  return selected;
}

namespace {

/// Scores of the chosen experts, normalised. With one expert this is `scale`, but its gradient is
/// rounding noise, which AdamW would turn into steps of full size: V4Model::moe does not ask then.
Tensor gates(const Tensor& scores, const Tensor& chosen, double scale) {
  const Tensor own = at::gather(scores, 1, chosen.to(at::kLong));
  return own / (own.sum(-1, true) + 1e-20) * scale;
}

/// Sequence-wise balance loss: mean over sequences of sum_e f_e P_e, f the load share times E, P
/// the mean score share.
Tensor balance_loss(const Tensor& scores, const Tensor& chosen, std::int64_t batch) {
  const std::int64_t experts = scores.size(1), per_sequence = chosen.numel() / batch;
  const Tensor share =
      (scores / scores.sum(-1, true)).view({batch, -1, experts}).mean(1);  // [B, E]
  const Tensor ones = at::ones({batch, per_sequence});
  const Tensor load =
      at::zeros({batch, experts}).scatter_add_(1, chosen.to(at::kLong).view({batch, -1}), ones);
  return (share * load).sum() *
         (static_cast<double>(experts) / static_cast<double>(per_sequence * batch));
}

}  // namespace

Tensor V4Model::moe(const MoeWeights& w, const Tensor& x, const Tensor& ids, Shape shape,
                    std::size_t block, RouterTrace* trace) const {
  const std::int64_t k = i64(config_.num_experts_per_tok), tokens = x.size(0);
  const Tensor scores = at::sqrt(at::softplus(at::linear(x, w.gate)));  // [N, E]
  Tensor chosen;                                                        // [N, k] int32
  if (w.type == MlpType::hash) {
    chosen = at::index_select(w.tid2eid, 0, ids.reshape({-1})).to(at::kInt);
  } else {
    chosen = at::empty({tokens, k}, at::kInt);
    top_k_experts(static_cast<std::size_t>(tokens), config_.n_routed_experts,
                  config_.num_experts_per_tok, scores.data_ptr<float>(), w.bias.data_ptr<float>(),
                  chosen.data_ptr<std::int32_t>());
  }
  const bool is_dense = config_.n_routed_experts == 1;
  const Tensor gate = is_dense ? at::full({tokens, 1}, config_.routed_scaling_factor)
                               : gates(scores, chosen, config_.routed_scaling_factor);
  if (trace != nullptr) {
    if (trace->load.size() <= block) trace->load.resize(block + 1);
    trace->load[block] =
        at::bincount(chosen.reshape({-1}), {}, i64(config_.n_routed_experts)).to(at::kFloat);
    if (w.type == MlpType::score && !is_dense) {
      const Tensor balance = balance_loss(scores, chosen, shape.batch);
      trace->balance = trace->balance.defined() ? trace->balance + balance : balance;
    }
  }
  Tensor y = experts(x, gate, chosen, w.w1, w.w2, w.w3, config_.swiglu_limit);
  if (!w.shared_w1.defined()) return y;
  const Tensor everyone = at::zeros({tokens, 1}, at::kInt), full = at::ones({tokens, 1});
  return y + experts(x, full, everyone, w.shared_w1.unsqueeze(0), w.shared_w2.unsqueeze(0),
                     w.shared_w3.unsqueeze(0), config_.swiglu_limit);
}

Result<void> check_trainable(const ModelConfig& c) {
  if (c.scoring_func != ScoringFunc::sqrtsoftplus)
    return error(ErrorCode::unsupported,
                 "train: scoring_func must be sqrtsoftplus, the one that V4 uses");
  if (c.hc_mult == 0 || c.hc_sinkhorn_iters == 0)
    return error(ErrorCode::invalid_argument,
                 "train: hc_mult and hc_sinkhorn_iters must be at least 1");
  return {};
}

}  // namespace hadal::train
