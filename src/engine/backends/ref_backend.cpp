#include "engine/backends/ref_backend.h"

namespace hadal {

void RefBackend::embedding(const EmbeddingArgs& args) {
  embedding_ref(args);
}
void RefBackend::linear(const LinearArgs& args) {
  linear_ref(args);
}
void RefBackend::rms_norm(const RmsNormArgs& args) {
  rms_norm_ref(args);
}
void RefBackend::rope(const RopeArgs& args) {
  rope_ref(args);
}
void RefBackend::hyper_connection_read(const HyperConnectionReadArgs& args) {
  hyper_connection_read_ref(args);
}
void RefBackend::hyper_connection_write(const HyperConnectionWriteArgs& args) {
  hyper_connection_write_ref(args);
}
void RefBackend::hyper_connection_head(const HyperConnectionHeadArgs& args) {
  hyper_connection_head_ref(args);
}
void RefBackend::compressor_pool(const CompressorPoolArgs& args) {
  compressor_pool_ref(args);
}
void RefBackend::indexer_select(const IndexerSelectArgs& args) {
  indexer_select_ref(args);
}
void RefBackend::attention(const AttentionArgs& args) {
  attention_ref(args);
}
void RefBackend::router(const RouterArgs& args) {
  router_ref(args);
}
void RefBackend::moe(const MoeArgs& args) {
  moe_ref(args);
}
void RefBackend::swiglu(const SwigluArgs& args) {
  swiglu_ref(args);
}
void RefBackend::range_attention(const RangeAttentionArgs& args) {
  range_attention_ref(args);
}

}  // namespace hadal
