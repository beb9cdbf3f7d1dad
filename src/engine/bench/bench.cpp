#include "engine/bench/bench.h"

#include "base/check.h"
#include "base/random.h"
#include "engine/generate.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <map>

namespace hadal::bench {
namespace {

using Clock = std::chrono::steady_clock;

/// Token `position` of stream `stream`.
std::int32_t token_at(std::size_t stream, std::size_t position, std::size_t vocab_size) {
  return static_cast<std::int32_t>(splitmix64_at(stream, position) % vocab_size);
}

std::vector<std::int32_t> tokens_of(std::size_t stream, std::size_t begin, std::size_t n,
                                    std::size_t vocab_size) {
  std::vector<std::int32_t> tokens(n);
  for (std::size_t i = 0; i < n; ++i) tokens[i] = token_at(stream, begin + i, vocab_size);
  return tokens;
}

/// Of most weights that a token multiplies with: of the routed experts its own.
OperandClass main_class(const Checkpoint& checkpoint) {
  const ModelConfig& config = checkpoint.config();
  std::array<double, 3> n_weights{};
  for (const CheckpointTensor& tensor : checkpoint.tensors()) {
    const std::string_view name = tensor.name;
    const bool looked_up = name == "embed.weight" || name.ends_with("tid2eid");
    if (looked_up || name.starts_with("mtp.") || tensor.shape.size() < 2) continue;
    const bool routed = name.find(".experts.") != std::string_view::npos;
    const double share = routed ? static_cast<double>(config.num_experts_per_tok) /
                                      static_cast<double>(config.n_routed_experts)
                                : 1.0;
    n_weights[static_cast<std::size_t>(class_of(tensor.view.dtype))] +=
        share * static_cast<double>(tensor.view.rows * tensor.view.cols);
  }
  const auto most = std::max_element(n_weights.begin(), n_weights.end());
  return static_cast<OperandClass>(most - n_weights.begin());
}

struct Outcome {
  double seconds = 0;
  DraftCounts drafts = {};
};

/// The model on one number of threads.
class Runner {
 public:
  static Result<std::unique_ptr<Runner>> create(const Checkpoint& checkpoint,
                                                const Options& options, std::size_t n_threads) {
    BackendOptions backend_options = options.backend;
    backend_options.n_threads = n_threads;
    HADAL_ASSIGN(auto backend, make_backend(backend_options));
    auto runner = std::make_unique<Runner>(std::move(backend), n_threads, options.chunk);
    HADAL_ASSIGN(runner->model_, Model::create(checkpoint, runner->metered_, options.model));
    return runner;
  }

  Runner(std::unique_ptr<Backend> backend, std::size_t n_threads, std::size_t chunk)
      : n_threads_(n_threads), chunk_(chunk), backend_(std::move(backend)), metered_(*backend_) {}

  std::size_t n_threads() const { return n_threads_; }
  Model& model() { return *model_; }
  MeteredBackend& metered() { return metered_; }

  /// Feeds tokens [state.n_tokens(), end) of `stream` in chunks.
  void feed(SequenceState& state, std::size_t stream, std::size_t end) {
    while (state.n_tokens() < end) {
      const std::size_t n = std::min(chunk_, end - state.n_tokens());
      const auto tokens = tokens_of(stream, state.n_tokens(), n, vocab_size());
      const bool last = state.n_tokens() + n == end;
      const ForwardInput input{
          .state = &state, .tokens = tokens, .logits = last ? LogitsFor::last : LogitsFor::none};
      model_->forward({&input, 1});
    }
  }

  /// One sample on states that hold `depth` tokens each; the account holds this run alone after.
  Outcome run(const Case& c, std::vector<SequenceState>& states) {
    metered_.reset();
    Outcome outcome;
    const Clock::time_point start = Clock::now();
    if (c.test == Test::prefill) {
      feed(states.front(), 0, c.depth + c.n_prompt);
    } else if (c.n_drafts == 0) {
      decode(c, states);
    } else {
      outcome = generate_with_drafts(c, states);
    }
    outcome.seconds = std::chrono::duration<double>(Clock::now() - start).count();
    return outcome;
  }

 private:
  std::size_t vocab_size() const { return model_->config().vocab_size; }

