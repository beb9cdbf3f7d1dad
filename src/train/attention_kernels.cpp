// Attention over window and rows with a sink, forward and backward.
#include "train/kernels.h"
#include "train/vector_math.h"

#include <algorithm>
#include <cmath>
#include <vector>

namespace hadal::train {

namespace {

/// What one block of queries of one sequence sees.
struct AttentionBlock {
  std::size_t query0, n_queries, key0, n_keys, n_rows;
};

AttentionBlock block_of(const AttentionShape& s, std::size_t block) {
  AttentionBlock b{};
  b.query0 = block * AttentionShape::kBlock;
  b.n_queries = std::min(AttentionShape::kBlock, s.sequence - b.query0);
  b.key0 = b.query0 + 1 > s.window ? b.query0 + 1 - s.window : 0;
  b.n_keys = b.query0 + b.n_queries - b.key0;
  b.n_rows = s.rows == 0 ? 0 : std::min(s.rows, (b.query0 + b.n_queries) / s.ratio);
  return b;
}

/// Softmax with sink over the scores of one query and head, in place; columns it must not see
/// become 0.
void softmax_with_sink(float* window, std::size_t lo, std::size_t hi, std::size_t n_keys,
                       float* rows, std::size_t visible, std::size_t n_rows, float sink) {
  float top = sink;
#pragma omp simd reduction(max : top)
  for (std::size_t j = lo; j < hi; ++j) top = top > window[j] ? top : window[j];
#pragma omp simd reduction(max : top)
  for (std::size_t j = 0; j < visible; ++j) top = top > rows[j] ? top : rows[j];
  float sum = fast_exp(sink - top);
#pragma omp simd reduction(+ : sum)
  for (std::size_t j = lo; j < hi; ++j) sum += window[j] = fast_exp(window[j] - top);
#pragma omp simd reduction(+ : sum)
  for (std::size_t j = 0; j < visible; ++j)
    sum += rows[j] = rows[j] < -1e30f ? 0.0f : fast_exp(rows[j] - top);
  const float inverse = 1.0f / sum;
  std::fill_n(window, lo, 0.0f);
#pragma omp simd
  for (std::size_t j = lo; j < hi; ++j) window[j] *= inverse;
  std::fill(window + hi, window + n_keys, 0.0f);
#pragma omp simd
  for (std::size_t j = 0; j < visible; ++j) rows[j] *= inverse;
  std::fill(rows + visible, rows + n_rows, 0.0f);
}

}  // namespace

void attention_forward(const AttentionShape& s, const float* q, const float* kv,
                       const float* compressed, const float* sink, const std::uint8_t* selected,
                       RopeTable rope, float* o, float* p) {
  const std::size_t c = s.width, ld = s.columns(), hw = s.heads * c;
  const float scale = 1.0f / std::sqrt(static_cast<float>(c));
  for (std::size_t b = 0; b < s.batch; ++b)
    for (std::size_t block = 0; block < s.n_blocks(); ++block) {
      const AttentionBlock k = block_of(s, block);
      const std::size_t n_query_rows = k.n_queries * s.heads;
      float* scores = p + (b * s.n_blocks() + block) * AttentionShape::kBlock * s.heads * ld;
      float* row_scores = scores + s.window_columns();
      const float* qb = q + (b * s.sequence + k.query0) * hw;
      const float* keys = kv + (b * s.sequence + k.key0) * c;
      const float* rows = compressed + b * s.rows * c;
      gemm(false, true, n_query_rows, k.n_keys, c, scale, qb, c, keys, c, 0.0f, scores, ld);
      gemm(false, true, n_query_rows, k.n_rows, c, scale, qb, c, rows, c, 0.0f, row_scores, ld);
      for (std::size_t i = 0; i < n_query_rows; ++i) {
        const std::size_t position = k.query0 + i / s.heads;
        const std::size_t first = position + 1 > s.window ? position + 1 - s.window : 0;
        const std::size_t visible = s.rows == 0 ? 0 : std::min(s.rows, (position + 1) / s.ratio);
        if (selected != nullptr) {
          const std::uint8_t* choice = selected + (b * s.sequence + position) * s.rows;
          for (std::size_t j = 0; j < visible; ++j)
            if (choice[j] == 0) row_scores[i * ld + j] = -2e30f;
        }
        softmax_with_sink(scores + i * ld, first - k.key0, position + 1 - k.key0, k.n_keys,
                          row_scores + i * ld, visible, k.n_rows, sink[i % s.heads]);
      }
      float* ob = o + (b * s.sequence + k.query0) * hw;
      gemm(false, false, n_query_rows, c, k.n_keys, 1.0f, scores, ld, keys, c, 0.0f, ob, c);
      if (k.n_rows > 0)
        gemm(false, false, n_query_rows, c, k.n_rows, 1.0f, row_scores, ld, rows, c, 1.0f, ob, c);
    }
  rotate_rows({s.batch * s.sequence * s.heads, c, s.heads, s.sequence}, rope, -1.0f, o);
}

void attention_backward(const AttentionShape& s, const float* q, const float* kv,
                        const float* compressed, RopeTable rope, const float* p, float* d_o,
                        float* d_q, float* d_kv, float* d_compressed, float* d_sink) {
  const std::size_t c = s.width, ld = s.columns(), hw = s.heads * c;
  const float scale = 1.0f / std::sqrt(static_cast<float>(c));
  rotate_rows({s.batch * s.sequence * s.heads, c, s.heads, s.sequence}, rope, 1.0f, d_o);
  std::fill_n(d_kv, s.batch * s.sequence * c, 0.0f);
  if (s.rows > 0) std::fill_n(d_compressed, s.batch * s.rows * c, 0.0f);
  std::fill_n(d_sink, s.heads, 0.0f);
  std::vector<float> d_scores(AttentionShape::kBlock * s.heads * ld);
  for (std::size_t b = 0; b < s.batch; ++b)
    for (std::size_t block = 0; block < s.n_blocks(); ++block) {
      const AttentionBlock k = block_of(s, block);
      const std::size_t n_query_rows = k.n_queries * s.heads, at_row = s.window_columns();
      const float* weights = p + (b * s.n_blocks() + block) * AttentionShape::kBlock * s.heads * ld;
      const std::size_t query = (b * s.sequence + k.query0) * hw,
                        key = (b * s.sequence + k.key0) * c;
      const float* rows = compressed + b * s.rows * c;
      float* ds = d_scores.data();
      gemm(false, true, n_query_rows, k.n_keys, c, 1.0f, d_o + query, c, kv + key, c, 0.0f, ds, ld);
      gemm(false, true, n_query_rows, k.n_rows, c, 1.0f, d_o + query, c, rows, c, 0.0f, ds + at_row,
           ld);
      for (std::size_t i = 0; i < n_query_rows; ++i) {
        const float* w = weights + i * ld;
        float* g = ds + i * ld;
        float along = 0.0f, mass = 0.0f;
#pragma omp simd reduction(+ : along, mass)
        for (std::size_t j = 0; j < k.n_keys; ++j) along += w[j] * g[j], mass += w[j];
#pragma omp simd reduction(+ : along, mass)
        for (std::size_t j = at_row; j < at_row + k.n_rows; ++j) along += w[j] * g[j], mass += w[j];
#pragma omp simd
        for (std::size_t j = 0; j < k.n_keys; ++j) g[j] = w[j] * (g[j] - along);
#pragma omp simd
        for (std::size_t j = at_row; j < at_row + k.n_rows; ++j) g[j] = w[j] * (g[j] - along);
        d_sink[i % s.heads] -= (1.0f - mass) * along;
      }
      gemm(false, false, n_query_rows, c, k.n_keys, scale, ds, ld, kv + key, c, 0.0f, d_q + query,
           c);
      gemm(true, false, k.n_keys, c, n_query_rows, scale, ds, ld, q + query, c, 1.0f, d_kv + key,
           c);
      gemm(true, false, k.n_keys, c, n_query_rows, 1.0f, weights, ld, d_o + query, c, 1.0f,
           d_kv + key, c);
      if (k.n_rows == 0) continue;
      float* d_rows = d_compressed + b * s.rows * c;
      gemm(false, false, n_query_rows, c, k.n_rows, scale, ds + at_row, ld, rows, c, 1.0f,
           d_q + query, c);
      gemm(true, false, k.n_rows, c, n_query_rows, scale, ds + at_row, ld, q + query, c, 1.0f,
           d_rows, c);
      gemm(true, false, k.n_rows, c, n_query_rows, 1.0f, weights + at_row, ld, d_o + query, c, 1.0f,
           d_rows, c);
    }
}

}  // namespace hadal::train
