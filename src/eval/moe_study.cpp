#include "eval/moe_study.h"

#include "engine/model/costs.h"
#include "eval/equal_loss.h"
#include "eval/log_table.h"
#include "eval/run_name.h"
#include "formats/json_limits.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <fstream>
#include <iterator>
#include <numeric>
#include <optional>
#include <tuple>

namespace hadal::eval {
namespace {

Result<std::string> read_text(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) return error(ErrorCode::not_found, "{}: cannot be opened", path.string());
  return std::string(std::istreambuf_iterator<char>(file), {});
}

Result<std::map<std::string, double>> read_bench(const std::filesystem::path& path) {
  std::map<std::string, double> rates;
  if (!std::filesystem::exists(path)) return rates;
  HADAL_ASSIGN(const std::string text, read_text(path));
  HADAL_ASSIGN(const nlohmann::json json, parse_json(text, path.string()));
  const auto bad = [&] {
    return error(ErrorCode::bad_format, "{}: no output of `hadal bench --json`", path.string());
  };
  if (!json.is_object() || !json.contains("results") || !json["results"].is_array()) return bad();
  for (const nlohmann::json& result : json["results"]) {
    if (!result.is_object() || !result.contains("test") || !result["test"].is_string() ||
        !result.contains("threads") || !result["threads"].is_number_unsigned() ||
        !result.contains("tok_s") || !result["tok_s"].is_number())
      return bad();
    const auto n = result["threads"].get<std::size_t>();
    rates[fmt::format("{}, {} thread{}", result["test"].get<std::string>(), n, n == 1 ? "" : "s")] =
        result["tok_s"].get<double>();
  }
  return rates;
}

Result<MoeStudyRun> read_run(const std::filesystem::path& folder, const RunName& name) {
  MoeStudyRun run{.name = name.arm, .seed = name.seed, .config = {}, .tokens_per_second = {}};
  const auto config_path = folder / "config.json";
  HADAL_ASSIGN(const std::string config, read_text(config_path));
  HADAL_ASSIGN(run.config, parse_config(config, config_path.string()));
  const auto log = LogTable::read(folder / "log.csv");
  if (!log) return error(ErrorCode::not_found, "{}: no log.csv", folder.string());
  const auto [tokens, losses] = log->against_tokens("heldout_loss");
  if (losses.empty())
    return error(ErrorCode::bad_format, "{}/log.csv: no number in column heldout_loss",
                 folder.string());
  run.tokens = tokens.back();
  run.loss = losses.back();
  HADAL_ASSIGN(run.tokens_per_second, read_bench(folder / "bench.json"));
  return run;
}

/// A model with its seeds joined.
struct StudyModel {
  std::string name;
  const MoeStudyRun* run;  ///< any of them
  double loss = 0.0;       ///< mean
  std::vector<double> losses = {};
};

std::vector<StudyModel> models_of(std::span<const MoeStudyRun> runs) {
  std::vector<StudyModel> models;
  for (const MoeStudyRun& run : runs) {
    if (models.empty() || models.back().name != run.name)
      models.push_back({.name = run.name, .run = &run});
    models.back().losses.push_back(run.loss);
    if (models.back().run->tokens_per_second.empty()) models.back().run = &run;
  }
  for (StudyModel& model : models) {
    model.loss = std::accumulate(model.losses.begin(), model.losses.end(), 0.0) /
                 static_cast<double>(model.losses.size());
  }
  return models;
}

std::size_t active_width(const ModelConfig& config) {
  return config.moe_intermediate_size * (config.num_experts_per_tok + config.n_shared_experts);
}

/// Costs per token by name, in the order of the table.
std::vector<std::pair<std::string, double>> costs_of(const StudyModel& model,
                                                     std::size_t n_tokens) {
  const ModelConfig& config = model.run->config;
  const CostParts flops = mean_token_flops(config, n_tokens);
  constexpr double kBytesPerWeight = 2.0;  // bf16
  std::vector<std::pair<std::string, double>> costs = {
      {"FLOPs per token", static_cast<double>(flops.total())},
      {"of them in the FFN", static_cast<double>(flops.ffn)},
      {"bytes of weights read per token",
       kBytesPerWeight * static_cast<double>(weights_per_token(config).total())}};
  for (const auto& [test, rate] : model.run->tokens_per_second)
    costs.emplace_back("seconds per token, " + test, 1.0 / rate);
  return costs;
}

std::optional<double> cost_named(const StudyModel& model, const std::string& name,
                                 std::size_t n_tokens) {
  for (const auto& [other, cost] : costs_of(model, n_tokens))
    if (other == name) return cost;
  return std::nullopt;
}

/// The mean, and what it is the mean of.
std::string told_loss(const StudyModel& model) {
  if (model.losses.size() == 1) return fmt::format("{:.4f}", model.loss);
  return fmt::format("{:.4f} ({:.4f})", model.loss, fmt::join(model.losses, ", "));
}

/// Whether larger dense models have smaller losses, as an equal-loss cost supposes.
bool falls_with_size(const std::vector<StudyModel>& dense) {
  std::vector<const StudyModel*> by_size;
  for (const StudyModel& model : dense) by_size.push_back(&model);
  std::sort(by_size.begin(), by_size.end(), [](const StudyModel* a, const StudyModel* b) {
    return active_width(a->run->config) < active_width(b->run->config);
  });
  return std::is_sorted(by_size.begin(), by_size.end(),
                        [](const StudyModel* a, const StudyModel* b) { return a->loss > b->loss; });
}

void table_of_models(std::string& out, const std::vector<StudyModel>& models,
                     std::size_t n_tokens) {
  out +=
      "| model | active FFN width | seeds | trained on, M tokens | held-out loss | FLOPs per token "
      "| "
      "attention | FFN | mHC | head | weights read "
      "|\n|---|---|---|---|---|---|---|---|---|---|---|\n";
  for (const StudyModel& model : models) {
    const CostParts flops = mean_token_flops(model.run->config, n_tokens);
    const auto share = [&](std::uint64_t part) {
      return 100.0 * static_cast<double>(part) / static_cast<double>(flops.total());
    };
    out += fmt::format(
        "| {} | {} | {} | {:.1f} | {} | {} | {:.0f} % | {:.0f} % | {:.0f} % | "
        "{:.0f} % | {} |\n",
        model.name, active_width(model.run->config), model.losses.size(), model.run->tokens / 1e6,
        told_loss(model), flops.total(), share(flops.attention), share(flops.ffn), share(flops.mhc),
        share(flops.head), weights_per_token(model.run->config).total());
  }
  out += "\n";
}

void table_of_rates(std::string& out, const std::vector<StudyModel>& models) {
  std::map<std::string, bool> tests;
  for (const StudyModel& model : models)
    for (const auto& [test, rate] : model.run->tokens_per_second) tests[test] = true;
  if (tests.empty()) return;
  out += "| tokens per second |";
  for (const StudyModel& model : models) out += fmt::format(" {} |", model.name);
  out += "\n|---|";
  for (std::size_t i = 0; i < models.size(); ++i) out += "---|";
  out += "\n";
  for (const auto& [test, known] : tests) {
    out += fmt::format("| {} |", test);
    for (const StudyModel& model : models) {
      const auto found = model.run->tokens_per_second.find(test);
      out += found == model.run->tokens_per_second.end() ? std::string(" – |")
                                                         : fmt::format(" {:.0f} |", found->second);
    }
    out += "\n";
  }
  out += "\n";
}

void table_of_savings(std::string& out, const StudyModel& mixture,
                      const std::vector<StudyModel>& dense, std::size_t n_tokens) {
  out +=
      fmt::format("| {} against dense at loss {:.4f} | {} | dense | saving |\n|---|---|---|---|\n",
                  mixture.name, mixture.loss, mixture.name);
  for (const auto& [name, cost] : costs_of(mixture, n_tokens)) {
    std::vector<CostPoint> points;
    for (const StudyModel& model : dense)
      if (const auto of_dense = cost_named(model, name, n_tokens))
        points.push_back({.cost = *of_dense, .loss = model.loss});
    const auto equal = cost_at_loss(points, mixture.loss);
    out += equal
               ? fmt::format("| {} | {:.4g} | {:.4g} | **{:.1f} %** |\n", name, cost, *equal,
                             100.0 * (1.0 - cost / *equal))
               : fmt::format("| {} | {:.4g} | – | none: {} |\n", name, cost, equal.error().message);
  }
  out += "\n";
}

}  // namespace

