#include "agent/training_text.h"

#include "base/random.h"
#include "tokenizer/tokenizer.h"

#include <gtest/gtest.h>

#include <cmath>
#include <fstream>
#include <iterator>

namespace hadal {
namespace {

using worlds::Piece;

Tokenizer builtin_tokenizer() {
  std::ifstream file(std::string(HADAL_SOURCE_DIR) + "/models/builtin/tokenizer.json");
  const std::string text{std::istreambuf_iterator<char>(file), {}};
  auto tokenizer = Tokenizer::from_json(text, "tokenizer.json");
  EXPECT_TRUE(tokenizer) << tokenizer.error().message;
  return std::move(tokenizer).value();
}

const worlds::WorldKey kKey{
    .split = worlds::Split::train, .domain = 0, .depth = 2, .seed = 3, .index = 8};

float weight_of(const std::vector<Piece>& pieces, std::string_view text) {
  for (const Piece& piece : pieces) {
    if (piece.text.find(text) != std::string::npos) return piece.weight;
  }
  ADD_FAILURE() << "no piece holds " << text;
  return -1.0f;
}

}  // namespace

TEST(TrainingText, IsAFunctionOfSplitSeedAndIndex) {
  const TrainingTextOptions options;
  for (std::uint64_t i = 0; i < 50; ++i) {
    const auto once = training_text(worlds::Split::train, 1, i, options, 3);
    EXPECT_EQ(worlds::text_of(once),
              worlds::text_of(training_text(worlds::Split::train, 1, i, options, 3)));
    EXPECT_NE(worlds::text_of(once),
              worlds::text_of(training_text(worlds::Split::train, 2, i, options, 3)));
  }
}

// A run is resumed, and a seed is repeated, on other machines and later.
TEST(TrainingText, StreamStaysTheSame) {
  std::string text;
  for (std::uint64_t i = 0; i < 300; ++i)
    text += worlds::text_of(training_text(worlds::Split::train, 1, i, {}, 3));
  EXPECT_EQ(fnv1a64(text), 13910758231137517472u);
}

// Facts and mechanisms of the pair are those of the sequence, but for the intervention.
TEST(TrainingText, PairsAreOfTheSequencesWorld) {
  TrainingTextOptions options;
  options.small_talk_share = 0.0;
  options.chat_share = 0.0;
  int n_pairs = 0;
  for (std::uint64_t i = 0; i < 50; ++i) {
    const auto pair = training_pair(worlds::Split::train, 1, i, options, 3);
    if (!pair) continue;
    ++n_pairs;
    const auto prompt_of = [](const std::vector<Piece>& pieces) {
      const std::string text = worlds::text_of(pieces);
      return text.substr(0, text.find("<|act|>"));
    };
    const auto sequence = training_text(worlds::Split::train, 1, i, options, 3);
    EXPECT_EQ(prompt_of(pair->actual), prompt_of(sequence)) << i;
    EXPECT_NE(worlds::text_of(pair->altered), worlds::text_of(pair->actual)) << i;
  }
  EXPECT_GT(n_pairs, 40);
}

TEST(TrainingText, DrawsFromTheChosenDomainsOnly) {
  TrainingTextOptions options;
  options.small_talk_share = 0.0;
  options.domains = *worlds::parse_domain_choice("finance,industrial");
  int n_finance = 0;
  for (std::uint64_t i = 0; i < 200; ++i) {
    const std::string text = worlds::text_of(training_text(worlds::Split::train, 1, i, options, 3));
    const bool is_finance = text.find("finance; tools: ") != std::string::npos;
    EXPECT_NE(is_finance, text.find("industrial; tools: ") != std::string::npos);
    n_finance += is_finance ? 1 : 0;
  }
  EXPECT_NEAR(n_finance, 100, 4 * 7);  // 4 sigma
}

TEST(TrainingText, SharesAreThoseOfTheOptions) {
  const TrainingTextOptions options;
  constexpr int kSamples = 3000;
  int chats = 0;
  int sections = 0;
  for (std::uint64_t i = 0; i < kSamples; ++i) {
    const std::string text = worlds::text_of(training_text(worlds::Split::train, 1, i, options, 3));
    chats += text.find("<｜Assistant｜>") != std::string::npos &&
             text.find("<|act|>") != std::string::npos;
    sections += text.find("## Tools") != std::string::npos;
  }
  EXPECT_NEAR(static_cast<double>(chats) / kSamples, options.chat_share, 0.035);  // 4 sigma
  EXPECT_NEAR(static_cast<double>(sections) / kSamples, options.chat_share * options.tools_share,
              0.015);
}

TEST(TrainingText, AShareOfTheWorldsHasTheSizeSet) {
  TrainingTextOptions natural;
  TrainingTextOptions sized = natural;
  sized.world.min_mechanisms = sized.world.max_mechanisms = 8;
  TrainingTextOptions mixed = sized;
  mixed.sized_share = 0.3;
  const auto text = [](std::uint64_t i, const TrainingTextOptions& options) {
    return worlds::text_of(training_text(worlds::Split::train, 1, i, options, 2));
  };
  constexpr int kTexts = 400;
  int n_sized = 0, n_differ = 0;
  for (std::uint64_t i = 0; i < kTexts; ++i) {
    const std::string told = text(i, mixed), as_sized = text(i, sized),
                      as_natural = text(i, natural);
    ASSERT_TRUE(told == as_sized || told == as_natural) << i;
    n_differ += as_sized != as_natural;
    n_sized += told == as_sized && as_sized != as_natural;
  }
  ASSERT_GT(n_differ, kTexts / 2);
  EXPECT_NEAR(n_sized, 0.3 * n_differ, 4 * std::sqrt(0.21 * n_differ));  // binomial, 4 sigma
}

TEST(TrainingText, PiecesTokeniseLikeTheWholeText) {
  const Tokenizer tokenizer = builtin_tokenizer();
  TrainingTextOptions options;
  options.domains = *worlds::parse_domain_choice("all");
  for (std::uint64_t i = 0; i < 200; ++i) {
    const auto pieces = training_text(worlds::Split::train, 7, i, options, 3);
    std::vector<std::int32_t> ids;
    for (const Piece& piece : pieces) {
      const auto of_piece = tokenizer.encode(piece.text, SpecialTokens::parse);
      ids.insert(ids.end(), of_piece.begin(), of_piece.end());
    }
    ASSERT_EQ(ids, tokenizer.encode(worlds::text_of(pieces), SpecialTokens::parse))
        << "sample " << i;
  }
}

TEST(ChatTrainingText, WeighsWhatTheModelIsToWrite) {
  worlds::WorldOptions options;
  options.mistake_share = 0.0;
  const auto pieces = chat_training_text(kKey, options, true);

  EXPECT_EQ(weight_of(pieces, "invoke name=\"$TOOL_NAME\""), options.weights.text);
  bool in_answer = false;
  std::string previous;
  for (const Piece& piece : pieces) {
    if (piece.text == "<｜Assistant｜>") in_answer = true;
    if (in_answer && piece.text == "<|act|>") {
      EXPECT_EQ(piece.weight, options.weights.act);
    }
    if (previous == "<|act|>") {
      EXPECT_EQ(piece.weight, options.weights.act_id) << piece.text;
    }
    if (previous == "<|fact|>" || previous == "<|mech|>" || previous == "<|obs|>") {
      EXPECT_EQ(piece.weight, 0.0f) << piece.text;
    }
    if (piece.text == std::string(worlds::kEosToken)) in_answer = false;
    previous = piece.text;
  }
}

TEST(ChatTrainingText, MistakesCarryNoLoss) {
  worlds::WorldOptions options;
  options.mistake_share = 1.0;
  options.max_mistakes = 1;
  const auto pieces = chat_training_text(kKey, options, false);

  std::size_t n_acts = 0;
  std::size_t n_free = 0;
  for (const Piece& piece : pieces) {
    if (piece.text != "<|act|>") continue;
    ++n_acts;
    n_free += piece.weight == 0.0f;
  }
  EXPECT_EQ(n_acts, 3u);  // two of the plan and one mistake
  EXPECT_EQ(n_free, 1u);
}

}  // namespace hadal
