// Times the heavy operators of the CPU backend against what the machine can do, measured in the
// same run: GFLOP/s beside the FMA peak, GB/s of weights or keys beside the read bandwidth. usage:
// backend_bench [THREADS] [FILTER]        every line is the best and the median of its runs
#include "engine/backends/bench/ceilings.h"
#include "engine/backends/cpu/cpu_backend.h"
#include "engine/kernels/testing/kernel_testing.h"

#include <fmt/format.h>

#include <chrono>
#include <cstdlib>
#include <cstring>
#include <functional>

#include <time.h>

namespace hadal::bench {
namespace {

using testing::all_storages;
using testing::random_matrix;
using testing::Storage;
using testing::StoredMatrix;

/// With one thread CPU time, which a busy neighbour does not stretch; else wall time.
double now(std::size_t n_threads) {
  timespec time{};
  ::clock_gettime(n_threads == 1 ? CLOCK_PROCESS_CPUTIME_ID : CLOCK_MONOTONIC, &time);
  return static_cast<double>(time.tv_sec) + 1e-9 * static_cast<double>(time.tv_nsec);
}

struct Times {
  double best;
  double median;
};

Times measure(std::size_t n_threads, const std::function<void()>& f) {
  f();  // warm
  std::vector<double> times;
  double total = 0.0;
  while (times.size() < 5 || (total < 0.2 && times.size() < 200)) {
    const double start = now(n_threads);
    f();
    times.push_back(now(n_threads) - start);
    total += times.back();
  }
  std::sort(times.begin(), times.end());
  return {times.front(), times[times.size() / 2]};
}

struct Peak {
  double flops;
  double bytes;
};

Peak measure_peak(const CpuKernels& kernels, std::size_t n_threads) {
  const Ceilings& c = kernels.name == "avx2" ? kCeilingsAvx2 : kCeilingsAvx512;
  ThreadPool pool(n_threads);
  constexpr std::size_t kRounds = 500'000;
  constexpr std::size_t kFloats = 64 * 1024 * 1024;  // 256 MiB, past every cache
  const std::vector<float> memory(kFloats, 1.0f);
  std::vector<double> sink(n_threads * 64);
  const std::size_t part = kFloats / n_threads / 256 * 256;
  const Times fma = measure(n_threads, [&] {
    pool.run(n_threads, [&](std::size_t i) { sink[i * 64] = c.fp32.run(kRounds); });
  });
  const Times read = measure(n_threads, [&] {
    pool.run(n_threads,
             [&](std::size_t i) { sink[i * 64] = double{c.read(memory.data() + i * part, part)}; });
  });
  return {c.fp32.ops_per_round * kRounds * static_cast<double>(n_threads) / fma.best,
          4.0 * static_cast<double>(part * n_threads) / read.best};
}

class Bench {
 public:
  Bench(const CpuKernels& kernels, std::size_t n_threads, const char* filter)
      : n_threads_(n_threads),
        filter_(filter),
        peak_(measure_peak(kernels, n_threads)),
        backend_(kernels, n_threads) {
    fmt::print("{}: fp32 FMA peak {:.0f} GFLOP/s, read {:.1f} GB/s\n", backend_.description(),
               peak_.flops / 1e9, peak_.bytes / 1e9);
    fmt::print("{:<44} {:>10} {:>10} {:>9} {:>6} {:>8} {:>6}\n", "", "best ms", "median ms",
               "GFLOP/s", "peak", "GB/s", "peak");
  }

  void linear(const Storage& storage, std::size_t rows, std::size_t cols, std::size_t n) {
    const std::string name = fmt::format("linear {} {}x{}, {} tokens", storage.name, rows, cols, n);
    if (skipped(name)) return;
    // Enough copies that a single pass does not find its weights in a cache.
    std::vector<StoredMatrix> weights;
    const StoredMatrix first = random_matrix(storage, rows, cols, 1);
    const std::size_t copies = n > 8 ? 1 : 1 + 128'000'000 / bytes_of(first.view);
    for (std::size_t i = 0; i < copies; ++i) {
      weights.push_back(first);
      weights.back().view.data = weights.back().data.data();
      if (!first.scale.empty()) weights.back().view.scale = weights.back().scale.data();
    }
    const auto x = testing::gaussian_with_outliers(n * cols, 2);
    std::vector<float> y(n * rows);
    const double size = static_cast<double>(copies);
    report(name, 2.0 * size * static_cast<double>(n * rows * cols),
           size * static_cast<double>(bytes_of(first.view)), [&] {
             for (const StoredMatrix& w : weights) {
               backend_.linear({.x = dense_rows(x.data(), n, cols),
                                .weight = w.view,
                                .y = dense_rows(y.data(), n, rows)});
             }
           });
  }

