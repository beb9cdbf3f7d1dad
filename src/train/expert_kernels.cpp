// Routing and the routed experts, forward and backward.
#include "train/kernels.h"
#include "train/vector_math.h"

#include <algorithm>
#include <cstring>
#include <vector>

namespace hadal::train {

void top_k_experts(std::size_t tokens, std::size_t experts, std::size_t k, const float* scores,
                   const float* bias, std::int32_t* chosen) {
  std::vector<float> value(experts);
  for (std::size_t t = 0; t < tokens; ++t) {
    for (std::size_t e = 0; e < experts; ++e) value[e] = scores[t * experts + e] + bias[e];
    for (std::size_t slot = 0; slot < k; ++slot) {
      std::size_t best = 0;
      for (std::size_t e = 1; e < experts; ++e)
        if (value[e] > value[best]) best = e;
      chosen[t * k + slot] = static_cast<std::int32_t>(best);
      value[best] = -3e38f;
    }
  }
}

void group_by_expert(const ExpertShape& s, const std::int32_t* chosen, std::int32_t* source,
                     std::int32_t* first) {
  std::fill_n(first, s.experts + 1, 0);
  for (std::size_t i = 0; i < s.assignments(); ++i) ++first[chosen[i] + 1];
  for (std::size_t e = 0; e < s.experts; ++e) first[e + 1] += first[e];
  std::vector<std::int32_t> next(first, first + s.experts);
  for (std::size_t i = 0; i < s.assignments(); ++i)
    source[next[static_cast<std::size_t>(chosen[i])]++] = static_cast<std::int32_t>(i);
}

namespace {

/// act = silu(min(a, L)) * clamp(b, -L, L)
void clamped_swiglu(std::size_t n, float limit, const float* a, const float* b, float* act) {
  const float top = limit > 0.0f ? limit : 3e38f;
#pragma omp simd
  for (std::size_t i = 0; i < n; ++i) {
    const float gate = a[i] < top ? a[i] : top;
    float up = b[i] < top ? b[i] : top;
    up = up > -top ? up : -top;
    act[i] = gate * fast_sigmoid(gate) * up;
  }
}

void clamped_swiglu_backward(std::size_t n, float limit, const float* a, const float* b,
                             const float* d_act, float* d_a, float* d_b) {
  const float top = limit > 0.0f ? limit : 3e38f;
#pragma omp simd
  for (std::size_t i = 0; i < n; ++i) {
    const float gate = a[i] < top ? a[i] : top;
    float up = b[i] < top ? b[i] : top;
    up = up > -top ? up : -top;
    const float s = fast_sigmoid(gate);
    d_a[i] = a[i] < top ? d_act[i] * up * s * (1.0f + gate * (1.0f - s)) : 0.0f;
    d_b[i] = up == b[i] ? d_act[i] * gate * s : 0.0f;
  }
}

void gather_rows(const float* x, std::size_t width, const std::int32_t* source,
                 std::size_t per_token, std::size_t count, float* out) {
  for (std::size_t i = 0; i < count; ++i)
    std::memcpy(out + i * width, x + static_cast<std::size_t>(source[i]) / per_token * width,
                width * sizeof(float));
}

}  // namespace

void experts_forward(const ExpertShape& s, const float* x, const float* gate,
                     const std::int32_t* source, const std::int32_t* first, const float* w1,
                     const float* w2, const float* w3, float* y, float* a, float* b, float* act) {
  const std::size_t d = s.width, f = s.inter;
  std::fill_n(y, s.tokens * d, 0.0f);
  std::vector<float> xs, ys;
  for (std::size_t e = 0; e < s.experts; ++e) {
    const auto begin = static_cast<std::size_t>(first[e]),
               count = static_cast<std::size_t>(first[e + 1]) - begin;
    if (count == 0) continue;
    xs.resize(std::max(xs.size(), count * d));
    ys.resize(xs.size());
    gather_rows(x, d, source + begin, s.per_token, count, xs.data());
    gemm(false, true, count, f, d, 1.0f, xs.data(), d, w1 + e * f * d, d, 0.0f, a + begin * f, f);
    gemm(false, true, count, f, d, 1.0f, xs.data(), d, w3 + e * f * d, d, 0.0f, b + begin * f, f);
    clamped_swiglu(count * f, s.limit, a + begin * f, b + begin * f, act + begin * f);
    gemm(false, true, count, d, f, 1.0f, act + begin * f, f, w2 + e * f * d, f, 0.0f, ys.data(), d);
    for (std::size_t i = 0; i < count; ++i) {
      const auto at = static_cast<std::size_t>(source[begin + i]);
      axpy(gate[at], ys.data() + i * d, y + at / s.per_token * d, d);
    }
  }
}

void experts_backward(const ExpertShape& s, const float* x, const float* gate,
                      const std::int32_t* source, const std::int32_t* first, const float* w1,
                      const float* w2, const float* w3, const float* a, const float* b,
                      const float* act, const float* d_y, float* d_x, float* d_gate, float* d_w1,
                      float* d_w2, float* d_w3) {
  const std::size_t d = s.width, f = s.inter;
  std::fill_n(d_x, s.tokens * d, 0.0f);
  std::fill_n(d_w1, s.experts * f * d, 0.0f);
  std::fill_n(d_w2, s.experts * f * d, 0.0f);
  std::fill_n(d_w3, s.experts * f * d, 0.0f);
  std::vector<float> xs, dys, d_act, d_a, d_b;
  for (std::size_t e = 0; e < s.experts; ++e) {
    const auto begin = static_cast<std::size_t>(first[e]),
               count = static_cast<std::size_t>(first[e + 1]) - begin;
    if (count == 0) continue;
    for (auto* buffer : {&xs, &dys}) buffer->resize(std::max(buffer->size(), count * d));
    for (auto* buffer : {&d_act, &d_a, &d_b}) buffer->resize(std::max(buffer->size(), count * f));
    gather_rows(x, d, source + begin, s.per_token, count, xs.data());
    gather_rows(d_y, d, source + begin, s.per_token, count, dys.data());
    gemm(false, false, count, f, d, 1.0f, dys.data(), d, w2 + e * f * d, f, 0.0f, d_act.data(), f);
    for (std::size_t i = 0; i < count; ++i) {
      const auto at = static_cast<std::size_t>(source[begin + i]);
      d_gate[at] = dot(d_act.data() + i * f, act + (begin + i) * f, f);
      const float weight = gate[at];
      for (std::size_t j = 0; j < f; ++j) d_act[i * f + j] *= weight;
      for (std::size_t j = 0; j < d; ++j) dys[i * d + j] *= weight;
    }
    clamped_swiglu_backward(count * f, s.limit, a + begin * f, b + begin * f, d_act.data(),
                            d_a.data(), d_b.data());
    gemm(true, false, d, f, count, 1.0f, dys.data(), d, act + begin * f, f, 0.0f, d_w2 + e * f * d,
         f);
    gemm(true, false, f, d, count, 1.0f, d_a.data(), f, xs.data(), d, 0.0f, d_w1 + e * f * d, d);
    gemm(true, false, f, d, count, 1.0f, d_b.data(), f, xs.data(), d, 0.0f, d_w3 + e * f * d, d);
    gemm(false, false, count, d, f, 1.0f, d_a.data(), f, w1 + e * f * d, d, 0.0f, dys.data(), d);
    gemm(false, false, count, d, f, 1.0f, d_b.data(), f, w3 + e * f * d, d, 1.0f, dys.data(), d);
    for (std::size_t i = 0; i < count; ++i)
      axpy(1.0f, dys.data() + i * d,
           d_x + static_cast<std::size_t>(source[begin + i]) / s.per_token * d, d);
  }
}

}  // namespace hadal::train
