// Ids against Hugging Face `tokenizers` (tools/make_tokenizer_goldens.py; pedigree in the first
// line of each .digests).
#include "base/random.h"
#include "tokenizer/random_text.h"
#include "tokenizer/tokenizer.h"

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <cstddef>
#include <ctime>
#include <span>
#include <sstream>
#include <string>
#include <vector>

namespace hadal {
namespace {

using Ids = std::vector<std::int32_t>;

struct GoldenCase {
  const char* name;  // of the golden files
  const char* path;  // of the tokenizer, relative to tests/golden/tokenizer
};

void PrintTo(const GoldenCase& golden, std::ostream* out) {
  *out << golden.name;
}

class TokenizerGolden : public testing::TestWithParam<GoldenCase> {
 protected:
  TokenizerGolden()
      : tokenizer_(Tokenizer::from_json(read_golden(GetParam().path), GetParam().path)) {}

  void SetUp() override { ASSERT_TRUE(tokenizer_) << tokenizer_.error().message; }

  std::string golden(const char* kind) const {
    return read_golden(fmt::format("{}.{}", GetParam().name, kind));
  }

  Result<Tokenizer> tokenizer_;
};

// FNV-1a over little-endian words, 0xFFFFFFFF after each string.
class Digest {
 public:
  void add(std::span<const std::int32_t> ids) {
    for (const std::int32_t id : ids) add_word(static_cast<std::uint32_t>(id));
    add_word(0xFFFFFFFF);
  }
  std::uint64_t value() const { return value_; }

 private:
  void add_word(std::uint32_t word) {
    for (int shift = 0; shift < 32; shift += 8) {
      value_ = (value_ ^ ((word >> shift) & 0xFF)) * 0x100000001B3ull;
    }
  }
  std::uint64_t value_ = fnv1a64("");
};

TEST_P(TokenizerGolden, EqualsHuggingFaceOnExamples) {
  for (const auto& example : nlohmann::json::parse(golden("examples.json"))) {
    const auto text = example["text"].get<std::string>();
    EXPECT_EQ(tokenizer_->encode(text, SpecialTokens::parse), example["parse"].get<Ids>()) << text;
    EXPECT_EQ(tokenizer_->encode(text, SpecialTokens::as_text), example["as_text"].get<Ids>())
        << text;
  }
}

TEST_P(TokenizerGolden, EqualsHuggingFaceOn100000Strings) {
  constexpr std::uint64_t kBlockSize = 1000;
  const RandomText random;
  std::istringstream lines(golden("digests"));
  std::string line;
  std::uint64_t n_blocks = 0;
  while (std::getline(lines, line)) {
    if (line.starts_with('#')) continue;
    Digest parse, as_text;
    for (std::uint64_t i = n_blocks * kBlockSize; i < (n_blocks + 1) * kBlockSize; ++i) {
      const std::string text = random.text(i);
      const Ids ids = tokenizer_->encode(text, SpecialTokens::as_text);
      ASSERT_EQ(tokenizer_->decode(ids), text) << "string " << i;
      as_text.add(ids);
      parse.add(tokenizer_->encode(text, SpecialTokens::parse));
    }
    ASSERT_EQ(fmt::format("{:016x} {:016x}", parse.value(), as_text.value()), line)
        << "block " << n_blocks;
    ++n_blocks;
  }
  EXPECT_EQ(n_blocks, 100u);
}

// Prints, and does not assert, how fast a megabyte is encoded; one letter alone is the hard case
// for BPE.
TEST_P(TokenizerGolden, PrintsItsSpeed) {
  constexpr std::size_t kBytes = 1'000'000;
  const RandomText random;
  std::string mixed;
  for (std::uint64_t i = 0; mixed.size() < kBytes; ++i) mixed += random.text(i);
  for (const std::string& text : {mixed, std::string(kBytes, 'a')}) {
    const std::clock_t start = std::clock();
    const Ids ids = tokenizer_->encode(text, SpecialTokens::parse);
    const double seconds = static_cast<double>(std::clock() - start) / CLOCKS_PER_SEC;

    EXPECT_EQ(tokenizer_->decode(ids), text);
    fmt::print("{}: {} bytes, {} ids, {:.1f} MB per second of one CPU\n", GetParam().name,
               text.size(), ids.size(), static_cast<double>(text.size()) / 1e6 / seconds);
  }
}

INSTANTIATE_TEST_SUITE_P(Files, TokenizerGolden,
                         testing::Values(GoldenCase{"mixed-2048", "mixed-2048.json"},
                                         GoldenCase{"synthetic-512", "synthetic-512.json"},
                                         GoldenCase{"ignore-merges", "ignore-merges.json"},
                                         GoldenCase{"words",
                                                    "../../../experiments/world_model/"
                                                    "tokenizer.json"},
                                         GoldenCase{"builtin",
                                                    "../../../models/builtin/tokenizer.json"}),
                         [](const auto& info) {
                           std::string name = info.param.name;
                           std::replace(name.begin(), name.end(), '-', '_');
                           return name;
                         });

}  // namespace
}  // namespace hadal
