#include "engine/kernels/hyper_connection/coefficients.h"

#include <cmath>
#include <vector>

namespace hadal {
namespace {

/// t = UNorm(x) fn^T with x one token's streams, flattened.
std::vector<double> project(const float* x, const MatrixView& fn, float eps) {
  double squares = 0.0;
  for (std::size_t i = 0; i < fn.cols; ++i) squares += double{x[i]} * double{x[i]};
  const double norm = 1.0 / std::sqrt(squares / static_cast<double>(fn.cols) + double{eps});

  std::vector<double> t(fn.rows);
  std::vector<float> w(fn.cols);
  for (std::size_t row = 0; row < fn.rows; ++row) {
    decode_row(fn, row, 0, fn.cols, w.data());
    for (std::size_t i = 0; i < fn.cols; ++i) t[row] += double{x[i]} * norm * double{w[i]};
  }
  return t;
}

/// hidden[i] = sum_j pre[j] X[j][i]
void collapse(const float* x, std::span<const double> pre, float* hidden, std::size_t d) {
  for (std::size_t i = 0; i < d; ++i) {
    double sum = 0.0;
    for (std::size_t j = 0; j < pre.size(); ++j) sum += pre[j] * double{x[j * d + i]};
    hidden[i] = static_cast<float>(sum);
  }
}

}  // namespace

void hyper_connection_read_ref(const HyperConnectionReadArgs& args) noexcept {
  std::vector<double> pre(args.hc_mult);
  for (std::size_t token = 0; token < args.streams.n; ++token) {
    const float* x = args.streams[token];
    auto t = project(x, args.weights.fn, args.rms_norm_eps);
    hyper_connection_coefficients(args, token, t.data(), pre);
    collapse(x, pre, args.hidden[token], args.hidden.width);
  }
}

void hyper_connection_write_ref(const HyperConnectionWriteArgs& args) noexcept {
  const std::size_t n = args.hc_mult;
  const std::size_t d = args.update.width;
  std::vector<float> old(n * d);
  for (std::size_t token = 0; token < args.streams.n; ++token) {
    float* x = args.streams[token];
    old.assign(x, x + n * d);
    for (std::size_t k = 0; k < n; ++k) {
      for (std::size_t i = 0; i < d; ++i) {
        double sum = double{args.post[token][k]} * double{args.update[token][i]};
        for (std::size_t j = 0; j < n; ++j) {  // C[j][k]: C transposed
          sum += double{args.comb[token][j * n + k]} * double{old[j * d + i]};
        }
        x[k * d + i] = static_cast<float>(sum);
      }
    }
  }
}

void hyper_connection_head_ref(const HyperConnectionHeadArgs& args) noexcept {
  std::vector<double> pre(args.hc_mult);
  for (std::size_t token = 0; token < args.streams.n; ++token) {
    const float* x = args.streams[token];
    const auto t = project(x, args.fn, args.rms_norm_eps);
    hyper_connection_pre(t.data(), args.scale, args.base.data(), args.hc_eps, pre);
    collapse(x, pre, args.hidden[token], args.hidden.width);
  }
}

}  // namespace hadal
