// hadal quantize: a model as GGUF with its routed experts, and if wanted the rest, in fewer bits.

#include "carry_tokenizer.h"
#include "common.h"
#include "engine/model/importance_matrix.h"
#include "model_output.h"
#include "verbs.h"

#include <map>
#include <memory>
#include <optional>
#include <set>

namespace hadal {
namespace {

struct QuantizeFlags {
  std::string model;
  std::string out;
  std::string type;
  std::string type_rest;
  std::string imatrix;
  std::size_t threads = 0;
};

const std::map<std::string, Encoding>& encodings() {
  static const std::map<std::string, Encoding> table = {
      {"f32", Encoding::f32},   {"f16", Encoding::f16},     {"bf16", Encoding::bf16},
      {"q8_0", Encoding::q8_0}, {"q6_k", Encoding::q6_k},   {"q5_k", Encoding::q5_k},
      {"q4_k", Encoding::q4_k}, {"mxfp4", Encoding::mxfp4}, {"q4_0", Encoding::q4_0},
  };
  return table;
}

/// For transform(): also brings the letters to lower case.
CLI::IsMember is_type() {
  std::set<std::string> names;
  for (const auto& [name, encoding] : encodings()) names.insert(name);
  return CLI::IsMember(names, CLI::ignore_case);
}

/// Only the types with searched scales can use an importance matrix.
Result<void> check_importance_is_used(const QuantizeFlags& flags, const QuantizePlan& plan) {
  if (flags.imatrix.empty() || has_searched_scales(*plan.experts)) return {};
  if (plan.rest && has_searched_scales(*plan.rest)) return {};
  return error(ErrorCode::invalid_argument,
               "--imatrix {}: has no use for type {}; it serves q4_0, q4_k, q5_k and q6_k",
               flags.imatrix, flags.type);
}

Result<void> quantize(const QuantizeFlags& flags) {
  HADAL_TRY(check_is_not_input(flags.out, flags.model));
  QuantizePlan plan{.experts = encodings().at(flags.type)};
  if (!flags.type_rest.empty()) plan.rest = encodings().at(flags.type_rest);
  HADAL_TRY(check_importance_is_used(flags, plan));
  std::optional<ImportanceMatrix> importance;
  if (!flags.imatrix.empty()) {
    HADAL_ASSIGN(importance, ImportanceMatrix::open(flags.imatrix));
    plan.importance = &*importance;
  }
  HADAL_ASSIGN(const Checkpoint checkpoint, Checkpoint::open(flags.model));
  const CheckpointSource source(checkpoint);
  const bool has_mtp = checkpoint.config().num_nextn_predict_layers > 0;
  ModelOutput model{.config = checkpoint.config(), .source = source, .with_mtp_file = has_mtp};
  HADAL_TRY(carry_tokenizer(checkpoint, true, model));
  return write_quantized_model(model, plan, flags.out, flags.threads);
}

}  // namespace

void add_quantize(CLI::App& app, int& exit_code) {
  auto flags = std::make_shared<QuantizeFlags>();
  CLI::App* verb = app.add_subcommand(
      "quantize",
      "Writes a model as GGUF with its routed experts in fewer bits. All other weights keep their "
      "bytes,\nunless --type-rest is given. Bits per weight: q8_0 8.5, q6_k 6.56, q5_k 5.5, q4_k "
      "and q4_0 4.5, mxfp4 4.25.\nExample: hadal quantize -m model.gguf --out model-q4_k.gguf "
      "--type q4_k");
  verb->add_option("-m,--model", flags->model,
                   "model: directory, .gguf file, Hub id in the local cache, or builtin")
      ->required();
  verb->add_option("--out", flags->out, "GGUF file to write")->required();
  verb->add_option("--type", flags->type, "type of the routed experts")
      ->required()
      ->transform(is_type());
  verb->add_option("--type-rest", flags->type_rest,
                   "type of attention projections, shared experts, embedding and head; norms, "
                   "router, compressors and hyper-connections always keep theirs")
      ->transform(is_type());
  verb->add_option("--imatrix", flags->imatrix,
                   "importance matrix (GGUF, as llama-imatrix writes it): columns that matter more "
                   "are rounded better; for q4_0, q4_k, q5_k, q6_k")
      ->check(CLI::ExistingFile);
  verb->add_option("-t,--threads", flags->threads, "threads; 0: all cores")
      ->check(CLI::Range(0, 1024));
  verb->callback([flags, &exit_code] {
    if (const auto done = quantize(*flags); !done) exit_code = report("quantize", done.error());
  });
}

}  // namespace hadal
