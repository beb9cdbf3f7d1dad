#include "engine/backends/cpu/cpu_backend.h"

#include "base/checked_math.h"
#include "engine/kernels/attention/attention_keys.h"
#include "engine/kernels/hyper_connection/coefficients.h"

#include <fmt/format.h>

#include <cmath>

namespace hadal {
namespace {

constexpr std::size_t kGrowth = 16;         // a share of this for vectors that grow in steps
constexpr std::size_t kListBytes = 128;     // of pair and task lists, per pair or expert
constexpr std::size_t kStreamTokens = 144;  // whose streams are packed at a time

/// Of a task that reads streams: projections t, then pre.
std::size_t n_read_doubles(std::size_t n_streams) noexcept {
  return (2 + n_streams) * n_streams + n_streams;
}

/// Heads [first, first + n) of one token, which share their keys.
struct HeadsOfToken {
  std::size_t token, first, n;
};
struct KeyPointers {
  const float** rows;
  std::size_t n;
  std::size_t value_offset;  ///< from a key to its value
};

template <typename Args>  // AttentionArgs or RangeAttentionArgs
void attend(const AttentionKernels& kernels, const Args& args, HeadsOfToken heads, KeyPointers keys,
            TaskScratch& scratch) {
  const std::size_t n_floats = kernels.scratch_floats(heads.n, args.head_dim, keys.n);
  kernels.heads({.keys = keys.rows,
                 .value_offset = keys.value_offset,
                 .n_keys = keys.n,
                 .n_heads = heads.n,
                 .head_dim = args.head_dim,
                 .q = args.q[heads.token] + heads.first * args.head_dim,
                 .sinks = args.sinks.data() + heads.first,
                 .scale = args.scale,
                 .out = args.out[heads.token] + heads.first * args.head_dim,
                 .scratch = hadal::reserve(scratch.floats, n_floats)});
}

}  // namespace

CpuBackend::CpuBackend(const CpuKernels& kernels, std::size_t n_threads, bool exact,
                       Pinning pinning)
    : kernels_(kernels),
      runner_(n_threads, pinning),
      variants_{.exact = kernels.linear, .int8 = exact ? nullptr : kernels.int8_linear},
      linear_(variants_, runner_),
      indexer_(*kernels.indexer, runner_),
      moe_(kernels, variants_, runner_) {}

std::string CpuBackend::description() const {
  const std::size_t n = runner_.n_threads();
  return fmt::format("cpu ({}, {} thread{}{})", kernels_.name, n, n == 1 ? "" : "s",
                     variants_.int8 == nullptr ? ", exact" : "");
}

void CpuBackend::reserve(const WorkShape& shape) {
  if (shape.n_index_rows > 0) indexer_.reserve_scores(shape.n_index_rows);
  runner_.on_every_thread([&] {
    TaskScratch& scratch = task_scratch();
    hadal::reserve(scratch.floats, task_floats(shape));
    hadal::reserve(scratch.pointers, task_pointers(shape));
    hadal::reserve(scratch.doubles, n_read_doubles(shape.hc_mult));
    scratch.router.scores.reserve(shape.n_routed_experts);
    scratch.router.keys.reserve(shape.n_routed_experts);
    scratch.router.order.reserve(shape.n_routed_experts);
  });
}

/// Upper bounds of the vectors in CpuLinear, CpuMoe and CpuIndexer, and of the tasks' scratch.
std::size_t CpuBackend::workspace_bytes(const WorkShape& shape) const {
  const std::size_t n = shape.n_tokens;
  const LinearKernels& exact = *variants_.exact;
  const LinearKernels& experts =
      shape.int8_experts && variants_.int8 != nullptr ? *variants_.int8 : exact;
  const std::size_t streams = shape.hc_mult * shape.hidden_size;
  const std::size_t packed =
      std::max({n * exact.packed_floats(shape.hidden_size),
                n * exact.packed_floats(shape.widest_token_input),
                std::min(n, shape.n_block_tokens) * exact.packed_floats(shape.widest_input),
                std::min(n, kStreamTokens) * exact.packed_floats(streams)});
  const std::size_t projected = n * (2 + shape.hc_mult) * shape.hc_mult;

  const std::size_t f = shape.moe_intermediate_size;
  const std::size_t n_shared = shape.n_shared_experts;
  const std::size_t n_routed_pairs = n * shape.num_experts_per_tok;
  const std::size_t n_pairs = n_routed_pairs + (n_shared > 0 ? n : 0);
  const std::size_t moe = n_pairs * experts.packed_floats(shape.hidden_size)  // inputs
                          + 2 * (n_routed_pairs + n * n_shared) * f           // gate, up
                          + n_routed_pairs * experts.packed_floats(f) +
                          n * experts.packed_floats(n_shared * f)  // hidden
                          + n_pairs * shape.hidden_size;           // outputs
  const std::size_t floats = packed + projected + moe + indexer_.score_floats(shape) +
                             runner_.n_threads() * (task_floats(shape) + 2 * task_pointers(shape));
  const std::size_t lists = (n_pairs + n + shape.n_routed_experts) * kListBytes;
  return (floats + floats / kGrowth) * sizeof(float) + lists;
}

std::size_t CpuBackend::task_floats(const WorkShape& shape) const {
  const std::size_t n_heads = std::min(kAttentionHeads, shape.n_heads);
  return std::max(
      {kernels_.attention->scratch_floats(n_heads, shape.head_dim, shape.n_keys),
       kernels_.attention->scratch_floats(std::min(kAttentionHeads, shape.n_range_heads),
                                          shape.range_head_dim, shape.n_range_keys),
       shape.n_index_rows > 0 ? indexer_.task_floats(shape) : 0, shape.num_experts_per_tok + 1});
}

std::size_t CpuBackend::task_pointers(const WorkShape& shape) const {
  return std::max({shape.n_keys, shape.n_range_keys,
                   shape.n_index_rows > 0 ? indexer_.task_pointers(shape) : 0,
                   shape.num_experts_per_tok + 1});
}

void CpuBackend::embedding(const EmbeddingArgs& args) {
  runner_.for_rows(args.ids.size(), args.table.cols, [&](std::size_t begin, std::size_t end) {
    for (std::size_t t = begin; t < end; ++t) {
      kernels_.decode_columns(args.table, static_cast<std::size_t>(args.ids[t]), 0, args.table.cols,
                              args.out[t]);
    }
  });
}

void CpuBackend::linear(const LinearArgs& args) {
  linear_(args);
}

void CpuBackend::rms_norm(const RmsNormArgs& args) {
  runner_.for_rows(args.x.n, args.x.width, [&](std::size_t begin, std::size_t end) {
    RmsNormArgs slice = args;
    slice.x = args.x.slice(begin, end - begin);
    slice.out = args.out.slice(begin, end - begin);
    kernels_.rms_norm(slice);
  });
}

void CpuBackend::rope(const RopeArgs& args) {
  const std::size_t width = args.n_heads * 2 * args.freq.size();
  runner_.for_rows(args.x.n, width, [&](std::size_t begin, std::size_t end) {
    RopeArgs slice = args;
    slice.x = args.x.slice(begin, end - begin);
    slice.positions = args.positions.subspan(begin, end - begin);
    kernels_.rope(slice);
  });
}

/// t = UNorm(X) fn^T as (X fn^T) * norm; `coefficients(token, t, pre)` turns t into pre (and more);
/// hidden = sum_j pre[j] X[j].
template <typename Coefficients>
void CpuBackend::read_streams(Rows<const float> streams, const MatrixView& fn, float rms_norm_eps,
                              std::size_t n_streams, Rows<float> hidden,
                              const Coefficients& coefficients) {
  const auto projected =
      dense_rows(hadal::reserve(projected_, streams.n * fn.rows), streams.n, fn.rows);
  for (std::size_t t = 0; t < streams.n; t += kStreamTokens) {  // packing streams takes room
    const std::size_t n = std::min(kStreamTokens, streams.n - t);
    linear_({.x = streams.slice(t, n), .weight = fn, .y = projected.slice(t, n)});
  }
  runner_.for_rows(streams.n, fn.cols, [&](std::size_t begin, std::size_t end) {
    TaskScratch& scratch = task_scratch();
    double* t = hadal::reserve(scratch.doubles, n_read_doubles(n_streams));
    const std::span<double> pre(t + fn.rows, n_streams);
    float* weights = hadal::reserve(scratch.floats, n_streams);
    for (std::size_t token = begin; token < end; ++token) {
      const float* x = streams[token];
      const double squares = kernels_.hyper_connection->sum_of_squares(x, fn.cols);
      const double norm =
          1.0 / std::sqrt(squares / static_cast<double>(fn.cols) + double{rms_norm_eps});
      for (std::size_t i = 0; i < fn.rows; ++i) t[i] = double{projected[token][i]} * norm;
      coefficients(token, t, pre);
      for (std::size_t j = 0; j < n_streams; ++j) weights[j] = static_cast<float>(pre[j]);
      kernels_.hyper_connection->collapse(x, weights, n_streams, hidden.width, hidden[token]);
    }
  });
}

void CpuBackend::hyper_connection_read(const HyperConnectionReadArgs& args) {
  read_streams(args.streams, args.weights.fn, args.rms_norm_eps, args.hc_mult, args.hidden,
               [&](std::size_t token, double* t, std::span<double> pre) {
                 hyper_connection_coefficients(args, token, t, pre);
               });
}

void CpuBackend::hyper_connection_head(const HyperConnectionHeadArgs& args) {
  read_streams(args.streams, args.fn, args.rms_norm_eps, args.hc_mult, args.hidden,
               [&](std::size_t, const double* t, std::span<double> pre) {
                 hyper_connection_pre(t, args.scale, args.base.data(), args.hc_eps, pre);
               });
}

void CpuBackend::hyper_connection_write(const HyperConnectionWriteArgs& args) {
  runner_.for_rows(args.streams.n, args.streams.width, [&](std::size_t begin, std::size_t end) {
    HyperConnectionWriteArgs slice = args;
    slice.update = args.update.slice(begin, end - begin);
    slice.post = args.post.slice(begin, end - begin);
    slice.comb = args.comb.slice(begin, end - begin);
    slice.streams = args.streams.slice(begin, end - begin);
    if (args.hc_mult <= kMaxStreams) {
      kernels_.hyper_connection->write(slice);
    } else {
      hyper_connection_write_ref(slice);
    }
  });
}

void CpuBackend::compressor_pool(const CompressorPoolArgs& args) {
  runner_.for_rows(args.out.n, args.n_slots * args.out.width,
                   [&](std::size_t begin, std::size_t end) {
                     CompressorPoolArgs slice = args;
                     slice.values = args.values.subspan(begin * args.n_slots);
                     slice.gates = args.gates.subspan(begin * args.n_slots);
                     slice.out = args.out.slice(begin, end - begin);
                     kernels_.compressor_pool(slice);
                   });
}

void CpuBackend::indexer_select(const IndexerSelectArgs& args) {
  indexer_(args);
}

void CpuBackend::attention(const AttentionArgs& args) {
  const std::size_t n_groups = ceil_div(args.n_heads, kAttentionHeads);
  const std::size_t work = args.q.n * args.q.width * args.window;  // at least
  runner_.run(args.q.n * n_groups, work, [&](std::size_t i) {
    const std::size_t token = i / n_groups;
    const std::size_t head = i % n_groups * kAttentionHeads;
    const std::size_t n_heads = std::min(kAttentionHeads, args.n_heads - head);
    const AttentionKeys keys = attention_keys(args, token);
    TaskScratch& scratch = task_scratch();
    const float** pointers = hadal::reserve(scratch.pointers, keys.size());
    for (std::size_t j = 0; j < keys.size(); ++j) pointers[j] = attention_key(args, keys, j);
    attend(*kernels_.attention, args, {.token = token, .first = head, .n = n_heads},
           {.rows = pointers, .n = keys.size(), .value_offset = 0}, scratch);
  });
}

void CpuBackend::range_attention(const RangeAttentionArgs& args) {
  const std::size_t group = args.n_heads / args.n_kv_heads;
  const std::size_t n_parts = ceil_div(group, kAttentionHeads);  // of the heads of a key head
  const std::size_t n_tasks = args.n_kv_heads * n_parts;         // of a token
  std::size_t work = 0;
  for (const VisibleRanges& visible : args.visible) work += 2 * visible.size() * args.q.width;
  runner_.run(args.q.n * n_tasks, work, [&](std::size_t i) {
    const std::size_t token = i / n_tasks;
    const std::size_t kv_head = i % n_tasks / n_parts;
    const std::size_t first = i % n_parts * kAttentionHeads;  // in the group
    const std::size_t n_heads = std::min(kAttentionHeads, group - first);
    const std::size_t head = kv_head * group + first;
    const std::size_t n_keys = args.visible[token].size();
    TaskScratch& scratch = task_scratch();
    const float** keys = hadal::reserve(scratch.pointers, n_keys);
    gather_range_keys(args, token, kv_head, keys);
    attend(*kernels_.attention, args, {.token = token, .first = head, .n = n_heads},
           {.rows = keys, .n = n_keys, .value_offset = range_value_offset(args)}, scratch);
  });
}

void CpuBackend::router(const RouterArgs& args) {
  runner_.for_rows(args.logits.n, 8 * args.logits.width, [&](std::size_t begin, std::size_t end) {
    RouterArgs slice = args;  // in double, as the reference: exp and log of E values per token
    slice.logits = args.logits.slice(begin, end - begin);
    slice.experts = args.experts.slice(begin, end - begin);
    slice.weights = args.weights.slice(begin, end - begin);
    router_ref(slice, task_scratch().router);
  });
}

void CpuBackend::swiglu(const SwigluArgs& args) {
  runner_.for_rows(args.gate.n, 4 * args.gate.width, [&](std::size_t begin, std::size_t end) {
    SwigluArgs slice = args;
    slice.gate = args.gate.slice(begin, end - begin);
    slice.up = args.up.slice(begin, end - begin);
    slice.out = args.out.slice(begin, end - begin);
    kernels_.swiglu(slice);
  });
}

void CpuBackend::moe(const MoeArgs& args) {
  moe_(args);
}

}  // namespace hadal
