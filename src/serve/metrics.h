// What the server counts, as Prometheus reads it (serving.md section 7, api.md 3.7, 3.8).
#pragma once

#include "serve/histogram.h"
#include "serve/scheduler.h"

#include <array>
#include <cstddef>
#include <cstdint>
#include <map>
#include <mutex>
#include <string>
#include <string_view>

namespace hadal {

/// One finished request, for sums and the log.
struct RequestRecord {
  std::string_view outcome;  ///< stop, length, tool_calls, cancelled, error
  std::size_t n_prompt = 0, n_restored = 0, n_repeated = 0, n_completion = 0;
  std::string_view prefix_miss;
  double queued_seconds = 0, first_token_seconds = 0, prefill_seconds = 0, decode_seconds = 0,
         total_seconds = 0;
  DraftCounts drafts;
  std::size_t n_choices = 0, max_tokens = 0;  ///< as asked for; max_tokens 0: no limit
};

/// Sums since the start, over requests that have ended.
struct ServerSums {
  std::map<std::string, std::uint64_t, std::less<>> outcomes;
  std::map<std::string, std::uint64_t, std::less<>> misses;  ///< requests that repeated, by reason
  std::uint64_t n_prompt = 0, n_restored = 0, n_repeated = 0, n_completion = 0;
};

/// Any thread.
class ServerMetrics {
 public:
  explicit ServerMetrics(std::string model_name) : model_name_(std::move(model_name)) {}

  void count_http(int status);
  void add(const RequestRecord& record);
  void count_repairs(std::size_t n);
  void count_loop();
  /// Seconds between two tokens of one answer.
  void observe_token_gap(double seconds);

  ServerSums sums() const;
  /// The text of GET /metrics: own names, then those of vLLM and llama.cpp.
  std::string text(const SchedulerState& state, const SchedulerTotals& totals) const;

 private:
  // Under the lock:
  void write_own(std::string& out, const SchedulerState& state,
                 const SchedulerTotals& totals) const;
  void write_vllm(std::string& out, const SchedulerState& state,
                  const SchedulerTotals& totals) const;
  void write_llama(std::string& out, const SchedulerState& state,
                   const SchedulerTotals& totals) const;

  mutable std::mutex mutex_;
  std::string model_name_;
  std::map<int, std::uint64_t> http_;  ///< by status
  ServerSums sums_;
  DraftCounts drafts_;
  std::uint64_t n_repairs_ = 0, n_loops_ = 0;
  std::size_t most_tokens_ = 0;  ///< of prompt and answer of one request
  double prefill_seconds_ = 0, decode_seconds_ = 0;
  Histogram first_token_{{.01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60, 120, 300}};
  Histogram token_gap_{{.001, .0025, .005, .01, .025, .05, .1, .2, .4, .8, 1.6, 3.2}};
  Histogram total_{{.05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600}};
  Histogram queued_{{.001, .01, .1, .5, 1, 2.5, 5, 10, 30, 60, 120}};
  Histogram prefill_{{.01, .05, .1, .5, 1, 2.5, 5, 10, 30, 60, 120, 300}};
  Histogram decode_{{.05, .1, .5, 1, 2.5, 5, 10, 30, 60, 120, 300}};
  Histogram prompt_tokens_{{1, 10, 100, 500, 1000, 2500, 5000, 10000, 50000, 100000, 500000}};
  Histogram completion_tokens_{{1, 10, 50, 100, 250, 500, 1000, 2500, 5000, 10000}};
  Histogram inference_{{.05, .1, .5, 1, 2.5, 5, 10, 30, 60, 120, 300}};
  Histogram n_choices_{{1, 2, 5, 10, 20}};
  Histogram max_tokens_{{1, 10, 100, 500, 1000, 2500, 5000, 10000, 50000, 100000, 500000}};
};

}  // namespace hadal
