#include "eval/result_file.h"

#include "formats/atomic_file.h"
#include "worlds/domain.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <charconv>
#include <fstream>
#include <iterator>
#include <span>

namespace hadal::eval {
namespace {

constexpr std::size_t kFirstRowLine = 3;

std::vector<std::string> cells_of(std::string_view line) {
  std::vector<std::string> cells;
  for (;;) {
    const std::size_t comma = line.find(',');
    cells.emplace_back(line.substr(0, comma));
    if (comma == std::string_view::npos) return cells;
    line.remove_prefix(comma + 1);
  }
}

std::optional<std::string> read_all(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) return std::nullopt;
  return std::string(std::istreambuf_iterator<char>(file), {});
}

Result<ResultFile> parse(std::string_view text, const std::filesystem::path& path,
                         std::string_view columns) {
  ResultFile parsed;
  const auto n_columns =
      static_cast<std::size_t>(std::count(columns.begin(), columns.end(), ',')) + 1;
  std::size_t n_lines = 0;
  for (std::size_t end = text.find('\n'); end != std::string_view::npos; end = text.find('\n')) {
    const std::string_view line = text.substr(0, end);
    text.remove_prefix(end + 1);
    const std::string where = fmt::format("{}:{}", path.string(), ++n_lines);
    if (n_lines == 1) {
      if (!line.starts_with("# "))
        return error(ErrorCode::bad_format, "{}: expected '# ' and the settings", where);
      parsed.settings = line.substr(2);
    } else if (n_lines < kFirstRowLine) {
      if (line != columns)
        return error(ErrorCode::bad_format, "{}: expected the columns {}", where, columns);
    } else {
      auto cells = cells_of(line);
      if (cells.size() != n_columns)
        return error(ErrorCode::bad_format, "{}: expected {} cells, found {}", where, n_columns,
                     cells.size());
      parsed.rows.push_back(std::move(cells));
    }
  }
  return parsed;
}

}  // namespace

Result<ResultFile> read_result_file(const std::filesystem::path& path, std::string_view columns) {
  const auto text = read_all(path);
  if (!text) return error(ErrorCode::not_found, "{}: cannot be opened for reading", path.string());
  return parse(*text, path, columns);
}

Result<void> write_result_file(const std::filesystem::path& path, std::string_view columns,
                               const ResultFile& file) {
  std::string text = fmt::format("# {}\n{}\n", file.settings, columns);
  for (const auto& cells : file.rows) text += fmt::format("{}\n", fmt::join(cells, ","));
  HADAL_ASSIGN(AtomicFile out, AtomicFile::create(path));
  HADAL_TRY(out.write(std::as_bytes(std::span(text))));
  return out.commit();
}

Result<ResultFile> open_result_file(const std::filesystem::path& path, std::string_view columns,
                                    const std::string& settings) {
  const auto text = read_all(path);
  if (!text || text->empty()) {
    ResultFile empty{.settings = settings, .rows = {}};
    HADAL_TRY(write_result_file(path, columns, empty));
    return empty;
  }
  HADAL_ASSIGN(ResultFile file, parse(*text, path, columns));
  if (file.settings != settings)
    return error(ErrorCode::invalid_argument,
                 "{}: holds results of other settings:\n  there  {}\n  now    {}\nchoose another "
                 "file, or remove this one",
                 path.string(), file.settings, settings);
  return file;
}

std::string place_of(const std::filesystem::path& path, std::size_t row) {
  return fmt::format("{}:{}", path.string(), kFirstRowLine + row);
}

std::optional<std::uint64_t> whole_number(std::string_view cell) {
  std::uint64_t value = 0;
  const auto [end, failure] = std::from_chars(cell.data(), cell.data() + cell.size(), value);
  if (failure != std::errc() || end != cell.data() + cell.size()) return std::nullopt;
  return value;
}

std::optional<std::size_t> domain_named(std::string_view name) {
  const auto domains = worlds::domains();
  const auto found = std::find_if(domains.begin(), domains.end(),
                                  [&](const worlds::Domain& d) { return d.name == name; });
  if (found == domains.end()) return std::nullopt;
  return static_cast<std::size_t>(found - domains.begin());
}

}  // namespace hadal::eval
