// The table of operator variants for one instruction set. A backend picks a table once, at start.
#pragma once

#include "engine/kernels/attention/attention_tasks.h"
#include "engine/kernels/compressor/compressor.h"
#include "engine/kernels/hyper_connection/hyper_connection_tasks.h"
#include "engine/kernels/indexer/indexer_tasks.h"
#include "engine/kernels/linear/linear_tasks.h"
#include "engine/kernels/moe/moe_tasks.h"
#include "engine/kernels/rms_norm/rms_norm.h"
#include "engine/kernels/rope/rope.h"
#include "engine/kernels/swiglu/swiglu.h"

#include <span>
#include <string_view>

namespace hadal {

struct CpuKernels {
  std::string_view name;             ///< as in HADAL_CPU_ISA
  bool (*runs_here)() noexcept;      ///< this CPU and operating system have the instructions
  const LinearKernels* linear;       ///< exact weights, float32
  const LinearKernels* int8_linear;  ///< quantised weights, activations in int8
  DecodeColumns decode_columns;
  const AttentionKernels* attention;
  const IndexerKernels* indexer;
  const HyperConnectionKernels* hyper_connection;
  const MoeKernels* moe;
  void (*rms_norm)(const RmsNormArgs&) noexcept;
  void (*rope)(const RopeArgs&) noexcept;
  void (*swiglu)(const SwigluArgs&) noexcept;
  void (*compressor_pool)(const CompressorPoolArgs&) noexcept;
  bool only_on_request = false;  ///< never chosen unless HADAL_CPU_ISA names it
};

/// Every variant in this build, the best first; empty on a machine we have no variant for.
std::span<const CpuKernels> cpu_kernels() noexcept;

}  // namespace hadal