  void moe(const Storage& storage, std::size_t n_experts, std::size_t d, std::size_t f,
           std::size_t n) {
    const std::string name =
        fmt::format("moe {} {} experts {}x{}, top 6, {} tokens", storage.name, n_experts, d, f, n);
    if (skipped(name)) return;
    constexpr std::size_t k = 6;
    const StoredMatrix up = random_matrix(storage, f, d, 1);
    const StoredMatrix down = random_matrix(storage, d, f, 2);
    std::vector<StoredMatrix> matrices;
    std::vector<ExpertWeights> experts;
    for (std::size_t e = 0; e < 3 * n_experts; ++e) {
      matrices.push_back(e % 3 == 2 ? down : up);
    }
    for (StoredMatrix& m : matrices) {
      m.view.data = m.data.data();
      if (!m.scale.empty()) m.view.scale = m.scale.data();
    }
    for (std::size_t e = 0; e < n_experts; ++e) {
      experts.push_back({matrices[3 * e].view, matrices[3 * e + 1].view, matrices[3 * e + 2].view});
    }
    const auto x = testing::gaussian_with_outliers(n * d, 2);
    const std::vector<float> weights(n * k, 0.2f);
    std::vector<std::int32_t> ids(n * k);
    std::vector<float> y(n * d);
    std::size_t call = 0;
    const double bytes = static_cast<double>(2 * bytes_of(up.view) + bytes_of(down.view));
    report(name, 6.0 * static_cast<double>(n * k * d * f),
           bytes * static_cast<double>(std::min(n * k, n_experts)), [&] {
             for (std::size_t i = 0; i < ids.size(); ++i) {  // other experts at every call
               ids[i] = static_cast<std::int32_t>((i + call * k) % n_experts);
             }
             ++call;
             backend_.moe({.x = dense_rows(x.data(), n, d),
                           .experts = experts,
                           .shared = nullptr,
                           .expert_ids = dense_rows<const std::int32_t>(ids.data(), n, k),
                           .expert_weights = dense_rows(weights.data(), n, k),
                           .swiglu_limit = 10.0f,
                           .fake_quant_activations = false,
                           .y = dense_rows(y.data(), n, d)});
           });
  }

  void attention(std::size_t n_heads, std::size_t head_dim, std::size_t n_keys, std::size_t n) {
    const std::string name =
        fmt::format("attention {} heads x {}, {} keys, {} tokens", n_heads, head_dim, n_keys, n);
    if (skipped(name)) return;
    const std::size_t width = n_heads * head_dim;
    const auto q = testing::gaussian_with_outliers(n * width, 1);
    const auto keys = testing::gaussian_with_outliers((n + n_keys) * head_dim, 2);
    const std::vector<float> sinks(n_heads);
    std::vector<float> out(n * width);
    const double products = 2.0 * static_cast<double>(n * n_keys * width);
    report(name, 2.0 * products, 4.0 * static_cast<double>((n + n_keys) * head_dim), [&] {
      backend_.attention({.q = dense_rows(q.data(), n, width),
                          .n_heads = n_heads,
                          .head_dim = head_dim,
                          .start = n_keys,
                          .window = n_keys,
                          .window_keys = {nullptr, 1, keys.data(), 0, head_dim},
                          .rows = {},
                          .selected = {},
                          .n_selected = {},
                          .n_visible = {},
                          .sinks = sinks,
                          .scale = 0.05f,
                          .out = dense_rows(out.data(), n, width)});
    });
  }

