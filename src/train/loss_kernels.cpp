// Cross entropy against the language-model head, forward and backward.
#include "train/kernels.h"
#include "train/vector_math.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <vector>

namespace hadal::train {

namespace {

constexpr std::size_t kChunk = 128;  // tokens whose logits stay in the L2 cache

/// Turns one row of logits into weight * (softmax - onehot); returns the loss, sets the argmax.
float cross_entropy_row(float* row, std::size_t vocab, std::size_t target, float weight,
                        std::int32_t* best) {
  float top = row[0];
#pragma omp simd reduction(max : top)
  for (std::size_t v = 0; v < vocab; ++v) top = top > row[v] ? top : row[v];
  std::size_t at = 0;
  while (row[at] < top) ++at;  // NaN ends the search too
  *best = static_cast<std::int32_t>(at);
  const float own = row[target] - top;
  float sum = 0.0f;
#pragma omp simd reduction(+ : sum)
  for (std::size_t v = 0; v < vocab; ++v) sum += row[v] = fast_exp(row[v] - top);
  const float factor = weight / sum;
#pragma omp simd
  for (std::size_t v = 0; v < vocab; ++v) row[v] *= factor;
  row[target] -= weight;
  return std::log(sum) - own;
}

}  // namespace

void cross_entropy(std::size_t tokens, std::size_t width, std::size_t vocab, const float* z,
                   const float* head, const std::int32_t* targets, const float* weights,
                   float* losses, std::int32_t* best, float* d_z, float* d_head) {
  std::fill_n(losses, tokens, 0.0f);
  std::fill_n(best, tokens, -1);
  std::fill_n(d_z, tokens * width, 0.0f);
  std::fill_n(d_head, vocab * width, 0.0f);
  std::vector<std::size_t> used;
  for (std::size_t t = 0; t < tokens; ++t)
    if (weights[t] > 0.0f) used.push_back(t);
  std::vector<float> zs(kChunk * width), logits(kChunk * vocab);
  for (std::size_t begin = 0; begin < used.size(); begin += kChunk) {
    const std::size_t count = std::min(kChunk, used.size() - begin);
    for (std::size_t i = 0; i < count; ++i)
      std::memcpy(zs.data() + i * width, z + used[begin + i] * width, width * sizeof(float));
    gemm(false, true, count, vocab, width, 1.0f, zs.data(), width, head, width, 0.0f, logits.data(),
         vocab);
    for (std::size_t i = 0; i < count; ++i) {
      const std::size_t t = used[begin + i];
      losses[t] = cross_entropy_row(logits.data() + i * vocab, vocab,
                                    static_cast<std::size_t>(targets[t]), weights[t], best + t);
    }
    gemm(true, false, vocab, width, count, 1.0f, logits.data(), vocab, zs.data(), width, 1.0f,
         d_head, width);
    gemm(false, false, count, width, vocab, 1.0f, logits.data(), vocab, head, width, 0.0f,
         zs.data(), width);
    for (std::size_t i = 0; i < count; ++i)
      std::memcpy(d_z + used[begin + i] * width, zs.data() + i * width, width * sizeof(float));
  }
}

}  // namespace hadal::train
