#include "engine/kernels/hyper_connection/coefficients.h"

#include <algorithm>
#include <cmath>

namespace hadal {
namespace {

double sigmoid(double v) noexcept {
  return 1.0 / (1.0 + std::exp(-v));
}

/// A square matrix C[j][k], in place, that Sinkhorn's iteration makes (almost) doubly stochastic.
class SinkhornMatrix {
 public:
  SinkhornMatrix(double* c, std::size_t n, double eps) : n_(n), eps_(eps), c_(c) {}

  double& at(std::size_t j, std::size_t k) noexcept { return c_[j * n_ + k]; }

  void softmax_rows() noexcept {
    for (std::size_t j = 0; j < n_; ++j) {
      double max = at(j, 0);
      for (std::size_t k = 1; k < n_; ++k) max = std::max(max, at(j, k));
      double sum = 0.0;
      for (std::size_t k = 0; k < n_; ++k) sum += at(j, k) = std::exp(at(j, k) - max);
      for (std::size_t k = 0; k < n_; ++k) at(j, k) = at(j, k) / sum + eps_;
    }
  }

  void divide_columns() noexcept {
    for (std::size_t k = 0; k < n_; ++k) {
      double sum = eps_;
      for (std::size_t j = 0; j < n_; ++j) sum += at(j, k);
      for (std::size_t j = 0; j < n_; ++j) at(j, k) /= sum;
    }
  }

  void divide_rows() noexcept {
    for (std::size_t j = 0; j < n_; ++j) {
      double sum = eps_;
      for (std::size_t k = 0; k < n_; ++k) sum += at(j, k);
      for (std::size_t k = 0; k < n_; ++k) at(j, k) /= sum;
    }
  }

 private:
  std::size_t n_;
  double eps_;
  double* c_;
};

}  // namespace

void hyper_connection_pre(const double* t, float scale, const float* base, float hc_eps,
                          std::span<double> pre) noexcept {
  for (std::size_t j = 0; j < pre.size(); ++j) {
    pre[j] = sigmoid(t[j] * double{scale} + double{base[j]}) + double{hc_eps};
  }
}

void hyper_connection_coefficients(const HyperConnectionReadArgs& args, std::size_t token,
                                   double* t, std::span<double> pre) noexcept {
  const std::size_t n = args.hc_mult;
  const std::span<const float> base = args.weights.base;
  const std::span<const float> scale = args.weights.scale;
  hyper_connection_pre(t, scale[0], base.data(), args.hc_eps, pre);
  for (std::size_t j = 0; j < n; ++j) {
    const double logit = t[n + j] * double{scale[1]} + double{base[n + j]};
    args.post[token][j] = static_cast<float>(2.0 * sigmoid(logit));
  }

  SinkhornMatrix c(t + 2 * n, n, double{args.hc_eps});
  for (std::size_t j = 0; j < n; ++j) {
    for (std::size_t k = 0; k < n; ++k) {
      c.at(j, k) = c.at(j, k) * double{scale[2]} + double{base[2 * n + j * n + k]};
    }
  }
  c.softmax_rows();
  c.divide_columns();
  for (std::size_t i = 1; i < args.sinkhorn_iters; ++i) {
    c.divide_rows();
    c.divide_columns();
  }
  for (std::size_t j = 0; j < n; ++j) {
    for (std::size_t k = 0; k < n; ++k) {
      args.comb[token][j * n + k] = static_cast<float>(c.at(j, k));
    }
  }
}

}  // namespace hadal
