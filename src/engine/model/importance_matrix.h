// How much each input column of a weight matters, as measured on text: a file of the importance
// matrix that llama.cpp's newer llama-imatrix writes.
//
// Format (llama.cpp pull request 9400): a GGUF file with general.type "imatrix" and, for each
// weight NAME, two F32 tensors: NAME.in_sum2 with dims [columns, matrices], the sums of the squared
// activations that met each column, and NAME.counts with dims [1, matrices], over how many tokens.
// Stacks of experts have one matrix per expert.
#pragma once

#include "formats/gguf.h"

#include <cstddef>
#include <filesystem>
#include <span>
#include <string_view>

namespace hadal {

/// Owns the mapped file; spans stay valid as long as it lives. Immutable; threads may share it.
class ImportanceMatrix {
 public:
  /// Errors: those of GgufFile::open; bad_format (no such file, or a tensor of another type or
  /// shape).
  static Result<ImportanceMatrix> open(const std::filesystem::path& path);

  /// The sums for matrix `matrix` of the weight that GGUF calls `name`, one per column; their
  /// ratios are what counts. Empty when the file knows nothing: no such weight, or no token met it.
  /// Errors: bad_format, when the file's weight has another shape.
  Result<std::span<const float>> find(std::string_view name, std::size_t matrix,
                                      std::size_t n_matrices, std::size_t n_columns) const;

  const std::string& source() const noexcept { return file_.source(); }

 private:
  explicit ImportanceMatrix(GgufFile file) : file_(std::move(file)) {}

  GgufFile file_;
};

}  // namespace hadal