  void decode(const Case& c, std::vector<SequenceState>& states) {
    std::vector<std::int32_t> tokens(states.size());
    std::vector<ForwardInput> inputs;
    for (std::size_t i = 0; i < states.size(); ++i)
      inputs.push_back({.state = &states[i], .tokens = {&tokens[i], 1}, .logits = LogitsFor::last});
    for (std::size_t step = 0; step < c.n_gen; ++step) {
      for (std::size_t i = 0; i < states.size(); ++i)
        tokens[i] = token_at(i, c.depth + step, vocab_size());
      model_->forward(inputs);
    }
  }

  Outcome generate_with_drafts(const Case& c, std::vector<SequenceState>& states) {
    std::vector<GenerationRequest> requests(states.size());
    for (std::size_t i = 0; i < states.size(); ++i) {
      requests[i].state = &states[i];
      requests[i].prompt = {token_at(i, c.depth, vocab_size())};
      requests[i].sampling.temperature = 0;
      requests[i].max_tokens = c.n_gen;
      requests[i].n_drafts = c.n_drafts;
    }
    const auto generations = generate(*model_, requests);
    HADAL_CHECK(generations.has_value(), "cases_of has checked what generate checks");
    Outcome outcome;
    for (const Generation& generation : *generations) {
      outcome.drafts += generation.drafts;
    }
    return outcome;
  }

  std::size_t n_threads_;
  std::size_t chunk_;
  std::unique_ptr<Backend> backend_;
  MeteredBackend metered_;
  std::unique_ptr<Model> model_;
};

/// States of the streams at every depth, computed once; samples run on copies.
class Past {
 public:
  /// Streams that the cases need at each depth.
  explicit Past(const std::vector<Case>& cases) {
    for (const Case& c : cases) {
      std::size_t& n = n_streams_[c.depth];
      n = std::max(n, c.batch);
    }
  }

  void prepare(Runner& runner, const Progress& progress) {
    std::size_t total = 0;
    for (const auto& [depth, n] : n_streams_) total += depth > 0 ? n : 0;
    std::size_t done = 0;
    for (const auto& [depth, n] : n_streams_) {
      for (std::size_t stream = 0; stream < n; ++stream) {
        if (depth > 0) {
          progress(fmt::format("preparing stream {} at depth {}", stream + 1, depth), done++,
                   total);
        }
        SequenceState state = runner.model().new_sequence();
        if (depth > 0) runner.feed(state, stream, depth);
        states_[depth].push_back(std::move(state));
      }
    }
  }

  std::vector<SequenceState> states_for(const Case& c) const {
    std::vector<SequenceState> copies;
    for (std::size_t stream = 0; stream < c.batch; ++stream)
      copies.push_back(states_.at(c.depth)[stream].clone());
    return copies;
  }

 private:
  std::map<std::size_t, std::size_t> n_streams_;
  std::map<std::size_t, std::vector<SequenceState>> states_;
};

/// Readings of one number of threads; the one after a sample serves as the one before the next.
class Weather {
 public:
  Weather(MachineMeter& meter, std::size_t n_threads) : meter_(meter) {
    readings_.threads = n_threads;
  }

  double read() {
    readings_.read_bytes_per_s.push_back(meter_.read_bytes_per_s(readings_.threads));
    return readings_.read_bytes_per_s.back();
  }
  double peak(OperandClass operands) {
    auto& list = readings_.ops_per_s[static_cast<std::size_t>(operands)];
    list.push_back(meter_.ops_per_s(operands, readings_.threads));
    return list.back();
  }
  void all() {
    read();
    for (const OperandClass c : {OperandClass::fp32, OperandClass::bf16, OperandClass::int8})
      peak(c);
  }
  const MachineReadings& readings() const { return readings_; }

 private:
  MachineMeter& meter_;
  MachineReadings readings_;
};

class Bench {
 public:
  Bench(const Checkpoint& checkpoint, const Options& options, std::vector<Case> cases,
        const Progress& progress)
      : checkpoint_(checkpoint),
        options_(options),
        progress_(progress),
        meter_(options.available_bytes),
        past_(cases) {
    const OperandClass operands = main_class(checkpoint);
    for (const Case& c : cases) {
      CaseResult& result = report_.results.emplace_back();
      result.config = c;
      result.operands = operands;
    }
  }

  Result<Report> run() {
    HADAL_TRY(create_runners());
    past_.prepare(*runners_.front(), progress_);
    if (options_.warmup) warm_up();
    for (Weather& weather : weather_) weather.all();
    for (std::size_t round = 0; round < options_.rounds; ++round) run_round(round);
    if (options_.time_operators) time_operators();
    return finish();
  }

