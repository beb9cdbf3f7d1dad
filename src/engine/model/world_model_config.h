// Shape of the world model: the optional causal latent layer (world-model.md 2.3 - 2.7). An
// independent implementation of a reported idea, not a part of the released V4; real checkpoints
// have none.
#pragma once

#include "engine/model/config_rules.h"
#include "engine/model/event_graph.h"

#include <nlohmann/json_fwd.hpp>

#include <cstddef>
#include <cstdint>
#include <optional>

namespace hadal {

/// The key "world_model" of config.json. Fields keep its sub-keys.
struct WorldModelConfig {
  std::size_t layers = 1;       ///< layers of the loop's body
  std::size_t after_layer = 0;  ///< works on the streams behind this block (0-based)
  std::size_t latent_dim = 0;   ///< w
  std::size_t n_heads = 0;
  std::size_t head_dim = 0;
  std::size_t n_kv_heads = 0;        ///< divides n_heads
  std::size_t intermediate = 0;      ///< f
  std::size_t n_latent_steps = 3;    ///< T: rounds of the loop, weights shared
  std::size_t max_latent_steps = 8;  ///< T_max: rows of step_embed
  std::size_t rope_dim = 0;          ///< even; the last channels of a head are rotated
  MaskMode mask = MaskMode::causal_graph;
  double mask_dropout = 0.0;     ///< training: share of sequences with token_causal rows
  std::size_t max_events = 256;  ///< nodes of the event graph
  bool skip_root = true;         ///< tokens outside of events are not written

  struct LossWeights {
    double latent = 0.0;          ///< prediction of the latents of effects and acts
    double counterfactual = 0.0;  ///< pairs that differ in one intervention
    double edge = 0.0;            ///< of mask_source "predicted"; not built
  } loss;                         ///< training only

  /// Ids of the structure tokens, sub-key "structure_tokens" (ours): in the order of
  /// StructureTokens::name. Absent: taken from the tokenizer beside the model; none there: no
  /// token opens an event, and with skip_root the module does nothing.
  std::optional<StructureTokens> structure_tokens;

  /// Theta of the rotation (2.4); not a key.
  static constexpr double kRopeTheta = 10000.0;
};

/// Reads the value of the key in a model of `n_layers` layers. Needs latent_dim, n_heads, head_dim,
/// intermediate; after_layer is n_layers / 2 - 1 by default (2.3), n_kv_heads n_heads, rope_dim
/// half of the head. Unknown sub-keys are errors; mask_source is accepted as "tokens" only.
Result<WorldModelConfig> parse_world_model(const nlohmann::json& value, std::size_t n_layers,
                                           std::string_view source);
nlohmann::ordered_json world_model_json(const WorldModelConfig& config);
/// Sizes in range; structure tokens distinct and below `vocab_size`.
void check_world_model(const WorldModelConfig& config, std::size_t n_layers, std::size_t vocab_size,
                       ConfigRules& rules);

}  // namespace hadal
