// Chooses how each tensor of an output is written. Internal to the writers.
#pragma once

#include "engine/model/checkpoint_writer.h"
#include "engine/model/tensor_stream.h"

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace hadal {

enum class Container { safetensors, gguf };

/// Sentences about tensors: how many each is true of, and the first.
class Notes {
 public:
  void add(std::string what, std::string_view tensor) {
    Count& count = counts_[std::move(what)];
    if (count.n++ == 0) count.first = tensor;
  }

  std::vector<std::string> sentences() const;

 private:
  struct Count {
    std::size_t n = 0;
    std::string first;
  };
  std::map<std::string, Count> counts_;
};

/// Chooses encodings by WriteOptions, and notes where the wanted type was not possible. Refers to
/// its arguments.
class EncodingPlanner {
 public:
  EncodingPlanner(const WeightSource& source, Container container, const WriteOptions& options)
      : source_(source), container_(container), options_(options) {}

  /// For any weight; not for token tables.
  TensorPlan plan(const TensorSpec& spec);

  Notes& notes() { return notes_; }

 private:
  Encoding published(const TensorSpec& spec, const MatrixView* stored) const;
  Encoding with_fallback(const TensorSpec& spec, Encoding encoding);
  Encoding by_role(const TensorSpec& spec, const MatrixView* stored);
  std::optional<Encoding> wanted_by_role(const TensorSpec& spec) const;
  void note_misfit(const TensorSpec& spec, Encoding wanted, Encoding used);
  void note_second_rounding(const TensorSpec& spec, const MatrixView& stored, Encoding encoding);

  const WeightSource& source_;
  Container container_;
  const WriteOptions& options_;
  Notes notes_;
};

}  // namespace hadal
