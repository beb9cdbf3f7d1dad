// The program's manners and the built-in model. Verbs on models: cli_test.sh.
#include "program.h"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

namespace hadal::e2e {
namespace {

class Verb : public testing::TestWithParam<const char*> {};

TEST_P(Verb, ExplainsItselfOnStdout) {
  const Outcome help = run_program({GetParam(), "--help"});

  EXPECT_EQ(help.exit_code, 0);
  EXPECT_GT(help.out.size(), 80u);
  EXPECT_EQ(help.err, "");
}

INSTANTIATE_TEST_SUITE_P(All, Verb,
                         testing::Values("bench", "convert", "doctor", "logits", "play", "quantize",
                                         "render", "run", "show", "synth", "tokenize", "train"),
                         [](const auto& test) { return std::string(test.param); });

TEST(Program, WrongUseIsExitTwo) {
  EXPECT_EQ(run_program({}).exit_code, 2);
  EXPECT_EQ(run_program({"no-such-verb"}).exit_code, 2);
  EXPECT_EQ(run_program({"logits", "--no-such-flag"}).exit_code, 2);
}

TEST(Program, AMissingModelIsNamedOnStderrAlone) {
  const Outcome run = run_program({"logits", "-m", "/no/such/model", "--tokens", "1"});

  EXPECT_EQ(run.exit_code, 1);
  EXPECT_EQ(run.out, "");
  EXPECT_EQ(run.err.rfind("hadal logits: ", 0), 0u) << run.err;
  EXPECT_NE(run.err.find("/no/such/model"), std::string::npos) << run.err;
}

TEST(Doctor, TellsProgramsWhatFits) {
  const Outcome run = run_program({"doctor", "--json"});

  ASSERT_EQ(run.exit_code, 0) << run.err;
  const auto json = nlohmann::json::parse(run.out, nullptr, false);
  ASSERT_TRUE(json.is_object()) << run.out;
  EXPECT_GT(json["read_gb_s"].get<double>(), 0.0);
  EXPECT_GE(json["n_cpus"].get<int>(), 1);
  EXPECT_GE(json["n_threads"].get<int>(), 1);
  EXPECT_LE(json["n_threads"].get<int>(), json["n_cores"].get<int>());
  EXPECT_GE(json["models"].size(), 2u);
}

/// The model that the build carries, if any.
class BuiltIn : public testing::Test {
 protected:
  void SetUp() override {
    if (run_program({"show", "builtin", "--json"}).exit_code != 0)
      GTEST_SKIP() << "this build carries no built-in model";
  }
};

TEST_F(BuiltIn, GivesTheSameLogitsWhereverThreadsMayRun) {
  const auto logits = [](const char* pin) {
    return run_program({"logits", "--tokens", "1,2,3", "-t", "2", "--pin", pin, "--json"});
  };
  const Outcome anywhere = logits("none");

  ASSERT_EQ(anywhere.exit_code, 0) << anywhere.err;
  EXPECT_EQ(logits("cores").out, anywhere.out);
  EXPECT_EQ(logits("fixed").out, anywhere.out);
  EXPECT_EQ(logits("somewhere").exit_code, 2);
}

TEST_F(BuiltIn, PlaysTheSameEpisodeEveryTime) {
  const std::vector<std::string> one = {"play", "--seed", "3", "--depth", "1", "--json", "-t", "1"};
  std::vector<std::string> two = one;
  two.back() = "2";

  const Outcome first = run_program(one);

  EXPECT_EQ(first.exit_code, 0) << first.err;
  const auto json = nlohmann::json::parse(first.out, nullptr, false);
  auto again = nlohmann::json::parse(run_program(two).out, nullptr, false);
  ASSERT_TRUE(json.is_object()) << first.out;
  EXPECT_EQ(json["steps"], again["steps"]);
}

TEST_F(BuiltIn, AnswersOnStdoutWithoutAnyModelNamed) {
  const Outcome run = run_program({"run", "-p", "Hello", "-n", "20"});

  EXPECT_EQ(run.exit_code, 0) << run.err;
  EXPECT_FALSE(run.out.empty());
}

TEST_F(BuiltIn, BenchTellsProgramsSpeedAndShare) {
  const Outcome run = run_program({"bench", "--json", "-p", "32,16", "-n", "4", "-d", "0,8",
                                   "--batch", "1,3", "-t", "1,2", "-r", "2", "--ops"});

  ASSERT_EQ(run.exit_code, 0) << run.err;
  const auto json = nlohmann::json::parse(run.out, nullptr, false);
  ASSERT_TRUE(json.is_object()) << run.out;
  for (const char* key : {"read_gb_s", "int8_gop_s", "bf16_gflop_s", "fp32_gflop_s"})
    EXPECT_GT(json["machine"][key].get<double>(), 0.0) << key;
  ASSERT_EQ(json["results"].size(), 16u);  // 2 threads x 2 depths x (2 prompts + 2 batches)
  EXPECT_EQ(json["results"][1]["n_prompt"], 16);
  EXPECT_EQ(json["results"][3]["batch"], 3);
  EXPECT_EQ(json["results"][4]["depth"], 8);
  EXPECT_EQ(json["results"][8]["threads"], 2);
  for (const auto& result : json["results"]) {
    EXPECT_EQ(result["test"], result["n_prompt"].get<int>() > 0 ? "prefill" : "decode");
    EXPECT_EQ(result["tok_s_all"].size(), 2u);
    EXPECT_GT(result["tok_s"].get<double>(), 0.0);
    EXPECT_GT(result["share_of_ceiling"].get<double>(), 0.0);
    EXPECT_FALSE(result["operators"].empty());
  }
}

TEST_F(BuiltIn, BenchSpeaksLlamaBench) {
  const Outcome run = run_program({"bench", "-p", "16", "-n", "0", "-d", "4", "-r", "3", "-t", "1",
                                   "-o", "json", "--no-warmup"});

  ASSERT_EQ(run.exit_code, 0) << run.err;
  const auto json = nlohmann::json::parse(run.out, nullptr, false);
  ASSERT_TRUE(json.is_array() && json.size() == 1) << run.out;
  EXPECT_EQ(json[0]["n_prompt"], 16);
  EXPECT_EQ(json[0]["n_gen"], 0);
  EXPECT_EQ(json[0]["n_depth"], 4);
  EXPECT_EQ(json[0]["n_threads"], 1);
  ASSERT_EQ(json[0]["samples_ts"].size(), 3u);
  double sum = 0;
  for (const double rate : json[0]["samples_ts"]) sum += rate;
  EXPECT_NEAR(json[0]["avg_ts"].get<double>(), sum / 3, 1e-6 * sum);
}

TEST(Bench, ReadsTheBandwidthWithoutAModel) {
  const Outcome run = run_program({"bench", "--bandwidth", "-m", "/no/such/model", "-t", "2"});

  ASSERT_EQ(run.exit_code, 0) << run.err;
  const auto json = nlohmann::json::parse(run.out, nullptr, false);
  EXPECT_EQ(json["threads"], 2);
  EXPECT_GT(json["read_gb_s"].get<double>(), 0.0);
}

TEST_F(BuiltIn, BenchRefusesWhatCannotRun) {
  const Outcome nothing = run_program({"bench", "-p", "0", "-n", "0"});
  EXPECT_EQ(nothing.exit_code, 2);
  EXPECT_EQ(nothing.err.rfind("hadal bench: ", 0), 0u) << nothing.err;
  EXPECT_EQ(nothing.out, "");

  EXPECT_EQ(run_program({"bench", "-d", "1000000000"}).exit_code, 2);
  EXPECT_EQ(run_program({"bench", "-p", "many"}).exit_code, 2);
}

}  // namespace
}  // namespace hadal::e2e
