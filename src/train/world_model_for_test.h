// A small world model and event streams, for tests.
#pragma once

#include "base/random.h"
#include "train/golden_config.h"
#include "train/token_stream.h"

#include <cstdint>
#include <vector>

namespace hadal::train {

inline constexpr std::int32_t kFirstStructureToken = 50;  ///< behind those of golden_config

inline StructureTokens test_structure_tokens() {
  std::array<std::int32_t, StructureTokens::kCount> list{};
  for (std::size_t i = 0; i < list.size(); ++i)
    list[i] = kFirstStructureToken + static_cast<std::int32_t>(i);
  return StructureTokens::from_list(list);
}

/// golden_config() with structure tokens and a world model of odd sizes.
inline ModelConfig world_model_config(MaskMode mask = MaskMode::causal_graph) {
  ModelConfig c = golden_config();
  c.vocab_size = kFirstStructureToken + StructureTokens::kCount;
  WorldModelConfig w;
  w.layers = 2;
  w.after_layer = 1;
  w.latent_dim = 20;
  w.n_heads = 4;
  w.head_dim = 7;
  w.n_kv_heads = 2;
  w.intermediate = 12;
  w.n_latent_steps = 3;
  w.max_latent_steps = 4;
  w.rope_dim = 4;
  w.mask = mask;
  w.structure_tokens = test_structure_tokens();
  c.world_model = w;
  return c;
}

/// Events with a few causes each and text between them; well-formed.
inline std::vector<std::int32_t> random_events(std::uint64_t seed, std::size_t n_events) {
  const StructureTokens t = test_structure_tokens();
  RandomStream random(splitmix64_mix(seed));
  const auto text = [&] { return static_cast<std::int32_t>(random.below(40)); };
  std::vector<std::int32_t> ids = {text()};
  for (std::uint32_t e = 0; e < n_events; ++e) {
    ids.push_back(t.openers[e == 0 ? 1 : e == 3 ? 2 : random.below(StructureTokens::kKinds)]);
    ids.push_back(t.ids[e]);
    ids.push_back(t.by);
    for (std::uint32_t n = random.below(3); n > 0 && e > 0; --n)
      ids.push_back(t.ids[random.below(e)]);
    ids.push_back(t.colon);
    for (std::uint32_t n = 1 + random.below(3); n > 0; --n) ids.push_back(text());
    ids.push_back(t.close);
    if (random.below(3) == 0) ids.push_back(text());
  }
  return ids;
}

}  // namespace hadal::train
