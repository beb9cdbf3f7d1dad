// Hyper-connections (deepseek-v4.md 2.3 - 2.5), forward and backward.
#include "train/kernels.h"
#include "train/vector_math.h"

#include <algorithm>
#include <cmath>
#include <vector>

namespace hadal::train {

namespace {

constexpr std::size_t kChunk =
    128;  // tokens handled together, so that their streams stay in the L2 cache
constexpr std::size_t kLanes = 16;  // tokens whose coefficients are computed side by side

/// sqrt-mean norm of the flattened streams and their projection on fn: t = (u fn^T) * rsqrt(mean
/// u^2 + eps).
void project_streams(const HyperShape& shape, std::size_t n_out, const float* h, const float* fn,
                     float* t, float* inv_rms, std::size_t count) {
  const std::size_t nd = shape.streams * shape.width;
  gemm(false, true, count, n_out, nd, 1.0f, h, nd, fn, nd, 0.0f, t, n_out);
  for (std::size_t i = 0; i < count; ++i) {
    const float* u = h + i * nd;
    inv_rms[i] = 1.0f / std::sqrt(dot(u, u, nd) / static_cast<float>(nd) + shape.rms_eps);
    for (std::size_t c = 0; c < n_out; ++c) t[i * n_out + c] *= inv_rms[i];
  }
}

void collapse_streams(const HyperShape& shape, const float* h, const float* pre, float* x,
                      std::size_t count) {
  const std::size_t n = shape.streams, d = shape.width;
  for (std::size_t i = 0; i < count; ++i) {
    const float* hi = h + i * n * d;
    float* xi = x + i * d;
    const float first = pre[i * n];
#pragma omp simd
    for (std::size_t c = 0; c < d; ++c) xi[c] = first * hi[c];
    for (std::size_t j = 1; j < n; ++j) axpy(pre[i * n + j], hi + j * d, xi, d);
  }
}

/// Gradient through t = (u fn^T) r and x = sum_j pre_j h_j, given d_t; writes d_h, adds to d_fn.
/// d_t is overwritten.
void project_backward(const HyperShape& shape, std::size_t n_out, const float* h, const float* fn,
                      const float* pre, const float* t, const float* inv_rms, const float* d_x,
                      float* d_t, float* d_h, float* d_fn, std::size_t count) {
  const std::size_t n = shape.streams, d = shape.width, nd = n * d;
  float along[kChunk];
  for (std::size_t i = 0; i < count; ++i) {
    const float r = inv_rms[i];
    along[i] = -r * r / static_cast<float>(nd) * dot(d_t + i * n_out, t + i * n_out, n_out);
    for (std::size_t c = 0; c < n_out; ++c) d_t[i * n_out + c] *= r;
  }
  gemm(false, false, count, nd, n_out, 1.0f, d_t, n_out, fn, nd, 0.0f, d_h, nd);
  gemm(true, false, n_out, nd, count, 1.0f, d_t, n_out, h, nd, 1.0f, d_fn, nd);
  for (std::size_t i = 0; i < count; ++i) {
    const float* dx = d_x + i * d;
    for (std::size_t j = 0; j < n; ++j) {
      const float* hj = h + i * nd + j * d;
      float* out = d_h + i * nd + j * d;
      const float p = pre[i * n + j], q = along[i];
#pragma omp simd
      for (std::size_t c = 0; c < d; ++c) out[c] += p * dx[c] + q * hj[c];
    }
  }
}

/// The doubly normalised matrix of 2.3 for kLanes tokens at once, and its gradient. Element (j, k)
/// of lane l is at
/// [(j * n + k) * kLanes + l]. Every half step (a normalisation) is kept, since its gradient needs
/// only its result.
class Sinkhorn {
 public:
  Sinkhorn(std::size_t n, std::size_t iters, float eps)
      : n_(n),
        size_(n * n * kLanes),
        n_steps_(2 * iters),
        eps_(eps),
        states_((n_steps_ + 1) * size_),
        inverse_(n_steps_ * n * kLanes) {}

  /// logits [n*n][kLanes] -> the last state.
  const float* forward(const float* logits) {
    softmax_rows(logits, states_.data());
    float* state = states_.data();
    for (std::size_t i = 0; i < size_; ++i) state[size_ + i] = state[i] + eps_;
    for (std::size_t step = 1; step < n_steps_; ++step) normalise(step);
    return states_.data() + n_steps_ * size_;
  }

