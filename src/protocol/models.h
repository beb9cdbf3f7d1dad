// Bodies of GET /v1/models and /v1/models/{id} (api.md 3.4). One form serves the clients of OpenAI
// and of Anthropic: each finds its own keys.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace hadal {

struct ModelCard {
  std::string id;
  std::uint64_t created_seconds = 0;  ///< Unix time
  std::string owned_by = "hadal";
  std::size_t context = 0;        ///< most tokens of prompt and answer of one request
  std::size_t train_context = 0;  ///< positions that the model was made for
};

std::string models_body(const std::vector<ModelCard>& cards);
std::string model_body(const ModelCard& card);

}  // namespace hadal
