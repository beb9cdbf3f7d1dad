#include "eval/moe_study.h"

#include "engine/model/costs.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cmath>
#include <fstream>
#include <iterator>

#include <unistd.h>

namespace hadal::eval {
namespace {

std::string builtin_config() {
  std::ifstream file(std::string(HADAL_SOURCE_DIR) + "/models/builtin/config.json");
  return {std::istreambuf_iterator<char>(file), {}};
}

ModelConfig shape(std::size_t n_experts, std::size_t n_chosen, std::size_t width) {
  auto config = parse_config(builtin_config(), "builtin");
  EXPECT_TRUE(config) << config.error().message;
  config->n_routed_experts = n_experts;
  config->num_experts_per_tok = n_chosen;
  config->n_shared_experts = 1;
  config->moe_intermediate_size = width;
  return *config;
}

bool has_text(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

TEST(MoeStudy, ComparesAtEqualLoss) {
  const auto flops = [](const MoeStudyRun& run) {
    return static_cast<double>(mean_token_flops(run.config, 64).total());
  };
  std::vector<MoeStudyRun> runs = {
      {.name = "dense-1", .config = shape(1, 1, 16), .tokens = 1e6, .loss = 2.0},
      {.name = "dense-4", .config = shape(1, 1, 64), .tokens = 1e6, .loss = 1.0},
      {.name = "moe", .config = shape(8, 1, 16), .tokens = 1e6, .loss = 1.4},
      {.name = "moe", .seed = 2, .config = shape(8, 1, 16), .tokens = 1e6, .loss = 1.6}};
  for (MoeStudyRun& run : runs) run.tokens_per_second["decode, 1 thread"] = 100.0;
  runs[1].tokens_per_second["decode, 1 thread"] = 25.0;

  const std::string report = moe_study_report(runs, 64);

  // Half way between the two losses: the geometric mean of the dense costs.
  const double dense = std::sqrt(flops(runs[0]) * flops(runs[1]));
  const double saving = 100.0 * (1.0 - flops(runs[2]) / dense);
  EXPECT_TRUE(has_text(report, fmt::format("| **{:.1f} %** |", saving))) << report;
  EXPECT_TRUE(
      has_text(report, "| seconds per token, decode, 1 thread | 0.01 | 0.02 | **50.0 %** |"))
      << report;
  EXPECT_TRUE(has_text(report, "| moe | 32 | 2 | 1.0 | 1.5000 (1.4000, 1.6000) |")) << report;
}

TEST(MoeStudy, GivesNoNumberBeyondTheDenseModels) {
  const std::vector<MoeStudyRun> runs = {
      {.name = "dense-1", .config = shape(1, 1, 16), .loss = 2.0},
      {.name = "dense-4", .config = shape(1, 1, 64), .loss = 1.0},
      {.name = "moe", .config = shape(8, 1, 16), .loss = 0.5}};
  const std::string report = moe_study_report(runs, 64);
  EXPECT_TRUE(has_text(report, "none: loss 0.5 lies outside")) << report;
  EXPECT_FALSE(has_text(report, "**"));
}

TEST(MoeStudy, SaysWhenLargerDenseModelsAreNoBetter) {
  std::vector<MoeStudyRun> runs = {{.name = "dense-1", .config = shape(1, 1, 16), .loss = 1.0},
                                   {.name = "dense-4", .config = shape(1, 1, 64), .loss = 2.0},
                                   {.name = "moe", .config = shape(8, 1, 16), .loss = 1.5}};
  EXPECT_TRUE(has_text(moe_study_report(runs, 64), "does not fall as they grow"));
  std::swap(runs[0].loss, runs[1].loss);
  EXPECT_FALSE(has_text(moe_study_report(runs, 64), "does not fall as they grow"));
}

TEST(MoeStudy, ReadsItsFolders) {
  const auto directory =
      std::filesystem::path(testing::TempDir()) / ("hadal_moe" + std::to_string(::getpid()));
  EXPECT_EQ(read_moe_study(directory).error().code, ErrorCode::not_found);
  const auto run = directory / "moe-s3";
  std::filesystem::create_directories(run);
  std::filesystem::create_directories(directory / "notes");
  std::filesystem::create_directories(directory / "dense-1-s1");  // not trained to its end
  std::filesystem::copy_file(std::string(HADAL_SOURCE_DIR) + "/models/builtin/config.json",
                             run / "config.json");
  std::ofstream(run / "log.csv") << "step,tokens,heldout_loss\n1,1000,3.0\n2,2000,2.5\n3,3000,\n";
  std::ofstream(run / "bench.json")
      << R"({"results": [{"test": "decode", "threads": 2, "tok_s": 50.5}]})";

  const auto runs = read_moe_study(directory);

  ASSERT_TRUE(runs) << runs.error().message;
  ASSERT_EQ(runs->size(), 1u);
  EXPECT_EQ(runs->front().seed, 3u);
  EXPECT_EQ(runs->front().tokens, 2000.0);
  EXPECT_EQ(runs->front().loss, 2.5);
  EXPECT_EQ(runs->front().tokens_per_second.at("decode, 2 threads"), 50.5);
  EXPECT_TRUE(runs->front().is_mixture());
  std::ofstream(run / "bench.json") << R"({"results": [1]})";
  EXPECT_EQ(read_moe_study(directory).error().code, ErrorCode::bad_format);
  std::filesystem::remove_all(directory);
}

}  // namespace
}  // namespace hadal::eval
