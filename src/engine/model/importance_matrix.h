// How much each input column of a weight matters, as measured on text: files of the importance
// matrix, read and written in the form of llama.cpp's newer llama-imatrix.
//
// Format (llama.cpp pull request 9400): a GGUF file with general.type "imatrix" and, for each
// weight NAME, two F32 tensors: NAME.in_sum2 with dims [columns, matrices], the sums of the squared
// activations that met each column, and NAME.counts with dims [1, matrices], over how many tokens.
// Stacks of experts have one matrix per expert. Beside them imatrix.datasets (strings),
// imatrix.chunk_count and imatrix.chunk_size (u32).
#pragma once

#include "formats/gguf.h"

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace hadal {

/// Owns the mapped file; spans stay valid as long as it lives. Immutable; threads may share it.
class ImportanceMatrix {
 public:
  /// Errors: those of GgufFile::open; bad_format (no such file, or a tensor of another type or
  /// shape).
  static Result<ImportanceMatrix> open(const std::filesystem::path& path);

  /// The sums for matrix `matrix` of the weight that GGUF calls `name`, one per column; their
  /// ratios are what counts. Empty when the file knows nothing: no such weight, or no token met it.
  /// @param n_groups  groups of rows that meet inputs of their own (wo_a): a single matrix may have
  ///                  sums for each of them, which llama-imatrix lays side by side; then those of
  ///                  all groups are returned.
  /// Errors: bad_format, when the file's weight has another shape.
  Result<std::span<const float>> find(std::string_view name, std::size_t matrix,
                                      std::size_t n_matrices, std::size_t n_columns,
                                      std::size_t n_groups = 1) const;

  const std::string& source() const noexcept { return file_.source(); }

 private:
  explicit ImportanceMatrix(GgufFile file) : file_(std::move(file)) {}

  GgufFile file_;
};

/// What was measured of one weight, or of one stack of experts.
struct WeightImportance {
  std::string name;  ///< as GGUF calls the weight: "blk.3.ffn_gate_exps.weight"
  std::size_t n_columns = 0;
  std::vector<double> sums = {};  ///< [n_matrices, n_columns]  of squared inputs
  std::vector<std::uint64_t> counts =
      {};  ///< [n_matrices]  inputs in each sum; 0: nothing is known
};

/// On what text.
struct ImportanceText {
  std::string dataset;  ///< a name for people: the file's path
  std::uint32_t n_chunks = 0;
  std::uint32_t chunk_size = 0;  ///< tokens
};

/// Writes `weights` in this order; the file takes its name when it is complete.
/// Errors: bad_format (a sum that is no finite float, naming the weight), those of GgufWriter.
Result<void> write_importance_matrix(const std::filesystem::path& path,
                                     std::span<const WeightImportance> weights,
                                     const ImportanceText& text);

}  // namespace hadal
