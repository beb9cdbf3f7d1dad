#include "eval/episode_table.h"

#include "formats/atomic_file.h"
#include "worlds/domain.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <fstream>
#include <iterator>
#include <optional>

namespace hadal::eval {
namespace {

constexpr std::string_view kColumns =
    "kind,depth,domain,index,solved,steps,valid_steps,optimal,generated_tokens,prompt_tokens,cited,"
    "causes,cited_right,random,greedy,search,random_calls,refusals";
constexpr std::size_t kNumberColumns = 15;  // from `index` on

std::array<std::uint64_t, kNumberColumns> numbers_of(const EpisodeRow& r) {
  const BaselineResults& b = r.baselines;
  return {r.index,         r.solved,       r.steps,   r.valid_steps, r.optimal, r.generated_tokens,
          r.prompt_tokens, r.cited,        r.causes,  r.cited_right, b.random,  b.greedy,
          b.search,        b.random_calls, b.refusals};
}

std::string line_of(const EpisodeRow& row) {
  std::string line =
      fmt::format("{},{},{}", name_of(row.kind), row.depth, worlds::domains()[row.domain].name);
  for (const std::uint64_t number : numbers_of(row)) line += fmt::format(",{}", number);
  return line + "\n";
}

std::vector<std::string_view> cells_of(std::string_view line) {
  std::vector<std::string_view> cells;
  for (;;) {
    const std::size_t comma = line.find(',');
    cells.push_back(line.substr(0, comma));
    if (comma == std::string_view::npos) return cells;
    line.remove_prefix(comma + 1);
  }
}

std::optional<std::uint64_t> number(std::string_view text) {
  std::uint64_t value = 0;
  const auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (failure != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

std::optional<EpisodeKind> kind_of(std::string_view text) {
  for (const EpisodeKind kind :
       {EpisodeKind::plain, EpisodeKind::perturbed, EpisodeKind::hidden_mechanisms})
    if (name_of(kind) == text) return kind;
  return std::nullopt;
}

std::optional<std::size_t> domain_of(std::string_view text) {
  const auto domains = worlds::domains();
  const auto found = std::find_if(domains.begin(), domains.end(),
                                  [&](const worlds::Domain& d) { return d.name == text; });
  if (found == domains.end()) return std::nullopt;
  return static_cast<std::size_t>(found - domains.begin());
}

Result<EpisodeRow> parse_line(std::string_view line, const std::string& where) {
  const auto cells = cells_of(line);
  if (cells.size() != 3 + kNumberColumns)
    return error(ErrorCode::bad_format, "{}: expected {} cells, found {}", where,
                 3 + kNumberColumns, cells.size());
  const auto kind = kind_of(cells[0]);
  const auto depth = number(cells[1]);
  const auto domain = domain_of(cells[2]);
  if (!kind || !depth || *depth < 1 || *depth > worlds::kMaxDepth || !domain)
    return error(ErrorCode::bad_format, "{}: '{},{},{}' is no kind, depth and domain", where,
                 cells[0], cells[1], cells[2]);
  std::array<std::uint64_t, kNumberColumns> n{};
  for (std::size_t i = 0; i < kNumberColumns; ++i) {
    const auto value = number(cells[3 + i]);
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

/// The settings line, without "# ", and the rows.
struct ParsedFile {
  std::string settings;
  std::vector<EpisodeRow> rows;
};

Result<ParsedFile> parse_file(std::string_view text, const std::string& source) {
  ParsedFile parsed;
  std::size_t n_lines = 0;
  for (std::size_t end = text.find('\n'); end != std::string_view::npos; end = text.find('\n')) {
    const std::string_view line = text.substr(0, end);
    text.remove_prefix(end + 1);
    const std::string where = fmt::format("{}:{}", source, ++n_lines);
    if (n_lines == 1) {
      if (!line.starts_with("# "))
        return error(ErrorCode::bad_format, "{}: expected '# ' and the settings", where);
      parsed.settings = line.substr(2);
    } else if (n_lines == 2) {
      if (line != kColumns)
        return error(ErrorCode::bad_format, "{}: expected the columns {}", where, kColumns);
    } else {
      HADAL_ASSIGN(const EpisodeRow row, parse_line(line, where));
      parsed.rows.push_back(row);
    }
  }
  return parsed;
}

std::optional<std::string> read_all(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) return std::nullopt;
  return std::string(std::istreambuf_iterator<char>(file), {});
}

/// The whole file or nothing of it: a depth that is there is complete.
Result<void> write(const std::filesystem::path& path, const std::string& settings,
                   std::span<const EpisodeRow> rows) {
  std::string text = fmt::format("# {}\n{}\n", settings, kColumns);
  for (const EpisodeRow& row : rows) text += line_of(row);
  HADAL_ASSIGN(AtomicFile file, AtomicFile::create(path));
  HADAL_TRY(file.write(std::as_bytes(std::span(text))));
  return file.commit();
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
  EpisodeCsv csv(path, settings);
  const auto text = read_all(path);
  if (!text || text->empty()) {
    HADAL_TRY(write(path, settings, {}));
    return csv;
  }
  HADAL_ASSIGN(ParsedFile parsed, parse_file(*text, path.string()));
  if (parsed.settings != settings)
    return error(ErrorCode::invalid_argument,
                 "{}: holds episodes of other settings:\n  there  {}\n  now    {}\nchoose another "
                 "file, or remove this one",
                 path.string(), parsed.settings, settings);
  csv.rows_ = std::move(parsed.rows);
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
  return write(path_, settings_, rows_);
}

Result<std::vector<EpisodeRow>> read_episodes(const std::filesystem::path& path) {
  const auto text = read_all(path);
  if (!text) return error(ErrorCode::not_found, "{}: cannot be opened for reading", path.string());
  HADAL_ASSIGN(ParsedFile parsed, parse_file(*text, path.string()));
  return std::move(parsed.rows);
}

}  // namespace hadal::eval
