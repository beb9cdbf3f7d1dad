// Measures what this machine can do right now: bytes per second from memory, operations per second
// in registers. Shared machines change by the second, so readings are taken beside each sample.
#pragma once

#include "base/dtype.h"
#include "base/thread_pool.h"

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <string_view>

namespace hadal::bench {

/// The kind of instruction that products with weights of a type run on.
enum class OperandClass : std::uint8_t { fp32, bf16, int8 };

std::string_view name_of(OperandClass operands);

/// int8 for quantised weights (blocks), bf16 for FP8, BF16 and F16 (product.md section 2).
OperandClass class_of(DType weights);

/// Keeps a buffer larger than caches and one thread pool per number of threads asked for; the
/// threads sleep between readings. One caller at a time.
class MachineMeter {
 public:
  /// @param available_bytes  memory that may be used; the buffer takes at most an eighth of it.
  explicit MachineMeter(std::uint64_t available_bytes);
  ~MachineMeter();
  MachineMeter(const MachineMeter&) = delete;
  MachineMeter& operator=(const MachineMeter&) = delete;

  /// Bytes per second that `n_threads` threads read together; takes 0.3 s.
  double read_bytes_per_s(std::size_t n_threads);
  /// Operations (2 per multiply-add) per second of `n_threads` threads: the best of some slices of
  /// 5 ms, 50 ms in all.
  double ops_per_s(OperandClass operands, std::size_t n_threads);
  /// The instruction that ops_per_s runs, for people: "vpdpbusd zmm".
  std::string_view instruction(OperandClass operands) const;

 private:
  struct Kernels;

  ThreadPool& pool(std::size_t n_threads);

  std::unique_ptr<const Kernels> kernels_;
  std::size_t n_floats_;
  float* data_ = nullptr;  ///< mapped, with huge pages where the system allows them
  std::map<std::size_t, std::unique_ptr<ThreadPool>> pools_;
};

}  // namespace hadal::bench
