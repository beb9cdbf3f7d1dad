#include "model_needs.h"

#include "known_models.h"

#include <gtest/gtest.h>

#include <cmath>

namespace hadal {
namespace {

constexpr double kGiB = 1024.0 * 1024.0 * 1024.0;

struct Expected {  // deepseek-v4.md 12.1, in billions and GiB as printed there
  std::string_view model;
  double parameters;
  double active;
  double state_gib_of_1m;
};

class PublishedModel : public testing::TestWithParam<Expected> {};

TEST_P(PublishedModel, HasTheSizesOfTheReport) {
  const KnownModel* model = find_known_model(GetParam().model);
  ASSERT_NE(model, nullptr);
  const auto config = parse_config(model->config_json, "test");
  ASSERT_TRUE(config) << config.error().message;

  const ModelNeeds needs = needs_of_published(*config);

  // printed with three decimals
  EXPECT_NEAR(static_cast<double>(needs.n_parameters) / 1e9, GetParam().parameters, 5e-4);
  EXPECT_NEAR(static_cast<double>(needs.n_active_parameters) / 1e9, GetParam().active, 5e-4);
  const double window =
      static_cast<double>(config->num_hidden_layers * config->sliding_window * config->head_dim) *
      4;
  const double state = window + 1024.0 * static_cast<double>(needs.state_bytes_per_1k);
  EXPECT_NEAR(state / kGiB, GetParam().state_gib_of_1m, 5e-4);
}

INSTANTIATE_TEST_SUITE_P(Report, PublishedModel,
                         testing::Values(Expected{"DeepSeek-V4-Flash", 284.332, 13.270, 13.448},
                                         Expected{"DeepSeek-V4-Pro", 1572.997, 48.852, 19.249}),
                         [](const auto& test) { return test.index == 0 ? "Flash" : "Pro"; });

}  // namespace
}  // namespace hadal
