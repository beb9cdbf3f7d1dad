// hadal synth: a V4 checkpoint with deterministic weights (deepseek-v4.md appendix A.1), for tests
// and measurements.

#include "base/mapped_file.h"
#include "common.h"
#include "model_output.h"
#include "tokenizer/synthetic.h"
#include "verbs.h"

#include <memory>

namespace hadal {
namespace {

struct SynthFlags {
  std::string config;
  bool mtp = false;
  OutputFlags output;
};

Result<void> synth(const SynthFlags& flags) {
  HADAL_ASSIGN(const MappedFile file, MappedFile::open(flags.config));
  const std::string_view text(reinterpret_cast<const char*>(file.bytes().data()),
                              file.bytes().size());
  HADAL_ASSIGN(ModelConfig config, parse_config(text, flags.config));
  if (flags.mtp && config.num_nextn_predict_layers == 0) config.num_nextn_predict_layers = 1;
  const SyntheticSource source(config);
  ModelOutput model{.config = config, .source = source, .with_mtp_file = flags.mtp};
  if (flags.output.format == "gguf") {
    model.vocabulary = make_synthetic_vocabulary(config.vocab_size, config.bos_token_id,
                                                 config.eos_token_id, config.pad_token_id);
  } else {
    model.tokenizer_json = make_synthetic_tokenizer_json(config.vocab_size, config.bos_token_id,
                                                         config.eos_token_id, config.pad_token_id);
  }
  return write_model(model, flags.output);
}

}  // namespace

void add_synth(CLI::App& app, int& exit_code) {
  auto flags = std::make_shared<SynthFlags>();
  CLI::App* verb = app.add_subcommand("synth",
                                      "Writes a V4 model of any shape with deterministic random "
                                      "weights and a place-holder tokenizer");
  verb->add_option("--config", flags->config, "config.json that gives the shape")->required();
  verb->add_flag("--mtp", flags->mtp,
                 "with the MTP block (GGUF: in mtp-NAME.gguf beside; safetensors: also when the "
                 "config does not ask for it)");
  add_output_flags(*verb, flags->output, {"f32", "bf16", "native"});
  verb->callback([flags, &exit_code] {
    if (const auto done = synth(*flags); !done) exit_code = report("synth", done.error());
  });
}

}  // namespace hadal
