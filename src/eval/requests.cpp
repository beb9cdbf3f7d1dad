#include "eval/requests.h"

#include "agent/world_chat.h"
#include "base/random.h"
#include "worlds/generator.h"

namespace hadal::eval {
namespace {

RandomStream stream_of(const worlds::WorldKey& key) {
  const std::uint64_t depth = static_cast<std::uint64_t>(key.depth);
  return RandomStream(splitmix64_at(fnv1a64("eval_requests") ^ key.seed, key.index * 16 + depth));
}

Result<RequestRow> ask(LanguageModel& model, const worlds::WorldKey& key,
                       const RequestOptions& options) {
  const worlds::World world = worlds::generate_world(key, options.world);
  RandomStream random = stream_of(key);
  const std::string request = worlds::request_text(world, world.goal, options.wordings, random);
  bool understood = false;
  WorldChat chat(world, options.world, model);
  HADAL_ASSIGN(
      const RequestEnd end,
      chat.ask(request, {.on_goal = [&](const auto& goal) { understood = goal == world.goal; }}));
  return RequestRow{key, understood, understood && end == RequestEnd::reached};
}

}  // namespace

Result<std::vector<RequestRow>> ask_requests(LanguageModel& model,
                                             std::span<const worlds::WorldKey> keys,
                                             const RequestOptions& options) {
  std::vector<RequestRow> rows;
  for (const worlds::WorldKey& key : keys) {
    HADAL_ASSIGN(const RequestRow row, ask(model, key, options));
    rows.push_back(row);
    if (options.on_progress) options.on_progress(rows.size(), keys.size());
  }
  return rows;
}

}  // namespace hadal::eval
