#include "model_output.h"

#include "byte_progress.h"
#include "engine/model/config_gguf.h"
#include "formats/gguf_writer.h"

#include <fmt/format.h>

#include <cstdio>
#include <filesystem>
#include <map>

namespace hadal {
namespace {

WeightTypes weight_types(const std::string& name) {
  if (name == "bf16") return WeightTypes::bf16;
  return name == "native" ? WeightTypes::native : WeightTypes::f32;
}

void add_vocabulary(const VocabularyTables& vocabulary, GgufWriter& out) {
  std::vector<std::int32_t> types;
  for (TokenType type : vocabulary.types) types.push_back(static_cast<std::int32_t>(type));
  out.add_string("tokenizer.ggml.model", "gpt2");
  out.add_string("tokenizer.ggml.pre", "joyai-llm");
  out.add_string_array("tokenizer.ggml.tokens", vocabulary.tokens);
  out.add_i32_array("tokenizer.ggml.token_type", types);
  out.add_string_array("tokenizer.ggml.merges", vocabulary.merges);
  if (vocabulary.ignore_merges) out.add_bool(kGgufIgnoreMerges, true);
  const auto add_id = [&](std::string_view key, std::int32_t id) {
    if (id >= 0) out.add_u32(key, static_cast<std::uint32_t>(id));
  };
  add_id("tokenizer.ggml.bos_token_id", vocabulary.bos);
  add_id("tokenizer.ggml.eos_token_id", vocabulary.eos);
  add_id("tokenizer.ggml.padding_token_id", vocabulary.pad);
  out.add_bool("tokenizer.ggml.add_bos_token", false);
}

void tell(const WriteReport& report) {
  for (const std::string& note : report.notes) fmt::print(stderr, "note: {}\n", note);
  for (const auto& file : report.files) fmt::print(stderr, "wrote {}\n", file.string());
}

std::size_t n_threads_or_all(std::size_t n_threads) {
  return n_threads == 0 ? default_n_threads() : n_threads;
}

/// Everything but the types. Refers to both arguments.
WriteOptions write_options(const ModelOutput& model, ByteProgress& progress) {
  WriteOptions options;
  options.on_progress = [&progress](std::uint64_t done, std::uint64_t total) {
    progress.update(done, total);
  };
  if (model.metadata != nullptr) {
    options.add_gguf_metadata = [&model](GgufWriter& out) { carry_metadata(*model.metadata, out); };
  } else if (model.vocabulary) {
    options.add_gguf_metadata = [&model](GgufWriter& out) {
      add_vocabulary(*model.vocabulary, out);
    };
  }
  return options;
}

Result<void> write_gguf(const ModelOutput& model, const std::string& file,
                        const WriteOptions& options, ThreadPool& pool, ByteProgress& progress) {
  HADAL_ASSIGN(WriteReport report,
               write_gguf_model(model.config, model.source, file, options, pool));
  if (model.with_mtp_file) {
    HADAL_ASSIGN(const WriteReport mtp,
                 write_gguf_mtp(model.config, model.source, file, options, pool));
    report.files.push_back(mtp.files[0]);
    report.notes.insert(report.notes.end(), mtp.notes.begin(), mtp.notes.end());
  }
  progress.end();
  tell(report);
  return {};
}

/// The name of a model without the number of the part: NAME-00002-of-00005.gguf -> NAME--of-00005.
std::string whole_name(const std::filesystem::path& file) {
  std::string name = file.filename().string();
  constexpr std::size_t kTail = std::string_view("00002-of-00005.gguf").size();
  if (name.size() > kTail && name.substr(name.size() - kTail + 5, 4) == "-of-")
    name.erase(name.size() - kTail, 5);
  return name;
}

std::string dtype_help(const std::vector<std::string>& dtypes) {
  static const std::map<std::string, std::string> table = {
      {"f32", "everything exact"},
      {"bf16", "BF16 for what the published files hold in FP8, FP4 or BF16"},
      {"native", "the published types (GGUF: Q8_0 and MXFP4)"},
      {"stored", "GGUF only: the bytes of the source; FP8 becomes Q8_0, FP4 MXFP4"},
  };
  std::vector<std::string> parts;
  for (const std::string& dtype : dtypes)
    parts.push_back(fmt::format("{}: {}", dtype, table.at(dtype)));
  return fmt::format("{}", fmt::join(parts, "; "));
}

}  // namespace

void add_output_flags(CLI::App& verb, OutputFlags& flags, const std::vector<std::string>& dtypes) {
  verb.add_option("--out", flags.out, "directory for safetensors, file for GGUF")->required();
  verb.add_option("--format", flags.format, "container")
      ->check(CLI::IsMember({"safetensors", "gguf"}))
      ->capture_default_str();
  verb.add_option("--dtype", flags.dtype, dtype_help(dtypes))
      ->check(CLI::IsMember(dtypes))
      ->capture_default_str();
  verb.add_option("--shard-bytes", flags.shard_bytes, "largest safetensors file")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  verb.add_option("-t,--threads", flags.threads, "threads; 0: all cores")
      ->check(CLI::Range(0, 1024));
}

Result<void> check_is_not_input(const std::string& out, const std::string& model) {
  namespace fs = std::filesystem;
  std::error_code ignored;
  const fs::path target = out, input = model;
  if (!fs::exists(target, ignored) || !fs::exists(input, ignored)) return {};
  const fs::path directory = target.has_parent_path() ? target.parent_path() : fs::path(".");
  const bool is_beside = fs::equivalent(
      directory, input.has_parent_path() ? input.parent_path() : fs::path("."), ignored);
  const bool is_part = is_beside && whole_name(target) == whole_name(input);
  const bool is_inside = fs::equivalent(directory, input, ignored) && target.extension() != ".gguf";
  if (!fs::equivalent(target, input, ignored) && !is_part && !is_inside) return {};
  return error(ErrorCode::invalid_argument,
               "--out {}: is a part of the model {} that is read; expected another name", out,
               model);
}

Result<void> write_model(const ModelOutput& model, const OutputFlags& flags) {
  ThreadPool pool(n_threads_or_all(flags.threads));
  ByteProgress progress;
  WriteOptions options = write_options(model, progress);
  options.types = weight_types(flags.dtype);
  if (flags.dtype == "stored") options.quantize = QuantizePlan{};
  options.max_shard_bytes = flags.shard_bytes;
  if (flags.format == "gguf") return write_gguf(model, flags.out, options, pool, progress);
  HADAL_ASSIGN(const WriteReport report,
               write_safetensors_model(model.config, model.source, flags.out, model.tokenizer_json,
                                       options, pool));
  progress.end();
  tell(report);
  return {};
}

Result<void> write_quantized_model(const ModelOutput& model, const QuantizePlan& plan,
                                   const std::string& file, std::size_t n_threads) {
  ThreadPool pool(n_threads_or_all(n_threads));
  ByteProgress progress;
  WriteOptions options = write_options(model, progress);
  options.quantize = plan;
  return write_gguf(model, file, options, pool, progress);
}

}  // namespace hadal
