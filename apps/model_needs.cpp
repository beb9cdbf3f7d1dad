#include "model_needs.h"

#include "engine/model/memory_plan.h"

#include <numeric>

namespace hadal {
namespace {

std::uint64_t elements(std::span<const std::uint64_t> shape) {
  return std::accumulate(shape.begin(), shape.end(), std::uint64_t{1}, std::multiplies<>());
}

/// Bytes in the published files, scales included (deepseek-v4.md 8.1). Experts are matrices, so FP4
/// has whole rows.
std::uint64_t published_bytes(const TensorSpec& spec) {
  const std::uint64_t n = elements(spec.shape);
  switch (spec.kind) {
    case TensorSpec::Kind::f32:
      return 4 * n;
    case TensorSpec::Kind::bf16:
      return 2 * n;
    case TensorSpec::Kind::token_table:
      return 8 * n;
    case TensorSpec::Kind::fp8:
      return n + ((spec.shape[0] + 127) / 128) * ((spec.shape[1] + 127) / 128);
    case TensorSpec::Kind::fp4:
      return n / 2 + n / 32;
  }
  return 0;
}

bool starts_with(std::string_view text, std::string_view prefix) {
  return text.substr(0, prefix.size()) == prefix;
}

/// Adds one tensor of the main layers. The embedding and tid2eid are looked up, not read as a
/// whole; of the routed experts a token reads its own.
void add_tensor(ModelNeeds& needs, std::string_view name, std::uint64_t n, std::uint64_t bytes,
                const ModelConfig& config) {
  needs.weight_bytes += bytes;
  const bool is_table = name.find("tid2eid") != std::string_view::npos;
  if (starts_with(name, "mtp.") || is_table) return;
  needs.n_parameters += n;
  if (name == "embed.weight") return;
  const bool routed = name.find(".experts.") != std::string_view::npos;
  const std::uint64_t share = routed ? config.num_experts_per_tok : config.n_routed_experts;
  // Summed in units of 1 / n_routed_experts, so that the division comes last (finish_active).
  needs.n_active_parameters += n * share;
  needs.bytes_per_token += bytes * share;
}

void finish_active(ModelNeeds& needs, const ModelConfig& config) {
  needs.n_active_parameters /= config.n_routed_experts;
  needs.bytes_per_token /= config.n_routed_experts;
}

void add_state(ModelNeeds& needs, const ModelConfig& config) {
  needs.state_bytes = state_bytes(config, 0).total();
  needs.state_bytes_per_1k = state_bytes_per_1k(config).total();
}

}  // namespace

ModelNeeds needs_of_published(const ModelConfig& config) {
  ModelNeeds needs;
  for (const TensorSpec& spec : expected_tensors(config))
    add_tensor(needs, spec.name, elements(spec.shape), published_bytes(spec), config);
  finish_active(needs, config);
  add_state(needs, config);
  return needs;
}

ModelNeeds needs_of(const Checkpoint& checkpoint) {
  ModelNeeds needs;
  const ModelConfig& config = checkpoint.config();
  for (const CheckpointTensor& tensor : checkpoint.tensors())
    add_tensor(needs, tensor.name, elements(tensor.shape), bytes_of(tensor.view), config);
  finish_active(needs, config);
  add_state(needs, config);
  return needs;
}

}  // namespace hadal
