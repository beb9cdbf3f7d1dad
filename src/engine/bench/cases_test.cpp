#include "engine/bench/bench.h"

#include <gtest/gtest.h>

#include <limits>

namespace hadal::bench {
namespace {

ModelConfig config_of(std::size_t context, std::size_t n_mtp) {
  ModelConfig config;
  config.max_position_embeddings = context;
  config.num_nextn_predict_layers = n_mtp;
  return config;
}

std::string describe(const Case& c) {
  return fmt::format("{} p{} n{} d{} b{} t{} s{}", c.test == Test::prefill ? "prefill" : "decode",
                     c.n_prompt, c.n_gen, c.depth, c.batch, c.threads, c.n_drafts);
}

std::vector<std::string> described(const Options& options, const ModelConfig& config) {
  const auto cases = cases_of(options, config);
  if (!cases) return {cases.error().message};
  std::vector<std::string> texts;
  for (const Case& c : *cases) texts.push_back(describe(c));
  return texts;
}

void expect_refused(const Options& options, const ModelConfig& config, const std::string& word) {
  const auto cases = cases_of(options, config);
  ASSERT_FALSE(cases) << "expected a message with " << word;
  EXPECT_EQ(cases.error().code, ErrorCode::invalid_argument);
  EXPECT_NE(cases.error().message.find(word), std::string::npos) << cases.error().message;
}

TEST(CasesOf, FollowTheOrderOfTheFlags) {
  const Options options{.prompts = {512, 128},
                        .gens = {64},
                        .depths = {0, 2048},
                        .batches = {8, 1},
                        .threads = {2, 1}};

  const auto cases = described(options, config_of(4096, 0));

  const std::vector<std::string> expected = {
      "prefill p512 n0 d0 b1 t2 s0",    "prefill p128 n0 d0 b1 t2 s0",
      "decode p0 n64 d0 b8 t2 s0",      "decode p0 n64 d0 b1 t2 s0",
      "prefill p512 n0 d2048 b1 t2 s0", "prefill p128 n0 d2048 b1 t2 s0",
      "decode p0 n64 d2048 b8 t2 s0",   "decode p0 n64 d2048 b1 t2 s0",
      "prefill p512 n0 d0 b1 t1 s0",    "prefill p128 n0 d0 b1 t1 s0",
      "decode p0 n64 d0 b8 t1 s0",      "decode p0 n64 d0 b1 t1 s0",
      "prefill p512 n0 d2048 b1 t1 s0", "prefill p128 n0 d2048 b1 t1 s0",
      "decode p0 n64 d2048 b8 t1 s0",   "decode p0 n64 d2048 b1 t1 s0"};
  EXPECT_EQ(cases, expected);
}

TEST(CasesOf, LeaveOutWhatIsZero) {
  EXPECT_EQ(described({.prompts = {0}, .gens = {4}, .threads = {1}}, config_of(16, 0)),
            std::vector<std::string>{"decode p0 n4 d0 b1 t1 s0"});
  EXPECT_EQ(described({.prompts = {4}, .gens = {0}, .threads = {1}}, config_of(16, 0)),
            std::vector<std::string>{"prefill p4 n0 d0 b1 t1 s0"});
  expect_refused({.prompts = {0}, .gens = {0}}, config_of(16, 0), "nothing to run");
}

TEST(CasesOf, RunOnAllCoresWhenThreadsAreZero) {
  const auto cases = cases_of({.prompts = {1}, .gens = {0}, .threads = {0}}, config_of(16, 0));

  ASSERT_TRUE(cases) << cases.error().message;
  EXPECT_EQ(cases->front().threads, default_n_threads());
}

TEST(CasesOf, StopAtTheModelsContext) {
  Options options{.prompts = {12}, .gens = {4}, .depths = {4}};

  EXPECT_TRUE(cases_of(options, config_of(16, 0)));
  expect_refused(options, config_of(15, 0), "context is 15");
  options.depths = {std::numeric_limits<std::size_t>::max() - 4};
  expect_refused(options, config_of(16, 0), "context is 16");
}

TEST(CasesOf, NameTheOptionThatIsWrong) {
  const ModelConfig config = config_of(4096, 0);

  expect_refused({.batches = {1, 0}}, config, "--batch");
  expect_refused({.threads = {100'000}}, config, "--threads");
  expect_refused({.rounds = 0}, config, "--rounds");
  expect_refused({.chunk = 0}, config, "--chunk");
  expect_refused({.drafts = {0, 2}}, config, "MTP");
  EXPECT_TRUE(cases_of({.drafts = {0, 2}}, config_of(4096, 1)));
}

}  // namespace
}  // namespace hadal::bench
