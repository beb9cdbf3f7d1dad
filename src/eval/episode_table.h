// Episodes as rows: what `hadal eval worlds` writes per episode, reads back to resume, and sums up
// for tables.
#pragma once

#include "agent/baselines.h"
#include "agent/episode.h"
#include "agent/success_table.h"
#include "eval/result_file.h"

#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <vector>

namespace hadal::eval {

/// One episode and, on the same world under the same budget, the baselines.
struct EpisodeRow {
  EpisodeKind kind = EpisodeKind::plain;
  int depth = 1;  ///< shortest plan of the world; of a perturbed episode: before the change
  std::size_t domain = 0;  ///< index into worlds::domains()
  std::uint64_t index = 0;
  bool solved = false;
  std::size_t steps = 0;
  std::size_t valid_steps = 0;  ///< whose action existed and could be executed
  bool optimal = false;         ///< solved with a shortest plan
  std::size_t generated_tokens = 0;
  std::size_t prompt_tokens = 0;  ///< of all turns: everything read but not written by the model
  std::size_t cited = 0, causes = 0, cited_right = 0;  ///< sums of EpisodeStep's
  BaselineResults baselines;

  friend bool operator==(const EpisodeRow&, const EpisodeRow&);
};

EpisodeRow row_of(const Episode& episode, EpisodeKind kind, const BaselineResults& baselines);

/// Sums over rows.
struct Summary {
  std::size_t n_episodes = 0, n_solved = 0, n_optimal = 0;
  std::size_t n_steps = 0, n_valid_steps = 0;
  std::size_t n_generated_tokens = 0, n_prompt_tokens = 0;
  std::size_t n_cited = 0, n_causes = 0, n_cited_right = 0;
  std::size_t n_random = 0, n_greedy = 0, n_search = 0, n_random_calls = 0, n_refusals = 0;

  void add(const EpisodeRow& row);
  Proportion success() const { return proportion(n_solved, n_episodes); }
  double share(std::size_t n) const { return proportion(n, n_episodes).share; }
  double valid_share() const { return proportion(n_valid_steps, n_steps).share; }
  /// F1 of the cause lists, counted over all cited and all true causes (micro average): 2 right /
  /// (cited + true). Acts that mean no action of the world do not enter.
  double causes_f1() const;
  /// Read and written, of all episodes, per solved one; 0 if none was solved.
  double tokens_per_solved() const;
};

/// A CSV file: a comment line with the settings, a line with the names of the columns, a row per
/// episode. Rows of one (kind, depth) are appended together once all of them are played; every
/// append replaces the file as a whole, so what is there is complete.
class EpisodeCsv {
 public:
  /// Opens or creates `path`. `settings` is one line that names all that the rows depend on.
  /// Errors: invalid_argument (the file holds episodes of other settings), bad_format, io_error.
  static Result<EpisodeCsv> open(const std::filesystem::path& path, const std::string& settings);

  /// Those of one kind and depth, in the order of the file.
  std::vector<EpisodeRow> rows(EpisodeKind kind, int depth) const;
  /// Errors: io_error.
  Result<void> append(std::span<const EpisodeRow> rows);

 private:
  explicit EpisodeCsv(std::filesystem::path path) : path_(std::move(path)) {}
  std::filesystem::path path_;
  ResultFile file_;
  std::vector<EpisodeRow> rows_;  ///< of file_
};

/// All rows of such a file. A last line without its end (an interrupted write) is dropped. Errors:
/// not_found, bad_format (line and cell are named).
Result<std::vector<EpisodeRow>> read_episodes(const std::filesystem::path& path);

}  // namespace hadal::eval
