#include "agent/episode.h"

#include "agent/success_table.h"
#include "engine/engine.h"
#include "worlds/generator.h"

#include <gtest/gtest.h>

namespace hadal {

TEST(Proportion, IsTheWilsonInterval) {  // reference values: R, prop.test(..., correct = FALSE)
  const Proportion p = proportion(81, 263);

  EXPECT_NEAR(p.share, 0.307985, 1e-6);
  EXPECT_NEAR(p.low, 0.255280, 1e-4);
  EXPECT_NEAR(p.high, 0.366209, 1e-4);
  EXPECT_EQ(proportion(0, 0).high, 1.0);
  EXPECT_NEAR(proportion(10, 10).low, 0.722467, 1e-4);
}

TEST(EpisodeKeys, DoNotDependOnTheNumberOfEpisodes) {
  const auto few = episode_keys(3, 2, 7, {});
  const auto many = episode_keys(30, 2, 7, {});

  for (std::size_t i = 0; i < few.size(); ++i) {
    EXPECT_EQ(few[i].index, many[i].index);
    EXPECT_EQ(few[i].domain, many[i].domain);
    EXPECT_EQ(many[i].split, worlds::Split::test);
  }
}

TEST(EpisodeKeys, TakeTheChosenDomainsInTurn) {
  const auto keys = episode_keys(5, 1, 7, *worlds::parse_domain_choice("finance,supply"));

  for (std::size_t i = 0; i < keys.size(); ++i) EXPECT_EQ(keys[i].domain, i % 2 == 0 ? 3u : 1u);
  EXPECT_EQ(episode_keys(2, 1, 7, {})[1].domain, 0u) << "household, unless asked";
}

TEST(SuccessRow, CountsAnEpisode) {
  const worlds::World world = worlds::generate_world(episode_keys(1, 2, 0, {}).front(), {});
  Episode episode{.key = world.key, .steps = {}, .solved = true};
  episode.steps.resize(2);
  episode.steps[0].outcome.valid = true;
  SuccessRow row{.domain = 0, .depth = 2};

  count(row, episode, world);

  EXPECT_EQ(row.n_solved, 1u);
  EXPECT_EQ(row.n_optimal, 1u);
  EXPECT_EQ(row.n_steps, 2u);
  EXPECT_EQ(row.n_valid_steps, 1u);
}

}  // namespace hadal
