// The program's manners and the built-in model. Verbs on models: cli_test.sh.
#include "program.h"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <filesystem>
#include <fstream>
#include <map>
#include <set>

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

/// Names of the events in edges [effect, cause], by the side asked for.
std::set<std::string> side_of(const nlohmann::json& edges, std::size_t side) {
  std::set<std::string> names;
  for (const auto& edge : edges) names.insert(edge[side].get<std::string>());
  return names;
}

const std::vector<std::string> kPlay = {"play", "--domain", "household", "--seed",
                                        "0",    "--depth",  "2"};

TEST_F(BuiltIn, TellsProgramsWhyItActed) {
  const Outcome run =
      run_program({"play", "--domain", "household", "--seed", "0", "--depth", "2", "--json"});

  ASSERT_EQ(run.exit_code, 0) << run.err;
  const auto json = nlohmann::json::parse(run.out, nullptr, false);
  ASSERT_TRUE(json.is_object()) << run.out;
  std::map<std::string, std::set<std::string>> causes;
  for (const auto& event : json["events"])
    causes[event["name"]] = event["causes"].get<std::set<std::string>>();
  ASSERT_FALSE(json["steps"].empty());
  for (const auto& step : json["steps"]) {
    double attended = 0.0;
    for (const auto& [name, share] : step["attended"].items()) attended += share.get<double>();
    EXPECT_GT(attended, 0.0) << step["attended"];
    EXPECT_LT(attended, 1.00001) << "a row of an attention that may also look at nothing";
    const auto effects = side_of(step["why"], 0), ends = side_of(step["why"], 1);
    EXPECT_TRUE(effects.count(step["event"])) << step;
    for (const auto& edge : step["why"])
      EXPECT_TRUE(causes[edge[0]].count(edge[1])) << edge << " is not named";
    for (const std::string& name : ends) {
      if (effects.count(name)) continue;  // not the end of a path
      EXPECT_TRUE(name[0] == 'f' || name[0] == 'm') << name;
    }
  }
}

TEST_F(BuiltIn, GoesOnFromAChangeOfAFact) {
  const std::vector<std::string>& play = kPlay;
  const auto with = [&](std::vector<std::string> more) {
    more.insert(more.begin(), play.begin(), play.end());
    return run_program(more);
  };
  const std::string fact = "the old basket is open";  // step 1 closes it

  const Outcome run = with({"--what-if", fact, "--json"});

  ASSERT_EQ(run.exit_code, 0) << run.err;
  const auto json = nlohmann::json::parse(run.out, nullptr, false);
  ASSERT_TRUE(json.is_object()) << run.out;
  ASSERT_EQ(json["what_if"].size(), 1u);
  EXPECT_EQ(json["what_if"][0]["after"], 1);
  EXPECT_EQ(json["what_if"][0]["observation"], fact + ".");
  EXPECT_EQ(json["what_if"][0]["shortest_plan"], 2) << "close it again, then open the crate";
  EXPECT_TRUE(json["solved"].get<bool>());

  const Outcome unknown = with({"--what-if", "the moon is full"});
  EXPECT_EQ(unknown.exit_code, 2);
  EXPECT_NE(unknown.err.find("the old basket is"), std::string::npos) << unknown.err;
  EXPECT_EQ(with({"--what-if", fact, "--after", "0"}).exit_code, 2) << "it is open at the start";
  EXPECT_EQ(with({"--what-if", fact, "--after", "9"}).exit_code, 2);
  EXPECT_EQ(with({"--what-if", fact, "--episodes", "1"}).exit_code, 2);
  EXPECT_EQ(with({"--after", "0"}).exit_code, 2);
  EXPECT_EQ(with({"--why", "9"}).exit_code, 2);
}

TEST_F(BuiltIn, PrintsGraphAndReasonsWithoutColour) {
  const Outcome run = run_program({"play", "--domain", "household", "--seed", "0", "--depth", "2",
                                   "--graph", "--why", "2", "--why", "o1"});

  ASSERT_EQ(run.exit_code, 0) << run.err;
  for (const char* expected : {"The causal graph as told", "Why a2 open(item: paper crate)",
                               "Why o1 the old basket is closed.", "(true at the start)", "<- a1"})
    EXPECT_NE(run.out.find(expected), std::string::npos) << expected << "\n" << run.out;
  EXPECT_EQ(run.out.find('\033'), std::string::npos);
}

