// Attention under an explicit mask with a sink, forward and backward.
#include "train/kernels.h"
#include "train/vector_math.h"

#include <algorithm>
#include <cmath>
#include <vector>

namespace hadal::train {
namespace {

/// The queries of one head of one sequence that are done together, and the keys up to their last.
struct QueryBlock {
  std::size_t query0, n_queries, n_keys;
};

QueryBlock block_of(const MaskedAttentionShape& s, std::size_t block) {
  const std::size_t query0 = block * MaskedAttentionShape::kBlock,
                    end = std::min(query0 + MaskedAttentionShape::kBlock, s.sequence);
  return {query0, end - query0, end};
}

/// Calls work(batch, head, block, p): p, the block's probabilities [n_queries, n_keys].
template <typename Float, typename Work>
void for_each_block(const MaskedAttentionShape& s, Float* p, const Work& work) {
  for (std::size_t b = 0; b < s.batch; ++b)
    for (std::size_t head = 0; head < s.heads; ++head)
      for (std::size_t query = 0; query < s.sequence; query += MaskedAttentionShape::kBlock) {
        const QueryBlock block = block_of(s, query / MaskedAttentionShape::kBlock);
        work(b, head, block, p);
        p += block.n_queries * block.n_keys;
      }
}

/// Softmax with sink of one row of scores in place, 0 where the mask is negative.
void masked_softmax(float* scores, const float* mask, std::size_t n, float sink) {
  float top = sink;
#pragma omp simd reduction(max : top)
  for (std::size_t j = 0; j < n; ++j) {
    const float seen = mask[j] < 0.0f ? -1e30f : scores[j];
    top = top > seen ? top : seen;
  }
  float sum = fast_exp(sink - top);
#pragma omp simd reduction(+ : sum)
  for (std::size_t j = 0; j < n; ++j) {
    const float e = fast_exp(scores[j] - top);
    scores[j] = mask[j] < 0.0f ? 0.0f : e;
    sum += scores[j];
  }
  const float inverse = 1.0f / sum;
#pragma omp simd
  for (std::size_t j = 0; j < n; ++j) scores[j] *= inverse;
}

/// d of scores from w, the probabilities, and g, the d of them, in place; returns d of the sink.
float softmax_backward(const float* w, float* g, std::size_t n) {
  float along = 0.0f, mass = 0.0f;
#pragma omp simd reduction(+ : along, mass)
  for (std::size_t j = 0; j < n; ++j) along += w[j] * g[j], mass += w[j];
#pragma omp simd
  for (std::size_t j = 0; j < n; ++j) g[j] = w[j] * (g[j] - along);
  return -(1.0f - mass) * along;
}

}  // namespace

std::size_t MaskedAttentionShape::n_probabilities() const {
  std::size_t n = 0;
  for (std::size_t query = 0; query < sequence; query += kBlock) {
    const QueryBlock block = block_of(*this, query / kBlock);
    n += block.n_queries * block.n_keys;
  }
  return batch * heads * n;
}

void masked_attention_forward(const MaskedAttentionShape& s, const float* q, const float* k,
                              const float* v, const float* sink, const float* mask, float* o,
                              float* p) {
  const std::size_t ld_q = s.heads * s.width, ld_k = s.kv_heads * s.width;
  const float scale = 1.0f / std::sqrt(static_cast<float>(s.width));
  for_each_block(s, p, [&](std::size_t b, std::size_t head, QueryBlock block, float* scores) {
    const std::size_t query = (b * s.sequence + block.query0) * ld_q + head * s.width,
                      key = b * s.sequence * ld_k + s.kv_head(head) * s.width;
    gemm(false, true, block.n_queries, block.n_keys, s.width, scale, q + query, ld_q, k + key, ld_k,
         0.0f, scores, block.n_keys);
    for (std::size_t i = 0; i < block.n_queries; ++i)
      masked_softmax(scores + i * block.n_keys,
                     mask + (b * s.sequence + block.query0 + i) * s.sequence, block.n_keys,
                     sink[head]);
    gemm(false, false, block.n_queries, s.width, block.n_keys, 1.0f, scores, block.n_keys, v + key,
         ld_k, 0.0f, o + query, ld_q);
  });
}

void masked_attention_backward(const MaskedAttentionShape& s, const float* q, const float* k,
                               const float* v, const float* p, const float* d_o, float* d_q,
                               float* d_k, float* d_v, float* d_sink) {
  const std::size_t ld_q = s.heads * s.width, ld_k = s.kv_heads * s.width;
  const float scale = 1.0f / std::sqrt(static_cast<float>(s.width));
  std::fill_n(d_k, s.batch * s.sequence * ld_k, 0.0f);
  std::fill_n(d_v, s.batch * s.sequence * ld_k, 0.0f);
  std::fill_n(d_sink, s.heads, 0.0f);
  std::vector<float> d_scores(MaskedAttentionShape::kBlock * s.sequence);
  for_each_block(s, p, [&](std::size_t b, std::size_t head, QueryBlock block, const float* w) {
    const std::size_t query = (b * s.sequence + block.query0) * ld_q + head * s.width,
                      key = b * s.sequence * ld_k + s.kv_head(head) * s.width;
    const std::size_t m = block.n_queries, n = block.n_keys;
    float* ds = d_scores.data();
    gemm(false, true, m, n, s.width, 1.0f, d_o + query, ld_q, v + key, ld_k, 0.0f, ds, n);
    for (std::size_t i = 0; i < m; ++i) d_sink[head] += softmax_backward(w + i * n, ds + i * n, n);
    gemm(false, false, m, s.width, n, scale, ds, n, k + key, ld_k, 0.0f, d_q + query, ld_q);
    gemm(true, false, n, s.width, m, scale, ds, n, q + query, ld_q, 1.0f, d_k + key, ld_k);
    gemm(true, false, n, s.width, m, 1.0f, w, n, d_o + query, ld_q, 1.0f, d_v + key, ld_k);
  });
}

}  // namespace hadal::train
