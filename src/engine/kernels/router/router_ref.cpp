#include "engine/kernels/router/router.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <vector>

namespace hadal {
namespace {

double softplus(double v) {
  return v > 20.0 ? v : std::log1p(std::exp(v));
}

/// s = f(logits), in place.
void activate(RouterScore score, std::span<double> s) {
  switch (score) {
    case RouterScore::sqrtsoftplus:
      for (double& v : s) v = std::sqrt(softplus(v));
      return;
    case RouterScore::sigmoid:
      for (double& v : s) v = 1.0 / (1.0 + std::exp(-v));
      return;
    case RouterScore::softmax: {
      const double max = *std::max_element(s.begin(), s.end());
      for (double& v : s) v = std::exp(v - max);
      const double sum = std::accumulate(s.begin(), s.end(), 0.0);
      for (double& v : s) v /= sum;
      return;
    }
  }
}

/// Experts by falling s + bias; ties: the lower expert first. A NaN comes last, so that broken
/// weights give a broken token and not a broken comparison.
void choose_experts(std::span<const double> s, std::span<const float> bias,
                    std::span<std::int32_t> chosen, RouterScratch& scratch) {
  std::vector<double>& key = scratch.keys;
  key.assign(s.begin(), s.end());
  for (std::size_t e = 0; e < key.size(); ++e) {
    if (!bias.empty()) key[e] += double{bias[e]};
    if (std::isnan(key[e])) key[e] = -std::numeric_limits<double>::infinity();
  }
  std::vector<std::int32_t>& order = scratch.order;
  order.resize(s.size());
  std::iota(order.begin(), order.end(), 0);
  std::partial_sort(order.begin(), order.begin() + static_cast<std::ptrdiff_t>(chosen.size()),
                    order.end(), [&](std::int32_t a, std::int32_t b) {
                      const double key_a = key[static_cast<std::size_t>(a)];
                      const double key_b = key[static_cast<std::size_t>(b)];
                      return key_a != key_b ? key_a > key_b : a < b;
                    });
  std::copy_n(order.begin(), chosen.size(), chosen.begin());
}

}  // namespace

void router_ref(const RouterArgs& args) {
  RouterScratch scratch;
  router_ref(args, scratch);
}

void router_ref(const RouterArgs& args, RouterScratch& scratch) {
  const std::size_t k = args.experts.width;
  for (std::size_t t = 0; t < args.logits.n; ++t) {
    std::vector<double>& s = scratch.scores;
    s.assign(args.logits[t], args.logits[t] + args.logits.width);
    activate(args.score, s);
    const std::span<std::int32_t> experts(args.experts[t], k);
    if (!args.experts_given) choose_experts(s, args.bias, experts, scratch);
    double sum = 0.0;
    for (const std::int32_t e : experts) sum += s[static_cast<std::size_t>(e)];
    for (std::size_t i = 0; i < k; ++i) {
      const double weight = s[static_cast<std::size_t>(experts[i])];  // without the bias
      args.weights[t][i] = static_cast<float>(weight / (sum + 1e-20) * double{args.scaling});
    }
  }
}

}  // namespace hadal
