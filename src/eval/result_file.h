// CSV files of results: a comment line with the settings, a line with the names of the columns,
// then rows of plain cells. Written as a whole, so what is there is complete.
#pragma once

#include "base/result.h"

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace hadal::eval {

struct ResultFile {
  std::string settings;                        ///< one line
  std::vector<std::vector<std::string>> rows;  ///< as many cells each as there are columns
};

/// A last line without its end (an interrupted write) is dropped. Errors: not_found, bad_format
/// (file and line are named).
Result<ResultFile> read_result_file(const std::filesystem::path& path, std::string_view columns);
/// Errors: io_error.
Result<void> write_result_file(const std::filesystem::path& path, std::string_view columns,
                               const ResultFile& file);

/// A file that a run adds to: opened, or created empty. Errors: invalid_argument (there are rows of
/// other settings in it), bad_format, io_error.
Result<ResultFile> open_result_file(const std::filesystem::path& path, std::string_view columns,
                                    const std::string& settings);

/// "file:line" of a row.
std::string place_of(const std::filesystem::path& path, std::size_t row);
/// Nothing unless the whole cell is a number.
std::optional<std::uint64_t> whole_number(std::string_view cell);
/// Index into worlds::domains() by name.
std::optional<std::size_t> domain_named(std::string_view name);

}  // namespace hadal::eval
