// A CSV log of training, by the names of its columns.
#pragma once

#include <cstddef>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace hadal::eval {

class LogTable {
 public:
  /// Nothing if there is no such file, or it is empty. Short rows are filled with empty cells.
  static std::optional<LogTable> read(const std::filesystem::path& path);

  /// Points (tokens, `name`) that are numbers; none if a column is missing.
  std::pair<std::vector<double>, std::vector<double>> against_tokens(std::string_view name) const;

 private:
  std::optional<std::size_t> column(std::string_view name) const;

  std::vector<std::string> names_;
  std::vector<std::vector<std::string>> rows_;
};

}  // namespace hadal::eval
