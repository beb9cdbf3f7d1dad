#include "worlds_results.h"

#include "eval/episode_costs.h"
#include "planning_output.h"
#include "questions_output.h"

#include <fmt/format.h>

#include <map>
#include <optional>
#include <string>

namespace hadal {
namespace {

using nlohmann::ordered_json;

/// Mean success over the depths of P that were played, each of equal weight; nothing if one of
/// 2 .. 8 is missing.
std::optional<double> endpoint(const Summaries& depths) {
  constexpr int kFirst = 2;
  double sum = 0.0;
  for (int depth = kFirst; depth <= worlds::kMaxDepth; ++depth) {
    const auto found = depths.find(fmt::format("{}", depth));
    if (found == depths.end()) return std::nullopt;
    sum += found->second.success().share;
  }
  return sum / (worlds::kMaxDepth - kFirst + 1);
}

/// Hidden mechanisms: success beside the better of the players who never read them.
ordered_json hidden_json(const Summaries& depths) {
  ordered_json rows = success_json(depths, "depth");
  auto row = rows.begin();
  for (const auto& [name, s] : depths) {
    (*row)["chance_random_calls"] = s.share(s.n_random_calls);
    (*row)["chance_refusals"] = s.share(s.n_refusals);
    ++row;
  }
  return rows;
}

ordered_json text_json(const eval::TextScores& text) {
  return {{"narratives", text.n_narratives},
          {"tokens", text.n_tokens},
          {"perplexity", text.perplexity()},
          {"body_tokens", text.n_body_tokens},
          {"body_perplexity", text.body_perplexity()},
          {"decisions", text.n_decisions},
          {"next_action_accuracy", text.next_action_accuracy()},
          {"next_action_guess", text.guess_accuracy()}};
}

/// [{"depth": 1, "solved", "tokens_per_solved", "flops_per_solved"}, ..] and one row for all.
ordered_json costs_json(std::span<const eval::EpisodeRow> rows, const ModelConfig& config) {
  std::map<int, std::vector<eval::EpisodeRow>> depths;
  for (const eval::EpisodeRow& row : rows) depths[row.depth].push_back(row);
  const auto cost = [&](ordered_json json, std::span<const eval::EpisodeRow> some) {
    eval::Summary sums;
    for (const eval::EpisodeRow& row : some) sums.add(row);
    json["solved"] = sums.n_solved;
    json["tokens_per_solved"] = sums.tokens_per_solved();
    json["flops_per_solved"] = eval::flops_per_solved(config, some);
    return json;
  };
  ordered_json json = ordered_json::array();
  for (const auto& [depth, some] : depths) json.push_back(cost({{"depth", depth}}, some));
  json.push_back(cost({{"depth", "all"}}, rows));
  return json;
}

}  // namespace

ordered_json worlds_results_json(const WorldsResults& results, const ordered_json& settings,
                                 Engine& engine, double seconds) {
  const Summaries depths = by_depth(results.plain);
  ordered_json json = {{"model", engine.checkpoint().name()},
                       {"mode", settings["world_model"]},
                       {"settings", settings},
                       {"p", nullptr},
                       {"by_depth", success_json(depths, "depth")},
                       {"costs", costs_json(results.plain, engine.model().config())},
                       {"by_domain", success_json(by_domain(results.plain), "domain")},
                       {"perturbed", success_json(by_depth(results.perturbed), "depth")},
                       {"hidden_mechanisms", hidden_json(by_depth(results.hidden))},
                       {"seconds", seconds}};
  if (const auto p = endpoint(depths)) json["p"] = *p;
  if (results.text.n_narratives > 0) json["text"] = text_json(results.text);
  if (!results.questions.empty()) json["questions"] = questions_json(results.questions);
  return json;
}

void print_worlds_results(const WorldsResults& results, std::string_view mode) {
  const Summaries depths = by_depth(results.plain), domains = by_domain(results.plain);
  print_success("depth", depths);
  if (const auto p = endpoint(depths))
    fmt::print("P, mean success over depths 2-{}: {:.1f} %\n", worlds::kMaxDepth, 100 * *p);
  if (domains.size() > 1) {
    fmt::print("\n");
    print_success("domain", domains);
  }
  eval::Summary all;
  for (const eval::EpisodeRow& row : results.plain) all.add(row);
  fmt::print("\ncauses named as the teacher's: F1 {:.3f}; {:.0f} tokens per solved episode\n",
             all.causes_f1(), all.tokens_per_solved());
  if (!results.perturbed.empty()) {
    fmt::print("\nafter a change from outside in mid episode:\n");
    print_success("depth", by_depth(results.perturbed));
  }
  if (!results.hidden.empty()) {
    fmt::print(
        "\nmechanisms deleted from the prompt; chance: random calls, or following refusals\n"
        "{:>5}  {:>8}  {:>8}  {:^15}  {:>12}  {:>9}\n",
        "depth", "episodes", "success", "95 % interval", "random calls", "refusals");
    for (const auto& [name, s] : by_depth(results.hidden))
      fmt::print("{:>5}  {:>8}  {:>6.1f} %  {:>5.1f} - {:>5.1f} %  {:>10.1f} %  {:>7.1f} %\n", name,
                 s.n_episodes, 100 * s.success().share, 100 * s.success().low,
                 100 * s.success().high, 100 * s.share(s.n_random_calls),
                 100 * s.share(s.n_refusals));
  }
  const eval::TextScores& text = results.text;
  if (text.n_narratives > 0)
    fmt::print(
        "\n{} held-out narratives: perplexity {:.3f} over all tokens, {:.3f} over bodies of events;"
        " next action right {:.1f} % (guessing: {:.1f} %)\n",
        text.n_narratives, text.perplexity(), text.body_perplexity(),
        100 * text.next_action_accuracy(), 100 * text.guess_accuracy());
  if (!results.questions.empty()) print_questions(results.questions);
  fmt::print("world model {}\n", mode);
}

}  // namespace hadal
