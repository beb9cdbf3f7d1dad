// The kernels of kernels.h as differentiable LibTorch operations. Shapes: N = batch * sequence
// tokens, n streams, d width.
#pragma once

#include <array>
#include <cstdint>
#include <tuple>

#include <ATen/ATen.h>

namespace hadal::train {

/// cos and sin tables [positions, rope_dim / 2].
struct Rope {
  at::Tensor cos, sin;
  bool defined() const { return cos.defined(); }
};

/// RMSNorm over the last axis (weight may be undefined), then rope on its last channels (rope may
/// be undefined). x [rows, width]; row r belongs to token r / heads, at position (r / heads) mod
/// sequence.
at::Tensor norm_rope(const at::Tensor& x, const at::Tensor& weight, double eps, const Rope& rope,
                     std::int64_t heads, std::int64_t sequence);

struct HyperSettings {
  std::int64_t sinkhorn_iters;
  double hc_eps, rms_eps;
};

/// h [N, n, d] -> x [N, d], post [N, n], comb [N, n, n] (deepseek-v4.md 2.3).
std::array<at::Tensor, 3> hyper_read(const at::Tensor& h, const at::Tensor& fn,
                                     const at::Tensor& base, const at::Tensor& scale,
                                     HyperSettings settings);
/// h' [N, n, d] from the old h and a sub-block's output a [N, d] (2.4).
at::Tensor hyper_mix(const at::Tensor& h, const at::Tensor& a, const at::Tensor& post,
                     const at::Tensor& comb);
/// Final collapse [N, d] (2.5).
at::Tensor hyper_head(const at::Tensor& h, const at::Tensor& fn, const at::Tensor& base,
                      const at::Tensor& scale, HyperSettings settings);

/// q [B, S, H, c], kv [B, S, c], compressed [B, T, c] or undefined, sink [H], selected [B, S, T]
/// bytes or undefined. Result [B, S, H, c], de-rotated (3.3 - 3.5).
at::Tensor attention(const at::Tensor& q, const at::Tensor& kv, const at::Tensor& compressed,
                     const at::Tensor& sink, const at::Tensor& selected, const Rope& rope,
                     std::int64_t window, std::int64_t ratio);

/// q [B, S, H, c], k, v [B, S, H', c] (H' divides H), sink [H]; mask [B, 1, S, S], contiguous:
/// negative where token j is not seen by token i, as for all j > i. Scores q.k / sqrt(c), the sink
/// in the denominator only. Result [B, S, H, c].
at::Tensor masked_attention(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
                            const at::Tensor& sink, const at::Tensor& mask);

/// k, g [B, S, token_width], ape [ratio, token_width] -> pooled rows [B, S / ratio, width] before
/// norm and rope (4).
at::Tensor pool(const at::Tensor& k, const at::Tensor& g, const at::Tensor& ape, bool overlap);

/// x [N, groups * k], weight [groups * r, k] -> [N, groups * r]; group u uses its own slice of both
/// (3.5).
at::Tensor grouped_linear(const at::Tensor& x, const at::Tensor& weight, std::int64_t groups);

/// Sum over slots of gate[t, slot] * E_{chosen[t, slot]}(x[t]) (6.2). x [N, d], gate [N, k], chosen
/// [N, k] int32, w1, w3 [E, f, d], w2 [E, d, f].
at::Tensor experts(const at::Tensor& x, const at::Tensor& gate, const at::Tensor& chosen,
                   const at::Tensor& w1, const at::Tensor& w2, const at::Tensor& w3, double limit);

/// sum_t weights[t] * CE(head z[t], targets[t]); also the unweighted losses [N] and the argmax [N]
/// int32 (0 and -1 where weights[t] == 0, which are skipped). z [N, d], head [V, d], targets [N]
/// int32, weights [N].
std::tuple<at::Tensor, at::Tensor, at::Tensor> cross_entropy_loss(const at::Tensor& z,
                                                                  const at::Tensor& head,
                                                                  const at::Tensor& targets,
                                                                  const at::Tensor& weights);

}  // namespace hadal::train
