#include "bench_output.h"

#include "engine/bench/statistics.h"

#include <fmt/chrono.h>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <cmath>
#include <ctime>
#include <iterator>
#include <numeric>

namespace hadal {
namespace {

using bench::Case;
using bench::CaseResult;
using bench::MachineReadings;
using bench::OperandClass;
using bench::Report;
using bench::Sample;
using bench::Spread;
using bench::spread_of;
using bench::Test;
using Json = nlohmann::ordered_json;

constexpr double kGiga = 1e9;
/// A model below this stays in the caches of common machines, so memory does not bound it.
constexpr std::uint64_t kCacheBytes = 64'000'000;

template <typename Get>
std::vector<double> each_sample(const CaseResult& result, Get get) {
  std::vector<double> values;
  for (const Sample& sample : result.samples) values.push_back(get(sample));
  return values;
}

std::vector<double> rates(const CaseResult& result) {
  return each_sample(result, [](const Sample& s) { return s.tok_s; });
}

std::vector<double> shares(const CaseResult& result) {
  return each_sample(result, [](const Sample& s) { return s.share(); });
}

const MachineReadings& readings_of(const Report& report, std::size_t threads) {
  const auto found = std::find_if(report.machine.begin(), report.machine.end(),
                                  [&](const MachineReadings& m) { return m.threads == threads; });
  return found != report.machine.end() ? *found : report.machine.front();
}

const MachineReadings& most_threads(const Report& report) {
  return *std::max_element(
      report.machine.begin(), report.machine.end(),
      [](const MachineReadings& a, const MachineReadings& b) { return a.threads < b.threads; });
}

double peak(const MachineReadings& m, OperandClass operands) {
  return spread_of(m.ops_per_s[static_cast<std::size_t>(operands)]).median;
}

/// A GGUF or config stores dimensions, not names of types: the words of the DType table.
std::string weights_of(const OperatorUse& use) {
  const bool has_weights =
      use.bytes > 0 && use.op != Operator::attention && use.op != Operator::indexer_select;
  return has_weights ? std::string(info(use.dtype).name) : "-";
}

std::string scaled(double n) {
  if (n >= 1e9) return fmt::format("{:.2f} G", n / 1e9);
  if (n >= 1e6) return fmt::format("{:.1f} M", n / 1e6);
  return fmt::format("{:.1f} K", n / 1e3);
}

// --- table ---

std::string machine_lines(const Report& report) {
  std::string text;
  for (const MachineReadings& m : report.machine) {
    const Spread read = spread_of(m.read_bytes_per_s);
    fmt::format_to(std::back_inserter(text),
                   "{} thread{}: memory read {:.1f} GB/s [{:.1f}-{:.1f}]; peaks int8 {:.0f} GOP/s, "
                   "bf16 {:.0f} GFLOP/s, fp32 {:.0f} GFLOP/s\n",
                   m.threads, m.threads == 1 ? "" : "s", read.median / kGiga, read.min / kGiga,
                   read.max / kGiga, peak(m, OperandClass::int8) / kGiga,
                   peak(m, OperandClass::bf16) / kGiga, peak(m, OperandClass::fp32) / kGiga);
  }
  return text;
}

std::string result_line(const CaseResult& result) {
  const Case& c = result.config;
  const bool prefill = c.test == Test::prefill;
  const Spread tok_s = spread_of(rates(result));
  const double rate = spread_of(each_sample(result, [](const Sample& s) { return s.rate; })).median;
  const std::string range = fmt::format("[{:.1f}-{:.1f}]", tok_s.min, tok_s.max);
  std::string line =
      fmt::format("{:<8} {:>6} {:>6} {:>5} {:>7} {:>10.1f} {:>19} {:>10.1f} {:<5} {:>5.1f} % of {}",
                  prefill ? "prefill" : "decode", prefill ? c.n_prompt : c.n_gen, c.depth, c.batch,
                  c.threads, tok_s.median, range, rate / kGiga, prefill ? "GOP/s" : "GB/s",
                  100 * spread_of(shares(result)).median,
                  prefill ? fmt::format("{} peak", name_of(result.operands)) : "memory read");
  if (c.n_drafts > 0) {
    line += fmt::format("; {} drafts a step, {} of {} accepted", c.n_drafts,
                        result.drafts.n_accepted, result.drafts.n_drafted);
  }
  return line + "\n";
}

double bound_of(const OperatorUse& use, const MachineReadings& m) {
  const double by_bytes = static_cast<double>(use.bytes) / spread_of(m.read_bytes_per_s).median;
  const double by_ops = static_cast<double>(use.ops) / peak(m, bench::class_of(use.dtype));
  return std::max(by_bytes, by_ops);
}

std::string operator_line(const OperatorUse& use, const MachineReadings& m, double total_seconds,
                          std::size_t n_passes) {
  const auto n = static_cast<double>(n_passes);
  const std::string bound = use.bytes + use.ops > 0 && use.seconds > 0
                                ? fmt::format("{:.0f} %", 100 * bound_of(use, m) / use.seconds)
                                : "-";
  return fmt::format("  {:<24} {:<8} {:>8.1f} {:>10.3f} {:>7.1f} % {:>9.2f} {:>9.1f} {:>10}\n",
                     name_of(use.op), weights_of(use), static_cast<double>(use.n_calls) / n,
                     1e3 * use.seconds / n, 100 * use.seconds / total_seconds,
                     use.seconds > 0 ? static_cast<double>(use.bytes) / use.seconds / kGiga : 0.0,
                     use.seconds > 0 ? static_cast<double>(use.ops) / use.seconds / kGiga : 0.0,
                     bound);
}

std::string operator_table(const CaseResult& result, const MachineReadings& m) {
  const Case& c = result.config;
  const bool prefill = c.test == Test::prefill;
  const std::size_t n_passes = prefill ? 1 : c.n_gen;
  std::string text = fmt::format(
      "\n{}, depth {}, batch {}, {} threads: one more round, {:.2f} ms per {}\n",
      prefill ? fmt::format("prefill of {}", c.n_prompt) : fmt::format("decode of {}", c.n_gen),
      c.depth, c.batch, c.threads, 1e3 * result.timed_seconds / static_cast<double>(n_passes),
      prefill ? "prompt" : "step");
  text += fmt::format("  {:<24} {:<8} {:>8} {:>10} {:>9} {:>9} {:>9} {:>10}\n", "operator",
                      "weights", "calls", "ms", "of time", "GB/s", "GOP/s", "of ceiling");
  std::vector<OperatorUse> uses = result.operators;
  std::sort(uses.begin(), uses.end(),
            [](const OperatorUse& a, const OperatorUse& b) { return a.seconds > b.seconds; });
  double inside = 0;
  for (const OperatorUse& use : uses) {
    inside += use.seconds;
    text += operator_line(use, m, result.timed_seconds, n_passes);
  }
  const double outside = result.timed_seconds - inside;
  text += fmt::format("  {:<24} {:<8} {:>8} {:>10.3f} {:>7.1f} %\n", "outside of operators", "-",
                      "", 1e3 * outside / static_cast<double>(n_passes),
                      100 * outside / result.timed_seconds);
  return text;
}

// --- JSON ---

std::vector<double> in_giga(std::vector<double> values) {
  for (double& value : values) value /= kGiga;
  return values;
}

Json machine_json(const Report& report, const BenchFacts& facts) {
  const MachineReadings& m = most_threads(report);
  Json by_threads = Json::array();
  for (const MachineReadings& one : report.machine) {
    by_threads.push_back({{"threads", one.threads},
                          {"read_gb_s_all", in_giga(one.read_bytes_per_s)},
                          {"int8_gop_s", peak(one, OperandClass::int8) / kGiga},
                          {"bf16_gflop_s", peak(one, OperandClass::bf16) / kGiga},
                          {"fp32_gflop_s", peak(one, OperandClass::fp32) / kGiga}});
  }
  return {{"cpu", facts.machine.cpu},
          {"n_cpus", facts.machine.n_cpus},
          {"backend", report.backend},
          {"threads", m.threads},
          {"read_gb_s", spread_of(m.read_bytes_per_s).median / kGiga},
          {"int8_gop_s", peak(m, OperandClass::int8) / kGiga},
          {"bf16_gflop_s", peak(m, OperandClass::bf16) / kGiga},
          {"fp32_gflop_s", peak(m, OperandClass::fp32) / kGiga},
          {"int8_instruction", report.instructions[static_cast<std::size_t>(OperandClass::int8)]},
          {"bf16_instruction", report.instructions[static_cast<std::size_t>(OperandClass::bf16)]},
          {"fp32_instruction", report.instructions[static_cast<std::size_t>(OperandClass::fp32)]},
          {"by_threads", by_threads}};
}

Json model_json(const BenchFacts& facts) {
  return {{"name", facts.model},
          {"parameters", facts.needs.n_parameters},
          {"active_parameters", facts.needs.n_active_parameters},
          {"weight_bytes", facts.needs.weight_bytes},
          {"bytes_per_token", facts.needs.bytes_per_token}};
}

Json operators_json(const CaseResult& result) {
  Json operators = Json::array();
  for (const OperatorUse& use : result.operators) {
    operators.push_back({{"operator", name_of(use.op)},
                         {"weights", weights_of(use)},
                         {"calls", use.n_calls},
                         {"seconds", use.seconds},
                         {"share_of_time", use.seconds / result.timed_seconds},
                         {"bytes", use.bytes},
                         {"ops", use.ops}});
  }
  return operators;
}

Json result_json(const CaseResult& result) {
  const Case& c = result.config;
  const bool prefill = c.test == Test::prefill;
  const Spread tok_s = spread_of(rates(result));
  const auto rate = in_giga(each_sample(result, [](const Sample& s) { return s.rate; }));
  const auto ceiling = in_giga(each_sample(result, [](const Sample& s) { return s.ceiling; }));
  Json json = {{"test", prefill ? "prefill" : "decode"},
               {"n_prompt", c.n_prompt},
               {"n_gen", c.n_gen},
               {"depth", c.depth},
               {"batch", c.batch},
               {"threads", c.threads},
               {"draft", c.n_drafts},
               {"tok_s", tok_s.median},
               {"tok_s_min", tok_s.min},
               {"tok_s_max", tok_s.max},
               {"tok_s_all", rates(result)},
               {"share_of_ceiling", spread_of(shares(result)).median},
               {"share_of_ceiling_all", shares(result)}};
  if (prefill) {
    json["operands"] = name_of(result.operands);
    json["ops_per_token"] = static_cast<double>(result.ops) / static_cast<double>(c.n_prompt);
  } else {
    json["bytes_per_token"] =
        static_cast<double>(result.bytes) / static_cast<double>(c.n_gen * c.batch);
  }
  // decode: bytes beside the bandwidth read around the sample; prefill: operations beside the peak
  json[prefill ? "gop_s_all" : "gb_s_all"] = rate;
  json["ceiling_all"] = ceiling;
  if (c.n_drafts > 0) {
    json["n_drafted"] = result.drafts.n_drafted;
    json["n_accepted"] = result.drafts.n_accepted;
  }
  if (!result.operators.empty()) {
    json["operators"] = operators_json(result);
    json["operators_seconds"] = result.timed_seconds;
  }
  return json;
}

// --- llama-bench's forms ---

double mean(const std::vector<double>& values) {
  return std::accumulate(values.begin(), values.end(), 0.0) / static_cast<double>(values.size());
}

/// Of the sample, as llama-bench computes it.
double deviation(const std::vector<double>& values) {
  if (values.size() < 2) return 0;
  const double m = mean(values);
  double squares = 0;
  for (const double v : values) squares += (v - m) * (v - m);
  return std::sqrt(squares / static_cast<double>(values.size() - 1));
}

Json llama_bench_object(const CaseResult& result, const Report& report, const BenchFacts& facts) {
  const Case& c = result.config;
  const std::vector<double> ts = rates(result);
  const auto ns = each_sample(result, [](const Sample& s) { return std::round(s.seconds * 1e9); });
  Json samples_ns = Json::array();
  for (const double v : ns) samples_ns.push_back(static_cast<std::uint64_t>(v));
  return {{"build_commit", "hadal " HADAL_VERSION},
          {"cpu_info", facts.machine.cpu},
          {"backends", report.backend},
          {"model_filename", facts.model},
          {"model_type", "deepseek4"},
          {"model_size", facts.needs.weight_bytes},
          {"model_n_params", facts.needs.n_parameters},
          {"n_batch", facts.chunk},
          {"n_ubatch", facts.chunk},
          {"n_threads", c.threads},
          {"n_prompt", c.n_prompt},
          {"n_gen", c.n_gen},
          {"n_depth", c.depth},
          {"n_streams", c.batch},
          {"test_time", fmt::format("{:%Y-%m-%dT%H:%M:%SZ}", fmt::gmtime(std::time(nullptr)))},
          {"avg_ns", static_cast<std::uint64_t>(mean(ns))},
          {"stddev_ns", static_cast<std::uint64_t>(deviation(ns))},
          {"avg_ts", mean(ts)},
          {"stddev_ts", deviation(ts)},
          {"samples_ns", samples_ns},
          {"samples_ts", ts}};
}

std::string llama_bench_name(const Case& c) {
  std::string name =
      c.test == Test::prefill ? fmt::format("pp{}", c.n_prompt) : fmt::format("tg{}", c.n_gen);
  if (c.batch > 1) name += fmt::format(" x {}", c.batch);
  if (c.depth > 0) name += fmt::format(" @ d{}", c.depth);
  return name;
}

std::string dumped(const Json& json, int indent) {
  return json.dump(indent, ' ', false, Json::error_handler_t::replace) + "\n";
}

}  // namespace

std::string bench_table(const Report& report, const BenchFacts& facts) {
  std::string text = fmt::format(
      "{} on {}, {}: {}B and {} weights per token; {} round{}, median [min-max]\n", facts.model,
      facts.machine.cpu, report.backend, scaled(static_cast<double>(facts.needs.bytes_per_token)),
      scaled(static_cast<double>(facts.needs.n_active_parameters)), facts.rounds,
      facts.rounds == 1 ? "" : "s");
  text += machine_lines(report);
  text += fmt::format("\n{:<8} {:>6} {:>6} {:>5} {:>7} {:>10} {:>19} {:>16} {:>8}\n", "test",
                      "tokens", "depth", "batch", "threads", "tok/s", "", "rate", "share");
  for (const CaseResult& result : report.results) text += result_line(result);
  if (facts.needs.weight_bytes < kCacheBytes) {
    text +=
        "(So small a model stays in the caches: its share of the memory bandwidth says little.)\n";
  }
  for (const CaseResult& result : report.results) {
    if (!result.operators.empty())
      text += operator_table(result, readings_of(report, result.config.threads));
  }
  return text;
}

std::string bench_json(const Report& report, const BenchFacts& facts) {
  Json results = Json::array();
  for (const CaseResult& result : report.results) results.push_back(result_json(result));
  return dumped({{"machine", machine_json(report, facts)},
                 {"model", model_json(facts)},
                 {"rounds", facts.rounds},
                 {"results", results}},
                2);
}

std::string llama_bench_json(const Report& report, const BenchFacts& facts, bool lines) {
  if (!lines) {
    Json array = Json::array();
    for (const CaseResult& result : report.results)
      array.push_back(llama_bench_object(result, report, facts));
    return dumped(array, 2);
  }
  std::string text;
  for (const CaseResult& result : report.results)
    text += dumped(llama_bench_object(result, report, facts), -1);
  return text;
}

std::string llama_bench_markdown(const Report& report, const BenchFacts& facts) {
  std::string text = fmt::format(
      "| model | size | params | backend | threads | test | t/s |\n| --- | ---: | ---: | --- | "
      "---: | ---: | ---: |\n");
  for (const CaseResult& result : report.results) {
    const std::vector<double> ts = rates(result);
    text += fmt::format("| {} | {}B | {} | {} | {} | {} | {:.2f} ± {:.2f} |\n", facts.model,
                        scaled(static_cast<double>(facts.needs.weight_bytes)),
                        scaled(static_cast<double>(facts.needs.n_parameters)), report.backend,
                        result.config.threads, llama_bench_name(result.config), mean(ts),
                        deviation(ts));
  }
  return text;
}

}  // namespace hadal