  /// d [n*n][kLanes]: gradient of the result on entry, of the logits on return.
  void backward(float* d) const {
    for (std::size_t step = n_steps_ - 1; step >= 1; --step) {
      const float* y = states_.data() + (step + 1) * size_;
      const float* inverse = inverse_.data() + step * n_ * kLanes;
      for (std::size_t line = 0; line < n_; ++line)
        line_backward(y, inverse + line * kLanes, line, columns(step), d);
    }
    const float* p = states_.data();
    for (std::size_t row = 0; row < n_; ++row) {
      float along[kLanes] = {};
      for (std::size_t k = 0; k < n_; ++k)
        for (std::size_t l = 0; l < kLanes; ++l) along[l] += p[at(row, k) + l] * d[at(row, k) + l];
      for (std::size_t k = 0; k < n_; ++k)
        for (std::size_t l = 0; l < kLanes; ++l)
          d[at(row, k) + l] = p[at(row, k) + l] * (d[at(row, k) + l] - along[l]);
    }
  }

 private:
  // States: 0 softmax, 1 softmax + eps, then one per half step 1 .. 2 * iters - 1: columns first,
  // columns last.
  static bool columns(std::size_t step) { return step % 2 == 1; }
  std::size_t at(std::size_t j, std::size_t k) const { return (j * n_ + k) * kLanes; }
  std::size_t cell(std::size_t line, std::size_t i, bool columns) const {
    return columns ? at(i, line) : at(line, i);
  }

  void softmax_rows(const float* logits, float* out) const {
    for (std::size_t j = 0; j < n_; ++j) {
      float top[kLanes], sum[kLanes] = {};
      for (std::size_t l = 0; l < kLanes; ++l) top[l] = logits[at(j, 0) + l];
      for (std::size_t k = 1; k < n_; ++k)
        for (std::size_t l = 0; l < kLanes; ++l) top[l] = std::max(top[l], logits[at(j, k) + l]);
      for (std::size_t k = 0; k < n_; ++k)
        for (std::size_t l = 0; l < kLanes; ++l) {
          const float e = fast_exp(logits[at(j, k) + l] - top[l]);
          out[at(j, k) + l] = e;
          sum[l] += e;
        }
      for (std::size_t k = 0; k < n_; ++k)
        for (std::size_t l = 0; l < kLanes; ++l) out[at(j, k) + l] /= sum[l];
    }
  }

  void normalise(std::size_t step) {
    const float* in = states_.data() + step * size_;
    float* out = states_.data() + (step + 1) * size_;
    for (std::size_t line = 0; line < n_; ++line) {
      float* inverse = inverse_.data() + (step * n_ + line) * kLanes;
      float sum[kLanes] = {};
      for (std::size_t i = 0; i < n_; ++i)
        for (std::size_t l = 0; l < kLanes; ++l) sum[l] += in[cell(line, i, columns(step)) + l];
      for (std::size_t l = 0; l < kLanes; ++l) inverse[l] = 1.0f / (sum[l] + eps_);
      for (std::size_t i = 0; i < n_; ++i)
        for (std::size_t l = 0; l < kLanes; ++l)
          out[cell(line, i, columns(step)) + l] = in[cell(line, i, columns(step)) + l] * inverse[l];
    }
  }

  /// y = x / (sum x + eps):  dx = (dy - sum(dy * y)) / (sum x + eps).
  void line_backward(const float* y, const float* inverse, std::size_t line, bool columns,
                     float* d) const {
    float along[kLanes] = {};
    for (std::size_t i = 0; i < n_; ++i)
      for (std::size_t l = 0; l < kLanes; ++l)
        along[l] += d[cell(line, i, columns) + l] * y[cell(line, i, columns) + l];
    for (std::size_t i = 0; i < n_; ++i)
      for (std::size_t l = 0; l < kLanes; ++l)
        d[cell(line, i, columns) + l] = (d[cell(line, i, columns) + l] - along[l]) * inverse[l];
  }

