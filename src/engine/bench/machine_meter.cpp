#include "engine/bench/machine_meter.h"

#include "base/check.h"
#include "engine/backends/bench/ceilings.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>

#include <sys/mman.h>

namespace hadal::bench {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::uint64_t kMiB = 1024 * 1024;
constexpr std::uint64_t kWantedBytes = 1024 * kMiB;  // past the largest cache of one socket
constexpr std::uint64_t kLeastBytes = 16 * kMiB;
constexpr std::size_t kChunkFloats = 4 * kMiB / sizeof(float);

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

}  // namespace

struct MachineMeter::Kernels {
  Ceilings ceilings = ceilings_here();

  const PeakLoop& loop(OperandClass operands) const {
    switch (operands) {
      case OperandClass::int8:
        return ceilings.int8;
      case OperandClass::bf16:
        return ceilings.bf16;
      case OperandClass::fp32:
        break;
    }
    return ceilings.fp32;
  }
};

std::string_view name_of(OperandClass operands) {
  constexpr std::array<std::string_view, 3> kNames = {"fp32", "bf16", "int8"};
  return kNames[static_cast<std::size_t>(operands)];
}

OperandClass class_of(DType weights) {
  if (info(weights).block_elements > 1) return OperandClass::int8;
  return weights == DType::f32 ? OperandClass::fp32 : OperandClass::bf16;
}

MachineMeter::MachineMeter(std::uint64_t available_bytes)
    : kernels_(std::make_unique<const Kernels>()),
      n_floats_(std::clamp(available_bytes / 8, kLeastBytes, kWantedBytes) / sizeof(float) /
                kChunkFloats * kChunkFloats) {
  const std::size_t n_bytes = n_floats_ * sizeof(float);
  void* memory =
      ::mmap(nullptr, n_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  HADAL_CHECK(memory != MAP_FAILED, "an eighth of the available memory can be mapped");
  ::madvise(memory, n_bytes, MADV_HUGEPAGE);  // an optimisation: failing changes nothing
  data_ = static_cast<float*>(memory);
}

MachineMeter::~MachineMeter() {
  ::munmap(data_, n_floats_ * sizeof(float));
}

ThreadPool& MachineMeter::pool(std::size_t n_threads) {
  std::unique_ptr<ThreadPool>& pool = pools_[n_threads];
  if (pool == nullptr) {
    pool = std::make_unique<ThreadPool>(n_threads);
    // Each page is written once before any clock runs: untouched pages are all the same zero page.
    pool->run(n_floats_ / kChunkFloats,
              [&](std::size_t i) { std::fill_n(data_ + i * kChunkFloats, kChunkFloats, 1.0f); });
  }
  return *pool;
}

double MachineMeter::read_bytes_per_s(std::size_t n_threads) {
  constexpr double kSeconds = 0.3;
  ThreadPool& threads = pool(n_threads);
  const std::size_t n_chunks = n_floats_ / kChunkFloats;
  std::atomic<bool> used{false};
  const Clock::time_point start = Clock::now();
  std::size_t n_passes = 0;
  double elapsed = 0;
  do {
    threads.run(n_chunks, [&](std::size_t i) {
      const float sum = kernels_->ceilings.read(data_ + i * kChunkFloats, kChunkFloats);
      if (sum < 0) used = true;  // never: the reads only must not be left out
    });
    ++n_passes;
    elapsed = seconds_since(start);
  } while (elapsed < kSeconds);
  HADAL_CHECK(!used, "the sum of ones is positive");
  return static_cast<double>(n_passes * n_floats_ * sizeof(float)) / elapsed;
}

double MachineMeter::ops_per_s(OperandClass operands, std::size_t n_threads) {
  constexpr double kSlice = 0.005;
  constexpr std::size_t kSlices = 10;
  constexpr std::size_t kRounds = 2000;  // some 20 us: short tasks, so that threads end together
  const PeakLoop& loop = kernels_->loop(operands);
  ThreadPool& threads = pool(n_threads);
  std::atomic<std::uint64_t> n_nan{0};
  double best = 0;
  std::size_t n_tasks = 16 * n_threads;
  for (std::size_t slice = 0; slice < kSlices; ++slice) {
    const Clock::time_point start = Clock::now();
    threads.run(n_tasks, [&](std::size_t) {
      const double value = loop.run(kRounds);
      if (value != value) ++n_nan;  // never: the work only must not be left out
    });
    const double elapsed = seconds_since(start);
    best = std::max(best, loop.ops_per_round * static_cast<double>(kRounds * n_tasks) / elapsed);
    const double wanted = static_cast<double>(n_tasks) * kSlice / elapsed;
    n_tasks = std::max(16 * n_threads, static_cast<std::size_t>(wanted));
  }
  HADAL_CHECK(n_nan == 0, "the loops keep finite values");
  return best;
}

std::string_view MachineMeter::instruction(OperandClass operands) const {
  return kernels_->loop(operands).instruction;
}

}  // namespace hadal::bench
