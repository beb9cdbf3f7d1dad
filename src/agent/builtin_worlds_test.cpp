#include "agent/builtin_worlds.h"

#include "agent/text_options.h"
#include "worlds/generator.h"
#include "worlds/narrator.h"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <fstream>

namespace hadal {
namespace {

std::string prompt_of(const worlds::WorldKey& key, const worlds::WorldOptions& options) {
  const worlds::World world = worlds::generate_world(key, options);
  return worlds::text_of(worlds::Narrator(world, options).prompt());
}

TEST(BuiltinWorlds, AreThoseItWasTrainedOn) {
  const std::string path =
      std::string(HADAL_SOURCE_DIR) + "/models/training/mini/stage1-done/train.json";
  const auto config = nlohmann::json::parse(std::ifstream(path));
  const auto trained = parse_text_options(config["text"].dump(), path);
  ASSERT_TRUE(trained) << trained.error().message;

  EXPECT_EQ(builtin_worlds().trained_depth, config["max_depth"]);
  EXPECT_EQ(builtin_worlds().domains.indices, trained->domains.indices);
  for (std::uint64_t i = 0; i < 120; ++i) {
    const worlds::WorldKey key{.split = i % 2 == 0 ? worlds::Split::test : worlds::Split::test_comp,
                               .domain = i % worlds::domains().size(),
                               .depth = 1 + static_cast<int>(i % worlds::kMaxDepth),
                               .seed = 5,
                               .index = i};
    EXPECT_EQ(prompt_of(key, builtin_worlds().world), prompt_of(key, trained->world));
  }
}

TEST(BuiltinWorlds, SeedsTakeTheDomainsInTurn) {
  const worlds::DomainChoice two{.indices = {4, 1}};
  EXPECT_EQ(domain_of_seed(two, 6), 4u);
  EXPECT_EQ(domain_of_seed(two, 7), 1u);
}

}  // namespace
}  // namespace hadal
