#include "engine/measure_importance.h"

#include "base/check.h"

#include <algorithm>

namespace hadal {
namespace {

Result<void> check_chunk(std::span<const std::int32_t> chunk, const ModelConfig& config) {
  if (chunk.empty() || chunk.size() > config.max_position_embeddings)
    return error(ErrorCode::invalid_argument, "expected chunks of 1 to {} tokens, found {}",
                 config.max_position_embeddings, chunk.size());
  for (const std::int32_t id : chunk) {
    if (id < 0 || static_cast<std::size_t>(id) >= config.vocab_size)
      return error(ErrorCode::invalid_argument,
                   "token id {} is outside of the model's vocabulary (0..{})", id,
                   config.vocab_size - 1);
  }
  return {};
}

}  // namespace

std::vector<std::vector<std::int32_t>> chunks_of(std::span<const std::int32_t> tokens,
                                                 std::int32_t bos, std::size_t chunk) {
  HADAL_CHECK(chunk >= 2, "a chunk has room for BOS and a token");
  std::vector<std::vector<std::int32_t>> chunks;
  for (std::size_t begin = 0; begin < tokens.size(); begin += chunk - 1) {
    const auto part = tokens.subspan(begin, std::min(chunk - 1, tokens.size() - begin));
    chunks.push_back({bos});
    chunks.back().insert(chunks.back().end(), part.begin(), part.end());
  }
  return chunks;
}

Result<std::vector<WeightImportance>> measure_importance(
    const Checkpoint& checkpoint, std::span<const std::vector<std::int32_t>> chunks,
    const MeasureImportanceOptions& options) {
  if (chunks.empty()) return error(ErrorCode::invalid_argument, "expected text, found no token");
  for (const auto& chunk : chunks) HADAL_TRY(check_chunk(chunk, checkpoint.config()));
  HADAL_ASSIGN(const std::unique_ptr<Backend> backend, make_backend(options.backend));
  ImportanceCollector collector(*backend, checkpoint, options.with_head);
  HADAL_ASSIGN(const std::unique_ptr<Model> model,
               Model::create(checkpoint, collector, options.model));
  for (std::size_t i = 0; i < chunks.size(); ++i) {
    if (options.on_chunk) options.on_chunk(i);
    SequenceState state = model->new_sequence();
    const ForwardInput input{.state = &state,
                             .tokens = chunks[i],
                             .logits = options.with_head ? LogitsFor::all : LogitsFor::none};
    model->forward({&input, 1});
  }
  return collector.take();
}

}  // namespace hadal
