#include "eval/world_options.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include <unistd.h>

namespace hadal::eval {
namespace {

Result<worlds::WorldOptions> read(const std::string& text) {
  const auto path = std::filesystem::path(testing::TempDir()) /
                    ("hadal_world_options" + std::to_string(::getpid()) + ".json");
  std::ofstream(path) << text;
  auto options = read_world_options(path);
  std::filesystem::remove(path);
  return options;
}

TEST(WorldOptions, TakesFieldsByTheirNames) {
  const auto options =
      read(R"({"topological_share": 0.25, "ancestor_marks": false, "min_distractors": 3})");

  ASSERT_TRUE(options);
  EXPECT_EQ(options->topological_share, 0.25);
  EXPECT_FALSE(options->ancestor_marks);
  EXPECT_EQ(options->min_distractors, 3);
  EXPECT_EQ(options->law_share, worlds::WorldOptions().law_share);
}

TEST(WorldOptions, ReadsThoseOfATrainingConfig) {
  const auto options =
      read(R"({"model": {}, "text": {"chat_share": 0.3, "distractor_ratio": 1.5}})");

  ASSERT_TRUE(options);
  EXPECT_EQ(options->distractor_ratio, 1.5);
}

TEST(WorldOptions, RefusesWhatItDoesNotKnow) {
  for (const char* text :
       {R"({"topological": 1})", R"({"topological_share": 1.5})", R"({"ancestor_marks": 1})",
        R"({"min_distractors": 2.5})", R"({"chat_share": 0.3})", R"([])", R"({"text": 3})", "{"})
    EXPECT_FALSE(read(text)) << text;
}

TEST(WorldOptions, WritesAllOfThem) {
  worlds::WorldOptions options;
  options.mistake_share = 0.5;

  const auto again = read(to_json(options));

  ASSERT_TRUE(again);
  EXPECT_EQ(to_json(*again), to_json(options));
}

}  // namespace
}  // namespace hadal::eval
