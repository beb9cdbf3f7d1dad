// Norms and rope (deepseek-v4.md 2.2, 3.1, 3.2), forward and backward.
#include "train/kernels.h"
#include "train/vector_math.h"

#include <cmath>
#include <cstring>

namespace hadal::train {

void norm_rope_forward(RowShape shape, const float* x, const float* weight, float eps,
                       RopeTable rope, float* y, float* inv_rms) {
  const std::size_t d = shape.width;
  for (std::size_t r = 0; r < shape.rows; ++r) {
    const float* xr = x + r * d;
    float* yr = y + r * d;
    const float scale = 1.0f / std::sqrt(dot(xr, xr, d) / static_cast<float>(d) + eps);
    inv_rms[r] = scale;
    if (weight != nullptr) {
#pragma omp simd
      for (std::size_t i = 0; i < d; ++i) yr[i] = weight[i] * (xr[i] * scale);
    } else {
#pragma omp simd
      for (std::size_t i = 0; i < d; ++i) yr[i] = xr[i] * scale;
    }
    if (rope.half > 0) {
      const std::size_t position = (r / shape.heads) % shape.sequence;
      rotate(rope.cos + position * rope.half, rope.sin + position * rope.half, rope.half, 1.0f,
             yr + d - 2 * rope.half);
    }
  }
}

void norm_rope_backward(RowShape shape, const float* x, const float* weight, const float* inv_rms,
                        RopeTable rope, const float* d_y, float* d_x, float* d_weight,
                        float* scratch) {
  const std::size_t d = shape.width;
  for (std::size_t r = 0; r < shape.rows; ++r) {
    const float* xr = x + r * d;
    float* g = scratch;
    std::memcpy(g, d_y + r * d, d * sizeof(float));
    if (rope.half > 0) {
      const std::size_t position = (r / shape.heads) % shape.sequence;
      rotate(rope.cos + position * rope.half, rope.sin + position * rope.half, rope.half, -1.0f,
             g + d - 2 * rope.half);
    }
    const float scale = inv_rms[r];
    if (weight != nullptr) {
#pragma omp simd
      for (std::size_t i = 0; i < d; ++i) {
        d_weight[i] += g[i] * xr[i] * scale;
        g[i] *= weight[i];
      }
    }
    const float along = dot(g, xr, d) * scale * scale / static_cast<float>(d);
    float* dx = d_x + r * d;
#pragma omp simd
    for (std::size_t i = 0; i < d; ++i) dx[i] = scale * (g[i] - along * xr[i]);
  }
}

void rotate_rows(RowShape shape, RopeTable rope, float sign, float* x) {
  for (std::size_t r = 0; r < shape.rows; ++r) {
    const std::size_t position = (r / shape.heads) % shape.sequence;
    rotate(rope.cos + position * rope.half, rope.sin + position * rope.half, rope.half, sign,
           x + (r + 1) * shape.width - 2 * rope.half);
  }
}

}  // namespace hadal::train
