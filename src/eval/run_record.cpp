#include "eval/run_record.h"

#include "eval/log_table.h"
#include "eval/run_name.h"
#include "formats/json_limits.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <cmath>
#include <fstream>
#include <iterator>
#include <optional>
#include <tuple>

namespace hadal::eval {
namespace {

LearningCurve read_curve(const std::filesystem::path& run) {
  LearningCurve curve;
  auto log = LogTable::read(run / "log.csv");
  if (!log) log = LogTable::read(run / "train.csv");
  if (!log) return curve;
  const auto pick = [&](std::string_view held_out, std::string_view training) {
    auto points = log->against_tokens(held_out);
    return points.first.size() >= 2 ? points : log->against_tokens(training);
  };
  const auto loss = pick("heldout_loss", "loss");
  const auto accuracy = pick("heldout_accuracy", "next_action_accuracy");
  if (loss.first.empty() || accuracy.first.empty()) return curve;
  curve.tokens = loss.first;
  curve.loss = loss.second;
  for (const double x : curve.tokens)
    curve.next_action_accuracy.push_back(interpolate(accuracy.first, accuracy.second, x));
  return curve;
}

/// "episodes-token_causal.csv" -> "token_causal"; "episodes.csv" -> "".
std::optional<std::string> mode_of_file(const std::string& name) {
  constexpr std::string_view kBegin = "episodes", kEnd = ".csv";
  if (!name.starts_with(kBegin) || !name.ends_with(kEnd)) return std::nullopt;
  const std::string mode = name.substr(kBegin.size(), name.size() - kBegin.size() - kEnd.size());
  if (mode.empty()) return mode;
  return mode.size() > 1 && mode[0] == '-' ? std::optional(mode.substr(1)) : std::nullopt;
}

/// The sums that `hadal eval worlds --json` wrote; null without them.
Result<nlohmann::json> read_sums(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) return nlohmann::json();
  const std::string json_text(std::istreambuf_iterator<char>(file), {});
  return parse_json(json_text, path.string());
}

/// Key "costs": operations of all episodes; nothing without one.
std::optional<double> flops_of(const nlohmann::json& sums) {
  if (!sums.is_object() || !sums.contains("costs")) return {};
  for (const nlohmann::json& row : sums["costs"]) {
    if (row.value("depth", nlohmann::json()) != "all") continue;
    return row.value("flops_per_solved", 0.0) * row.value("solved", 0.0);
  }
  return {};
}

/// Key "text"; nothing without one.
Result<std::optional<TextSums>> read_text_sums(const nlohmann::json& json,
                                               const std::filesystem::path& path) {
  if (!json.is_object() || !json.contains("text")) return std::optional<TextSums>();
  const nlohmann::json& text = json["text"];
  const auto number = [&](const char* key) {
    const auto found = text.find(key);
    return found != text.end() && found->is_number() ? found->get<double>() : std::nan("");
  };
  const TextSums sums{.perplexity = number("perplexity"),
                      .body_perplexity = number("body_perplexity"),
                      .next_action_accuracy = number("next_action_accuracy")};
  if (!std::isfinite(sums.perplexity + sums.body_perplexity + sums.next_action_accuracy))
    return error(ErrorCode::bad_format, "{}: key \"text\" lacks a number", path.string());
  return std::optional(sums);
}

/// "questions.csv" beside "episodes.csv", "questions-<mode>.csv" beside "episodes-<mode>.csv".
std::filesystem::path questions_beside(const std::filesystem::path& episodes) {
  constexpr std::string_view kBegin = "episodes";
  const std::string name = episodes.filename().string();
  return episodes.parent_path() / ("questions" + name.substr(kBegin.size()));
}

}  // namespace

double interpolate(const std::vector<double>& xs, const std::vector<double>& ys, double x) {
  const auto above = std::lower_bound(xs.begin(), xs.end(), x);
  if (above == xs.begin()) return ys.front();
  if (above == xs.end()) return ys.back();
  const auto i = static_cast<std::size_t>(above - xs.begin());
  const double share = (x - xs[i - 1]) / (xs[i] - xs[i - 1]);
  return ys[i - 1] + share * (ys[i] - ys[i - 1]);
}

Result<std::vector<RunRecord>> read_runs(const std::filesystem::path& directory) {
  std::vector<RunRecord> runs;
  std::error_code failure;
  for (const auto& folder : std::filesystem::directory_iterator(directory, failure)) {
    const auto name = parse_run_name(folder.path().filename().string());
    if (!name || !folder.is_directory()) continue;
    for (const auto& file : std::filesystem::directory_iterator(folder.path(), failure)) {
      const auto mode = mode_of_file(file.path().filename().string());
      if (!mode) continue;
      RunRecord run{.arm = mode->empty() ? name->arm : fmt::format("{} ({})", name->arm, *mode),
                    .seed = name->seed,
                    .episodes = {},
                    .questions = {},
                    .text = {},
                    .flops = {},
                    .curve = {}};
      HADAL_ASSIGN(run.episodes, read_episodes(file.path()));
      if (const auto questions = questions_beside(file.path());
          std::filesystem::exists(questions)) {
        HADAL_ASSIGN(run.questions, read_questions(questions));
      }
      const auto sums_path = std::filesystem::path(file.path()).replace_extension(".json");
      HADAL_ASSIGN(const nlohmann::json sums, read_sums(sums_path));
      HADAL_ASSIGN(run.text, read_text_sums(sums, sums_path));
      run.flops = flops_of(sums);
      if (mode->empty()) run.curve = read_curve(folder.path());
      runs.push_back(std::move(run));
    }
  }
  if (runs.empty())
    return error(ErrorCode::not_found,
                 "{}: no run in it; expected folders such as C-s1 with an episodes.csv of `hadal "
                 "eval worlds`",
                 directory.string());
  std::sort(runs.begin(), runs.end(), [](const RunRecord& a, const RunRecord& b) {
    return std::tie(a.arm, a.seed) < std::tie(b.arm, b.seed);
  });
  return runs;
}

}  // namespace hadal::eval
