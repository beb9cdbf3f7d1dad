// Speed of a model on this machine beside what the machine can do: the work behind `hadal bench`.
#pragma once

#include "base/result.h"
#include "engine/backends/backend.h"
#include "engine/backends/metered_backend.h"
#include "engine/bench/machine_meter.h"
#include "engine/draft_counts.h"
#include "engine/model/model.h"

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

namespace hadal::bench {

enum class Test : std::uint8_t {
  prefill,  ///< n_prompt tokens of one stream on top of `depth` tokens; logits of the last alone
  decode,   ///< n_gen tokens of `batch` different streams, each on top of `depth` tokens
};

struct Case {
  Test test;
  std::size_t n_prompt;  ///< 0 in decode
  std::size_t n_gen;     ///< 0 in prefill
  std::size_t depth;     ///< tokens in the state before the clock starts
  std::size_t batch;     ///< streams
  std::size_t threads;
  std::size_t n_drafts;  ///< 0: each step feeds a given token; else greedy generation with drafts
};

struct Options {
  std::vector<std::size_t> prompts = {512};
  std::vector<std::size_t> gens = {64};
  std::vector<std::size_t> depths = {0};
  std::vector<std::size_t> batches = {1};
  std::vector<std::size_t> threads = {0};  ///< 0: all CPUs of this process
  std::vector<std::size_t> drafts = {0};
  std::size_t rounds = 5;
  std::size_t chunk = 512;  ///< most tokens in one forward pass of a prefill
  bool warmup = true;
  bool time_operators = false;  ///< one more round, with a clock around every operator
  BackendOptions backend = {};  ///< n_threads is overwritten by `threads`
  ModelOptions model = {};
  std::uint64_t available_bytes = 0;  ///< for MachineMeter
};

/// The cases in the order of the options: threads, depths, then prompts, then gens, batches, drafts
/// (the outer ones vary slowest). A 0 among prompts or gens means none.
/// Errors: invalid_argument, naming the option (nothing to run, batch 0, beyond the model's
/// context, drafts without an MTP block).
Result<std::vector<Case>> cases_of(const Options& options, const ModelConfig& config);

struct Sample {
  double seconds = 0;
  double tok_s = 0;    ///< of all streams together
  double rate = 0;     ///< decode: bytes per second; prefill: operations per second
  double ceiling = 0;  ///< the same of the machine, mean of the readings just before and after
  double share() const { return ceiling > 0 ? rate / ceiling : 0; }
};

struct CaseResult {
  Case config;
  std::vector<Sample> samples;  ///< one per round
  std::uint64_t bytes = 0;      ///< of one sample: weights and state that must be read
  std::uint64_t ops = 0;        ///< of one sample
  OperandClass operands = OperandClass::fp32;  ///< of most weights; prefill's ceiling
  DraftCounts drafts = {};                     ///< of all samples
  std::vector<OperatorUse> operators;          ///< of the timed round, when asked for
  double timed_seconds = 0;                    ///< wall time of that sample, operators included
};

/// All readings of one number of threads, in order.
struct MachineReadings {
  std::size_t threads = 0;
  std::vector<double> read_bytes_per_s;
  std::vector<double> ops_per_s[3];  ///< by OperandClass
};

struct Report {
  std::string backend;                   ///< of the first number of threads, in words
  std::vector<MachineReadings> machine;  ///< one per number of threads, in order of the options
  std::string_view instructions[3];      ///< by OperandClass
  std::vector<CaseResult> results;       ///< in the order of cases_of
};

/// What is going on, and how far: `done` of `total` units of this phase.
using Progress = std::function<void(const std::string& phase, std::size_t done, std::size_t total)>;

/// Runs `rounds` rounds; each takes one sample of every case in turn, so that all cases meet the
/// same weather. Streams are random tokens from fixed seeds: every run and machine sees the same
/// ids. Errors: those of cases_of, make_backend and Model::create.
Result<Report> run(const Checkpoint& checkpoint, const Options& options, const Progress& progress);

}  // namespace hadal::bench