Result<std::vector<MoeStudyRun>> read_moe_study(const std::filesystem::path& directory) {
  std::vector<MoeStudyRun> runs;
  std::error_code failure;
  for (const auto& folder : std::filesystem::directory_iterator(directory, failure)) {
    const auto name = parse_run_name(folder.path().filename().string());
    // The log is what a run leaves last.
    if (!name || !folder.is_directory() || !std::filesystem::exists(folder.path() / "log.csv"))
      continue;
    HADAL_ASSIGN(MoeStudyRun run, read_run(folder.path(), *name));
    runs.push_back(std::move(run));
  }
  if (runs.empty())
    return error(ErrorCode::not_found, "{}: no run in it; expected folders such as moe-s1",
                 directory.string());
  std::sort(runs.begin(), runs.end(), [](const MoeStudyRun& a, const MoeStudyRun& b) {
    return std::tie(a.name, a.seed) < std::tie(b.name, b.seed);
  });
  return runs;
}

std::string moe_study_report(std::span<const MoeStudyRun> runs, std::size_t n_tokens) {
  std::string out = fmt::format(
      "# A mixture of experts against dense models\n\nOperations: mean over the first {} tokens, "
      "logits for each.\n\n",
      n_tokens);
  const std::vector<StudyModel> models = models_of(runs);
  table_of_models(out, models, n_tokens);
  table_of_rates(out, models);
  std::vector<StudyModel> dense;
  std::copy_if(models.begin(), models.end(), std::back_inserter(dense),
               [](const StudyModel& model) { return !model.run->is_mixture(); });
  if (!falls_with_size(dense)) {
    out +=
        "The loss of the dense models does not fall as they grow: the savings below are those of "
        "the first crossing from the cheap side, and no more than a sign.\n\n";
  }
  for (const StudyModel& model : models)
    if (model.run->is_mixture()) table_of_savings(out, model, dense, n_tokens);
  return out;
}

}  // namespace hadal::eval
