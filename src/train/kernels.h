// Loops of the training graph that are neither matrix products nor worth hundreds of small tensor
// operations. Plain C++ without LibTorch, row-major float arrays, forward and backward. Every
// function is single-threaded and pure: a data-parallel worker calls them on its own micro-batch.
// Formulas: deepseek-v4.md, sections named below. Gradient arguments named d_x are written (not
// accumulated) unless their comment says "adds to".
#pragma once

#include <cstddef>
#include <cstdint>

namespace hadal::train {

/// C[m,n] = alpha * op(A) op(B) + beta * C, all row-major with leading dimensions. BLAS sgemm.
void gemm(bool transpose_a, bool transpose_b, std::size_t m, std::size_t n, std::size_t k,
          float alpha, const float* a, std::size_t lda, const float* b, std::size_t ldb, float beta,
          float* c, std::size_t ldc);

/// Limits BLAS to one thread per caller where the library allows it (OpenBLAS).
void use_single_threaded_blas();

/// What OPENBLAS_CORETYPE should be when the library took SSE kernels although this CPU has AVX2 or
/// AVX-512 (OpenBLAS 0.3.21 goes by model numbers and knows none younger than itself; training is
/// then about three times slower); null where its choice, or the user's, is right. The library
/// reads the variable when it is loaded, so that it counts for the next process only.
const char* better_blas_core();

// --- Norms and rope (2.2, 3.1, 3.2)
// -----------------------------------------------------------------------------------

/// cos and sin of the angles of one rope table: [n_positions, rope_dim / 2] each.
struct RopeTable {
  const float* cos = nullptr;
  const float* sin = nullptr;
  std::size_t half = 0;  ///< rope_dim / 2; 0: no rotation
};

/// Rows of `width` values; row r belongs to token r / heads, whose position is (r / heads) mod
/// sequence.
struct RowShape {
  std::size_t rows, width, heads, sequence;
};

/// y = rope(weight * x * rsqrt(mean(x^2) + eps)); `weight` may be null (weightless norm). inv_rms
/// [rows] is kept.
void norm_rope_forward(RowShape shape, const float* x, const float* weight, float eps,
                       RopeTable rope, float* y, float* inv_rms);
/// `d_weight` [width] is added to, null when weightless. `scratch` [width].
void norm_rope_backward(RowShape shape, const float* x, const float* weight, const float* inv_rms,
                        RopeTable rope, const float* d_y, float* d_x, float* d_weight,
                        float* scratch);
/// Rotates the last channels of each row in place; `sign` +1 or -1 (de-rotation).
void rotate_rows(RowShape shape, RopeTable rope, float sign, float* x);

// --- Hyper-connections (2.3 - 2.5)
// ------------------------------------------------------------------------------------

struct HyperShape {
  std::size_t tokens, streams, width;
  std::size_t sinkhorn_iters;
  float hc_eps, rms_eps;
  std::size_t n_coefficients() const { return (2 + streams) * streams; }
};

/// Read site. h [tokens, n, d]; fn [(2+n)n, n*d]; base [(2+n)n]; scale [3].
/// Out: x [tokens, d], post [tokens, n], comb [tokens, n, n], pre [tokens, n], t [tokens, (2+n)n],
/// inv_rms [tokens].
void hyper_read_forward(const HyperShape& shape, const float* h, const float* fn, const float* base,
                        const float* scale, float* x, float* post, float* comb, float* pre,
                        float* t, float* inv_rms);
/// d_fn, d_base, d_scale are written.
void hyper_read_backward(const HyperShape& shape, const float* h, const float* fn,
                         const float* base, const float* scale, const float* pre, const float* t,
                         const float* inv_rms, const float* d_x, const float* d_post,
                         const float* d_comb, float* d_h, float* d_fn, float* d_base,
                         float* d_scale);

/// out[k] = post[k] * a + sum_j comb[j][k] * h[j]   (comb transposed; 2.4)
void hyper_mix_forward(const HyperShape& shape, const float* h, const float* a, const float* post,
                       const float* comb, float* out);
void hyper_mix_backward(const HyperShape& shape, const float* h, const float* a, const float* post,
                        const float* comb, const float* d_out, float* d_h, float* d_a,
                        float* d_post, float* d_comb);

/// Final collapse. fn [n, n*d], base [n], scale [1]. Out: z [tokens, d], pre [tokens, n], t
/// [tokens, n], inv_rms.
void hyper_head_forward(const HyperShape& shape, const float* h, const float* fn, const float* base,
                        const float* scale, float* z, float* pre, float* t, float* inv_rms);
void hyper_head_backward(const HyperShape& shape, const float* h, const float* fn,
                         const float* base, const float* scale, const float* pre, const float* t,
                         const float* inv_rms, const float* d_z, float* d_h, float* d_fn,
                         float* d_base, float* d_scale);

// --- Attention (3.3 - 3.5)
// --------------------------------------------------------------------------------------------

struct AttentionShape {
  std::size_t batch, sequence, heads, width;  ///< width = head_dim
  std::size_t window;
  std::size_t rows;   ///< compressed rows per sequence, 0 for sliding layers
  std::size_t ratio;  ///< row j is visible to position p iff j < (p + 1) / ratio
  static constexpr std::size_t kBlock = 32;
  std::size_t n_blocks() const { return (sequence + kBlock - 1) / kBlock; }
  /// Key columns of one block of queries: window part, then rows.
  std::size_t window_columns() const { return kBlock + window - 1; }
  std::size_t columns() const { return window_columns() + rows; }
  std::size_t n_probabilities() const { return batch * n_blocks() * kBlock * heads * columns(); }
};

/// q [batch, sequence, heads, width] roped, kv [batch, sequence, width], compressed [batch, rows,
/// width], sink [heads]. selected: null, or [batch, sequence, rows] bytes: 1 where the indexer
/// chose the row. Out: o like q, de-rotated; p [n_probabilities()] is kept for the backward pass.
void attention_forward(const AttentionShape& shape, const float* q, const float* kv,
                       const float* compressed, const float* sink, const std::uint8_t* selected,
                       RopeTable rope, float* o, float* p);
/// d_o is overwritten (rotated back in place). d_sink is written. d_compressed may be null when
/// rows == 0.
void attention_backward(const AttentionShape& shape, const float* q, const float* kv,
                        const float* compressed, RopeTable rope, const float* p, float* d_o,
                        float* d_q, float* d_kv, float* d_compressed, float* d_sink);

// --- Attention under a mask, with a sink (world-model.md 2.4)
// -------------------------------------------------------------------------------------------------

struct MaskedAttentionShape {
  std::size_t batch, sequence, heads, kv_heads, width;  ///< width = head_dim
  static constexpr std::size_t kBlock = 64;
  std::size_t kv_head(std::size_t head) const { return head / (heads / kv_heads); }
  std::size_t n_probabilities() const;
};

/// q, o [batch, sequence, heads, width], k, v [batch, sequence, kv_heads, width], sink [heads],
/// mask [batch, sequence, sequence]: negative where token j <= i is not seen by token i (later
/// ones must be negative too). p [n_probabilities()] is kept for the backward pass.
void masked_attention_forward(const MaskedAttentionShape& shape, const float* q, const float* k,
                              const float* v, const float* sink, const float* mask, float* o,
                              float* p);
void masked_attention_backward(const MaskedAttentionShape& shape, const float* q, const float* k,
                               const float* v, const float* p, const float* d_o, float* d_q,
                               float* d_k, float* d_v, float* d_sink);

// --- Compressor pooling (4.1, 4.2)
// ------------------------------------------------------------------------------------

struct PoolShape {
  std::size_t batch, sequence, width, ratio;
  bool overlap;  ///< two series (CSA)
  std::size_t rows() const { return sequence / ratio; }
  std::size_t token_width() const { return overlap ? 2 * width : width; }
  std::size_t slots() const { return overlap ? 2 * ratio : ratio; }
};

/// k, g [batch, sequence, token_width], ape [ratio, token_width]. Out: pooled [batch, rows, width]
/// (before norm, rope), alpha [batch, rows, slots, width] is kept. Slots of the missing window
/// before row 0 have alpha 0.
void pool_forward(const PoolShape& shape, const float* k, const float* g, const float* ape,
                  float* pooled, float* alpha);
void pool_backward(const PoolShape& shape, const float* k, const float* alpha, const float* pooled,
                   const float* d_pooled, float* d_k, float* d_g, float* d_ape);

/// The indexer's choice (5): scores of all visible rows, the `top_k` best of each position (ties:
/// lower index). q [batch, sequence, heads, width] and rows [batch, n_rows, width] roped; weights
/// [batch, sequence, heads] raw projections. Out: selected [batch, sequence, n_rows].
void index_select_rows(std::size_t batch, std::size_t sequence, std::size_t heads,
                       std::size_t width, std::size_t n_rows, std::size_t ratio, std::size_t top_k,
                       const float* q, const float* rows, const float* weights,
                       std::uint8_t* selected);

// --- Mixture of experts (6)
// -------------------------------------------------------------------------------------------

/// Indices of the k largest score + bias per token (ties: lower index). scores [tokens, experts],
/// bias [experts].
void top_k_experts(std::size_t tokens, std::size_t experts, std::size_t k, const float* scores,
                   const float* bias, std::int32_t* chosen);

struct ExpertShape {
  std::size_t tokens, width, inter, experts, per_token;
  float limit;  ///< swiglu_limit; <= 0 switches the clamp off
  std::size_t assignments() const { return tokens * per_token; }
};

/// Order of assignments grouped by expert: source[i] = token * per_token + slot; first[e] ..
/// first[e+1] for expert e.
void group_by_expert(const ExpertShape& shape, const std::int32_t* chosen, std::int32_t* source,
                     std::int32_t* first);

/// y[t] = sum_slot gate[t, slot] * E_e(x[t]).  w1, w3 [experts, inter, width], w2 [experts, width,
/// inter]. Kept for backward: a, b, act [assignments, inter] (gate and up products, their
/// activation).
void experts_forward(const ExpertShape& shape, const float* x, const float* gate,
                     const std::int32_t* source, const std::int32_t* first, const float* w1,
                     const float* w2, const float* w3, float* y, float* a, float* b, float* act);
void experts_backward(const ExpertShape& shape, const float* x, const float* gate,
                      const std::int32_t* source, const std::int32_t* first, const float* w1,
                      const float* w2, const float* w3, const float* a, const float* b,
                      const float* act, const float* d_y, float* d_x, float* d_gate, float* d_w1,
                      float* d_w2, float* d_w3);

// --- Loss
// -------------------------------------------------------------------------------------------------------------

/// Weighted cross entropy with the gradient formed at once. Only rows with weight > 0 are computed.
/// z [tokens, width], head [vocab, width], targets, weights [tokens].
/// Out: losses [tokens] (unweighted, 0 where skipped), best [tokens] (argmax, -1 where skipped);
/// d_z [tokens, width] and d_head [vocab, width] for the loss sum_t weights[t] * losses[t]
/// (written).
void cross_entropy(std::size_t tokens, std::size_t width, std::size_t vocab, const float* z,
                   const float* head, const std::int32_t* targets, const float* weights,
                   float* losses, std::int32_t* best, float* d_z, float* d_head);

// --- Optimiser
// --------------------------------------------------------------------------------------------------------

struct AdamStep {
  float learning_rate, beta1, beta2, epsilon, weight_decay;
  float correction1, correction2;  ///< 1 - beta^t
};

/// AdamW (decoupled weight decay) on n values in place; the gradient is multiplied by
/// gradient_scale first.
void adamw_update(std::size_t n, const AdamStep& step, float gradient_scale, const float* gradient,
                  float* value, float* m, float* v);

}  // namespace hadal::train