 private:
  Result<void> create_runners() {
    for (const CaseResult& result : report_.results) {
      const std::size_t n = result.config.threads;
      if (runner_index(result.config) < runners_.size()) continue;
      HADAL_ASSIGN(auto runner, Runner::create(checkpoint_, options_, n));
      runners_.push_back(std::move(runner));
      weather_.emplace_back(meter_, n);
    }
    return {};
  }

  std::size_t runner_index(const Case& c) const {
    const auto found = std::find_if(runners_.begin(), runners_.end(), [&](const auto& runner) {
      return runner->n_threads() == c.threads;
    });
    return static_cast<std::size_t>(found - runners_.begin());
  }

  Outcome run_once(const Case& c) {
    std::vector<SequenceState> states = past_.states_for(c);
    return runners_[runner_index(c)]->run(c, states);
  }

  void warm_up() {
    for (std::size_t i = 0; i < report_.results.size(); ++i) {
      progress_("warming up", i, report_.results.size());
      Case c = report_.results[i].config;
      c.n_prompt = std::min(c.n_prompt, options_.chunk);
      c.n_gen = std::min<std::size_t>(c.n_gen, 2);
      run_once(c);
    }
  }

  void run_round(std::size_t round) {
    const Weather* last = nullptr;  // where the last reading was taken, with nothing run since
    double last_read = 0;
    for (std::size_t i = 0; i < report_.results.size(); ++i) {
      CaseResult& result = report_.results[i];
      progress_(fmt::format("round {} of {}", round + 1, options_.rounds), i,
                report_.results.size());
      Weather& weather = weather_[runner_index(result.config)];
      if (result.config.test == Test::prefill) {
        prefill_sample(result, weather);
        last = nullptr;
        continue;
      }
      const double before = last == &weather ? last_read : weather.read();
      Sample& sample = take_sample(result);
      last_read = weather.read();
      last = &weather;
      sample.ceiling = (before + last_read) / 2;
      sample.rate = static_cast<double>(result.bytes) / sample.seconds;
    }
  }

  void prefill_sample(CaseResult& result, Weather& weather) {
    const double before = weather.peak(result.operands);
    Sample& sample = take_sample(result);
    const double after = weather.peak(result.operands);
    sample.ceiling = (before + after) / 2;
    sample.rate = static_cast<double>(result.ops) / sample.seconds;
  }

  Sample& take_sample(CaseResult& result) {
    const Case& c = result.config;
    const Outcome outcome = run_once(c);
    const MeteredBackend& metered = runners_[runner_index(c)]->metered();
    result.bytes = metered.bytes();
    result.ops = metered.ops();
    result.drafts += outcome.drafts;
    const auto n_tokens =
        static_cast<double>(c.test == Test::prefill ? c.n_prompt : c.n_gen * c.batch);
    return result.samples.emplace_back(
        Sample{.seconds = outcome.seconds, .tok_s = n_tokens / outcome.seconds});
  }

  void time_operators() {
    for (std::size_t i = 0; i < report_.results.size(); ++i) {
      progress_("timing operators", i, report_.results.size());
      CaseResult& result = report_.results[i];
      MeteredBackend& metered = runners_[runner_index(result.config)]->metered();
      metered.set_timing(true);
      result.timed_seconds = run_once(result.config).seconds;
      metered.set_timing(false);
      result.operators = metered.uses();
    }
  }

  Report finish() {
    report_.backend = runners_.front()->metered().description();
    for (const Weather& weather : weather_) report_.machine.push_back(weather.readings());
    for (const OperandClass c : {OperandClass::fp32, OperandClass::bf16, OperandClass::int8})
      report_.instructions[static_cast<std::size_t>(c)] = meter_.instruction(c);
    return std::move(report_);
  }

  const Checkpoint& checkpoint_;
  const Options& options_;
  const Progress& progress_;
  MachineMeter meter_;
  Past past_;
  std::vector<std::unique_ptr<Runner>> runners_;  ///< one per number of threads
  std::vector<Weather> weather_;                  ///< of the runners
  Report report_;
};

}  // namespace

Result<Report> run(const Checkpoint& checkpoint, const Options& options, const Progress& progress) {
  HADAL_ASSIGN(std::vector<Case> cases, cases_of(options, checkpoint.config()));
  return Bench(checkpoint, options, std::move(cases), progress).run();
}

}  // namespace hadal::bench
