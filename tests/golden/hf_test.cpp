// Logits of Hugging Face transformers (float32, eager) for the test plan of deepseek-v4.md section
// 14; pedigree in hf/README.md.

#include "engine/model/rope_table.h"
#include "synthetic_engine.h"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <cmath>
#include <fstream>

namespace hadal {
namespace {

struct HfParam {
  const char* file;
  BackendKind backend;
};

nlohmann::json read_golden(const std::string& name) {
  std::ifstream file(std::string(HADAL_SOURCE_DIR) + "/tests/golden/hf/" + name + ".json");
  return nlohmann::json::parse(file);
}

class HuggingFace : public testing::TestWithParam<HfParam> {};

void expect_case(const nlohmann::json& golden, BackendKind backend) {
  SCOPED_TRACE(golden["name"].get<std::string>());
  SyntheticEngine engine = make_synthetic_engine(golden["config"].dump(), {.kind = backend});
  const auto tokens = golden["tokens"].get<std::vector<std::int32_t>>();
  const auto rows = golden["rows"].get<std::vector<std::size_t>>();
  const auto expected = golden["logits"].get<std::vector<std::vector<float>>>();

  const std::vector<float> actual = one_shot(*engine.model, tokens);

  const std::size_t vocab = engine.model->config().vocab_size;
  for (std::size_t r = 0; r < rows.size(); ++r) {
    float largest = 0.0f;
    float worst = 0.0f;
    for (std::size_t i = 0; i < vocab; ++i) {
      largest = std::max(largest, std::fabs(expected[r][i]));
      const float difference = std::fabs(actual[rows[r] * vocab + i] - expected[r][i]);
      worst = difference <= worst ? worst : difference;  // a NaN counts as worst
    }
    EXPECT_LE(worst, 1e-4f * largest) << "position " << rows[r];  // promise 1 of product.md
  }
}

}  // namespace

TEST_P(HuggingFace, OneShotLogitsAgree) {
  const nlohmann::json golden = read_golden(GetParam().file);
  ASSERT_FALSE(golden["cases"].empty());
  for (const auto& one : golden["cases"]) expect_case(one, GetParam().backend);
}

std::vector<HfParam> all_params() {
  std::vector<HfParam> params;
  for (const char* file : {"g1", "t1", "t2", "t3", "t4", "t5", "t6", "t7", "t8"}) {
    for (BackendKind backend : {BackendKind::ref, BackendKind::cpu})
      params.push_back({file, backend});
  }
  return params;
}

INSTANTIATE_TEST_SUITE_P(Files, HuggingFace, testing::ValuesIn(all_params()), [](const auto& info) {
  return std::string(info.param.file) + (info.param.backend == BackendKind::ref ? "_ref" : "_cpu");
});

// T14 moves the first position, which a compressor cannot do (windows count from the first token
// fed): its tables are compared.
TEST(HuggingFaceRope, FrequenciesAreEqual) {
  const nlohmann::json golden = read_golden("t14");
  for (const auto& table : golden["rope_tables"]) {
    const auto config = parse_config(table["config"].dump(), "t14");
    ASSERT_TRUE(config) << config.error().message;
    const bool main = table["table"] == "main";
    const auto expected = table["frequencies"].get<std::vector<float>>();

    const auto actual = rope_frequencies(config->qk_rope_head_dim,
                                         main ? config->rope_theta : config->compress_rope_theta,
                                         main ? config->main_yarn : config->yarn);

    ASSERT_EQ(actual.size(), expected.size());
    for (std::size_t i = 0; i < actual.size(); ++i)
      EXPECT_EQ(actual[i], expected[i]) << "frequency " << i;
  }
}

}  // namespace hadal
