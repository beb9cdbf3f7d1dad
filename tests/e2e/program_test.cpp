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
                         testing::Values("convert", "doctor", "logits", "play", "quantize",
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

}  // namespace
}  // namespace hadal::e2e
