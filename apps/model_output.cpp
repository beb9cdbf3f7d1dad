#include "model_output.h"

#include "formats/gguf_writer.h"

#include <fmt/format.h>

#include <chrono>
#include <cstdio>

#include <unistd.h>

namespace hadal {
namespace {

constexpr double kGb = 1e9;

/// One line on stderr that tells how far a long write is. On a terminal it is redrawn, in a log it
/// is a line per tenth.
class ProgressLine {
 public:
  void update(std::uint64_t done, std::uint64_t total) {
    const auto now = std::chrono::steady_clock::now();
    const std::chrono::duration<double> since_start = now - start_;
    if (total < kSmall || now - last_ < (is_terminal_ ? kRedraw : std::chrono::milliseconds(0)))
      return;
    const auto tenth = done * 10 / total;
    if (!is_terminal_ && tenth == tenth_) return;
    last_ = now;
    tenth_ = tenth;
    const double speed = static_cast<double>(done) / std::max(since_start.count(), 1e-3);
    fmt::print(stderr, "{}{:3.0f} %  {:.2f} of {:.2f} GB  {:.0f} MB/s  {:.0f} s left{}",
               is_terminal_ ? "\r" : "",
               100.0 * static_cast<double>(done) / static_cast<double>(total),
               static_cast<double>(done) / kGb, static_cast<double>(total) / kGb, speed / 1e6,
               static_cast<double>(total - done) / speed, is_terminal_ ? "   " : "\n");
    needs_newline_ = is_terminal_;
  }
  ~ProgressLine() {
    if (needs_newline_) fmt::print(stderr, "\n");
  }

 private:
  static constexpr std::uint64_t kSmall = 200'000'000;
  static constexpr std::chrono::milliseconds kRedraw{200};

  std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
  std::chrono::steady_clock::time_point last_ = start_;
  std::uint64_t tenth_ = 0;
  bool is_terminal_ = isatty(STDERR_FILENO) != 0;
  bool needs_newline_ = false;
};

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

}  // namespace

void add_output_flags(CLI::App& verb, OutputFlags& flags) {
  verb.add_option("--out", flags.out, "directory for safetensors, file for GGUF")->required();
  verb.add_option("--format", flags.format, "container")
      ->check(CLI::IsMember({"safetensors", "gguf"}))
      ->capture_default_str();
  verb.add_option("--dtype", flags.dtype,
                  "f32: everything exact; bf16: BF16 for what the published files hold in FP8, FP4 "
                  "or BF16; "
                  "native: the published types (GGUF: Q8_0 and MXFP4)")
      ->check(CLI::IsMember({"f32", "bf16", "native"}))
      ->capture_default_str();
  verb.add_option("--shard-bytes", flags.shard_bytes, "largest safetensors file")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  verb.add_option("-t,--threads", flags.threads, "threads; 0: all CPUs")
      ->check(CLI::Range(0, 1024));
}

Result<void> write_model(const ModelOutput& model, const OutputFlags& flags) {
  ThreadPool pool(flags.threads == 0 ? n_available_cpus() : flags.threads);
  WriteReport report;
  {
    ProgressLine progress;
    WriteOptions options{.types = weight_types(flags.dtype), .max_shard_bytes = flags.shard_bytes};
    options.on_progress = [&](std::uint64_t done, std::uint64_t total) {
      progress.update(done, total);
    };
    if (model.vocabulary)
      options.add_gguf_metadata = [&](GgufWriter& out) { add_vocabulary(*model.vocabulary, out); };
    if (flags.format == "safetensors") {
      HADAL_ASSIGN(report, write_safetensors_model(model.config, model.source, flags.out,
                                                   model.tokenizer_json, options, pool));
    } else {
      HADAL_ASSIGN(report, write_gguf_model(model.config, model.source, flags.out, options, pool));
      if (model.with_mtp_file) {
        HADAL_ASSIGN(WriteReport mtp,
                     write_gguf_mtp(model.config, model.source, flags.out, options, pool));
        report.files.push_back(mtp.files[0]);
        report.notes.insert(report.notes.end(), mtp.notes.begin(), mtp.notes.end());
      }
    }
  }
  tell(report);
  return {};
}

}  // namespace hadal
