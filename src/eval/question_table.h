// Answers to causal questions as rows: what `hadal eval worlds` writes per question, reads back to
// resume, and sums up for tables.
#pragma once

#include "agent/success_table.h"
#include "eval/result_file.h"
#include "worlds/question.h"

#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace hadal::eval {

enum class QuestionSet : std::uint8_t {
  plain,  ///< behind a teacher's episode
  pair,   ///< behind both tellings of a do(x) pair (worlds/counterfactual_pair.h)
};
/// "plain", "pair"
std::string_view name_of(QuestionSet set);

struct QuestionRow {
  QuestionSet set = QuestionSet::plain;
  worlds::QuestionType type = worlds::QuestionType::effect_of_do;
  int depth = 1;
  std::size_t domain = 0;  ///< index into worlds::domains()
  std::uint64_t index = 0;
  bool right = false;  ///< of a pair: behind the actual telling
  // plain
  bool context_free = false;  ///< right without the narrative
  bool majority = false;      ///< would the majority answer of train be right?
  std::size_t cited = 0, causes = 0, cited_right = 0;  ///< as in EpisodeRow
  // pair
  bool altered_right = false;
  bool changes = false;  ///< the two right answers differ

  friend bool operator==(const QuestionRow&, const QuestionRow&) = default;
};

/// Sums over rows of one set.
struct QuestionSummary {
  std::size_t n_questions = 0, n_right = 0, n_context_free = 0, n_majority = 0;
  std::size_t n_cited = 0, n_causes = 0, n_cited_right = 0;
  std::size_t n_altered_right = 0, n_both_right = 0;
  std::size_t n_changed = 0, n_changed_both_right = 0;  ///< pairs whose answers differ

  void add(const QuestionRow& row);
  Proportion accuracy() const { return proportion(n_right, n_questions); }
  double share(std::size_t n) const { return proportion(n, n_questions).share; }
  /// Micro average over the questions, as Summary::causes_f1().
  double causes_f1() const;
  /// Share of pairs with both members right.
  Proportion consistency() const { return proportion(n_both_right, n_questions); }
  Proportion changed_consistency() const { return proportion(n_changed_both_right, n_changed); }
};

/// As EpisodeCsv. Rows of one (set, type) are appended together.
class QuestionCsv {
 public:
  /// Errors: as open_result_file().
  static Result<QuestionCsv> open(const std::filesystem::path& path, const std::string& settings);
  std::vector<QuestionRow> rows(QuestionSet set, worlds::QuestionType type) const;
  /// Errors: io_error.
  Result<void> append(std::span<const QuestionRow> rows);

 private:
  explicit QuestionCsv(std::filesystem::path path) : path_(std::move(path)) {}
  std::filesystem::path path_;
  ResultFile file_;
  std::vector<QuestionRow> rows_;  ///< of file_
};

/// Errors: not_found, bad_format (line and cell are named).
Result<std::vector<QuestionRow>> read_questions(const std::filesystem::path& path);

}  // namespace hadal::eval
