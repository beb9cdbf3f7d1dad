#include "train/train_config.h"

#include "formats/json_limits.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <variant>

namespace hadal::train {
namespace {

using Json = nlohmann::json;
using Field = std::variant<std::uint64_t*, double*, int*, bool*, std::uint32_t*, std::string*>;

struct NamedField {
  const char* key;
  Field field;
};

std::vector<NamedField> fields_of(TrainConfig& c) {
  static_assert(sizeof(std::size_t) == sizeof(std::uint64_t));
  return {{"seed", &c.seed},
          {"steps", &c.steps},
          {"budget_minutes", &c.budget_minutes},
          {"sequences_per_step", &c.sequences_per_step},
          {"max_micro_tokens", &c.max_micro_tokens},
          {"max_length", &c.max_length},
          {"threads", &c.threads},
          {"muon", &c.optimizer.muon},
          {"learning_rate", &c.optimizer.learning_rate},
          {"beta1", &c.optimizer.beta1},
          {"beta2", &c.optimizer.beta2},
          {"weight_decay", &c.optimizer.weight_decay},
          {"clip", &c.optimizer.clip},
          {"warmup_steps", &c.warmup_steps},
          {"decay_share", &c.decay_share},
          {"curriculum_share", &c.curriculum_share},
          {"curriculum_depth", &c.curriculum_depth},
          {"max_depth", &c.max_depth},
          {"quantize_share", &c.quantize_share},
          {"mtp_weight", &c.mtp_weight},
          {"mtp_every", &c.mtp_every},
          {"counterfactual_every", &c.counterfactual_every},
          {"counterfactual_pairs", &c.counterfactual_pairs},
          {"balance_loss", &c.balance_loss},
          {"balance_rate", &c.balance_rate},
          {"eval_every", &c.eval_every},
          {"eval_sequences", &c.eval_sequences},
          {"eval_seed", &c.eval_seed},
          {"tokenizer", &c.tokenizer},
          {"checkpoint_minutes", &c.checkpoint_minutes}};
}

Result<void> read_field(const Json& value, const NamedField& named, std::string_view source) {
  const bool fits = std::visit(
      [&](auto* field) {
        using T = std::remove_pointer_t<decltype(field)>;
        if constexpr (std::is_same_v<T, bool>) {
          if (!value.is_boolean()) return false;
        } else if constexpr (std::is_same_v<T, std::string>) {
          if (!value.is_string()) return false;
        } else if constexpr (std::is_integral_v<T>) {
          if (!value.is_number_unsigned() || value.get<std::uint64_t>() > 1'000'000'000'000ull)
            return false;
        } else if (!value.is_number()) {
          return false;
        }
        *field = value.get<T>();
        return true;
      },
      named.field);
  if (fits) return {};
  return error(ErrorCode::bad_format,
               "{}: key '{}': found {}, which is not of its type (numbers not negative)", source,
               named.key, value.dump());
}

Result<void> check(const TrainConfig& c, std::string_view source) {
  const auto require = [&](bool ok, const char* rule) -> Result<void> {
    if (ok) return {};
    return error(ErrorCode::invalid_argument, "{}: {}", source, rule);
  };
  HADAL_TRY(
      require(c.steps > 0 || c.budget_minutes > 0.0, "steps or budget_minutes must be positive"));
  HADAL_TRY(require(c.sequences_per_step > 0, "sequences_per_step must be positive"));
  HADAL_TRY(require(c.threads > 0 && c.threads <= 256, "threads must be between 1 and 256"));
  HADAL_TRY(require(c.max_length >= 8, "max_length must be at least 8"));
  HADAL_TRY(require(c.max_length <= c.model.max_position_embeddings,
                    "max_length must not exceed the model's max_position_embeddings"));
  HADAL_TRY(require(c.max_depth >= 1 && c.curriculum_depth >= 1,
                    "max_depth and curriculum_depth must be at least 1"));
  HADAL_TRY(
      require(c.mtp_every > 0 && c.eval_every > 0, "mtp_every and eval_every must be positive"));
  HADAL_TRY(require(c.counterfactual_every > 0 && c.counterfactual_pairs > 0,
                    "counterfactual_every and counterfactual_pairs must be positive"));
  HADAL_TRY(require(c.optimizer.learning_rate > 0.0 && c.optimizer.clip > 0.0,
                    "learning_rate and clip must be positive"));
  return {};
}

}  // namespace

Result<ConfigText> read_config_files(const std::vector<std::string>& paths) {
  Json merged = Json::object();
  for (const std::string& path : paths) {
    std::ifstream file(path, std::ios::binary);
    if (!file) return error(ErrorCode::not_found, "{}: cannot be opened for reading", path);
    const std::string text(std::istreambuf_iterator<char>(file), {});
    HADAL_ASSIGN(Json json, parse_json(text, path));
    if (!json.is_object()) return error(ErrorCode::bad_format, "{}: expected a JSON object", path);
    const auto tokenizer = json.find("tokenizer");
    if (tokenizer != json.end() && tokenizer->is_string()) {
      const std::filesystem::path folder = std::filesystem::path(path).parent_path();
      *tokenizer = (folder / tokenizer->get<std::string>()).lexically_normal().string();
    }
    merged.merge_patch(json);
  }
  return ConfigText{merged.dump(1), fmt::format("{}", fmt::join(paths, " + "))};
}

Result<TrainConfig> parse_train_config(std::string_view json_text, std::string_view source) {
  HADAL_ASSIGN(const Json json, parse_json(json_text, source));
  if (!json.is_object()) return error(ErrorCode::bad_format, "{}: expected a JSON object", source);
  if (!json.contains("model") || !json["model"].is_object())
    return error(ErrorCode::bad_format,
                 "{}: key 'model': expected an object in the form of config.json", source);
  TrainConfig config;
  config.text = std::string(json_text);
  const auto fields = fields_of(config);
  for (const auto& [key, value] : json.items()) {
    if (key == "model" || key == "text") continue;
    const auto field = std::find_if(fields.begin(), fields.end(),
                                    [&](const NamedField& f) { return key == f.key; });
    if (field == fields.end())
      return error(ErrorCode::bad_format, "{}: unknown key '{}'", source, key);
    HADAL_TRY(read_field(value, *field, source));
  }
  HADAL_ASSIGN(config.model, parse_config(json["model"].dump(), source));
  HADAL_TRY(check(config, source));
  return config;
}

double progress_share(const TrainConfig& config, const Progress& progress) {
  const double by_step =
      config.steps > 0 ? static_cast<double>(progress.step) / static_cast<double>(config.steps)
                       : 0.0;
  const double by_time =
      config.budget_minutes > 0.0 ? progress.seconds / (60.0 * config.budget_minutes) : 0.0;
  return std::max(by_step, by_time);
}

double learning_rate_factor(const TrainConfig& config, const Progress& progress) {
  const double warm = config.warmup_steps == 0 ? 1.0
                                               : static_cast<double>(progress.step + 1) /
                                                     static_cast<double>(config.warmup_steps);
  const double left = 1.0 - progress_share(config, progress);
  const double decay = config.decay_share > 0.0 ? left / config.decay_share : 1.0;
  return std::clamp(std::min(warm, decay), 0.0, 1.0);
}

int depth_limit(const TrainConfig& config, const Progress& progress) {
  if (progress_share(config, progress) >= config.curriculum_share) return config.max_depth;
  return std::min(config.curriculum_depth, config.max_depth);
}

}  // namespace hadal::train
