// The agent of a told episode with a model of random weights, which may have the world model.
#include "agent/episode.h"
#include "agent/told_episode.h"
#include "agent/word_vocabulary.h"
#include "synthetic_engine.h"
#include "worlds/generator.h"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <numeric>

namespace hadal {
namespace {

using worlds::Literal;
using worlds::World;

struct RandomModel {
  Tokenizer tokenizer;
  SyntheticEngine engine;
};

RandomModel random_model(bool with_world_model) {
  auto tokenizer = Tokenizer::from_vocabulary(word_vocabulary(8), "words");
  EXPECT_TRUE(tokenizer.has_value());
  nlohmann::json config = nlohmann::json::parse(g1_config_json());
  config["vocab_size"] = tokenizer->vocab_size();
  if (with_world_model) {
    auto& module =
        config["world_model"] = {{"after_layer", 1}, {"latent_dim", 32}, {"n_heads", 4},
                                 {"head_dim", 8},    {"rope_dim", 4},    {"intermediate", 48}};
    for (std::size_t i = 0; i < StructureTokens::kCount; ++i)
      module["structure_tokens"].push_back(*tokenizer->find_special(StructureTokens::name(i)));
  }
  return {std::move(tokenizer).value(),
          make_synthetic_engine(config.dump(), {.kind = BackendKind::ref})};
}

ToldEpisode played_by(RandomModel& random, const World& world) {
  auto actor = model_actor(*random.engine.model, random.tokenizer, {.max_act_tokens = 12});
  EXPECT_TRUE(actor.has_value());
  return ToldEpisode(world, {}, std::move(*actor));
}

void play(ToldEpisode& episode) {
  while (!episode.done()) ASSERT_TRUE(episode.step().has_value());
}

}  // namespace

TEST(ModelActor, WritesWhatItWritesInCountedEpisodes) {
  RandomModel random = random_model(true);
  const World world = worlds::generate_world({.depth = 1, .seed = 3}, {});
  EpisodeOptions options;
  options.max_act_tokens = 12;
  const auto counted = play_episodes(*random.engine.model, random.tokenizer, {&world, 1}, options);
  ASSERT_TRUE(counted.has_value());

  ToldEpisode episode = played_by(random, world);
  play(episode);

  ASSERT_EQ(episode.steps().size(), counted->front().steps.size());
  for (std::size_t i = 0; i < episode.steps().size(); ++i)
    EXPECT_EQ(episode.steps()[i].step.written, counted->front().steps[i].written);
  EXPECT_EQ(episode.n_read(), counted->front().n_prompt_tokens);
  EXPECT_EQ(episode.n_written(), counted->front().n_generated_tokens);
}

TEST(ModelActor, SaysWhatTheWorldModelAttendedToWhenItChose) {
  RandomModel random = random_model(true);
  for (std::uint64_t seed = 0; seed < 3; ++seed) {
    const World world = worlds::generate_world({.depth = 2, .seed = seed}, {});
    ToldEpisode episode = played_by(random, world);
    const auto leads_to_goal = episode.graph().goal_ancestors();  // before the model writes events

    ASSERT_TRUE(episode.step().has_value());

    const ToldStep& step = episode.steps().front();
    ASSERT_EQ(step.attended.size(), step.act + 2) << "text outside, and events up to the act";
    std::size_t n_seen = 0, n_hidden = 0;
    for (std::size_t i = 0; i < step.act; ++i) {
      const bool is_seen = step.attended[i + 1] > 0.0f;
      EXPECT_EQ(is_seen, leads_to_goal[i]) << episode.graph().events()[i].name;
      ++(is_seen ? n_seen : n_hidden);
    }
    EXPECT_GT(n_seen, 3u);
    EXPECT_GT(n_hidden, 1u) << "distractors are hidden by the mask";
    EXPECT_LE(std::accumulate(step.attended.begin(), step.attended.end(), 0.0f), 1.001f);
  }
}

TEST(ModelActor, IsSilentWithoutAWorldModel) {
  RandomModel random = random_model(false);
  const World world = worlds::generate_world({.depth = 1, .seed = 3}, {});
  ToldEpisode episode = played_by(random, world);

  ASSERT_TRUE(episode.step().has_value());

  EXPECT_TRUE(episode.steps().front().attended.empty());
}

TEST(ModelActor, ComesBackToTheSamePastAfterAChange) {
  RandomModel random = random_model(true);
  const World world = worlds::generate_world({.depth = 2, .seed = 3}, {});
  const Literal change{0, !worlds::holds({0, true}, world.initial)};
  ToldEpisode first = played_by(random, world);
  ASSERT_TRUE(first.what_if(change, 0).has_value());
  play(first);

  ToldEpisode second = played_by(random, world);
  play(second);
  ASSERT_TRUE(second.what_if(change, 0).has_value());
  play(second);

  ASSERT_EQ(first.steps().size(), second.steps().size());
  for (std::size_t i = 0; i < first.steps().size(); ++i)
    EXPECT_EQ(first.steps()[i].step.written, second.steps()[i].step.written);
}

}  // namespace hadal
