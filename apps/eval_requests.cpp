// hadal eval requests: plain English in causal worlds, understood and done.
#include "agent/builtin_worlds.h"
#include "agent/success_table.h"
#include "chat/local_model.h"
#include "common.h"
#include "depth_range.h"
#include "eval.h"
#include "eval/requests.h"
#include "planning_output.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <memory>
#include <utility>

namespace hadal {
namespace {

struct EvalRequestsFlags {
  EngineFlags engine;
  std::string domain = "all";
  std::string depths = "1-4";
  std::size_t requests = 100;
  std::uint64_t seed = 0;
  bool trained_wordings = false;
  std::string json;
};

std::string share(std::size_t n, std::size_t of) {
  const Proportion p = proportion(n, of);
  return fmt::format("{:>5.1f} % [{:.1f} - {:.1f}]", 100 * p.share, 100 * p.low, 100 * p.high);
}

Result<void> eval_requests(const EvalRequestsFlags& flags) {
  HADAL_ASSIGN(const auto domains, worlds::parse_domain_choice(flags.domain));
  HADAL_ASSIGN(const DepthRange depths, parse_depths(flags.depths));
  HADAL_ASSIGN(auto engine, open_engine(flags.engine));
  HADAL_ASSIGN(const Tokenizer tokenizer, open_tokenizer(engine->checkpoint()));
  LocalModel model(*engine, tokenizer, {});
  EvalProgress progress;
  nlohmann::ordered_json by_depth = nlohmann::ordered_json::array();
  fmt::print("| depth | requests | understood | and reached |\n|---|---|---|---|\n");
  for (int depth = depths.first; depth <= depths.last; ++depth) {
    const auto keys = episode_keys(flags.requests, depth, flags.seed, domains);
    eval::RequestOptions options{.world = builtin_worlds().world};
    if (flags.trained_wordings) options.wordings = worlds::Wordings::training;
    options.on_progress = [&](std::size_t n_done, std::size_t n_all) {
      progress.show(fmt::format("depth {}", depth), n_done, n_all);
    };
    HADAL_ASSIGN(const auto rows, eval::ask_requests(model, keys, options));
    progress.clear();
    const auto count = [&](bool eval::RequestRow::*what) {
      return static_cast<std::size_t>(
          std::count_if(rows.begin(), rows.end(), [&](const auto& row) { return row.*what; }));
    };
    const std::size_t n_understood = count(&eval::RequestRow::understood);
    const std::size_t n_reached = count(&eval::RequestRow::reached);
    fmt::print("| {} | {} | {} | {} |\n", depth, rows.size(), share(n_understood, rows.size()),
               share(n_reached, rows.size()));
    by_depth.push_back({{"depth", depth},
                        {"requests", rows.size()},
                        {"understood", n_understood},
                        {"reached", n_reached}});
  }
  if (flags.json.empty()) return {};
  const nlohmann::ordered_json sums = {
      {"seed", flags.seed},
      {"domains", flags.domain},
      {"wordings", flags.trained_wordings ? "training" : "held out"},
      {"by_depth", std::move(by_depth)}};
  return write_text(flags.json, sums.dump(2) + "\n");
}

}  // namespace

void add_eval_requests(CLI::App& eval, int& exit_code) {
  auto flags = std::make_shared<EvalRequestsFlags>();
  CLI::App* task = eval.add_subcommand(
      "requests",
      "Plain English in causal worlds (as hadal run --domain): requests taken for the goal that "
      "was meant, and reached by acting; in wordings that training left out");
  add_engine_flags(*task, flags->engine);
  task->add_option("--domain", flags->domain, "domains in turn, as a,b, or all")
      ->capture_default_str();
  task->add_option("--depths", flags->depths, "lengths of the shortest plan")
      ->capture_default_str();
  task->add_option("--requests,--limit", flags->requests, "per depth, each in a world of its own")
      ->check(CLI::Range(1, 1000000))
      ->capture_default_str();
  task->add_option("--seed", flags->seed, "which worlds")->capture_default_str();
  task->add_flag("--trained-wordings", flags->trained_wordings,
                 "in the wordings of the training text instead");
  task->add_option("--json", flags->json, "file for the sums");
  task->callback([flags, &exit_code] {
    if (const auto done = eval_requests(*flags); !done)
      exit_code = report("eval requests", done.error());
  });
}

}  // namespace hadal
