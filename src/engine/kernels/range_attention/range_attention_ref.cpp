#include "engine/kernels/range_attention/range_attention.h"
#include "engine/kernels/reference_dot.h"

#include <algorithm>
#include <cmath>
#include <vector>

namespace hadal {
namespace {

std::vector<const float*> keys_of(const RangeAttentionArgs& args, std::size_t token,
                                  std::size_t head) {
  std::vector<const float*> keys(args.visible[token].size());
  gather_range_keys(args, token, head / (args.n_heads / args.n_kv_heads), keys.data());
  return keys;
}

void attend(const RangeAttentionArgs& args, std::size_t token, std::size_t head) {
  const std::vector<const float*> keys = keys_of(args, token, head);
  std::vector<double> weights(keys.size());
  range_attention_weights(args, token, head, weights);

  std::vector<double> out(args.head_dim);
  for (std::size_t j = 0; j < keys.size(); ++j) {
    const float* value = keys[j] + range_value_offset(args);
    for (std::size_t i = 0; i < args.head_dim; ++i) out[i] += weights[j] * double{value[i]};
  }
  for (std::size_t i = 0; i < args.head_dim; ++i) {
    args.out[token][head * args.head_dim + i] = static_cast<float>(out[i]);
  }
}

}  // namespace

void gather_range_keys(const RangeAttentionArgs& args, std::size_t token, std::size_t kv_head,
                       const float** keys) noexcept {
  const auto add = [&](const RowRange& range) {
    for (std::size_t row = range.begin; row < range.end; ++row)
      *keys++ = args.rows[row] + kv_head * args.head_dim;
  };
  for (const RowRange& range : args.visible[token].before) add(range);
  add(args.visible[token].last);
}

void range_attention_weights(const RangeAttentionArgs& args, std::size_t token, std::size_t head,
                             std::span<double> weights) {
  const std::vector<const float*> keys = keys_of(args, token, head);
  const float* q = args.q[token] + head * args.head_dim;
  const double sink = args.sinks[head];
  double max = sink;  // the sink takes part in the maximum, so the denominator is never 0
  for (std::size_t j = 0; j < keys.size(); ++j) {
    weights[j] = reference_dot(q, keys[j], args.head_dim) * double{args.scale};
    max = std::max(max, weights[j]);
  }

  double sum = std::exp(sink - max);
  for (double& w : weights) {
    w = std::exp(w - max);
    sum += w;
  }
  for (double& w : weights) w /= sum;
}

void range_attention_ref(const RangeAttentionArgs& args) {
  for (std::size_t token = 0; token < args.q.n; ++token) {
    for (std::size_t head = 0; head < args.n_heads; ++head) attend(args, token, head);
  }
}

}  // namespace hadal
