#include "engine/kernels/attention/attention_keys.h"
#include "engine/kernels/reference_dot.h"

#include <cmath>
#include <vector>

namespace hadal {
namespace {

void attend(const AttentionArgs& args, std::size_t token, std::size_t head) {
  const AttentionKeys keys = attention_keys(args, token);
  const float* q = args.q[token] + head * args.head_dim;
  const double sink = args.sinks[head];

  std::vector<double> weights(keys.size());
  double max = sink;  // the sink takes part in the maximum, so the denominator is never 0
  for (std::size_t j = 0; j < keys.size(); ++j) {
    weights[j] = reference_dot(q, attention_key(args, keys, j), args.head_dim) * double{args.scale};
    max = std::max(max, weights[j]);
  }

  double sum = std::exp(sink - max);
  for (double& w : weights) {
    w = std::exp(w - max);
    sum += w;
  }

  std::vector<double> out(args.head_dim);
  for (std::size_t j = 0; j < keys.size(); ++j) {
    const float* value = attention_key(args, keys, j);  // keys are the values, too
    for (std::size_t i = 0; i < args.head_dim; ++i) out[i] += weights[j] / sum * double{value[i]};
  }
  for (std::size_t i = 0; i < args.head_dim; ++i) {
    args.out[token][head * args.head_dim + i] = static_cast<float>(out[i]);
  }
}

}  // namespace

void attention_ref(const AttentionArgs& args) {
  for (std::size_t token = 0; token < args.q.n; ++token) {
    for (std::size_t head = 0; head < args.n_heads; ++head) attend(args, token, head);
  }
}

}  // namespace hadal
