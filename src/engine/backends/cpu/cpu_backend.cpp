#include "engine/backends/cpu/cpu_backend.h"

#include "base/checked_math.h"
#include "engine/kernels/attention/attention_keys.h"
#include "engine/kernels/hyper_connection/coefficients.h"

#include <fmt/format.h>

#include <cmath>

namespace hadal {
namespace {

/// Of a task that reads streams: projections t, then pre.
std::size_t n_read_doubles(std::size_t n_streams) noexcept {
  return (2 + n_streams) * n_streams + n_streams;
}

}  // namespace

CpuBackend::CpuBackend(const CpuKernels& kernels, std::size_t n_threads, bool exact)
    : kernels_(kernels),
      runner_(n_threads),
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
  const std::size_t n_heads = std::min(kAttentionHeads, shape.n_heads);
  const std::size_t n_terms = shape.num_experts_per_tok + 1;
  std::size_t n_floats = kernels_.attention->scratch_floats(n_heads, shape.head_dim, shape.n_keys);
  std::size_t n_pointers = shape.n_keys;
  if (shape.n_index_rows > 0) {
    n_floats = std::max(n_floats, indexer_.task_floats(shape));
    n_pointers = std::max(n_pointers, indexer_.task_pointers(shape));
    indexer_.reserve_scores(shape.n_index_rows);
  }
  runner_.on_every_thread([&] {
    TaskScratch& scratch = task_scratch();
    hadal::reserve(scratch.floats, std::max(n_floats, n_terms));
    hadal::reserve(scratch.pointers, std::max(n_pointers, n_terms));
    hadal::reserve(scratch.doubles, n_read_doubles(shape.hc_mult));
    scratch.router.scores.reserve(shape.n_routed_experts);
    scratch.router.keys.reserve(shape.n_routed_experts);
    scratch.router.order.reserve(shape.n_routed_experts);
  });
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
  linear_({.x = streams, .weight = fn, .y = projected});
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
    const std::size_t n_floats =
        kernels_.attention->scratch_floats(n_heads, args.head_dim, keys.size());
    kernels_.attention->heads({.keys = pointers,
                               .n_keys = keys.size(),
                               .n_heads = n_heads,
                               .head_dim = args.head_dim,
                               .q = args.q[token] + head * args.head_dim,
                               .sinks = args.sinks.data() + head,
                               .scale = args.scale,
                               .out = args.out[token] + head * args.head_dim,
                               .scratch = hadal::reserve(scratch.floats, n_floats)});
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

void CpuBackend::moe(const MoeArgs& args) {
  moe_(args);
}

}  // namespace hadal
