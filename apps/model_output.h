// What the verbs that write models share: choosing the output, the vocabulary in GGUF, a progress
// line, the summary.
#pragma once

#include "engine/model/checkpoint_writer.h"
#include "formats/gguf.h"
#include "tokenizer/vocabulary.h"

#include <CLI/CLI.hpp>

#include <optional>
#include <string>
#include <vector>

namespace hadal {

struct OutputFlags {
  std::string out;
  std::string format = "safetensors";
  std::string dtype = "f32";
  std::uint64_t shard_bytes = 5'000'000'000;
  std::size_t threads = 0;
};

/// Adds --out, --format, --dtype, --shard-bytes and -t/--threads. `dtypes`: those that the verb can
/// write, of f32, bf16, native, stored.
void add_output_flags(CLI::App& verb, OutputFlags& flags, const std::vector<std::string>& dtypes);

/// A model as both verbs write it.
struct ModelOutput {
  const ModelConfig& config;
  const WeightSource& source;
  std::optional<VocabularyTables> vocabulary = {};  ///< for GGUF metadata
  const GgufFile* metadata = nullptr;  ///< for GGUF: carries all of this file's, no vocabulary then
  std::string tokenizer_json = {};     ///< beside safetensors; empty: none
  bool with_mtp_file = false;          ///< GGUF: also write mtp-NAME.gguf
};

/// Errors: invalid_argument, when `out` exists and is the model `model`, or one of its files.
Result<void> check_is_not_input(const std::string& out, const std::string& model);

/// Writes the model with a progress line and a summary on stderr.
Result<void> write_model(const ModelOutput& model, const OutputFlags& flags);
/// The same as GGUF, with types chosen by role.
Result<void> write_quantized_model(const ModelOutput& model, const QuantizePlan& plan,
                                   const std::string& file, std::size_t n_threads);

}  // namespace hadal
