// The CPU backend: operator variants of one CpuKernels table, work spread over a thread pool.
#pragma once

#include "engine/backends/backend.h"
#include "engine/backends/cpu/cpu_indexer.h"
#include "engine/backends/cpu/cpu_linear.h"
#include "engine/backends/cpu/cpu_moe.h"
#include "engine/backends/cpu/task_runner.h"

#include <vector>

namespace hadal {

class CpuBackend final : public Backend {
 public:
  /// `kernels` runs on this CPU and outlives the backend (cpu_kernels() does). `exact`, `pinning`:
  /// as in BackendOptions.
  CpuBackend(const CpuKernels& kernels, std::size_t n_threads, bool exact = false,
             Pinning pinning = Pinning::none);

  std::string description() const override;
  void reserve(const WorkShape& shape) override;
  std::size_t workspace_bytes(const WorkShape& shape) const override;
  bool reads_panels() const override { return variants_.int8 != nullptr; }

  void embedding(const EmbeddingArgs& args) override;
  void linear(const LinearArgs& args) override;
  void rms_norm(const RmsNormArgs& args) override;
  void rope(const RopeArgs& args) override;
  void hyper_connection_read(const HyperConnectionReadArgs& args) override;
  void hyper_connection_write(const HyperConnectionWriteArgs& args) override;
  void hyper_connection_head(const HyperConnectionHeadArgs& args) override;
  void compressor_pool(const CompressorPoolArgs& args) override;
  void indexer_select(const IndexerSelectArgs& args) override;
  void attention(const AttentionArgs& args) override;
  void router(const RouterArgs& args) override;
  void moe(const MoeArgs& args) override;
  void swiglu(const SwigluArgs& args) override;
  void range_attention(const RangeAttentionArgs& args) override;

 private:
  /// What a task takes from TaskScratch at most.
  std::size_t task_floats(const WorkShape& shape) const;
  std::size_t task_pointers(const WorkShape& shape) const;

  template <typename Coefficients>
  void read_streams(Rows<const float> streams, const MatrixView& fn, float rms_norm_eps,
                    std::size_t n_streams, Rows<float> hidden, const Coefficients& coefficients);

  const CpuKernels& kernels_;
  TaskRunner runner_;
  const LinearVariants variants_;
  CpuLinear linear_;
  CpuIndexer indexer_;
  CpuMoe moe_;
  std::vector<float> projected_;  ///< streams fn^T
};

}  // namespace hadal
