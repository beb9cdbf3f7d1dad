#include "agent/text_options.h"

#include <gtest/gtest.h>

namespace hadal {
namespace {

TEST(TextOptions, ReadsEveryKindOfKeyAndKeepsTheRest) {
  const auto options = parse_text_options(
      R"({"text_form": "compact", "nouns_per_type": 8, "domains": ["finance", "supply"],
          "ancestor_marks": false, "facts_first": false, "topological_share": 0.3,
          "distractor_ratio": 1, "max_depth": 4, "chat_share": 0, "max_mistakes": 1,
          "weights": {"text": 1, "act_id": 0}})",
      "train.json");

  ASSERT_TRUE(options) << options.error().message;
  const worlds::WorldOptions& world = options->world;
  EXPECT_EQ(world.text_form, worlds::TextForm::compact);
  EXPECT_EQ(world.nouns_per_type, 8u);
  EXPECT_EQ(options->domains.indices.size(), 2u);
  EXPECT_EQ(worlds::domains()[options->domains.indices[0]].name, "finance");
  EXPECT_FALSE(world.ancestor_marks || world.facts_first);
  EXPECT_EQ(world.topological_share, 0.3);
  EXPECT_EQ(world.distractor_ratio, 1.0);
  EXPECT_EQ(options->max_depth, 4);
  EXPECT_EQ(options->chat_share, 0.0);
  EXPECT_EQ(world.max_mistakes, 1);
  EXPECT_EQ(world.weights.text, 1.0f);
  EXPECT_EQ(world.weights.act_id, 0.0f);
  EXPECT_EQ(world.weights.act, 4.0f);          // not named
  EXPECT_EQ(options->small_talk_share, 0.02);  // not named
}

TEST(TextOptions, AbsentDomainsMeanHouseholdInFullTextAndAllInCompact) {
  EXPECT_EQ(parse_text_options("{}", "f")->domains.indices, std::vector<std::size_t>{0});
  EXPECT_EQ(parse_text_options(R"({"text_form": "compact"})", "f")->domains.indices.size(),
            worlds::domains().size());
  EXPECT_EQ(parse_text_options(R"({"domains": "all"})", "f")->domains.indices.size(),
            worlds::domains().size());
}

TEST(TextOptions, LeavesOutDomains) {
  const auto options = parse_text_options(
      R"({"text_form": "compact", "leave_out_domains": ["healthcare"]})", "train.json");

  ASSERT_TRUE(options) << options.error().message;
  EXPECT_EQ(options->domains.indices.size(), worlds::domains().size() - 1);
  for (std::size_t domain : options->domains.indices)
    EXPECT_NE(worlds::domains()[domain].name, "healthcare");
  EXPECT_FALSE(parse_text_options(R"({"leave_out_domains": ["household"]})", "f"));
}

TEST(TextOptions, RefusesWhatItDoesNotKnowAndNamesIt) {
  const std::pair<const char*, const char*> cases[] = {
      {R"({"branch": 0.5})", "'text.branch': not known"},
      {R"({"branch_share": 1.5})", "'text.branch_share': expected a number from 0 to 1"},
      {R"({"branch_share": "1"})", "'text.branch_share'"},
      {R"({"max_depth": 2.5})", "'text.max_depth': expected an integer"},
      {R"({"max_depth": 9})", "'text.max_depth'"},
      {R"({"facts_first": 1})", "'text.facts_first': expected true or false"},
      {R"({"text_form": "short"})", "'text.text_form'"},
      {R"({"domains": ["atlantis"]})", "no domain is called 'atlantis'"},
      {R"({"domains": []})", "'text.domains'"},
      {R"({"weights": {"acts": 1}})", "'weights.acts': not known"},
      {R"({"weights": 4})", "'weights.': expected an object"},
      {R"([])", "expected an object"},
  };
  for (const auto& [json, message] : cases) {
    const auto options = parse_text_options(json, "train.json");
    ASSERT_FALSE(options) << json;
    EXPECT_EQ(options.error().code, ErrorCode::bad_format);
    EXPECT_NE(options.error().message.find(message), std::string::npos) << options.error().message;
    EXPECT_EQ(options.error().message.rfind("train.json", 0), 0u) << options.error().message;
  }
}

}  // namespace
}  // namespace hadal
