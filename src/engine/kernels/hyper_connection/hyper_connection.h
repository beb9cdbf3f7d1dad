// Manifold-constrained hyper-connections (deepseek-v4.md 2.3-2.5). n = hc_mult residual streams of
// width d per token.
#pragma once

#include "engine/kernels/matrix_view.h"
#include "engine/kernels/rows.h"

#include <span>

namespace hadal {

/// Weights of one site (attention or ffn of a layer).
struct HyperConnectionWeights {
  MatrixView fn;                 ///< [(2+n) n, n d]
  std::span<const float> base;   ///< [(2+n) n]
  std::span<const float> scale;  ///< [3]: pre, post, comb
};

/// Coefficients from the streams, and the collapsed input of the sub-layer:
///   t = UNorm(flatten X) fn^T;  pre = sigmoid(t scale0 + base) + hc_eps;  post = 2 sigmoid(t
///   scale1 + base) C = Sinkhorn(softmax_rows(t scale2 + base) + hc_eps);  h[i] = sum_j pre[j]
///   X[j][i]
struct HyperConnectionReadArgs {
  Rows<const float> streams;  ///< [n_tokens, n d], stream-major
  std::size_t hc_mult;        ///< n
  HyperConnectionWeights weights;
  std::size_t sinkhorn_iters;  ///< >= 1; 1 = the first column pass only
  float rms_norm_eps;          ///< inside UNorm
  float hc_eps;                ///< in pre and in the Sinkhorn denominators
  Rows<float> hidden;          ///< [n_tokens, d] out: h
  Rows<float> post;            ///< [n_tokens, n] out
  Rows<float> comb;            ///< [n_tokens, n n] out: C[j][k], row-major
};

/// X'[k] = post[k] a + sum_j C[j][k] X[j], in place, from the old X. The sum runs over the FIRST
/// index of C (C^T X).
struct HyperConnectionWriteArgs {
  Rows<const float> update;  ///< [n_tokens, d]: a
  Rows<const float> post;    ///< [n_tokens, n]
  Rows<const float> comb;    ///< [n_tokens, n n]
  std::size_t hc_mult;
  Rows<float> streams;  ///< [n_tokens, n d], in place
};

/// z[i] = sum_j pre[j] X[j][i], pre = sigmoid(UNorm(flatten X) fn^T scale + base) + hc_eps. No
/// Sinkhorn, no post.
struct HyperConnectionHeadArgs {
  Rows<const float> streams;  ///< [n_tokens, n d]
  std::size_t hc_mult;
  MatrixView fn;                ///< [n, n d]
  std::span<const float> base;  ///< [n]
  float scale;
  float rms_norm_eps;
  float hc_eps;
  Rows<float> hidden;  ///< [n_tokens, d] out
};

void hyper_connection_read_ref(const HyperConnectionReadArgs& args) noexcept;
void hyper_connection_write_ref(const HyperConnectionWriteArgs& args) noexcept;
void hyper_connection_head_ref(const HyperConnectionHeadArgs& args) noexcept;

}  // namespace hadal
