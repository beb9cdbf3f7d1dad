// hadal bench: prefill and decode speed, beside what this machine can do.

#include "bench_output.h"
#include "common.h"
#include "verbs.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <memory>

#include <unistd.h>

namespace hadal {
namespace {

struct BenchFlags {
  EngineFlags engine;
  bench::Options options;
  std::string output = "table";
  bool json = false;
  bool no_warmup = false;
  bool bandwidth = false;
};

/// On a terminal one line that rewrites itself; else one line per phase.
class ProgressLine {
 public:
  ~ProgressLine() {
    if (terminal_) fmt::print(stderr, "\r\033[K");
  }

  void show(const std::string& phase, std::size_t done, std::size_t total) {
    if (terminal_) {
      fmt::print(stderr, "\r\033[K{}: {} of {} ", phase, done + 1, total);
      std::fflush(stderr);
    } else if (phase != last_phase_) {
      fmt::print(stderr, "{}\n", phase);
    }
    last_phase_ = phase;
  }

 private:
  bool terminal_ = ::isatty(STDERR_FILENO) != 0;
  std::string last_phase_;
};

/// One line of JSON per number of threads.
void print_bandwidth(const bench::Options& options) {
  bench::MachineMeter meter(options.available_bytes);
  for (const std::size_t threads : options.threads) {
    const std::size_t n = threads != 0 ? threads : default_n_threads();
    fmt::print("{{\"threads\": {}, \"read_gb_s\": {:.3f}}}\n", n, meter.read_bytes_per_s(n) / 1e9);
  }
}

std::string formatted(const bench::Report& report, const BenchFacts& facts,
                      const std::string& output) {
  if (output == "hadal-json") return bench_json(report, facts);
  if (output == "json" || output == "jsonl")
    return llama_bench_json(report, facts, output == "jsonl");
  if (output == "md") return llama_bench_markdown(report, facts);
  return bench_table(report, facts);
}

Result<void> run_bench(BenchFlags flags) {
  bench::Options& options = flags.options;
  BenchFacts facts{.model = flags.engine.model,
                   .needs = {},
                   .machine = look_at_machine(),
                   .rounds = options.rounds,
                   .chunk = options.chunk};
  options.available_bytes = facts.machine.available_bytes;
  options.warmup = !flags.no_warmup;
  options.backend.kind = flags.engine.backend == "ref" ? BackendKind::ref : BackendKind::cpu;
  options.backend.pinning = pinning_of(flags.engine);
  options.backend.exact = flags.engine.exact;
  options.model.fake_quant = flags.engine.fake_quant;
  std::size_t most_threads = 1;
  for (const std::size_t threads : options.threads)
    most_threads = std::max(most_threads, threads != 0 ? threads : default_n_threads());
  place_memory(most_threads);
  if (flags.bandwidth) {
    print_bandwidth(options);
    return {};
  }
  HADAL_ASSIGN(const Checkpoint checkpoint, Checkpoint::open(flags.engine.model));
  facts.needs = needs_of(checkpoint);
  HADAL_ASSIGN(options.model.world_model, world_model_options(flags.engine, checkpoint));
  std::optional<ArrangedWeights> arranged;
  if (!flags.engine.as_stored) arranged = ArrangedWeights::find(checkpoint);
  options.model.arranged = arranged ? &*arranged : nullptr;
  HADAL_ASSIGN(const bench::Report report, ([&] {
                 ProgressLine line;
                 return bench::run(checkpoint, options,
                                   [&](const std::string& phase, std::size_t done,
                                       std::size_t total) { line.show(phase, done, total); });
               }()));
  fmt::print("{}", formatted(report, facts, flags.json ? "hadal-json" : flags.output));
  return {};
}

/// -t takes a list here.
void add_threads(CLI::App& verb, std::vector<std::size_t>& threads) {
  verb.remove_option(verb.get_option("--threads"));
  verb.add_option("-t,--threads", threads,
                  "numbers of threads (0: one per core that this process may use)")
      ->delimiter(',')
      ->check(CLI::Range(0, 1024))
      ->capture_default_str();
}

void add_cases(CLI::App& verb, bench::Options& options) {
  const auto add_list = [&](const char* name, std::vector<std::size_t>& list, const char* text) {
    return verb.add_option(name, list, text)->delimiter(',')->capture_default_str();
  };
  add_list("-p,--prompt", options.prompts, "tokens to prefill; 0: no prefill test");
  add_list("-n,--gen", options.gens, "tokens to decode in each stream; 0: no decode test");
  add_list("-d,--depth", options.depths, "tokens already in the context before each test");
  add_list("--batch", options.batches, "streams that decode side by side, each its own text");
  add_threads(verb, options.threads);
  add_list("--draft", options.drafts,
           "tokens drafted per step by the MTP block (greedy text instead of given tokens)");
}

}  // namespace

void add_bench(CLI::App& app, int& exit_code) {
  auto flags = std::make_shared<BenchFlags>();
  bench::Options& options = flags->options;
  CLI::App* verb = app.add_subcommand(
      "bench",
      "Speed of prefill and decode beside what this machine can do; seconds with the built-in "
      "model. Lists are separated by commas: every combination is run, in rounds");
  add_engine_flags(*verb, flags->engine);
  add_cases(*verb, options);
  verb->add_option("-r,--rounds,--repetitions", options.rounds, "samples of each case")
      ->capture_default_str();
  verb->add_option("--chunk,--ubatch-size", options.chunk, "most tokens in one pass of a prefill")
      ->capture_default_str();
  verb->add_flag("--no-warmup", flags->no_warmup, "begin with the first sample");
  verb->add_flag("--ops", options.time_operators,
                 "one more round that times every operator: where the time goes");
  CLI::Option* json = verb->add_flag("--json", flags->json,
                                     "for programs: machine, model, results with every sample");
  verb->add_option("-o,--output", flags->output,
                   "table; or as llama-bench writes them: json (with samples_ts), jsonl, md")
      ->check(CLI::IsMember({"table", "json", "jsonl", "md"}))
      ->excludes(json)
      ->capture_default_str();
  verb->add_flag("--bandwidth", flags->bandwidth,
                 "only read memory for 0.3 s and print the bandwidth as JSON; no model is loaded");
  verb->callback([flags, &exit_code] {
    if (const auto done = run_bench(*flags); !done) exit_code = report("bench", done.error());
  });
}

}  // namespace hadal
