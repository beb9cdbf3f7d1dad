#include "agent/text_options.h"

#include "formats/json_limits.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <limits>
#include <string>
#include <type_traits>

namespace hadal {
namespace {

using Json = nlohmann::json;

/// Reads keys and takes them out of the object; what is left over is not known.
class KeyReader {
 public:
  KeyReader(Json object, std::string_view source, std::string_view prefix)
      : object_(std::move(object)), source_(source), prefix_(prefix) {}

  Result<void> finish() const {
    if (object_.is_object() && object_.empty()) return {};
    if (object_.is_object())
      return error(ErrorCode::bad_format, "{}: key '{}{}': not known", source_, prefix_,
                   object_.begin().key());
    return error(ErrorCode::bad_format, "{}: '{}': expected an object, found {}", source_, prefix_,
                 object_.type_name());
  }

  /// Null when the key is absent.
  Json take(const char* key) {
    if (!object_.is_object()) return nullptr;
    const auto found = object_.find(key);
    if (found == object_.end()) return nullptr;
    Json value = std::move(*found);
    object_.erase(found);
    return value;
  }

  template <typename Number>
  Result<void> number(const char* key, Number& value, double lowest, double highest) {
    constexpr bool kInteger = std::is_integral_v<Number>;
    const Json json = take(key);
    if (json.is_null()) return {};
    if (!(kInteger ? json.is_number_integer() : json.is_number()) || json.get<double>() < lowest ||
        json.get<double>() > highest)
      return wrong(
          key,
          fmt::format("{} from {} to {}", kInteger ? "an integer" : "a number", lowest, highest),
          json);
    value = json.get<Number>();
    return {};
  }

  Result<void> boolean(const char* key, bool& value) {
    const Json json = take(key);
    if (json.is_null()) return {};
    if (!json.is_boolean()) return wrong(key, "true or false", json);
    value = json.get<bool>();
    return {};
  }

  Error wrong(const char* key, std::string_view expected, const Json& found) const {
    return error(ErrorCode::bad_format, "{}: key '{}{}': expected {}, found {}", source_, prefix_,
                 key, expected, found.dump().substr(0, 80));
  }

