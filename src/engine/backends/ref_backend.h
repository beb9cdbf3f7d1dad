// The reference backend: every operator is its *_ref function. One thread, double accumulation.
#pragma once

#include "engine/backends/backend.h"

#include <utility>

namespace hadal {

class RefBackend final : public Backend {
 public:
  explicit RefBackend(std::string description) : description_(std::move(description)) {}

  std::string description() const override { return description_; }

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
  std::string description_;
};

}  // namespace hadal
