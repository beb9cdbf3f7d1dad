#include "engine/backends/metered_backend.h"

#include <algorithm>
#include <array>
#include <chrono>

namespace hadal {
namespace {

constexpr std::uint64_t kOpsPerProduct = 2;

std::uint64_t product_ops(std::size_t n_tokens, std::size_t rows, std::size_t cols) {
  return kOpsPerProduct * n_tokens * rows * cols;
}

std::uint64_t expert_bytes(const ExpertWeights& expert) {
  return bytes_of(expert.w1) + bytes_of(expert.w3) + bytes_of(expert.w2);
}

std::uint64_t expert_weights(const ExpertWeights& expert) {
  return expert.w1.rows * expert.w1.cols + expert.w3.rows * expert.w3.cols +
         expert.w2.rows * expert.w2.cols;
}

/// Keys that query `t` sees: of its window, then compressed rows.
struct SeenKeys {
  std::size_t window;
  std::size_t rows;
};

SeenKeys seen_keys(const AttentionArgs& args, std::size_t t) {
  SeenKeys seen{.window = std::min(args.window, args.start + t + 1), .rows = 0};
  if (!args.n_selected.empty()) {
    seen.rows = args.n_selected[t];
  } else if (!args.n_visible.empty()) {
    seen.rows = args.n_visible[t];
  }
  return seen;
}

}  // namespace

std::string_view name_of(Operator op) {
  constexpr std::array<std::string_view, 14> kNames = {"embedding",
                                                       "linear",
                                                       "rms_norm",
                                                       "rope",
                                                       "hyper_connection_read",
                                                       "hyper_connection_write",
                                                       "hyper_connection_head",
                                                       "compressor_pool",
                                                       "indexer_select",
                                                       "attention",
                                                       "router",
                                                       "moe",
                                                       "swiglu",
                                                       "range_attention"};
  return kNames[static_cast<std::size_t>(op)];
}

std::uint64_t MeteredBackend::bytes() const {
  std::uint64_t sum = 0;
  for (const OperatorUse& use : uses_) sum += use.bytes;
  return sum;
}

std::uint64_t MeteredBackend::ops() const {
  std::uint64_t sum = 0;
  for (const OperatorUse& use : uses_) sum += use.ops;
  return sum;
}

OperatorUse& MeteredBackend::use_of(Operator op, DType dtype) {
  const auto found = std::find_if(uses_.begin(), uses_.end(), [&](const OperatorUse& use) {
    return use.op == op && use.dtype == dtype;
  });
  return found != uses_.end() ? *found : uses_.emplace_back(OperatorUse{.op = op, .dtype = dtype});
}

template <typename Args>
void MeteredBackend::pass_on(Operator op, DType dtype, Work work, const Args& args,
                             void (Backend::*call)(const Args&)) {
  OperatorUse& use = use_of(op, dtype);
  ++use.n_calls;
  use.bytes += work.bytes;
  use.ops += work.ops;
  if (!timing_) {
    (inner_.*call)(args);
    return;
  }
  const auto start = std::chrono::steady_clock::now();
  (inner_.*call)(args);
  use.seconds += std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

void MeteredBackend::embedding(const EmbeddingArgs& args) {
  const std::uint64_t row_bytes = bytes_of(args.table) / args.table.rows;
  pass_on(Operator::embedding, args.table.dtype, {.bytes = args.ids.size() * row_bytes}, args,
          &Backend::embedding);
}

void MeteredBackend::linear(const LinearArgs& args) {
  const MatrixView& w = args.weight;
  const std::uint64_t bytes = bytes_of(w) * args.y.width / w.rows;  // a group of wo_a: its rows
  pass_on(Operator::linear, w.dtype,
          {.bytes = bytes, .ops = product_ops(args.x.n, args.y.width, w.cols)}, args,
          &Backend::linear);
}

void MeteredBackend::rms_norm(const RmsNormArgs& args) {
  pass_on(Operator::rms_norm, DType::f32, {}, args, &Backend::rms_norm);
}

void MeteredBackend::rope(const RopeArgs& args) {
  pass_on(Operator::rope, DType::f32, {}, args, &Backend::rope);
}

void MeteredBackend::hyper_connection_read(const HyperConnectionReadArgs& args) {
  const MatrixView& fn = args.weights.fn;
  pass_on(Operator::hyper_connection_read, fn.dtype,
          {.bytes = bytes_of(fn), .ops = product_ops(args.streams.n, fn.rows, fn.cols)}, args,
          &Backend::hyper_connection_read);
}

void MeteredBackend::hyper_connection_write(const HyperConnectionWriteArgs& args) {
  pass_on(Operator::hyper_connection_write, DType::f32, {}, args, &Backend::hyper_connection_write);
}

void MeteredBackend::hyper_connection_head(const HyperConnectionHeadArgs& args) {
  pass_on(
      Operator::hyper_connection_head, args.fn.dtype,
      {.bytes = bytes_of(args.fn), .ops = product_ops(args.streams.n, args.fn.rows, args.fn.cols)},
      args, &Backend::hyper_connection_head);
}

void MeteredBackend::compressor_pool(const CompressorPoolArgs& args) {
  pass_on(Operator::compressor_pool, DType::f32, {}, args, &Backend::compressor_pool);
}

void MeteredBackend::indexer_select(const IndexerSelectArgs& args) {
  Work work;
  std::size_t most_scored = 0;
  for (const std::size_t n_visible : args.n_visible) {
    if (n_visible <= args.top_k) continue;  // all are chosen, nothing is scored
    work.ops += product_ops(n_visible, args.n_heads, args.keys.width + 1);
    most_scored = std::max(most_scored, n_visible);
  }
  work.bytes = most_scored * args.keys.width * sizeof(float);
  pass_on(Operator::indexer_select, DType::f32, work, args, &Backend::indexer_select);
}

void MeteredBackend::attention(const AttentionArgs& args) {
  Work work;
  std::size_t most_rows = 0;
  for (std::size_t t = 0; t < args.q.n; ++t) {
    const SeenKeys seen = seen_keys(args, t);
    // a key is multiplied with the query and, as value, with its weight
    work.ops += 2 * product_ops(seen.window + seen.rows, args.n_heads, args.head_dim);
    most_rows = std::max(most_rows, seen.rows);
  }
  const std::size_t n_window = std::min(args.window + args.q.n - 1, args.start + args.q.n);
  work.bytes = (n_window + most_rows) * args.head_dim * sizeof(float);
  pass_on(Operator::attention, DType::f32, work, args, &Backend::attention);
}

void MeteredBackend::router(const RouterArgs& args) {
  pass_on(Operator::router, DType::f32, {}, args, &Backend::router);
}

MeteredBackend::Work MeteredBackend::work_of_experts(const MoeArgs& args) {
  Work work;
  chosen_.assign(args.experts.size(), false);
  for (std::size_t t = 0; t < args.x.n; ++t) {
    for (std::size_t i = 0; i < args.expert_ids.width; ++i) {
      const auto e = static_cast<std::size_t>(args.expert_ids[t][i]);
      work.ops += kOpsPerProduct * expert_weights(args.experts[e]);
      if (!chosen_[e]) work.bytes += expert_bytes(args.experts[e]);
      chosen_[e] = true;
    }
  }
  if (args.shared != nullptr) {
    work.bytes += expert_bytes(*args.shared);
    work.ops += kOpsPerProduct * args.x.n * expert_weights(*args.shared);
  }
  return work;
}

void MeteredBackend::moe(const MoeArgs& args) {
  const DType dtype = args.experts.empty() ? DType::f32 : args.experts.front().w1.dtype;
  pass_on(Operator::moe, dtype, work_of_experts(args), args, &Backend::moe);
}

void MeteredBackend::swiglu(const SwigluArgs& args) {
  pass_on(Operator::swiglu, DType::f32, {}, args, &Backend::swiglu);
}

void MeteredBackend::range_attention(const RangeAttentionArgs& args) {
  Work work;
  std::size_t most_rows = 0;
  for (const VisibleRanges& visible : args.visible) {
    // a key is multiplied with the query, its value with the weight
    work.ops += 2 * product_ops(visible.size(), args.n_heads, args.head_dim);
    most_rows = std::max(most_rows, visible.size());
  }
  work.bytes = most_rows * args.rows.width * sizeof(float);
  pass_on(Operator::range_attention, DType::f32, work, args, &Backend::range_attention);
}

}  // namespace hadal