  void indexer(std::size_t n_heads, std::size_t head_dim, std::size_t n_rows, std::size_t n) {
    const std::string name =
        fmt::format("indexer {} heads x {}, {} rows, {} tokens", n_heads, head_dim, n_rows, n);
    if (skipped(name)) return;
    const auto q = testing::gaussian_with_outliers(n * n_heads * head_dim, 1);
    const auto keys = testing::gaussian_with_outliers(n_rows * head_dim, 2);
    const auto weights = testing::gaussian_with_outliers(n * n_heads, 3);
    const float* pages[] = {keys.data()};
    const std::vector<std::size_t> visible(n, n_rows);
    std::vector<std::int32_t> selected(n * 512);
    std::vector<std::size_t> n_selected(n);
    report(name, 2.0 * static_cast<double>(n * n_rows * n_heads * head_dim),
           4.0 * static_cast<double>(n_rows * head_dim), [&] {
             backend_.indexer_select({.q = dense_rows(q.data(), n, n_heads * head_dim),
                                      .head_weights = dense_rows(weights.data(), n, n_heads),
                                      .n_heads = n_heads,
                                      .keys = {pages, n_rows, n_rows, head_dim},
                                      .n_visible = visible,
                                      .top_k = 512,
                                      .selected = dense_rows(selected.data(), n, 512),
                                      .n_selected = n_selected});
           });
  }

 private:
  bool skipped(const std::string& name) const {
    return std::strstr(name.c_str(), filter_) == nullptr;
  }

  void report(const std::string& name, double flops, double bytes, const std::function<void()>& f) {
    const Times t = measure(n_threads_, f);
    fmt::print("{:<44} {:>10.3f} {:>10.3f} {:>9.1f} {:>5.0f}% {:>8.2f} {:>5.0f}%\n", name,
               t.best * 1e3, t.median * 1e3, flops / t.best / 1e9,
               100.0 * flops / t.best / peak_.flops, bytes / t.best / 1e9,
               100.0 * bytes / t.best / peak_.bytes);
    std::fflush(stdout);
  }

  std::size_t n_threads_;
  const char* filter_;
  Peak peak_;
  CpuBackend backend_;
};

/// What the pool itself costs: waking, ending and waiting around one task of 20 us per thread, and
/// taking one task of many (docs/threads.md).
void measure_pool(std::size_t n_threads) {
  using Clock = std::chrono::steady_clock;
  constexpr auto kTask = std::chrono::microseconds(20);
  constexpr std::size_t kRuns = 100;
  constexpr std::size_t kTasks = 100'000;
  ThreadPool pool(n_threads);
  const Times runs = measure(n_threads, [&] {
    for (std::size_t i = 0; i < kRuns; ++i) {
      pool.run(n_threads, [&](std::size_t) {
        for (const auto begun = Clock::now(); Clock::now() - begun < kTask;) {
        }
      });
    }
  });
  const Times tasks = measure(n_threads, [&] { pool.run(kTasks, [](std::size_t) {}); });
  fmt::print("pool of {}: a run costs {:.2f} us beside its tasks, a task {:.3f} us (medians)\n",
             n_threads, 1e6 * runs.median / kRuns - 20.0, 1e6 * tasks.median / kTasks);
}

void run(const CpuKernels& kernels, std::size_t n_threads, const char* filter) {
  Bench bench(kernels, n_threads, filter);
  for (const std::size_t n : {1, 2, 4, 8, 12, 16, 64, 256}) {
    for (const Storage& storage : all_storages()) {
      if (storage.name != "f8_e4m3_unscaled") bench.linear(storage, 2048, 4096, n);
    }
  }
  const Storage& fp4 = all_storages()[6];
  for (const std::size_t n : {1, 16, 256}) bench.moe(fp4, 32, 2048, 1024, n);
  bench.attention(64, 512, 128, 1);
  bench.attention(64, 512, 640, 1);
  bench.attention(64, 512, 640, 32);
  bench.indexer(64, 128, 4096, 1);
  bench.indexer(64, 128, 4096, 32);
}

}  // namespace
}  // namespace hadal::bench

int main(int argc, char** argv) {
  const std::size_t wanted = argc > 1 ? std::strtoul(argv[1], nullptr, 10) : 0;
  const std::size_t n_threads = wanted != 0 ? wanted : hadal::default_n_threads();
  hadal::bench::measure_pool(n_threads);
  const char* isa = std::getenv("HADAL_CPU_ISA");
  for (const hadal::CpuKernels& kernels : hadal::cpu_kernels()) {
    if (!kernels.runs_here() || (isa != nullptr && kernels.name != isa)) continue;
    hadal::bench::run(kernels, n_threads, argc > 2 ? argv[2] : "");
  }
  return 0;
}
