#include "engine/memory/sequence_state.h"

#include <algorithm>

namespace hadal {

Result<void> SequenceState::roll_back(std::size_t n_tokens) {
  if (n_tokens > n_tokens_) {
    return error(ErrorCode::invalid_argument,
                 "cannot roll back to token {}: the sequence has only {}", n_tokens, n_tokens_);
  }
  if (n_tokens < n_tokens_ && n_tokens + kMaxRollback < high_water_) {
    return error(ErrorCode::invalid_argument,
                 "cannot roll back from token {} to {}: at most {} tokens below {} are kept; "
                 "restore a snapshot instead",
                 n_tokens_, n_tokens, kMaxRollback, high_water_);
  }
  const auto forget_rows = [&](std::optional<CompressorState>& compressor) {
    if (compressor)
      compressor->rows.truncate(std::min(compressor->rows.size(), n_tokens / compressor->ratio));
  };
  for (LayerState& layer : layers_) {
    forget_rows(layer.attention);
    forget_rows(layer.indexer);
  }
  if (world_model_) world_model_->truncate(n_tokens);
  n_tokens_ = n_tokens;
  n_mtp_tokens_ = std::min(n_mtp_tokens_, n_tokens);
  return {};
}

void SequenceState::reserve(std::size_t n_tokens) {
  const auto reserve_rows = [&](std::optional<CompressorState>& compressor) {
    if (compressor) compressor->rows.reserve((n_tokens + kMaxRollback) / compressor->ratio);
  };
  for (LayerState& layer : layers_) {
    reserve_rows(layer.attention);
    reserve_rows(layer.indexer);
  }
  if (world_model_) world_model_->reserve(n_tokens + kMaxRollback);
}

std::size_t SequenceState::tail_bytes() const {
  std::size_t total = world_model_ ? world_model_->graph.bytes() : 0;
  visit([&](const PositionRing& ring) { total += ring.bytes(); }, [](const RowStore&) {});
  return total;
}

std::size_t SequenceState::bytes_at(std::size_t n_tokens) const {
  std::size_t total = tail_bytes();
  const auto add_rows = [&](const std::optional<CompressorState>& c) {
    if (c) total += c->rows.bytes_for(n_tokens / c->ratio);
  };
  for (const LayerState& layer : layers_) {
    add_rows(layer.attention);
    add_rows(layer.indexer);
  }
  if (world_model_)
    for (const RowStore& store : world_model_->rows) total += store.bytes_for(n_tokens);
  return total;
}

std::size_t SequenceState::bytes() const {
  std::size_t total = tail_bytes();
  visit([](const PositionRing&) {}, [&](const RowStore& rows) { total += rows.bytes(); });
  return total;
}

}  // namespace hadal
