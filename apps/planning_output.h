// Success in causal worlds on the terminal and as JSON: what `play --episodes` and `eval worlds`
// share.
#pragma once

#include "eval/episode_table.h"

#include <nlohmann/json.hpp>

#include <chrono>
#include <map>
#include <string>
#include <string_view>

namespace hadal {

/// Rows by the name of their group: a depth or a domain.
using Summaries = std::map<std::string, eval::Summary>;
Summaries by_depth(std::span<const eval::EpisodeRow> rows);
Summaries by_domain(std::span<const eval::EpisodeRow> rows);

/// Columns: `group`, episodes, success, interval, shortest, valid, random, greedy, search.
void print_success(std::string_view group, const Summaries& summaries);
/// {"episodes", "success", "ci95", "random", "greedy", "bfs", "optimal", "valid_actions",
/// "causes_f1", "tokens_per_solved"}
nlohmann::ordered_json success_json(const eval::Summary& summary);
/// [{"depth": 1, ...}], or with the names under `key`.
nlohmann::ordered_json success_json(const Summaries& summaries, const char* key);

/// One line on stderr, redrawn in place, when it is a terminal; else a line every 15 seconds.
class EvalProgress {
 public:
  void show(std::string_view what, std::size_t n_done, std::size_t n_all);
  void clear();
  double seconds() const;

 private:
  using Clock = std::chrono::steady_clock;
  Clock::time_point start_ = Clock::now();
  Clock::time_point shown_ = start_;
  bool open_ = false;
};

}  // namespace hadal
