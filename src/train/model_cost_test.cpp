#include "train/model_cost.h"

#include "train/v4_model.h"
#include "train/world_model_for_test.h"

#include <gtest/gtest.h>

#include <algorithm>

namespace hadal::train {
namespace {

PartCost part(const std::vector<PartCost>& parts, const std::string& name) {
  const auto found =
      std::find_if(parts.begin(), parts.end(), [&](const PartCost& p) { return p.part == name; });
  return found == parts.end() ? PartCost{} : *found;
}

TEST(ModelCost, CountsThePartsOfASmallModel) {
  ModelConfig config = world_model_config();
  config.world_model->loss.latent = 0.1;

  const auto parts = model_cost(config);

  EXPECT_EQ(part(parts, "embedding").n_parameters, 156 * 32);
  EXPECT_EQ(part(parts, "embedding").macs_per_token, 0.0);
  EXPECT_EQ(part(parts, "head").macs_per_token, 156.0 * 32);
  EXPECT_EQ(part(parts, "routed experts").n_parameters, 4 * 6 * 3 * 32 * 24);
  EXPECT_EQ(part(parts, "routed experts").macs_per_token, 4.0 * 3 * 3 * 32 * 24);  // 3 of 6
  // w 20, 4 heads of 7, 2 kv heads, f 12, 2 layers, 3 steps
  const int body = 20 * 28 * 2 + 20 * 14 * 2 + 3 * 20 * 12, outside = 2 * 20 * 32;
  EXPECT_EQ(part(parts, "world model").macs_per_token, 3.0 * 2 * body + outside);
  EXPECT_EQ(part(parts, "world model").n_parameters,
            2 * (body + 2 * 20 + 4) + outside + 4 + 4 + 32 + 4 * 20 + 20);
  EXPECT_EQ(part(parts, "world model, train-only").n_parameters,
            20 * 40 + 20 + 20 * 20 + 20 + 7 * 20);
  EXPECT_EQ(part(parts, "world model, train-only").macs_per_token, 0.0);
}

TEST(ModelCost, TheTotalIsThatOfTheWrittenModel) {
  ModelConfig config = world_model_config();
  const V4Model model(config, appendix_weights(config));
  const auto plain = total_cost(model_cost(config));
  config.world_model->loss.latent = 0.1;

  const auto with_predictor = total_cost(model_cost(config));

  EXPECT_EQ(plain.n_parameters, model.n_parameters());
  EXPECT_EQ(with_predictor.n_parameters, plain.n_parameters);
  EXPECT_EQ(with_predictor.macs_per_token, plain.macs_per_token);
}

}  // namespace
}  // namespace hadal::train
