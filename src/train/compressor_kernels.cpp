// Pooling of the compressor and the selection of rows, forward and backward.
#include "train/kernels.h"
#include "train/vector_math.h"

#include <algorithm>
#include <cmath>
#include <vector>

namespace hadal::train {

namespace {

struct Slot {
  bool exists;
  std::size_t token;      ///< position in the sequence
  std::size_t in_window;  ///< row of ape
  std::size_t series;     ///< 0: a half (or the only one), 1: b half
};

/// Slots of row w: with overlap the previous window's a halves, then this window's b halves.
Slot slot_of(const PoolShape& s, std::size_t w, std::size_t slot) {
  if (!s.overlap) return {true, w * s.ratio + slot, slot, 0};
  if (slot < s.ratio) return {w > 0, w > 0 ? (w - 1) * s.ratio + slot : 0, slot, 0};
  return {true, w * s.ratio + slot - s.ratio, slot - s.ratio, 1};
}

}  // namespace

void pool_forward(const PoolShape& s, const float* k, const float* g, const float* ape,
                  float* pooled, float* alpha) {
  const std::size_t e = s.width, tw = s.token_width();
  std::vector<float> top(e), sum(e);
  for (std::size_t b = 0; b < s.batch; ++b)
    for (std::size_t w = 0; w < s.rows(); ++w) {
      const std::size_t row = b * s.rows() + w;
      float* weights = alpha + row * s.slots() * e;
      float* out = pooled + row * e;
      std::fill(top.begin(), top.end(), -3e38f);
      std::fill(sum.begin(), sum.end(), 0.0f);
      std::fill_n(out, e, 0.0f);
      for (std::size_t slot = 0; slot < s.slots(); ++slot) {
        const Slot at = slot_of(s, w, slot);
        float* a = weights + slot * e;
        if (!at.exists) {
          std::fill_n(a, e, -3e38f);
          continue;
        }
        const float* gate = g + (b * s.sequence + at.token) * tw + at.series * e;
        const float* bias = ape + at.in_window * tw + at.series * e;
#pragma omp simd
        for (std::size_t i = 0; i < e; ++i) {
          a[i] = gate[i] + bias[i];
          top[i] = top[i] > a[i] ? top[i] : a[i];
        }
      }
      for (std::size_t slot = 0; slot < s.slots(); ++slot) {
        const Slot at = slot_of(s, w, slot);
        float* a = weights + slot * e;
        if (!at.exists) {
          std::fill_n(a, e, 0.0f);
          continue;
        }
        const float* value = k + (b * s.sequence + at.token) * tw + at.series * e;
#pragma omp simd
        for (std::size_t i = 0; i < e; ++i) {
          a[i] = fast_exp(a[i] - top[i]);
          sum[i] += a[i];
          out[i] += a[i] * value[i];
        }
      }
      for (std::size_t i = 0; i < e; ++i) out[i] /= sum[i];
      for (std::size_t slot = 0; slot < s.slots(); ++slot)
        for (std::size_t i = 0; i < e; ++i) weights[slot * e + i] /= sum[i];
    }
}

void pool_backward(const PoolShape& s, const float* k, const float* alpha, const float* pooled,
                   const float* d_pooled, float* d_k, float* d_g, float* d_ape) {
  const std::size_t e = s.width, tw = s.token_width();
  std::fill_n(d_k, s.batch * s.sequence * tw, 0.0f);
  std::fill_n(d_g, s.batch * s.sequence * tw, 0.0f);
  std::fill_n(d_ape, s.ratio * tw, 0.0f);
  for (std::size_t b = 0; b < s.batch; ++b)
    for (std::size_t w = 0; w < s.rows(); ++w) {
      const std::size_t row = b * s.rows() + w;
      const float* d = d_pooled + row * e;
      const float* mean = pooled + row * e;
      for (std::size_t slot = 0; slot < s.slots(); ++slot) {
        const Slot at = slot_of(s, w, slot);
        if (!at.exists) continue;
        const std::size_t offset = (b * s.sequence + at.token) * tw + at.series * e;
        const float* a = alpha + (row * s.slots() + slot) * e;
        float* ape = d_ape + at.in_window * tw + at.series * e;
#pragma omp simd
        for (std::size_t i = 0; i < e; ++i) {
          const float share = a[i] * d[i];
          d_k[offset + i] = share;
          const float gate = share * (k[offset + i] - mean[i]);
          d_g[offset + i] = gate;
          ape[i] += gate;
        }
      }
    }
}

void index_select_rows(std::size_t batch, std::size_t sequence, std::size_t heads,
                       std::size_t width, std::size_t n_rows, std::size_t ratio, std::size_t top_k,
                       const float* q, const float* rows, const float* weights,
                       std::uint8_t* selected) {
  const float factor =
      1.0f / (std::sqrt(static_cast<float>(heads)) * std::sqrt(static_cast<float>(width)));
  std::vector<float> products(heads * n_rows), scores(n_rows);
  std::vector<std::size_t> order(n_rows);
  std::fill_n(selected, batch * sequence * n_rows, std::uint8_t{0});
  for (std::size_t t = 0; t < batch * sequence; ++t) {
    const std::size_t visible = std::min(n_rows, (t % sequence + 1) / ratio),
                      kept = std::min(top_k, visible);
    if (visible == 0) continue;
    const float* keys = rows + t / sequence * n_rows * width;
    gemm(false, true, heads, visible, width, 1.0f, q + t * heads * width, width, keys, width, 0.0f,
         products.data(), n_rows);
    for (std::size_t j = 0; j < visible; ++j) {
      scores[j] = 0.0f;
      order[j] = j;
      for (std::size_t h = 0; h < heads; ++h)
        scores[j] += weights[t * heads + h] * factor * std::max(products[h * n_rows + j], 0.0f);
    }
    std::partial_sort(order.begin(), order.begin() + static_cast<std::ptrdiff_t>(kept),
                      order.begin() + static_cast<std::ptrdiff_t>(visible),
                      [&](std::size_t a, std::size_t b) {
                        return scores[a] != scores[b] ? scores[a] > scores[b] : a < b;
                      });
    for (std::size_t i = 0; i < kept; ++i) selected[t * n_rows + order[i]] = 1;
  }
}

}  // namespace hadal::train
