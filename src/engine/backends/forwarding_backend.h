// A Backend that passes every operator on to another one: what decorators derive from.
#pragma once

#include "engine/backends/backend.h"

#include <string>

namespace hadal {

/// `inner` must outlive this. One caller at a time, like every Backend.
class ForwardingBackend : public Backend {
 public:
  explicit ForwardingBackend(Backend& inner) : inner_(inner) {}

  std::string description() const override { return inner_.description(); }
  void reserve(const WorkShape& shape) override { inner_.reserve(shape); }
  std::size_t workspace_bytes(const WorkShape& shape) const override {
    return inner_.workspace_bytes(shape);
  }
  bool reads_panels() const override { return inner_.reads_panels(); }
  void embedding(const EmbeddingArgs& args) override { inner_.embedding(args); }
  void linear(const LinearArgs& args) override { inner_.linear(args); }
  void rms_norm(const RmsNormArgs& args) override { inner_.rms_norm(args); }
  void rope(const RopeArgs& args) override { inner_.rope(args); }
  void hyper_connection_read(const HyperConnectionReadArgs& args) override {
    inner_.hyper_connection_read(args);
  }
  void hyper_connection_write(const HyperConnectionWriteArgs& args) override {
    inner_.hyper_connection_write(args);
  }
  void hyper_connection_head(const HyperConnectionHeadArgs& args) override {
    inner_.hyper_connection_head(args);
  }
  void compressor_pool(const CompressorPoolArgs& args) override { inner_.compressor_pool(args); }
  void indexer_select(const IndexerSelectArgs& args) override { inner_.indexer_select(args); }
  void attention(const AttentionArgs& args) override { inner_.attention(args); }
  void router(const RouterArgs& args) override { inner_.router(args); }
  void moe(const MoeArgs& args) override { inner_.moe(args); }
  void swiglu(const SwigluArgs& args) override { inner_.swiglu(args); }
  void range_attention(const RangeAttentionArgs& args) override { inner_.range_attention(args); }

 protected:
  Backend& inner_;
};

}  // namespace hadal