TEST_F(BuiltIn, AnswersQuestionsFromStdin) {
  std::vector<std::string> play = kPlay;
  play.push_back("-i");
  const Outcome run = run_program(play,
                                  "why 2\nwhy 9\nWHAT\nwhat if the old basket is open?\n"
                                  "what if the moon is full\nwhat if the old basket is open after "
                                  "0\nfacts\ngraph\ncount 3\ncount none\noff\nhelp\n");

  ASSERT_EQ(run.exit_code, 0) << run.err;
  for (const char* expected :
       {"Why a2", "\"9\" is no step", "\"WHAT\" is no question", "after step 1)",
        "from the change on", "\"the moon is full\" is no fact", "nothing to change",
        "closed or open", "w1", "what if FACT", "valid actions", "count takes a number"})
    EXPECT_NE(run.out.find(expected), std::string::npos) << expected << "\n" << run.out;

  const auto n_tellings = [&] {
    std::size_t n = 0;
    for (std::size_t at = 0; (at = run.out.find("True at the start", at)) != std::string::npos;
         ++at)
      ++n;
    return n;
  };
  EXPECT_EQ(n_tellings(), 2u) << "once more with \"off\"";

  const Outcome left = run_program(play, "quit\nwhy 1\n");
  EXPECT_EQ(left.out.find("Why"), std::string::npos) << left.out;
}

/// Random weights, with a world model, and the tokenizer of the built-in model.
std::string model_with_world_model(const TemporaryDirectory& directory) {
  const std::string builtin = std::string(HADAL_SOURCE_DIR) + "/models/builtin";
  auto config = nlohmann::json::parse(std::ifstream(builtin + "/config.json"));
  config["world_model"] = {{"after_layer", 1}, {"latent_dim", 32}, {"n_heads", 4},
                           {"head_dim", 8},    {"rope_dim", 4},    {"intermediate", 48}};
  const std::string model = directory / "model";
  const Outcome synth = run_program(
      {"synth", "--config", directory.write("config.json", config.dump()), "--out", model});
  EXPECT_EQ(synth.exit_code, 0) << synth.err;
  std::filesystem::copy_file(builtin + "/tokenizer.json", model + "/tokenizer.json",
                             std::filesystem::copy_options::overwrite_existing);
  return model;
}

TEST(Play, ShowsWhatTheWorldModelAttendedToUnlessItIsOff) {
  const TemporaryDirectory directory;
  const std::string model = model_with_world_model(directory);
  const auto play = [&](const std::vector<std::string>& more) {
    std::vector<std::string> arguments = {"play", "-m", model, "--seed", "7", "--depth", "1"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return run_program(arguments);
  };

  const Outcome on = play({"--json"}), off = play({"--json", "--world-model", "off"});

  const auto json = nlohmann::json::parse(on.out, nullptr, false);
  ASSERT_TRUE(json.is_object()) << on.out << on.err;
  const auto& attended = json["steps"][0]["attended"];
  ASSERT_TRUE(attended.is_object()) << on.out;
  EXPECT_GT(attended["g1"].get<double>(), 0.0) << "the goal is seen by every act";
  double sum = 0.0;
  for (const auto& share : attended) sum += share.get<double>();
  EXPECT_LE(sum, 1.001);
  EXPECT_EQ(off.out.find("attended"), std::string::npos) << off.out;
  EXPECT_NE(play({}).out.find("attended to (world model)"), std::string::npos);
  EXPECT_EQ(play({"--world-model", "off"}).out.find("attended"), std::string::npos);
}

TEST_F(BuiltIn, EvalRequestsWritesItsSums) {
  const TemporaryDirectory directory;
  const std::string path = directory / "sums.json";
  const Outcome eval = run_program(
      {"eval", "requests", "-m", "builtin", "--depths", "1", "--requests", "6", "--json", path});

  ASSERT_EQ(eval.exit_code, 0) << eval.err;
  const auto sums = nlohmann::json::parse(std::ifstream(path), nullptr, false);
  ASSERT_TRUE(sums.is_object()) << eval.out;
  const auto& row = sums["by_depth"][0];
  EXPECT_EQ(row["requests"], 6);
  EXPECT_GE(row["understood"], row["reached"]);
  EXPECT_NE(eval.out.find("| 1 | 6 |"), std::string::npos) << eval.out;
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
