#include "eval/question_table.h"

#include "worlds/domain.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <iterator>
#include <optional>

namespace hadal::eval {
namespace {

constexpr std::string_view kQuestionColumns =
    "set,type,depth,domain,index,right,context_free,majority,cited,causes,cited_right,"
    "altered_right,changes";
constexpr std::size_t kQuestionNumbers = 9;  // from `index` on

std::vector<std::string> cells_of(const QuestionRow& r) {
  std::vector<std::string> cells = {std::string(name_of(r.set)), std::string(name_of(r.type)),
                                    fmt::format("{}", r.depth),
                                    std::string(worlds::domains()[r.domain].name)};
  for (const std::uint64_t n : std::array<std::uint64_t, kQuestionNumbers>{
           r.index, r.right, r.context_free, r.majority, r.cited, r.causes, r.cited_right,
           r.altered_right, r.changes})
    cells.push_back(fmt::format("{}", n));
  return cells;
}

template <typename Value, typename Values>
std::optional<Value> named(const Values& values, std::string_view name) {
  for (const Value value : values)
    if (name_of(value) == name) return value;
  return std::nullopt;
}

Result<QuestionRow> parse_question_row(const std::vector<std::string>& cells,
                                       const std::string& where) {
  const auto set = named<QuestionSet>(std::array{QuestionSet::plain, QuestionSet::pair}, cells[0]);
  const auto type = named<worlds::QuestionType>(worlds::kQuestionTypes, cells[1]);
  const auto depth = whole_number(cells[2]);
  const auto domain = domain_named(cells[3]);
  if (!set || !type || !depth || *depth < 1 || *depth > worlds::kMaxDepth || !domain)
    return error(ErrorCode::bad_format, "{}: '{},{},{},{}' is no set, type, depth and domain",
                 where, cells[0], cells[1], cells[2], cells[3]);
  std::array<std::uint64_t, kQuestionNumbers> n{};
  for (std::size_t i = 0; i < kQuestionNumbers; ++i) {
    const auto value = whole_number(cells[4 + i]);
    if (!value)
      return error(ErrorCode::bad_format, "{}: '{}' is no whole number", where, cells[4 + i]);
    n[i] = *value;
  }
  return QuestionRow{.set = *set,
                     .type = *type,
                     .depth = static_cast<int>(*depth),
                     .domain = *domain,
                     .index = n[0],
                     .right = n[1] != 0,
                     .context_free = n[2] != 0,
                     .majority = n[3] != 0,
                     .cited = n[4],
                     .causes = n[5],
                     .cited_right = n[6],
                     .altered_right = n[7] != 0,
                     .changes = n[8] != 0};
}

Result<std::vector<QuestionRow>> parse_question_rows(const ResultFile& file,
                                                     const std::filesystem::path& path) {
  std::vector<QuestionRow> rows;
  for (std::size_t i = 0; i < file.rows.size(); ++i) {
    HADAL_ASSIGN(const QuestionRow row, parse_question_row(file.rows[i], place_of(path, i)));
    rows.push_back(row);
  }
  return rows;
}

}  // namespace

std::string_view name_of(QuestionSet set) {
  return set == QuestionSet::plain ? "plain" : "pair";
}

void QuestionSummary::add(const QuestionRow& row) {
  const auto count = [](bool yes) { return yes ? std::size_t{1} : std::size_t{0}; };
  const bool both = row.right && row.altered_right;
  ++n_questions;
  n_right += count(row.right);
  n_context_free += count(row.context_free);
  n_majority += count(row.majority);
  n_cited += row.cited;
  n_causes += row.causes;
  n_cited_right += row.cited_right;
  n_altered_right += count(row.altered_right);
  n_both_right += count(both);
  n_changed += count(row.changes);
  n_changed_both_right += count(row.changes && both);
}

double QuestionSummary::causes_f1() const {
  const std::size_t all = n_cited + n_causes;
  return all == 0 ? 0.0 : 2.0 * static_cast<double>(n_cited_right) / static_cast<double>(all);
}

Result<QuestionCsv> QuestionCsv::open(const std::filesystem::path& path,
                                      const std::string& settings) {
  QuestionCsv csv(path);
  HADAL_ASSIGN(csv.file_, open_result_file(path, kQuestionColumns, settings));
  HADAL_ASSIGN(csv.rows_, parse_question_rows(csv.file_, path));
  return csv;
}

std::vector<QuestionRow> QuestionCsv::rows(QuestionSet set, worlds::QuestionType type) const {
  std::vector<QuestionRow> rows;
  std::copy_if(rows_.begin(), rows_.end(), std::back_inserter(rows),
               [&](const QuestionRow& row) { return row.set == set && row.type == type; });
  return rows;
}

Result<void> QuestionCsv::append(std::span<const QuestionRow> rows) {
  rows_.insert(rows_.end(), rows.begin(), rows.end());
  for (const QuestionRow& row : rows) file_.rows.push_back(cells_of(row));
  return write_result_file(path_, kQuestionColumns, file_);
}

Result<std::vector<QuestionRow>> read_questions(const std::filesystem::path& path) {
  HADAL_ASSIGN(const ResultFile file, read_result_file(path, kQuestionColumns));
  return parse_question_rows(file, path);
}

}  // namespace hadal::eval
