// A Backend that passes every operator on to another one and keeps an account: calls, bytes,
// operations and, when asked, wall time. What `hadal bench` counts with.
#pragma once

#include "engine/backends/backend.h"

#include <string_view>
#include <vector>

namespace hadal {

enum class Operator : std::uint8_t {
  embedding,
  linear,
  rms_norm,
  rope,
  hyper_connection_read,
  hyper_connection_write,
  hyper_connection_head,
  compressor_pool,
  indexer_select,
  attention,
  router,
  moe,
  swiglu,
  range_attention,
};

std::string_view name_of(Operator op);

/// What calls of one operator with weights of one type have used.
struct OperatorUse {
  Operator op;
  DType dtype;  ///< of the weights; f32 for operators without matrices. moe: of the routed experts
  std::uint64_t n_calls = 0;
  /// Weights and remembered keys that the calls must read: each weight row once per call whatever
  /// the number of tokens, of the routed experts those that some token has chosen. Not counted:
  /// activations, small vectors, norms.
  std::uint64_t bytes = 0;
  /// 2 per multiply-add of matrix products, attention and indexer scores; the rest is negligible
  /// (deepseek-v4.md 12.1).
  std::uint64_t ops = 0;
  double seconds = 0;  ///< wall time of the timed calls
};

/// `inner` does the work and must outlive this. Counting costs some 10 ns a call and allocates
/// nothing once every operator has been seen; timing reads the clock twice a call. One caller at a
/// time, like every Backend.
class MeteredBackend final : public Backend {
 public:
  explicit MeteredBackend(Backend& inner) : inner_(inner) {}

  /// Since the last reset(), in order of first use.
  const std::vector<OperatorUse>& uses() const { return uses_; }
  /// Sums over uses().
  std::uint64_t bytes() const;
  std::uint64_t ops() const;
  void reset() { uses_.clear(); }
  void set_timing(bool on) { timing_ = on; }

  std::string description() const override { return inner_.description(); }
  void reserve(const WorkShape& shape) override { inner_.reserve(shape); }
  std::size_t workspace_bytes(const WorkShape& shape) const override {
    return inner_.workspace_bytes(shape);
  }
  bool reads_panels() const override { return inner_.reads_panels(); }
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
  struct Work {
    std::uint64_t bytes = 0;
    std::uint64_t ops = 0;
  };

  template <typename Args>
  void pass_on(Operator op, DType dtype, Work work, const Args& args,
               void (Backend::*call)(const Args&));
  OperatorUse& use_of(Operator op, DType dtype);
  Work work_of_experts(const MoeArgs& args);

  Backend& inner_;
  std::vector<OperatorUse> uses_;
  std::vector<bool> chosen_;  ///< [n_experts] of the running moe call
  bool timing_ = false;
};

}  // namespace hadal
