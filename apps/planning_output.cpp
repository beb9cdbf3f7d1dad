#include "planning_output.h"

#include "worlds/domain.h"

#include <fmt/format.h>

#include <charconv>
#include <cstdio>

#include <unistd.h>

namespace hadal {

Summaries by_depth(std::span<const eval::EpisodeRow> rows) {
  Summaries summaries;
  for (const eval::EpisodeRow& row : rows) summaries[fmt::format("{}", row.depth)].add(row);
  return summaries;
}

Summaries by_domain(std::span<const eval::EpisodeRow> rows) {
  Summaries summaries;
  for (const eval::EpisodeRow& row : rows)
    summaries[std::string(worlds::domains()[row.domain].name)].add(row);
  return summaries;
}

void print_success(std::string_view group, const Summaries& summaries) {
  std::size_t width = group.size();
  for (const auto& [name, summary] : summaries) width = std::max(width, name.size());
  fmt::print("{:>{}}  {:>8}  {:>8}  {:^15}  {:>8}  {:>13}  {:>7}  {:>7}  {:>7}\n", group, width,
             "episodes", "success", "95 % interval", "shortest", "valid actions", "random",
             "greedy", "search");
  for (const auto& [name, s] : summaries) {
    const Proportion success = s.success();
    fmt::print(
        "{:>{}}  {:>8}  {:>6.1f} %  {:>5.1f} - {:>5.1f} %  {:>6.1f} %  {:>11.1f} %  {:>5.1f} %  "
        "{:>5.1f} %  {:>5.0f} %\n",
        name, width, s.n_episodes, 100 * success.share, 100 * success.low, 100 * success.high,
        100 * s.share(s.n_optimal), 100 * s.valid_share(), 100 * s.share(s.n_random),
        100 * s.share(s.n_greedy), 100 * s.share(s.n_search));
  }
}

nlohmann::ordered_json success_json(const eval::Summary& s) {
  const Proportion success = s.success();
  return {{"episodes", s.n_episodes},
          {"success", success.share},
          {"ci95", {success.low, success.high}},
          {"random", s.share(s.n_random)},
          {"greedy", s.share(s.n_greedy)},
          {"bfs", s.share(s.n_search)},
          {"optimal", s.share(s.n_optimal)},
          {"valid_actions", s.valid_share()},
          {"causes_f1", s.causes_f1()},
          {"tokens_per_solved", s.tokens_per_solved()}};
}

nlohmann::ordered_json success_json(const Summaries& summaries, const char* key) {
  nlohmann::ordered_json rows = nlohmann::ordered_json::array();
  for (const auto& [name, summary] : summaries) {
    int number = 0;
    const auto [end, failure] = std::from_chars(name.data(), name.data() + name.size(), number);
    const bool is_number = failure == std::errc() && end == name.data() + name.size();
    nlohmann::ordered_json row;
    row[key] = is_number ? nlohmann::ordered_json(number) : nlohmann::ordered_json(name);
    row.update(success_json(summary));
    rows.push_back(std::move(row));
  }
  return rows;
}

void EvalProgress::show(std::string_view what, std::size_t n_done, std::size_t n_all) {
  const bool terminal = ::isatty(STDERR_FILENO) != 0;
  const auto now = Clock::now();
  if (now - shown_ < std::chrono::milliseconds(terminal ? 200 : 15000)) return;
  shown_ = now;
  fmt::print(stderr, "{}{}: {} of {}, {:.0f} s{}", terminal ? "\r" : "", what, n_done, n_all,
             seconds(), terminal ? "\033[K" : "\n");
  std::fflush(stderr);
  open_ = terminal;
}

void EvalProgress::clear() {
  if (open_) fmt::print(stderr, "\r\033[K");
  open_ = false;
}

double EvalProgress::seconds() const {
  return std::chrono::duration<double>(Clock::now() - start_).count();
}

}  // namespace hadal
