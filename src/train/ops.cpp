#include "train/ops.h"

#include "train/kernels.h"

#include <torch/csrc/autograd/custom_function.h>

#include <vector>

namespace hadal::train {
namespace {

using at::Tensor;
using torch::autograd::AutogradContext;
using torch::autograd::Function;
using torch::autograd::tensor_list;

// Function::apply takes no undefined tensors: inside this file an absent tensor is an empty one.
bool present(const Tensor& t) {
  return t.numel() > 0;
}
Tensor or_empty(const Tensor& t) {
  return t.defined() ? t : at::empty({0});
}

float* data(const Tensor& t) {
  return t.defined() && present(t) ? t.data_ptr<float>() : nullptr;
}

std::size_t dim(const Tensor& t, std::int64_t i) {
  return static_cast<std::size_t>(t.size(i));
}

std::size_t saved_size(AutogradContext* ctx, const char* key) {
  return static_cast<std::size_t>(ctx->saved_data[key].toInt());
}

/// The gradient of an output, contiguous; zeros when nothing used that output.
Tensor gradient_or_zero(const Tensor& gradient, const Tensor& like) {
  return gradient.defined() ? gradient.contiguous() : at::zeros_like(like);
}

RopeTable table(const Tensor& cos, const Tensor& sin) {
  if (!present(cos)) return {};
  return {data(cos), data(sin), dim(cos, 1)};
}

struct NormRope : Function<NormRope> {
  static Tensor forward(AutogradContext* ctx, Tensor x, Tensor weight, double eps, Tensor cos,
                        Tensor sin, std::int64_t heads, std::int64_t sequence) {
    x = x.contiguous();
    Tensor y = at::empty_like(x), inv_rms = at::empty({x.size(0)});
    const RowShape shape{dim(x, 0), dim(x, 1), static_cast<std::size_t>(heads),
                         static_cast<std::size_t>(sequence)};
    norm_rope_forward(shape, data(x), data(weight), static_cast<float>(eps), table(cos, sin),
                      data(y), data(inv_rms));
    ctx->save_for_backward({x, weight, inv_rms, cos, sin});
    ctx->saved_data["heads"] = heads;
    ctx->saved_data["sequence"] = sequence;
    return y;
  }
  static tensor_list backward(AutogradContext* ctx, tensor_list gradients) {
    const auto saved = ctx->get_saved_variables();
    const Tensor &x = saved[0], &weight = saved[1];
    const Tensor d_y = gradients[0].contiguous();
    Tensor d_x = at::empty_like(x), scratch = at::empty({x.size(1)}), d_weight;
    if (present(weight)) d_weight = at::zeros_like(weight);
    const RowShape shape{dim(x, 0), dim(x, 1), saved_size(ctx, "heads"),
                         saved_size(ctx, "sequence")};
    norm_rope_backward(shape, data(x), data(weight), data(saved[2]), table(saved[3], saved[4]),
                       data(d_y), data(d_x), data(d_weight), data(scratch));
    return {d_x, d_weight, {}, {}, {}, {}, {}};
  }
};

HyperShape hyper_shape(const Tensor& h, const HyperSettings& s) {
  return {dim(h, 0),
          dim(h, 1),
          dim(h, 2),
          static_cast<std::size_t>(s.sinkhorn_iters),
          static_cast<float>(s.hc_eps),
          static_cast<float>(s.rms_eps)};
}

void save(AutogradContext* ctx, const HyperSettings& s) {
  ctx->saved_data["iters"] = s.sinkhorn_iters;
  ctx->saved_data["hc_eps"] = s.hc_eps;
  ctx->saved_data["rms_eps"] = s.rms_eps;
}

HyperSettings saved_settings(AutogradContext* ctx) {
  return {ctx->saved_data["iters"].toInt(), ctx->saved_data["hc_eps"].toDouble(),
          ctx->saved_data["rms_eps"].toDouble()};
}

struct HyperRead : Function<HyperRead> {
  static tensor_list forward(AutogradContext* ctx, Tensor h, Tensor fn, Tensor base, Tensor scale,
                             HyperSettings settings) {
    h = h.contiguous();
    const std::int64_t tokens = h.size(0), n = h.size(1);
    Tensor x = at::empty({tokens, h.size(2)}), post = at::empty({tokens, n}),
           comb = at::empty({tokens, n, n});
    Tensor pre = at::empty({tokens, n}), t = at::empty({tokens, (2 + n) * n}),
           inv_rms = at::empty({tokens});
    hyper_read_forward(hyper_shape(h, settings), data(h), data(fn), data(base), data(scale),
                       data(x), data(post), data(comb), data(pre), data(t), data(inv_rms));
    ctx->save_for_backward({h, fn, base, scale, pre, t, inv_rms});
    save(ctx, settings);
    return {x, post, comb};
  }
  static tensor_list backward(AutogradContext* ctx, tensor_list gradients) {
    const auto saved = ctx->get_saved_variables();
    const Tensor &h = saved[0], &fn = saved[1], &base = saved[2], &scale = saved[3],
                 &pre = saved[4];
    const Tensor d_x =
        gradients[0].defined() ? gradients[0].contiguous() : at::zeros({h.size(0), h.size(2)});
    const Tensor d_post = gradient_or_zero(gradients[1], pre);
    const Tensor d_comb = gradients[2].defined() ? gradients[2].contiguous()
                                                 : at::zeros({h.size(0), h.size(1), h.size(1)});
    Tensor d_h = at::empty_like(h), d_fn = at::empty_like(fn), d_base = at::empty_like(base),
           d_scale = at::empty_like(scale);
    hyper_read_backward(hyper_shape(h, saved_settings(ctx)), data(h), data(fn), data(base),
                        data(scale), data(pre), data(saved[5]), data(saved[6]), data(d_x),
                        data(d_post), data(d_comb), data(d_h), data(d_fn), data(d_base),
                        data(d_scale));
    return {d_h, d_fn, d_base, d_scale, {}};
  }
};

struct HyperMix : Function<HyperMix> {
  static Tensor forward(AutogradContext* ctx, Tensor h, Tensor a, Tensor post, Tensor comb) {
    h = h.contiguous();
    a = a.contiguous();
    Tensor out = at::empty_like(h);
    hyper_mix_forward(hyper_shape(h, {1, 0.0, 0.0}), data(h), data(a), data(post), data(comb),
                      data(out));
    ctx->save_for_backward({h, a, post, comb});
    return out;
  }
  static tensor_list backward(AutogradContext* ctx, tensor_list gradients) {
    const auto saved = ctx->get_saved_variables();
    const Tensor &h = saved[0], &a = saved[1], &post = saved[2], &comb = saved[3];
    const Tensor d_out = gradients[0].contiguous();
    Tensor d_h = at::empty_like(h), d_a = at::empty_like(a), d_post = at::empty_like(post),
           d_comb = at::empty_like(comb);
    hyper_mix_backward(hyper_shape(h, {1, 0.0, 0.0}), data(h), data(a), data(post), data(comb),
                       data(d_out), data(d_h), data(d_a), data(d_post), data(d_comb));
    return {d_h, d_a, d_post, d_comb};
  }
};

struct HyperHead : Function<HyperHead> {
  static Tensor forward(AutogradContext* ctx, Tensor h, Tensor fn, Tensor base, Tensor scale,
                        HyperSettings settings) {
    h = h.contiguous();
    const std::int64_t tokens = h.size(0), n = h.size(1);
    Tensor z = at::empty({tokens, h.size(2)}), pre = at::empty({tokens, n}),
           t = at::empty({tokens, n}), inv_rms = at::empty({tokens});
    hyper_head_forward(hyper_shape(h, settings), data(h), data(fn), data(base), data(scale),
                       data(z), data(pre), data(t), data(inv_rms));
    ctx->save_for_backward({h, fn, base, scale, pre, t, inv_rms});
    save(ctx, settings);
    return z;
  }
  static tensor_list backward(AutogradContext* ctx, tensor_list gradients) {
    const auto saved = ctx->get_saved_variables();
    const Tensor &h = saved[0], &fn = saved[1], &base = saved[2], &scale = saved[3];
    const Tensor d_z = gradients[0].contiguous();
    Tensor d_h = at::empty_like(h), d_fn = at::empty_like(fn), d_base = at::empty_like(base),
           d_scale = at::empty_like(scale);
    hyper_head_backward(hyper_shape(h, saved_settings(ctx)), data(h), data(fn), data(base),
                        data(scale), data(saved[4]), data(saved[5]), data(saved[6]), data(d_z),
                        data(d_h), data(d_fn), data(d_base), data(d_scale));
    return {d_h, d_fn, d_base, d_scale, {}};
  }
};

AttentionShape attention_shape(const Tensor& q, const Tensor& compressed, std::int64_t window,
                               std::int64_t ratio) {
  return {dim(q, 0),
          dim(q, 1),
          dim(q, 2),
          dim(q, 3),
          static_cast<std::size_t>(window),
          present(compressed) ? dim(compressed, 1) : 0,
          static_cast<std::size_t>(ratio)};
}

struct Attention : Function<Attention> {
  static Tensor forward(AutogradContext* ctx, Tensor q, Tensor kv, Tensor compressed, Tensor sink,
                        Tensor selected, Tensor cos, Tensor sin, std::int64_t window,
                        std::int64_t ratio) {
    const AttentionShape shape = attention_shape(q, compressed, window, ratio);
    Tensor o = at::empty_like(q),
           p = at::empty({static_cast<std::int64_t>(shape.n_probabilities())});
    attention_forward(shape, data(q), data(kv), data(compressed), data(sink),
                      present(selected) ? selected.data_ptr<std::uint8_t>() : nullptr,
                      table(cos, sin), data(o), data(p));
    ctx->save_for_backward({q, kv, compressed, cos, sin, p, sink});
    ctx->saved_data["window"] = window;
    ctx->saved_data["ratio"] = ratio;
    return o;
  }
  static tensor_list backward(AutogradContext* ctx, tensor_list gradients) {
    const auto saved = ctx->get_saved_variables();
    const Tensor &q = saved[0], &kv = saved[1], &compressed = saved[2];
    Tensor d_o = gradients[0].clone(at::MemoryFormat::Contiguous);
    Tensor d_q = at::empty_like(q), d_kv = at::empty_like(kv), d_sink = at::empty_like(saved[6]),
           d_compressed;
    if (present(compressed)) d_compressed = at::empty_like(compressed);
    const AttentionShape shape = attention_shape(q, compressed, ctx->saved_data["window"].toInt(),
                                                 ctx->saved_data["ratio"].toInt());
    attention_backward(shape, data(q), data(kv), data(compressed), table(saved[3], saved[4]),
                       data(saved[5]), data(d_o), data(d_q), data(d_kv), data(d_compressed),
                       data(d_sink));
    return {d_q, d_kv, d_compressed, d_sink, {}, {}, {}, {}, {}};
  }
};

MaskedAttentionShape masked_attention_shape(const Tensor& q, const Tensor& k) {
  return {dim(q, 0), dim(q, 1), dim(q, 2), dim(k, 2), dim(q, 3)};
}

struct MaskedAttention : Function<MaskedAttention> {
  static Tensor forward(AutogradContext* ctx, Tensor q, Tensor k, Tensor v, Tensor sink,
                        Tensor mask) {
    q = q.contiguous();
    k = k.contiguous();
    v = v.contiguous();
    const MaskedAttentionShape shape = masked_attention_shape(q, k);
    Tensor o = at::empty_like(q),
           p = at::empty({static_cast<std::int64_t>(shape.n_probabilities())});
    masked_attention_forward(shape, data(q), data(k), data(v), data(sink), data(mask), data(o),
                             data(p));
    ctx->save_for_backward({q, k, v, sink, p});
    return o;
  }
  static tensor_list backward(AutogradContext* ctx, tensor_list gradients) {
    const auto saved = ctx->get_saved_variables();
    const Tensor &q = saved[0], &k = saved[1], &v = saved[2];
    const Tensor d_o = gradients[0].contiguous();
    Tensor d_q = at::empty_like(q), d_k = at::empty_like(k), d_v = at::empty_like(v),
           d_sink = at::empty_like(saved[3]);
    masked_attention_backward(masked_attention_shape(q, k), data(q), data(k), data(v),
                              data(saved[4]), data(d_o), data(d_q), data(d_k), data(d_v),
                              data(d_sink));
    return {d_q, d_k, d_v, d_sink, {}};
  }
};

PoolShape pool_shape(const Tensor& k, const Tensor& ape, bool overlap) {
  return {dim(k, 0), dim(k, 1), dim(k, 2) / (overlap ? 2 : 1), dim(ape, 0), overlap};
}

struct Pool : Function<Pool> {
  static Tensor forward(AutogradContext* ctx, Tensor k, Tensor g, Tensor ape, bool overlap) {
    k = k.contiguous();
    g = g.contiguous();
    const PoolShape shape = pool_shape(k, ape, overlap);
    const auto rows = static_cast<std::int64_t>(shape.rows()),
               width = static_cast<std::int64_t>(shape.width);
    Tensor pooled = at::empty({k.size(0), rows, width});
    Tensor alpha = at::empty({k.size(0), rows, static_cast<std::int64_t>(shape.slots()), width});
    pool_forward(shape, data(k), data(g), data(ape), data(pooled), data(alpha));
    ctx->save_for_backward({k, alpha, pooled, ape});
    ctx->saved_data["overlap"] = overlap;
    return pooled;
  }
  static tensor_list backward(AutogradContext* ctx, tensor_list gradients) {
    const auto saved = ctx->get_saved_variables();
    const Tensor &k = saved[0], &ape = saved[3];
    const Tensor d_pooled = gradients[0].contiguous();
    Tensor d_k = at::empty_like(k), d_g = at::empty_like(k), d_ape = at::empty_like(ape);
    pool_backward(pool_shape(k, ape, ctx->saved_data["overlap"].toBool()), data(k), data(saved[1]),
                  data(saved[2]), data(d_pooled), data(d_k), data(d_g), data(d_ape));
    return {d_k, d_g, d_ape, {}};
  }
};

struct GroupedLinear : Function<GroupedLinear> {
  static Tensor forward(AutogradContext* ctx, Tensor x, Tensor weight, std::int64_t groups) {
    x = x.contiguous();
    const std::size_t n = dim(x, 0), g = static_cast<std::size_t>(groups), k = dim(weight, 1),
                      r = dim(weight, 0) / g;
    Tensor y = at::empty({x.size(0), weight.size(0)});
    for (std::size_t u = 0; u < g; ++u)
      gemm(false, true, n, r, k, 1.0f, data(x) + u * k, g * k, data(weight) + u * r * k, k, 0.0f,
           data(y) + u * r, g * r);
    ctx->save_for_backward({x, weight});
    ctx->saved_data["groups"] = groups;
    return y;
  }
  static tensor_list backward(AutogradContext* ctx, tensor_list gradients) {
    const auto saved = ctx->get_saved_variables();
    const Tensor &x = saved[0], &weight = saved[1];
    const Tensor d_y = gradients[0].contiguous();
    Tensor d_x = at::empty_like(x), d_weight = at::empty_like(weight);
    const std::size_t n = dim(x, 0), g = saved_size(ctx, "groups"), k = dim(weight, 1),
                      r = dim(weight, 0) / g;
    for (std::size_t u = 0; u < g; ++u) {
      gemm(false, false, n, k, r, 1.0f, data(d_y) + u * r, g * r, data(weight) + u * r * k, k, 0.0f,
           data(d_x) + u * k, g * k);
      gemm(true, false, r, k, n, 1.0f, data(d_y) + u * r, g * r, data(x) + u * k, g * k, 0.0f,
           data(d_weight) + u * r * k, k);
    }
    return {d_x, d_weight, {}};
  }
};

struct Experts : Function<Experts> {
  static ExpertShape shape_of(const Tensor& x, const Tensor& gate, const Tensor& w1, double limit) {
    return {dim(x, 0), dim(x, 1), dim(w1, 1), dim(w1, 0), dim(gate, 1), static_cast<float>(limit)};
  }
  static Tensor forward(AutogradContext* ctx, Tensor x, Tensor gate, Tensor chosen, Tensor w1,
                        Tensor w2, Tensor w3, double limit) {
    x = x.contiguous();
    gate = gate.contiguous();
    const ExpertShape shape = shape_of(x, gate, w1, limit);
    const std::int64_t assignments = gate.numel(), inter = w1.size(1);
    Tensor source = at::empty({assignments}, at::kInt),
           first = at::empty({w1.size(0) + 1}, at::kInt);
    group_by_expert(shape, chosen.data_ptr<std::int32_t>(), source.data_ptr<std::int32_t>(),
                    first.data_ptr<std::int32_t>());
    Tensor y = at::empty_like(x), a = at::empty({assignments, inter}),
           b = at::empty({assignments, inter}), act = at::empty({assignments, inter});
    experts_forward(shape, data(x), data(gate), source.data_ptr<std::int32_t>(),
                    first.data_ptr<std::int32_t>(), data(w1), data(w2), data(w3), data(y), data(a),
                    data(b), data(act));
    ctx->save_for_backward({x, gate, source, first, w1, w2, w3, a, b, act});
    ctx->saved_data["limit"] = limit;
    return y;
  }
  static tensor_list backward(AutogradContext* ctx, tensor_list gradients) {
    const auto saved = ctx->get_saved_variables();
    const Tensor &x = saved[0], &gate = saved[1], &w1 = saved[4], &w2 = saved[5], &w3 = saved[6];
    const Tensor d_y = gradients[0].contiguous();
    Tensor d_x = at::empty_like(x), d_gate = at::empty_like(gate), d_w1 = at::empty_like(w1),
           d_w2 = at::empty_like(w2), d_w3 = at::empty_like(w3);
    experts_backward(shape_of(x, gate, w1, ctx->saved_data["limit"].toDouble()), data(x),
                     data(gate), saved[2].data_ptr<std::int32_t>(),
                     saved[3].data_ptr<std::int32_t>(), data(w1), data(w2), data(w3),
                     data(saved[7]), data(saved[8]), data(saved[9]), data(d_y), data(d_x),
                     data(d_gate), data(d_w1), data(d_w2), data(d_w3));
    return {d_x, d_gate, {}, d_w1, d_w2, d_w3, {}};
  }
};

struct CrossEntropy : Function<CrossEntropy> {
  static tensor_list forward(AutogradContext* ctx, Tensor z, Tensor head, Tensor targets,
                             Tensor weights) {
    z = z.contiguous();
    Tensor losses = at::empty({z.size(0)}), best = at::empty({z.size(0)}, at::kInt),
           d_z = at::empty_like(z), d_head = at::empty_like(head);
    cross_entropy(dim(z, 0), dim(z, 1), dim(head, 0), data(z), data(head),
                  targets.data_ptr<std::int32_t>(), data(weights), data(losses),
                  best.data_ptr<std::int32_t>(), data(d_z), data(d_head));
    ctx->save_for_backward({d_z, d_head});
    ctx->mark_non_differentiable({losses, best});
    return {at::dot(losses, weights), losses, best};
  }
  static tensor_list backward(AutogradContext* ctx, tensor_list gradients) {
    const auto saved = ctx->get_saved_variables();
    return {saved[0] * gradients[0], saved[1] * gradients[0], {}, {}};
  }
};

}  // namespace

Tensor norm_rope(const Tensor& x, const Tensor& weight, double eps, const Rope& rope,
                 std::int64_t heads, std::int64_t sequence) {
  return NormRope::apply(x, or_empty(weight), eps, or_empty(rope.cos), or_empty(rope.sin), heads,
                         sequence);
}

std::array<Tensor, 3> hyper_read(const Tensor& h, const Tensor& fn, const Tensor& base,
                                 const Tensor& scale, HyperSettings settings) {
  const tensor_list out = HyperRead::apply(h, fn, base, scale, settings);
  return {out[0], out[1], out[2]};
}

Tensor hyper_mix(const Tensor& h, const Tensor& a, const Tensor& post, const Tensor& comb) {
  return HyperMix::apply(h, a, post, comb);
}

Tensor hyper_head(const Tensor& h, const Tensor& fn, const Tensor& base, const Tensor& scale,
                  HyperSettings settings) {
  return HyperHead::apply(h, fn, base, scale, settings);
}

Tensor attention(const Tensor& q, const Tensor& kv, const Tensor& compressed, const Tensor& sink,
                 const Tensor& selected, const Rope& rope, std::int64_t window,
                 std::int64_t ratio) {
  return Attention::apply(q, kv, or_empty(compressed), sink, or_empty(selected), or_empty(rope.cos),
                          or_empty(rope.sin), window, ratio);
}

Tensor masked_attention(const Tensor& q, const Tensor& k, const Tensor& v, const Tensor& sink,
                        const Tensor& mask) {
  return MaskedAttention::apply(q, k, v, sink, mask);
}

Tensor pool(const Tensor& k, const Tensor& g, const Tensor& ape, bool overlap) {
  return Pool::apply(k, g, ape, overlap);
}

Tensor grouped_linear(const Tensor& x, const Tensor& weight, std::int64_t groups) {
  return GroupedLinear::apply(x, weight, groups);
}

Tensor experts(const Tensor& x, const Tensor& gate, const Tensor& chosen, const Tensor& w1,
               const Tensor& w2, const Tensor& w3, double limit) {
  return Experts::apply(x, gate, chosen, w1, w2, w3, limit);
}

std::tuple<Tensor, Tensor, Tensor> cross_entropy_loss(const Tensor& z, const Tensor& head,
                                                      const Tensor& targets,
                                                      const Tensor& weights) {
  const tensor_list out = CrossEntropy::apply(z, head, targets, weights);
  return {out[0], out[1], out[2]};
}

}  // namespace hadal::train
