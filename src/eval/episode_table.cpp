#include "eval/episode_table.h"

#include "worlds/domain.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <iterator>
#include <optional>

namespace hadal::eval {
namespace {

constexpr std::string_view kEpisodeColumns =
    "kind,depth,domain,index,solved,steps,valid_steps,optimal,generated_tokens,prompt_tokens,cited,"
    "causes,cited_right,random,greedy,search,random_calls,refusals";
constexpr std::size_t kEpisodeNumbers = 15;  // from `index` on

std::array<std::uint64_t, kEpisodeNumbers> numbers_of(const EpisodeRow& r) {
  const BaselineResults& b = r.baselines;
  return {r.index,         r.solved,       r.steps,   r.valid_steps, r.optimal, r.generated_tokens,
          r.prompt_tokens, r.cited,        r.causes,  r.cited_right, b.random,  b.greedy,
          b.search,        b.random_calls, b.refusals};
}

std::vector<std::string> cells_of(const EpisodeRow& row) {
  std::vector<std::string> cells = {std::string(name_of(row.kind)), fmt::format("{}", row.depth),
                                    std::string(worlds::domains()[row.domain].name)};
  for (const std::uint64_t number : numbers_of(row)) cells.push_back(fmt::format("{}", number));
  return cells;
}

std::optional<EpisodeKind> kind_of(std::string_view text) {
  for (const EpisodeKind kind :
       {EpisodeKind::plain, EpisodeKind::perturbed, EpisodeKind::hidden_mechanisms})
    if (name_of(kind) == text) return kind;
  return std::nullopt;
}

Result<EpisodeRow> parse_row(const std::vector<std::string>& cells, const std::string& where) {
  const auto kind = kind_of(cells[0]);
  const auto depth = whole_number(cells[1]);
  const auto domain = domain_named(cells[2]);
  if (!kind || !depth || *depth < 1 || *depth > worlds::kMaxDepth || !domain)
    return error(ErrorCode::bad_format, "{}: '{},{},{}' is no kind, depth and domain", where,
                 cells[0], cells[1], cells[2]);
  std::array<std::uint64_t, kEpisodeNumbers> n{};
  for (std::size_t i = 0; i < kEpisodeNumbers; ++i) {
    const auto value = whole_number(cells[3 + i]);
    if (!value)
      return error(ErrorCode::bad_format, "{}: '{}' is no whole number", where, cells[3 + i]);
    n[i] = *value;
  }
  return EpisodeRow{.kind = *kind,
                    .depth = static_cast<int>(*depth),
                    .domain = *domain,
                    .index = n[0],
                    .solved = n[1] != 0,
                    .steps = n[2],
                    .valid_steps = n[3],
                    .optimal = n[4] != 0,
                    .generated_tokens = n[5],
                    .prompt_tokens = n[6],
                    .cited = n[7],
                    .causes = n[8],
                    .cited_right = n[9],
                    .baselines = {.random = n[10] != 0,
                                  .greedy = n[11] != 0,
                                  .search = n[12] != 0,
                                  .random_calls = n[13] != 0,
                                  .refusals = n[14] != 0}};
}

Result<std::vector<EpisodeRow>> parse_rows(const ResultFile& file,
                                           const std::filesystem::path& path) {
  std::vector<EpisodeRow> rows;
  for (std::size_t i = 0; i < file.rows.size(); ++i) {
    HADAL_ASSIGN(const EpisodeRow row, parse_row(file.rows[i], place_of(path, i)));
    rows.push_back(row);
  }
  return rows;
}

}  // namespace

bool operator==(const EpisodeRow& a, const EpisodeRow& b) {
  return a.kind == b.kind && a.depth == b.depth && a.domain == b.domain &&
         numbers_of(a) == numbers_of(b);
}

EpisodeRow row_of(const Episode& episode, EpisodeKind kind, const BaselineResults& baselines) {
  EpisodeRow row{.kind = kind,
                 .depth = episode.key.depth,
                 .domain = episode.key.domain,
                 .index = episode.key.index,
                 .solved = episode.solved,
                 .steps = episode.steps.size(),
                 .optimal = episode.solved &&
                            episode.steps.size() == static_cast<std::size_t>(episode.optimal),
                 .generated_tokens = episode.n_generated_tokens,
                 .prompt_tokens = episode.n_prompt_tokens,
                 .baselines = baselines};
  for (const EpisodeStep& step : episode.steps) {
    row.valid_steps += step.outcome.valid ? 1 : 0;
    row.cited += step.n_cited;
    row.causes += step.n_causes;
    row.cited_right += step.n_cited_right;
  }
  return row;
}

void Summary::add(const EpisodeRow& row) {
  ++n_episodes;
  n_solved += row.solved ? 1 : 0;
  n_optimal += row.optimal ? 1 : 0;
  n_steps += row.steps;
  n_valid_steps += row.valid_steps;
  n_generated_tokens += row.generated_tokens;
  n_prompt_tokens += row.prompt_tokens;
  n_cited += row.cited;
  n_causes += row.causes;
  n_cited_right += row.cited_right;
  n_random += row.baselines.random ? 1 : 0;
  n_greedy += row.baselines.greedy ? 1 : 0;
  n_search += row.baselines.search ? 1 : 0;
  n_random_calls += row.baselines.random_calls ? 1 : 0;
  n_refusals += row.baselines.refusals ? 1 : 0;
}

double Summary::causes_f1() const {
  const std::size_t all = n_cited + n_causes;
  return all == 0 ? 0.0 : 2.0 * static_cast<double>(n_cited_right) / static_cast<double>(all);
}

double Summary::tokens_per_solved() const {
  return n_solved == 0 ? 0.0
                       : static_cast<double>(n_generated_tokens + n_prompt_tokens) /
                             static_cast<double>(n_solved);
}

Result<EpisodeCsv> EpisodeCsv::open(const std::filesystem::path& path,
                                    const std::string& settings) {
  EpisodeCsv csv(path);
  HADAL_ASSIGN(csv.file_, open_result_file(path, kEpisodeColumns, settings));
  HADAL_ASSIGN(csv.rows_, parse_rows(csv.file_, path));
  return csv;
}

std::vector<EpisodeRow> EpisodeCsv::rows(EpisodeKind kind, int depth) const {
  std::vector<EpisodeRow> rows;
  std::copy_if(rows_.begin(), rows_.end(), std::back_inserter(rows),
               [&](const EpisodeRow& row) { return row.kind == kind && row.depth == depth; });
  return rows;
}

Result<void> EpisodeCsv::append(std::span<const EpisodeRow> rows) {
  rows_.insert(rows_.end(), rows.begin(), rows.end());
  for (const EpisodeRow& row : rows) file_.rows.push_back(cells_of(row));
  return write_result_file(path_, kEpisodeColumns, file_);
}

Result<std::vector<EpisodeRow>> read_episodes(const std::filesystem::path& path) {
  HADAL_ASSIGN(const ResultFile file, read_result_file(path, kEpisodeColumns));
  return parse_rows(file, path);
}

}  // namespace hadal::eval
