// hadal convert: safetensors <-> GGUF, and between f32, bf16, the published types and those stored.

#include "carry_tokenizer.h"
#include "common.h"
#include "model_output.h"
#include "verbs.h"

#include <memory>

namespace hadal {
namespace {

struct ConvertFlags {
  std::string model;
  OutputFlags output;
};

Result<void> check_format_can_hold(const OutputFlags& flags) {
  if (flags.dtype != "stored" || flags.format == "gguf") return {};
  return error(ErrorCode::invalid_argument,
               "--dtype stored: expected --format gguf, found {}, which cannot hold every type",
               flags.format);
}

Result<void> convert(const ConvertFlags& flags) {
  HADAL_TRY(check_format_can_hold(flags.output));
  HADAL_TRY(check_is_not_input(flags.output.out, flags.model));
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
  CLI::App* verb =
      app.add_subcommand("convert",
                         "Writes a model as safetensors or GGUF, in f32, bf16, the published "
                         "types or those of the source; the tokenizer comes along");
  verb->add_option("-m,--model", flags->model,
                   "model: directory, .gguf file, Hub id in the local cache, or builtin")
      ->required();
  add_output_flags(*verb, flags->output, {"f32", "bf16", "native", "stored"});
  verb->callback([flags, &exit_code] {
    if (const auto done = convert(*flags); !done) exit_code = report("convert", done.error());
  });
}

}  // namespace hadal
