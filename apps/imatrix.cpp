// hadal imatrix: which columns of the weights matter on a text, for `quantize --imatrix`.

#include "base/mapped_file.h"
#include "chat/local_model.h"
#include "common.h"
#include "engine/measure_importance.h"
#include "model_output.h"
#include "verbs.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <memory>

#include <unistd.h>

namespace hadal {
namespace {

struct ImatrixFlags {
  EngineFlags engine;
  std::string text;
  std::string out;
  std::size_t chunk = 512;
  std::size_t max_tokens = 0;
  bool parse_specials = false;
  bool process_output = false;
};

Result<std::vector<std::int32_t>> tokens_of(const ImatrixFlags& flags,
                                            const Checkpoint& checkpoint) {
  HADAL_ASSIGN(const Tokenizer tokenizer, open_tokenizer(checkpoint));
  if (!tokenizer.can_encode())
    return error(ErrorCode::unsupported,
                 "{}: the vocabulary lacks byte tokens: text cannot be encoded",
                 flags.engine.model);
  HADAL_ASSIGN(const MappedFile file, MappedFile::open(flags.text));
  const auto bytes = file.bytes();
  auto ids = tokenizer.encode({reinterpret_cast<const char*>(bytes.data()), bytes.size()},
                              flags.parse_specials ? SpecialTokens::parse : SpecialTokens::as_text);
  if (flags.max_tokens > 0) ids.resize(std::min(ids.size(), flags.max_tokens));
  return ids;
}

/// On a terminal a line that rewrites itself; else ten lines in all.
void show_progress(std::size_t chunk, std::size_t n_chunks) {
  if (::isatty(STDERR_FILENO) != 0) {
    fmt::print(stderr, "\r\033[Kchunk {} of {}", chunk + 1, n_chunks);
    std::fflush(stderr);
  } else if (chunk % std::max<std::size_t>(n_chunks / 10, 1) == 0) {
    fmt::print(stderr, "chunk {} of {}\n", chunk + 1, n_chunks);
  }
}

MeasureImportanceOptions options_of(const ImatrixFlags& flags, std::size_t n_chunks) {
  MeasureImportanceOptions options;
  options.backend.kind = flags.engine.backend == "ref" ? BackendKind::ref : BackendKind::cpu;
  options.backend.n_threads = flags.engine.threads;
  options.backend.pinning = pinning_of(flags.engine);
  options.backend.exact = flags.engine.exact || flags.engine.fake_quant;
  options.model.fake_quant = flags.engine.fake_quant;
  options.with_head = flags.process_output;
  options.on_chunk = [n_chunks](std::size_t chunk) { show_progress(chunk, n_chunks); };
  return options;
}

/// Experts that no token was routed to, of all stacks together, are quantised without importance.
void print_summary(const ImatrixFlags& flags, std::span<const WeightImportance> weights,
                   std::size_t n_tokens) {
  std::size_t n_matrices = 0;
  std::size_t n_unknown = 0;
  for (const WeightImportance& weight : weights) {
    n_matrices += weight.counts.size();
    n_unknown +=
        static_cast<std::size_t>(std::count(weight.counts.begin(), weight.counts.end(), 0u));
  }
  fmt::print(stderr, "{}{}: {} weights, {} matrices, {} tokens\n",
             ::isatty(STDERR_FILENO) != 0 ? "\r\033[K" : "", flags.out, weights.size(), n_matrices,
             n_tokens);
  if (n_unknown > 0)
    fmt::print(
        stderr,
        "note: no token was routed to {} of these matrices (experts); more text would help\n",
        n_unknown);
}

Result<void> make_imatrix(const ImatrixFlags& flags) {
  HADAL_TRY(check_is_not_input(flags.out, flags.engine.model));
  std::error_code ignored;
  if (std::filesystem::equivalent(flags.out, flags.text, ignored))
    return error(ErrorCode::invalid_argument, "--out {}: is the text; expected another name",
                 flags.out);
  place_memory(flags.engine.threads);
  HADAL_ASSIGN(const Checkpoint checkpoint, Checkpoint::open(flags.engine.model));
  HADAL_ASSIGN(const std::vector<std::int32_t> tokens, tokens_of(flags, checkpoint));
  const auto chunks = chunks_of(tokens, checkpoint.config().bos_token_id, flags.chunk);
  HADAL_ASSIGN(const std::vector<WeightImportance> weights,
               measure_importance(checkpoint, chunks, options_of(flags, chunks.size())));
  HADAL_TRY(write_importance_matrix(flags.out, weights,
                                    {.dataset = flags.text,
                                     .n_chunks = static_cast<std::uint32_t>(chunks.size()),
                                     .chunk_size = static_cast<std::uint32_t>(flags.chunk)}));
  print_summary(flags, weights, tokens.size());
  return {};
}

}  // namespace

void add_imatrix(CLI::App& app, int& exit_code) {
  auto flags = std::make_shared<ImatrixFlags>();
  CLI::App* verb = app.add_subcommand(
      "imatrix",
      "Runs the model over a text and writes an importance matrix: how much each column of each "
      "weight\nmatters, for `hadal quantize --imatrix` (or llama-quantize). Give text like that of "
      "later use, at\nleast 100,000 tokens for a model with 256 experts.\n"
      "Example: hadal imatrix -m model.gguf -f text.txt -o imatrix.gguf");
  add_engine_flags(*verb, flags->engine);
  verb->add_option("-f,--file", flags->text, "text in UTF-8")->required()->check(CLI::ExistingFile);
  verb->add_option("-o,--out", flags->out, "GGUF file to write")->required();
  verb->add_option("--chunk", flags->chunk,
                   "the text is cut into sequences of N tokens, each behind a BOS of its own")
      ->check(CLI::Range(2, 1 << 20))
      ->capture_default_str();
  verb->add_option("--max-tokens", flags->max_tokens, "stop after N tokens of the text (0: all)")
      ->capture_default_str();
  verb->add_flag("--special", flags->parse_specials,
                 "map special tokens such as <think> to their ids (default: plain text)");
  verb->add_flag("--process-output", flags->process_output,
                 "measure the language-model head and its hyper-connection too");
  verb->callback([flags, &exit_code] {
    if (const auto done = make_imatrix(*flags); !done) exit_code = report("imatrix", done.error());
  });
}

}  // namespace hadal
