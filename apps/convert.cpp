// hadal convert: safetensors <-> GGUF, and between f32, bf16 and the published types.

#include "common.h"
#include "model_output.h"
#include "verbs.h"

#include <fmt/format.h>

#include <cstdio>
#include <memory>

namespace hadal {
namespace {

struct ConvertFlags {
  std::string model;
  OutputFlags output;
};

/// The vocabulary from whichever form the model carries; nothing when it carries none.
Result<std::optional<VocabularyTables>> read_vocabulary(const Checkpoint& checkpoint) {
  if (const auto& json = checkpoint.tokenizer_json()) {
    HADAL_ASSIGN(auto tables,
                 vocabulary_from_tokenizer_json(*json, checkpoint.name() + "/tokenizer.json",
                                                checkpoint.config().vocab_size));
    const ModelConfig& config = checkpoint.config();  // ids under other names than DeepSeek's
    if (tables.bos < 0) tables.bos = config.bos_token_id;
    if (tables.eos < 0) tables.eos = config.eos_token_id;
    if (tables.pad < 0 && static_cast<std::size_t>(config.pad_token_id) < config.vocab_size)
      tables.pad = config.pad_token_id;
    return std::optional(std::move(tables));
  }
  if (checkpoint.gguf() != nullptr) {
    HADAL_ASSIGN(auto tables, vocabulary_from_gguf(*checkpoint.gguf()));
    return std::optional(std::move(tables));
  }
  return std::optional<VocabularyTables>();
}

/// Fills in the tokenizer in the form that the output wants.
Result<void> carry_tokenizer(const Checkpoint& checkpoint, bool to_gguf, ModelOutput& model) {
  if (!to_gguf && checkpoint.tokenizer_json()) {
    model.tokenizer_json = *checkpoint.tokenizer_json();
    return {};
  }
  HADAL_ASSIGN(auto vocabulary, read_vocabulary(checkpoint));
  if (!vocabulary) {
    fmt::print(stderr, "note: {} has no tokenizer, and so the output has none\n",
               checkpoint.name());
  } else if (to_gguf) {
    model.vocabulary = std::move(vocabulary);
  } else {
    model.tokenizer_json = tokenizer_json_from_vocabulary(*vocabulary);
  }
  return {};
}

Result<void> convert(const ConvertFlags& flags) {
  HADAL_ASSIGN(const Checkpoint checkpoint, Checkpoint::open(flags.model));
  const CheckpointSource source(checkpoint);
  const bool has_mtp = checkpoint.config().num_nextn_predict_layers > 0;
  ModelOutput model{.config = checkpoint.config(), .source = source, .with_mtp_file = has_mtp};
  HADAL_TRY(carry_tokenizer(checkpoint, flags.output.format == "gguf", model));
  return write_model(model, flags.output);
}

}  // namespace

void add_convert(CLI::App& app, int& exit_code) {
  auto flags = std::make_shared<ConvertFlags>();
  CLI::App* verb = app.add_subcommand("convert",
                                      "Writes a model as safetensors or GGUF, in f32, bf16 or the "
                                      "published types; the tokenizer comes along");
  verb->add_option("-m,--model", flags->model,
                   "model: directory, .gguf file, Hub id in the local cache, or builtin")
      ->required();
  add_output_flags(*verb, flags->output);
  verb->callback([flags, &exit_code] {
    if (const auto done = convert(*flags); !done) exit_code = report("convert", done.error());
  });
}

}  // namespace hadal
