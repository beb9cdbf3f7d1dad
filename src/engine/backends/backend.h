// The contract between the model and the hardware: one virtual function per operator. model/ calls
// operators through Backend& and includes nothing else from this folder. Each operator's header
// under kernels/ states shapes and formulas.
#pragma once

#include "base/cpu_topology.h"
#include "base/result.h"
#include "engine/kernels/attention/attention.h"
#include "engine/kernels/compressor/compressor.h"
#include "engine/kernels/embedding/embedding.h"
#include "engine/kernels/fake_quant/fake_quant.h"
#include "engine/kernels/hyper_connection/hyper_connection.h"
#include "engine/kernels/indexer/indexer.h"
#include "engine/kernels/linear/linear.h"
#include "engine/kernels/moe/moe.h"
#include "engine/kernels/range_attention/range_attention.h"
#include "engine/kernels/rms_norm/rms_norm.h"
#include "engine/kernels/rope/rope.h"
#include "engine/kernels/router/router.h"
#include "engine/kernels/swiglu/swiglu.h"

#include <memory>
#include <string>

namespace hadal {

/// Sizes of a model and of its use: what the work memory of a backend depends on.
struct WorkShape {
  std::size_t n_tokens = 1;  ///< of the largest pass
  std::size_t hidden_size = 0;
  std::size_t hc_mult = 0;
  std::size_t n_block_tokens = 0;  ///< most tokens that meet the widest linear layer at one time
  std::size_t widest_input = 0;    ///< columns of the widest linear layer, hyper-connections apart
  std::size_t n_heads = 0;
  std::size_t head_dim = 0;
  std::size_t n_keys = 0;        ///< most keys that a query attends to
  std::size_t n_index_rows = 0;  ///< most rows that an indexer scores for a query; 0: no indexer
  std::size_t index_n_heads = 0;
  std::size_t index_head_dim = 0;
  std::size_t n_routed_experts = 0;
  std::size_t num_experts_per_tok = 0;
  std::size_t n_shared_experts = 0;
  std::size_t moe_intermediate_size = 0;
  bool int8_experts = false;  ///< has_int8_product of the routed experts
  /// range_attention; n_range_keys = 0: never called.
  std::size_t n_range_keys = 0;   ///< most rows that a query sees
  std::size_t n_range_heads = 0;  ///< query heads that share a key head
  std::size_t range_head_dim = 0;
  std::size_t widest_token_input = 0;  ///< columns of the widest linear layer beside hidden_size
                                       ///< that meets all tokens of a pass at one time
};

/// Threads: one caller at a time (the engine thread); an implementation may use its own pool
/// inside. Determinism: the result for a token depends on that token's own inputs alone (promise
/// 2).
class Backend {
 public:
  virtual ~Backend() = default;

  /// For people: "ref", "cpu (avx512, 2 threads)".
  virtual std::string description() const = 0;

  /// Takes the work memory that grows with the context now (little), so that decode steps up to
  /// shape.n_keys and shape.n_index_rows allocate nothing once one has run. Optional.
  virtual void reserve(const WorkShape& /*shape*/) {}
  /// Work memory of passes of this shape, at most; 0: next to nothing.
  virtual std::size_t workspace_bytes(const WorkShape& /*shape*/) const { return 0; }
  /// Whether linear and moe take weights in panel order (WeightOrder), with the same result.
  virtual bool reads_panels() const { return false; }

  virtual void embedding(const EmbeddingArgs& args) = 0;
  virtual void linear(const LinearArgs& args) = 0;
  virtual void rms_norm(const RmsNormArgs& args) = 0;
  virtual void rope(const RopeArgs& args) = 0;
  virtual void hyper_connection_read(const HyperConnectionReadArgs& args) = 0;
  virtual void hyper_connection_write(const HyperConnectionWriteArgs& args) = 0;
  virtual void hyper_connection_head(const HyperConnectionHeadArgs& args) = 0;
  virtual void compressor_pool(const CompressorPoolArgs& args) = 0;
  virtual void indexer_select(const IndexerSelectArgs& args) = 0;
  virtual void attention(const AttentionArgs& args) = 0;
  virtual void router(const RouterArgs& args) = 0;
  virtual void moe(const MoeArgs& args) = 0;
  virtual void swiglu(const SwigluArgs& args) = 0;
  virtual void range_attention(const RangeAttentionArgs& args) = 0;
};

enum class BackendKind : std::uint8_t {
  ref,  ///< scalar, double accumulation, one thread: how we bisect a wrong token
  cpu,  ///< AVX2 or AVX-512 chosen at run time (environment HADAL_CPU_ISA=ref|avx2|avx512|amx
        ///< overrides), own pool
};

struct BackendOptions {
  BackendKind kind = BackendKind::cpu;
  std::size_t n_threads = 0;         ///< 0: default_n_threads(), the cores of this process
  Pinning pinning = Pinning::cores;  ///< of the worker threads; the caller's mask is left alone
  /// cpu: quantised weights meet float32 activations, as on ref, instead of activations rounded to
  /// int8 with one scale per 32 (linear/int8_layout.h). Much slower.
  bool exact = false;
};

/// Errors: unsupported (HADAL_CPU_ISA names something this CPU lacks), invalid_argument.
Result<std::unique_ptr<Backend>> make_backend(const BackendOptions& options);

}  // namespace hadal
