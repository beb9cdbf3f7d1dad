#include "eval/world_options.h"

#include "formats/json_limits.h"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <array>
#include <fstream>
#include <iterator>
#include <string_view>

namespace hadal::eval {
namespace {

using worlds::WorldOptions;

struct Share {
  std::string_view key;
  double WorldOptions::*field;
};
constexpr std::array kShares = {Share{"branch_share", &WorldOptions::branch_share},
                                Share{"law_share", &WorldOptions::law_share},
                                Share{"mutex_share", &WorldOptions::mutex_share},
                                Share{"spare_share", &WorldOptions::spare_share},
                                Share{"second_effect_share", &WorldOptions::second_effect_share},
                                Share{"second_goal_share", &WorldOptions::second_goal_share},
                                Share{"one_fact_share", &WorldOptions::one_fact_share},
                                Share{"two_facts_share", &WorldOptions::two_facts_share},
                                Share{"reuse_fact_share", &WorldOptions::reuse_fact_share},
                                Share{"same_entity_share", &WorldOptions::same_entity_share},
                                Share{"tempting_share", &WorldOptions::tempting_share},
                                Share{"topological_share", &WorldOptions::topological_share},
                                Share{"mistake_share", &WorldOptions::mistake_share}};

struct Switch {
  std::string_view key;
  bool WorldOptions::*field;
};
constexpr std::array kSwitches = {Switch{"facts_first", &WorldOptions::facts_first},
                                  Switch{"ancestor_marks", &WorldOptions::ancestor_marks}};

struct Count {
  std::string_view key;
  int WorldOptions::*field;
};
constexpr std::array kCounts = {Count{"min_distractors", &WorldOptions::min_distractors},
                                Count{"max_mistakes", &WorldOptions::max_mistakes}};

constexpr int kMostCount = 16;
constexpr double kMostDistractors = 4.0;  ///< per ancestor: beyond it a world has no room

/// Keys of "text" in a training config that are none of the worlds' (agent/training_text.h).
constexpr std::array<std::string_view, 4> kTrainerKeys = {"chat_share", "tools_share",
                                                          "small_talk_share", "depth_one_share"};

template <typename Table>
const auto* find(const Table& table, std::string_view key) {
  const auto found =
      std::find_if(table.begin(), table.end(), [&](const auto& entry) { return entry.key == key; });
  return found == table.end() ? nullptr : &*found;
}

/// False: the value does not fit the key, or nobody knows it.
bool set(WorldOptions& options, std::string_view key, const nlohmann::json& value) {
  const auto in_range = [&](double most) {
    return value.is_number() && value.get<double>() >= 0.0 && value.get<double>() <= most;
  };
  if (const auto* share = find(kShares, key)) {
    if (!in_range(1.0)) return false;
    options.*share->field = value.get<double>();
  } else if (key == "distractor_ratio") {
    if (!in_range(kMostDistractors)) return false;
    options.distractor_ratio = value.get<double>();
  } else if (const auto* flag = find(kSwitches, key)) {
    if (!value.is_boolean()) return false;
    options.*flag->field = value.get<bool>();
  } else if (const auto* count = find(kCounts, key)) {
    if (!value.is_number_integer() || !in_range(kMostCount)) return false;
    options.*count->field = value.get<int>();
  } else {
    return false;
  }
  return true;
}

}  // namespace

Result<WorldOptions> read_world_options(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) return error(ErrorCode::not_found, "{}: cannot be opened for reading", path.string());
  const std::string text(std::istreambuf_iterator<char>(file), {});
  HADAL_ASSIGN(const nlohmann::json whole, parse_json(text, path.string()));
  if (!whole.is_object())
    return error(ErrorCode::bad_format, "{}: expected an object", path.string());
  const bool is_config = whole.contains("text");
  const nlohmann::json& knobs = is_config ? whole["text"] : whole;
  if (!knobs.is_object())
    return error(ErrorCode::bad_format, "{}: key 'text': expected an object", path.string());
  WorldOptions options;
  for (const auto& [key, value] : knobs.items()) {
    const bool is_trainers =
        std::find(kTrainerKeys.begin(), kTrainerKeys.end(), key) != kTrainerKeys.end();
    if (is_config && is_trainers) continue;
    if (!set(options, key, value))
      return error(ErrorCode::bad_format,
                   "{}: key '{}': not known, or its value does not fit; see worlds/options.h",
                   path.string(), key);
  }
  return options;
}

std::string to_json(const WorldOptions& options) {
  nlohmann::ordered_json json;
  for (const Share& share : kShares) json[std::string(share.key)] = options.*share.field;
  json["distractor_ratio"] = options.distractor_ratio;
  for (const Switch& flag : kSwitches) json[std::string(flag.key)] = options.*flag.field;
  for (const Count& count : kCounts) json[std::string(count.key)] = options.*count.field;
  return json.dump();
}

}  // namespace hadal::eval
