// Models through the program: written, read, converted, and asked for logits.
#include "program.h"
#include "tiny_model.h"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <cmath>

namespace hadal::e2e {
namespace {

constexpr int kTokens = 140;  // one HCA row, 35 CSA rows of which 5 are chosen

std::string logits_text(const std::string& model, std::vector<std::string> flags) {
  std::vector<std::string> arguments = {"logits", "-m", model, "--tokens", tiny_tokens(kTokens),
                                        "--json"};
  arguments.insert(arguments.end(), flags.begin(), flags.end());
  const Outcome run = run_program(arguments);
  EXPECT_EQ(run.exit_code, 0) << run.err;
  return run.out;
}

std::vector<float> logits(const std::string& model, const std::vector<std::string>& flags) {
  const auto json = nlohmann::json::parse(logits_text(model, flags), nullptr, false);
  std::vector<float> all;
  if (!json.is_object()) return all;
  for (const auto& row : json["logits"])
    for (const auto& value : row) all.push_back(value.get<float>());
  return all;
}

/// max |a - b| / max |a|
double relative_difference(const std::vector<float>& a, const std::vector<float>& b) {
  if (a.size() != b.size() || a.empty()) return INFINITY;
  double largest = 0;
  double difference = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    largest = std::max<double>(largest, std::abs(a[i]));
    difference = std::max<double>(difference, std::abs(static_cast<double>(a[i]) - b[i]));
  }
  return difference / largest;
}

class Format : public testing::TestWithParam<const char*> {};

TEST_P(Format, NativeFileEqualsItsDequantisedTwin) {
  const TemporaryDirectory directory;
  const std::string model = make_tiny_model(directory, GetParam(), "native");
  const std::string twin =
      directory / (std::string("twin") + (GetParam()[0] == 'g' ? ".gguf" : ""));

  const Outcome converted = run_program(
      {"convert", "-m", model, "--out", twin, "--format", GetParam(), "--dtype", "f32"});

  ASSERT_EQ(converted.exit_code, 0) << converted.err;
  const std::vector<float> stored = logits(model, {"--backend", "ref"});
  ASSERT_EQ(stored.size(), kTokens * 300u);
  EXPECT_LE(relative_difference(stored, logits(twin, {"--backend", "ref"})), 1e-4);
  // The cpu backend multiplies decoded weights in float32 in another order: rounding, not another
  // model.
  const double cpu = relative_difference(logits(model, {}), logits(twin, {}));
  std::printf("%s, cpu backend: native and dequantised differ by %.2g of the largest logit\n",
              GetParam(), cpu);
  EXPECT_LE(cpu, 1e-3);
}

TEST_P(Format, LogitsDoNotDependOnThreadsOrChunks) {
  const TemporaryDirectory directory;
  const std::string model = make_tiny_model(directory, GetParam(), "native");

  const std::string one_shot = logits_text(model, {"-t", "1"});

  EXPECT_EQ(one_shot, logits_text(model, {"-t", "2"}));
  EXPECT_EQ(one_shot, logits_text(model, {"-t", "2", "--chunk", "7"}));
  EXPECT_EQ(one_shot, logits_text(model, {"--decode-from", "5"}));
  EXPECT_EQ(one_shot, logits_text(model, {"--chunk", "16", "--decode-from", "129"}));
}

INSTANTIATE_TEST_SUITE_P(Both, Format, testing::Values("safetensors", "gguf"),
                         [](const auto& test) { return std::string(test.param); });

TEST(Models, BothFormatsOfTheSameWeightsGiveTheSameLogits) {
  const TemporaryDirectory directory;

  const std::string safetensors = make_tiny_model(directory, "safetensors", "f32");
  const std::string gguf = make_tiny_model(directory, "gguf", "f32");

  EXPECT_EQ(logits_text(safetensors, {}), logits_text(gguf, {}));
}

TEST(Models, DraftsChangeNoTokenGreedyOrSampled) {
  const TemporaryDirectory directory;
  const std::string model = make_tiny_model(directory, "safetensors", "f32");
  for (const char* temperature : {"0", "1"}) {
    const std::vector<std::string> plain = {"run",    "-m",           model,    "--raw",
                                            "-p",     "a tiny model", "-n",     "40",
                                            "--temp", temperature,    "--seed", "5"};
    std::vector<std::string> drafting = plain;
    drafting.insert(drafting.end(), {"--draft", "3"});

    const Outcome expected = run_program(plain);
    const Outcome actual = run_program(drafting);

    EXPECT_EQ(expected.exit_code, 0) << expected.err;
    EXPECT_FALSE(expected.out.empty());
    EXPECT_EQ(actual.out, expected.out) << "temperature " << temperature << ": " << actual.err;
  }
}

TEST(Models, ShowCountsParametersAndBytes) {
  const TemporaryDirectory directory;
  const std::string model = make_tiny_model(directory, "safetensors", "bf16");

  const Outcome shown = run_program({"show", model, "--json"});

  ASSERT_EQ(shown.exit_code, 0) << shown.err;
  const auto json = nlohmann::json::parse(shown.out, nullptr, false);
  ASSERT_TRUE(json.is_object()) << shown.out;
  EXPECT_TRUE(json.contains("config"));
  EXPECT_TRUE(json.contains("tensors"));
}

}  // namespace
}  // namespace hadal::e2e
