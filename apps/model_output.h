// What the verbs that write models share: choosing the output, the vocabulary in GGUF, a progress
// line, the summary.
#pragma once

#include "engine/model/checkpoint_writer.h"
#include "tokenizer/vocabulary.h"

#include <CLI/CLI.hpp>

#include <optional>
#include <string>

namespace hadal {

struct OutputFlags {
  std::string out;
  std::string format = "safetensors";
  std::string dtype = "f32";
  std::uint64_t shard_bytes = 5'000'000'000;
  std::size_t threads = 0;
};

/// Adds --out, --format, --dtype, --shard-bytes and -t/--threads.
void add_output_flags(CLI::App& verb, OutputFlags& flags);

/// A model as both verbs write it.
struct ModelOutput {
  const ModelConfig& config;
  const WeightSource& source;
  std::optional<VocabularyTables> vocabulary = {};  ///< for GGUF metadata
  std::string tokenizer_json = {};                  ///< beside safetensors; empty: none
  bool with_mtp_file = false;                       ///< GGUF: also write mtp-NAME.gguf
};

/// Writes the model with a progress line and a summary on stderr.
Result<void> write_model(const ModelOutput& model, const OutputFlags& flags);

}  // namespace hadal