  std::size_t n_, size_, n_steps_;
  float eps_;
  std::vector<float> states_;
  std::vector<float> inverse_;
};

/// Mixing logits of up to kLanes tokens into lane order; unused lanes repeat the last token.
void load_mix_logits(const HyperShape& shape, const float* t, const float* base, float scale,
                     std::size_t count, float* logits) {
  const std::size_t n = shape.streams, m = shape.n_coefficients();
  for (std::size_t c = 0; c < n * n; ++c)
    for (std::size_t l = 0; l < kLanes; ++l)
      logits[c * kLanes + l] = t[std::min(l, count - 1) * m + 2 * n + c] * scale + base[2 * n + c];
}

}  // namespace

void hyper_read_forward(const HyperShape& shape, const float* h, const float* fn, const float* base,
                        const float* scale, float* x, float* post, float* comb, float* pre,
                        float* t, float* inv_rms) {
  const std::size_t n = shape.streams, d = shape.width, m = shape.n_coefficients();
  Sinkhorn sinkhorn(n, shape.sinkhorn_iters, shape.hc_eps);
  std::vector<float> logits(n * n * kLanes);
  for (std::size_t begin = 0; begin < shape.tokens; begin += kChunk) {
    const std::size_t count = std::min(kChunk, shape.tokens - begin);
    project_streams(shape, m, h + begin * n * d, fn, t + begin * m, inv_rms + begin, count);
    for (std::size_t i = begin; i < begin + count; ++i)
      for (std::size_t j = 0; j < n; ++j) {
        pre[i * n + j] = fast_sigmoid(t[i * m + j] * scale[0] + base[j]) + shape.hc_eps;
        post[i * n + j] = 2.0f * fast_sigmoid(t[i * m + n + j] * scale[1] + base[n + j]);
      }
    for (std::size_t i = begin; i < begin + count; i += kLanes) {
      const std::size_t lanes = std::min(kLanes, begin + count - i);
      load_mix_logits(shape, t + i * m, base, scale[2], lanes, logits.data());
      const float* c = sinkhorn.forward(logits.data());
      for (std::size_t l = 0; l < lanes; ++l)
        for (std::size_t e = 0; e < n * n; ++e) comb[(i + l) * n * n + e] = c[e * kLanes + l];
    }
    collapse_streams(shape, h + begin * n * d, pre + begin * n, x + begin * d, count);
  }
}

void hyper_read_backward(const HyperShape& shape, const float* h, const float* fn,
                         const float* base, const float* scale, const float* pre, const float* t,
                         const float* inv_rms, const float* d_x, const float* d_post,
                         const float* d_comb, float* d_h, float* d_fn, float* d_base,
                         float* d_scale) {
  const std::size_t n = shape.streams, d = shape.width, m = shape.n_coefficients();
  std::fill_n(d_fn, m * n * d, 0.0f);
  std::fill_n(d_base, m, 0.0f);
  std::fill_n(d_scale, 3, 0.0f);
  Sinkhorn sinkhorn(n, shape.sinkhorn_iters, shape.hc_eps);
  std::vector<float> logits(n * n * kLanes), d_lanes(n * n * kLanes), d_t(kChunk * m);
  for (std::size_t begin = 0; begin < shape.tokens; begin += kChunk) {
    const std::size_t count = std::min(kChunk, shape.tokens - begin);
    // d_t first holds the gradient of the logits a = t * scale + base.
    for (std::size_t i = 0; i < count; ++i)
      for (std::size_t j = 0; j < n; ++j) {
        const std::size_t token = begin + i;
        const float d_pre = dot(d_x + token * d, h + (token * n + j) * d, d);
        const float p = pre[token * n + j] - shape.hc_eps;
        const float q = fast_sigmoid(t[token * m + n + j] * scale[1] + base[n + j]);
        d_t[i * m + j] = d_pre * p * (1.0f - p);
        d_t[i * m + n + j] = d_post[token * n + j] * 2.0f * q * (1.0f - q);
      }
    for (std::size_t i = 0; i < count; i += kLanes) {
      const std::size_t lanes = std::min(kLanes, count - i), token = begin + i;
      load_mix_logits(shape, t + token * m, base, scale[2], lanes, logits.data());
      sinkhorn.forward(logits.data());
      for (std::size_t e = 0; e < n * n; ++e)
        for (std::size_t l = 0; l < kLanes; ++l)
          d_lanes[e * kLanes + l] = d_comb[(token + std::min(l, lanes - 1)) * n * n + e];
      sinkhorn.backward(d_lanes.data());
      for (std::size_t l = 0; l < lanes; ++l)
        for (std::size_t e = 0; e < n * n; ++e)
          d_t[(i + l) * m + 2 * n + e] = d_lanes[e * kLanes + l];
    }
    for (std::size_t i = 0; i < count; ++i)
      for (std::size_t c = 0; c < m; ++c) {
        const std::size_t kind = c < n ? 0 : c < 2 * n ? 1 : 2;
        float& g = d_t[i * m + c];
        d_base[c] += g;
        d_scale[kind] += g * t[(begin + i) * m + c];
        g *= scale[kind];
      }
    project_backward(shape, m, h + begin * n * d, fn, pre + begin * n, t + begin * m,
                     inv_rms + begin, d_x + begin * d, d_t.data(), d_h + begin * n * d, d_fn,
                     count);
  }
}

void hyper_mix_forward(const HyperShape& shape, const float* h, const float* a, const float* post,
                       const float* comb, float* out) {
  const std::size_t n = shape.streams, d = shape.width;
  for (std::size_t i = 0; i < shape.tokens; ++i)
    for (std::size_t k = 0; k < n; ++k) {
      float* o = out + (i * n + k) * d;
      const float* ai = a + i * d;
      const float p = post[i * n + k];
#pragma omp simd
      for (std::size_t c = 0; c < d; ++c) o[c] = p * ai[c];
      for (std::size_t j = 0; j < n; ++j)
        axpy(comb[(i * n + j) * n + k], h + (i * n + j) * d, o, d);
    }
}

void hyper_mix_backward(const HyperShape& shape, const float* h, const float* a, const float* post,
                        const float* comb, const float* d_out, float* d_h, float* d_a,
                        float* d_post, float* d_comb) {
  const std::size_t n = shape.streams, d = shape.width;
  for (std::size_t i = 0; i < shape.tokens; ++i) {
    const float* g = d_out + i * n * d;
    for (std::size_t k = 0; k < n; ++k) {
      d_post[i * n + k] = dot(g + k * d, a + i * d, d);
      for (std::size_t j = 0; j < n; ++j)
        d_comb[(i * n + j) * n + k] = dot(g + k * d, h + (i * n + j) * d, d);
    }
    std::fill_n(d_a + i * d, d, 0.0f);
    for (std::size_t k = 0; k < n; ++k) axpy(post[i * n + k], g + k * d, d_a + i * d, d);
    for (std::size_t j = 0; j < n; ++j) {
      float* out = d_h + (i * n + j) * d;
      std::fill_n(out, d, 0.0f);
      for (std::size_t k = 0; k < n; ++k) axpy(comb[(i * n + j) * n + k], g + k * d, out, d);
    }
  }
}

void hyper_head_forward(const HyperShape& shape, const float* h, const float* fn, const float* base,
                        const float* scale, float* z, float* pre, float* t, float* inv_rms) {
  const std::size_t n = shape.streams;
  project_streams(shape, n, h, fn, t, inv_rms, shape.tokens);
  for (std::size_t i = 0; i < shape.tokens; ++i)
    for (std::size_t j = 0; j < n; ++j)
      pre[i * n + j] = fast_sigmoid(t[i * n + j] * scale[0] + base[j]) + shape.hc_eps;
  collapse_streams(shape, h, pre, z, shape.tokens);
}

void hyper_head_backward(const HyperShape& shape, const float* h, const float* fn,
                         const float* base, const float* scale, const float* pre, const float* t,
                         const float* inv_rms, const float* d_z, float* d_h, float* d_fn,
                         float* d_base, float* d_scale) {
  (void)base;
  const std::size_t n = shape.streams, d = shape.width;
  std::fill_n(d_fn, n * n * d, 0.0f);
  std::fill_n(d_base, n, 0.0f);
  d_scale[0] = 0.0f;
  std::vector<float> d_t(kChunk * n);
  for (std::size_t begin = 0; begin < shape.tokens; begin += kChunk) {
    const std::size_t count = std::min(kChunk, shape.tokens - begin);
    for (std::size_t i = 0; i < count; ++i)
      for (std::size_t j = 0; j < n; ++j) {
        const std::size_t token = begin + i;
        const float p = pre[token * n + j] - shape.hc_eps;
        const float g = dot(d_z + token * d, h + (token * n + j) * d, d) * p * (1.0f - p);
        d_base[j] += g;
        d_scale[0] += g * t[token * n + j];
        d_t[i * n + j] = g * scale[0];
      }
    project_backward(shape, n, h + begin * n * d, fn, pre + begin * n, t + begin * n,
                     inv_rms + begin, d_z + begin * d, d_t.data(), d_h + begin * n * d, d_fn,
                     count);
  }
}

}  // namespace hadal::train