 private:
  Json object_;
  std::string_view source_;
  std::string prefix_;
};

Result<void> read_shares(KeyReader& keys, TrainingTextOptions& options) {
  worlds::WorldOptions& world = options.world;
  const std::pair<const char*, double*> shares[] = {
      {"chat_share", &options.chat_share},
      {"tools_share", &options.tools_share},
      {"small_talk_share", &options.small_talk_share},
      {"sized_share", &options.sized_share},
      {"depth_one_share", &options.depth_one_share},
      {"branch_share", &world.branch_share},
      {"law_share", &world.law_share},
      {"mutex_share", &world.mutex_share},
      {"spare_share", &world.spare_share},
      {"second_effect_share", &world.second_effect_share},
      {"second_goal_share", &world.second_goal_share},
      {"one_fact_share", &world.one_fact_share},
      {"two_facts_share", &world.two_facts_share},
      {"reuse_fact_share", &world.reuse_fact_share},
      {"same_entity_share", &world.same_entity_share},
      {"tempting_share", &world.tempting_share},
      {"topological_share", &world.topological_share},
      {"question_share", &world.question_share},
      {"mistake_share", &world.mistake_share},
      {"change_share", &world.change_share}};
  for (const auto& [key, value] : shares) HADAL_TRY(keys.number(key, *value, 0.0, 1.0));
  return {};
}

Result<void> read_counts(KeyReader& keys, TrainingTextOptions& options) {
  worlds::WorldOptions& world = options.world;
  HADAL_TRY(keys.number("max_depth", options.max_depth, 1, worlds::kMaxDepth));
  HADAL_TRY(keys.number("distractor_ratio", world.distractor_ratio, 0.0, 4.0));
  HADAL_TRY(keys.number("min_distractors", world.min_distractors, 0, 16));
  HADAL_TRY(keys.number("min_mechanisms", world.min_mechanisms, 0, 24));
  HADAL_TRY(keys.number("max_mechanisms", world.max_mechanisms, 0, 24));
  HADAL_TRY(keys.boolean("hold_out_pairs", world.hold_out_pairs));
  HADAL_TRY(keys.number("nouns_per_type", world.nouns_per_type, 0, 1000));
  HADAL_TRY(keys.number("max_mistakes", world.max_mistakes, 0, 16));
  HADAL_TRY(keys.number("max_episodes", world.max_episodes, 1, 3));
  HADAL_TRY(keys.number("max_questions", world.max_questions, 0, 3));
  HADAL_TRY(keys.boolean("facts_first", world.facts_first));
  HADAL_TRY(keys.boolean("act_words", world.act_words));
  HADAL_TRY(keys.boolean("ancestor_marks", world.ancestor_marks));
  return {};
}

Result<void> read_weights(KeyReader& keys, std::string_view source, worlds::LossWeights& weights) {
  const Json json = keys.take("weights");
  if (json.is_null()) return {};
  KeyReader inner(json, source, "weights.");
  constexpr double kMost = 100.0;
  HADAL_TRY(inner.number("text", weights.text, 0.0, kMost));
  HADAL_TRY(inner.number("observation", weights.observation, 0.0, kMost));
  HADAL_TRY(inner.number("act", weights.act, 0.0, kMost));
  HADAL_TRY(inner.number("act_id", weights.act_id, 0.0, kMost));
  HADAL_TRY(inner.number("decision", weights.decision, 0.0, kMost));
  return inner.finish();
}

Result<void> read_text_form(KeyReader& keys, worlds::TextForm& form) {
  const Json json = keys.take("text_form");
  if (json.is_null()) return {};
  if (json != "full" && json != "compact")
    return keys.wrong("text_form", R"("full" or "compact")", json);
  form = json == "full" ? worlds::TextForm::full : worlds::TextForm::compact;
  return {};
}

/// A list of domain names, or "all".
Result<worlds::DomainChoice> domain_choice(const KeyReader& keys, const char* key,
                                           const Json& json) {
  std::string names;
  if (json.is_string()) {
    names = json.get<std::string>();
  } else {
    if (!json.is_array() || json.empty())
      return keys.wrong(key, "a list of names, or \"all\"", json);
    for (const Json& name : json) {
      if (!name.is_string()) return keys.wrong(key, "a list of names", json);
      if (!names.empty()) names += ',';
      names += name.get_ref<const std::string&>();
    }
  }
  auto choice = worlds::parse_domain_choice(names);
  if (!choice) return keys.wrong(key, choice.error().message, json);
  return choice;
}

/// @param form  decides what an absent key means
Result<void> read_domains(KeyReader& keys, worlds::TextForm form, worlds::DomainChoice& domains) {
  Json names = keys.take("domains");
  if (names.is_null() && form == worlds::TextForm::compact) names = "all";
  if (!names.is_null()) {
    HADAL_ASSIGN(domains, domain_choice(keys, "domains", names));
  }
  const Json left_out = keys.take("leave_out_domains");
  if (left_out.is_null()) return {};
  HADAL_ASSIGN(const worlds::DomainChoice without,
               domain_choice(keys, "leave_out_domains", left_out));
  for (std::size_t domain : without.indices) std::erase(domains.indices, domain);
  if (domains.indices.empty())
    return keys.wrong("leave_out_domains", "a domain to be left", left_out);
  return {};
}

}  // namespace

Result<TrainingTextOptions> parse_text_options(std::string_view json_text, std::string_view source,
                                               const TrainingTextOptions& base) {
  HADAL_ASSIGN(Json json, parse_json(json_text, source));
  KeyReader keys(std::move(json), source, "text.");
  TrainingTextOptions options = base;
  HADAL_TRY(read_text_form(keys, options.world.text_form));
  HADAL_TRY(read_domains(keys, options.world.text_form, options.domains));
  HADAL_TRY(read_shares(keys, options));
  HADAL_TRY(read_counts(keys, options));
  HADAL_TRY(read_weights(keys, source, options.world.weights));
  HADAL_TRY(keys.finish());
  return options;
}

}  // namespace hadal
