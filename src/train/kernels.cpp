#include "train/kernels.h"

#include "train/vector_math.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <vector>

// BLAS has no header that every distribution installs at run time; these two symbols are its stable
// ABI.
extern "C" {
void sgemm_(const char* trans_a, const char* trans_b, const int* m, const int* n, const int* k,
            const float* alpha, const float* a, const int* lda, const float* b, const int* ldb,
            const float* beta, float* c, const int* ldc);
void openblas_set_num_threads(int n) __attribute__((weak));
}

namespace hadal::train {

void gemm(bool transpose_a, bool transpose_b, std::size_t m, std::size_t n, std::size_t k,
          float alpha, const float* a, std::size_t lda, const float* b, std::size_t ldb, float beta,
          float* c, std::size_t ldc) {
  if (m == 0 || n == 0) return;
  // Row-major C = A B is column-major C' = B' A'.
  const int m_ = static_cast<int>(n), n_ = static_cast<int>(m), k_ = static_cast<int>(k);
  const int lda_ = static_cast<int>(ldb), ldb_ = static_cast<int>(lda),
            ldc_ = static_cast<int>(ldc);
  const char ta = transpose_b ? 'T' : 'N', tb = transpose_a ? 'T' : 'N';
  sgemm_(&ta, &tb, &m_, &n_, &k_, &alpha, b, &lda_, a, &ldb_, &beta, c, &ldc_);
}

void use_single_threaded_blas() {
  if (openblas_set_num_threads != nullptr) openblas_set_num_threads(1);
}

namespace {

constexpr std::size_t kChunk =
    128;  // tokens handled together, so that their streams stay in the L2 cache
constexpr std::size_t kLanes = 16;  // tokens whose coefficients are computed side by side

float dot(const float* a, const float* b, std::size_t n) {
  float sum = 0.0f;
#pragma omp simd reduction(+ : sum)
  for (std::size_t i = 0; i < n; ++i) sum += a[i] * b[i];
  return sum;
}

void axpy(float factor, const float* x, float* y, std::size_t n) {
#pragma omp simd
  for (std::size_t i = 0; i < n; ++i) y[i] += factor * x[i];
}

void rotate(const float* cos, const float* sin, std::size_t half, float sign, float* pairs) {
  for (std::size_t i = 0; i < half; ++i) {
    const float a = pairs[2 * i], b = pairs[2 * i + 1], s = sign * sin[i];
    pairs[2 * i] = a * cos[i] - b * s;
    pairs[2 * i + 1] = a * s + b * cos[i];
  }
}

}  // namespace

// --- Norms and rope
// ---------------------------------------------------------------------------------------------------

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

// --- Hyper-connections
// ------------------------------------------------------------------------------------------------

namespace {

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

// --- Attention
// --------------------------------------------------------------------------------------------------------

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

// --- Compressor pooling
// -----------------------------------------------------------------------------------------------

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

// --- Mixture of experts
// -----------------------------------------------------------------------------------------------

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

// --- Loss
// -------------------------------------------------------------------------------------------------------------

namespace {

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

// --- Optimiser
// --------------------------------------------------------------------------------------------------------

void adamw_update(std::size_t n, const AdamStep& s, float gradient_scale, const float* gradient,
                  float* value, float* m, float* v) {
  const float keep = 1.0f - s.learning_rate * s.weight_decay,
              rate = s.learning_rate / s.correction1;
  const float root = 1.0f / std::sqrt(s.correction2);
#pragma omp simd
  for (std::size_t i = 0; i < n; ++i) {
    const float g = gradient[i] * gradient_scale;
    m[i] = s.beta1 * m[i] + (1.0f - s.beta1) * g;
    v[i] = s.beta2 * v[i] + (1.0f - s.beta2) * g * g;
    value[i] = keep * value[i] - rate * m[i] / (std::sqrt(v[i]) * root + s.epsilon);
  }
}

}  // namespace hadal::train
