#include "eval/log_table.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <fstream>
#include <sstream>

namespace hadal::eval {
namespace {

std::vector<std::string> cells_of(const std::string& line) {
  std::vector<std::string> cells;
  std::stringstream in(line);
  for (std::string cell; std::getline(in, cell, ',');) cells.push_back(cell);
  return cells;
}

double number_or_nan(const std::string& text) {
  double value = std::nan("");
  std::from_chars(text.data(), text.data() + text.size(), value);
  return value;
}

}  // namespace

std::optional<LogTable> LogTable::read(const std::filesystem::path& path) {
  std::ifstream file(path);
  std::string line;
  if (!std::getline(file, line)) return std::nullopt;
  LogTable table;
  table.names_ = cells_of(line);
  while (std::getline(file, line)) {
    table.rows_.push_back(cells_of(line));
    table.rows_.back().resize(table.names_.size());
  }
  return table;
}

std::pair<std::vector<double>, std::vector<double>> LogTable::against_tokens(
    std::string_view name) const {
  std::pair<std::vector<double>, std::vector<double>> points;
  const auto x = column("tokens"), y = column(name);
  for (const auto& row : rows_) {
    if (!x || !y) break;
    const double a = number_or_nan(row[*x]), b = number_or_nan(row[*y]);
    if (!std::isfinite(a) || !std::isfinite(b)) continue;
    points.first.push_back(a);
    points.second.push_back(b);
  }
  return points;
}

std::optional<std::size_t> LogTable::column(std::string_view name) const {
  const auto found = std::find(names_.begin(), names_.end(), name);
  if (found == names_.end()) return std::nullopt;
  return static_cast<std::size_t>(found - names_.begin());
}

}  // namespace hadal::eval
