#include "serve/metrics.h"

#include <fmt/format.h>

#include <algorithm>

namespace hadal {
namespace {

/// One metric without labels of its own.
class Writer {
 public:
  explicit Writer(std::string& out, std::string labels) : out_(out), labels_(std::move(labels)) {}

  void gauge(std::string_view name, std::string_view help, double value) {
    write_metric_head(out_, name, help, "gauge");
    out_ += fmt::format("{}{{{}}} {}\n", name, labels_, value);
  }
  /// Facts as labels, `a="b",...`; the value is 1.
  void info(std::string_view name, std::string_view help, std::string_view facts) {
    write_metric_head(out_, name, help, "gauge");
    out_ += fmt::format("{}{{{},{}}} 1\n", name, labels_, facts);
  }
  void counter(std::string_view name, std::string_view help, double value) {
    write_metric_head(out_, name, help, "counter");
    out_ += fmt::format("{}{{{}}} {}\n", name, labels_, value);
  }
  template <typename Map>
  void counters(std::string_view name, std::string_view help, std::string_view label,
                const Map& values) {
    write_metric_head(out_, name, help, "counter");
    for (const auto& [key, value] : values)
      out_ += fmt::format("{}{{{},{}=\"{}\"}} {}\n", name, labels_, label, key, value);
  }
  void histogram(std::string_view name, std::string_view help, const Histogram& histogram) {
    histogram.write(out_, name, help, labels_);
  }

 private:
  std::string& out_;
  std::string labels_;
};

double n(std::size_t value) {
  return static_cast<double>(value);
}

double ratio(double a, double b) {
  return b > 0 ? a / b : 0.0;
}

double n_running(const SchedulerState& state) {
  return n(static_cast<std::size_t>(std::count_if(state.slots.begin(), state.slots.end(),
                                                  [](const auto& slot) { return slot.job != 0; })));
}

double state_share(const SchedulerState& state) {
  return ratio(n(state.page_bytes + state.snapshot_bytes), n(state.state_limit));
}

/// Accepted drafts by place, up to the last one that ever was.
std::map<std::size_t, std::size_t> by_position(const DraftCounts& drafts) {
  std::map<std::size_t, std::size_t> all;
  for (std::size_t i = 0; i < drafts.n_accepted_at.size(); ++i)
    if (drafts.n_accepted_at[i] > 0) all[i] = drafts.n_accepted_at[i];
  return all;
}

/// Label values may hold no quotes, backslashes or line ends unescaped.
std::string escaped(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (c == '\\' || c == '"') out += '\\';
    out += c == '\n' ? ' ' : c;
  }
  return out;
}

}  // namespace

void ServerMetrics::count_http(int status) {
  const std::lock_guard lock(mutex_);
  ++http_[status];
}

void ServerMetrics::count_repairs(std::size_t n) {
  const std::lock_guard lock(mutex_);
  n_repairs_ += n;
}

void ServerMetrics::count_loop() {
  const std::lock_guard lock(mutex_);
  ++n_loops_;
}

void ServerMetrics::observe_token_gap(double seconds) {
  const std::lock_guard lock(mutex_);
  token_gap_.observe(seconds);
}

void ServerMetrics::add(const RequestRecord& r) {
  const std::lock_guard lock(mutex_);
  ++sums_.outcomes[std::string(r.outcome)];
  if (r.n_repeated > 0) ++sums_.misses[std::string(r.prefix_miss)];
  sums_.n_prompt += r.n_prompt;
  sums_.n_restored += r.n_restored;
  sums_.n_repeated += r.n_repeated;
  sums_.n_completion += r.n_completion;
  drafts_ += r.drafts;
  prefill_seconds_ += r.prefill_seconds;
  decode_seconds_ += r.decode_seconds;
  first_token_.observe(r.first_token_seconds);
  total_.observe(r.total_seconds);
  queued_.observe(r.queued_seconds);
  prefill_.observe(r.prefill_seconds);
  decode_.observe(r.decode_seconds);
  prompt_tokens_.observe(static_cast<double>(r.n_prompt));
  completion_tokens_.observe(static_cast<double>(r.n_completion));
  inference_.observe(r.prefill_seconds + r.decode_seconds);
  n_choices_.observe(static_cast<double>(r.n_choices));
  if (r.max_tokens > 0) max_tokens_.observe(static_cast<double>(r.max_tokens));
  most_tokens_ =
      std::max(most_tokens_, (r.n_prompt + r.n_completion) / std::max<std::size_t>(r.n_choices, 1));
}

ServerSums ServerMetrics::sums() const {
  const std::lock_guard lock(mutex_);
  return sums_;
}

std::string ServerMetrics::text(const SchedulerState& state, const SchedulerTotals& totals) const {
  const std::lock_guard lock(mutex_);
  std::string out;
  write_own(out, state, totals);
  write_vllm(out, state, totals);
  write_llama(out, state, totals);
  return out;
}

void ServerMetrics::write_own(std::string& out, const SchedulerState& state,
                              const SchedulerTotals& totals) const {
  Writer own(out, fmt::format("model=\"{}\"", escaped(model_name_)));
  own.counters("hadal_http_responses_total", "Responses by status", "status", http_);
  own.counters("hadal_requests_total", "Requests that ended, by how", "outcome", sums_.outcomes);
  own.gauge("hadal_requests_running", "Sequences in the batch", n_running(state));
  own.gauge("hadal_requests_waiting", "Requests in the queue", n(state.n_waiting));
  own.counter("hadal_prompt_tokens_total", "Prompt tokens of ended requests", n(sums_.n_prompt));
  own.counter("hadal_prompt_tokens_restored_total", "Of these, taken from snapshots",
              n(sums_.n_restored));
  own.counter("hadal_prompt_tokens_repeated_total", "Of these, known but computed again",
              n(sums_.n_repeated));
  own.counters("hadal_prefix_miss_total", "Requests that computed known tokens again, by reason",
               "reason", sums_.misses);
  own.counter("hadal_completion_tokens_total", "Tokens of answers", n(sums_.n_completion));
  own.counter("hadal_draft_tokens_total", "Tokens drafted", n(drafts_.n_drafted));
  own.counter("hadal_draft_tokens_accepted_total", "Drafted tokens kept", n(drafts_.n_accepted));
  own.counter("hadal_tool_parse_repairs_total", "Malformed forms mended in answers", n(n_repairs_));
  own.counter("hadal_loop_guard_trips_total", "Answers stopped because they repeated themselves",
              n(n_loops_));
  own.counter("hadal_preemptions_total", "Sequences put back into the queue for lack of memory",
              n(totals.n_preemptions));
  own.counter("hadal_passes_total", "Forward passes", n(totals.n_passes));
  own.counter("hadal_engine_busy_seconds_total", "Time in forward passes", totals.busy_seconds);
  own.gauge("hadal_state_page_bytes", "Row pages of sequences and snapshots", n(state.page_bytes));
  own.gauge("hadal_state_snapshot_tail_bytes", "Tails of snapshots", n(state.snapshot_bytes));
  own.gauge("hadal_state_limit_bytes", "Most bytes of state", n(state.state_limit));
  own.gauge("hadal_snapshots", "Snapshots in memory", n(state.n_snapshots));
  own.counter("hadal_snapshots_evicted_total", "Snapshots given up", n(state.n_evicted));
  own.histogram("hadal_time_to_first_token_seconds", "From arrival", first_token_);
  own.histogram("hadal_inter_token_seconds", "Between tokens of an answer", token_gap_);
  own.histogram("hadal_pass_tokens", "Tokens in a forward pass", totals.pass_tokens);
}

void ServerMetrics::write_vllm(std::string& out, const SchedulerState& state,
                               const SchedulerTotals& totals) const {
  Writer vllm(out, fmt::format("model_name=\"{}\"", escaped(model_name_)));
  vllm.gauge("vllm:num_requests_running", "Alias", n_running(state));
  vllm.gauge("vllm:num_requests_waiting", "Alias", n(state.n_waiting));
  vllm.gauge("vllm:kv_cache_usage_perc", "Alias, a share of 1", state_share(state));
  vllm.gauge("vllm:gpu_cache_usage_perc", "Alias, a share of 1", state_share(state));
  // A prefix is found to the token; the number of blocks is not fixed, as snapshots share pages.
  vllm.info("vllm:cache_config_info", "Alias",
            fmt::format("block_size=\"1\",cache_dtype=\"auto\",enable_prefix_caching=\"True\","
                        "num_gpu_blocks=\"None\",num_cpu_blocks=\"None\",state_bytes=\"{}\"",
                        state.state_limit));
  vllm.counter("vllm:prompt_tokens_total", "Alias", n(sums_.n_prompt));
  vllm.counter("vllm:generation_tokens_total", "Alias", n(sums_.n_completion));
  vllm.counter("vllm:prefix_cache_queries_total", "Alias, in tokens", n(sums_.n_prompt));
  vllm.counter("vllm:prefix_cache_hits_total", "Alias, in tokens", n(sums_.n_restored));
  vllm.counter("vllm:num_preemptions_total", "Alias", n(totals.n_preemptions));
  vllm.counters("vllm:request_success_total", "Alias", "finished_reason", sums_.outcomes);
  vllm.counter("vllm:spec_decode_num_draft_tokens_total", "Alias", n(drafts_.n_drafted));
  vllm.counter("vllm:spec_decode_num_accepted_tokens_total", "Alias", n(drafts_.n_accepted));
  vllm.counter("vllm:spec_decode_num_drafts_total", "Alias", n(drafts_.n_steps));
  vllm.counters("vllm:spec_decode_num_accepted_tokens_per_pos_total", "Alias", "position",
                by_position(drafts_));
  vllm.histogram("vllm:time_to_first_token_seconds", "Alias", first_token_);
  vllm.histogram("vllm:inter_token_latency_seconds", "Alias", token_gap_);
  vllm.histogram("vllm:time_per_output_token_seconds", "Alias", token_gap_);
  vllm.histogram("vllm:e2e_request_latency_seconds", "Alias", total_);
  vllm.histogram("vllm:request_queue_time_seconds", "Alias", queued_);
  vllm.histogram("vllm:request_prefill_time_seconds", "Alias", prefill_);
  vllm.histogram("vllm:request_decode_time_seconds", "Alias", decode_);
  vllm.histogram("vllm:request_inference_time_seconds", "Alias", inference_);
  vllm.histogram("vllm:request_params_n", "Alias", n_choices_);
  vllm.histogram("vllm:request_params_max_tokens", "Alias", max_tokens_);
  vllm.histogram("vllm:iteration_tokens_total", "Alias", totals.pass_tokens);
  vllm.histogram("vllm:request_prompt_tokens", "Alias", prompt_tokens_);
  vllm.histogram("vllm:request_generation_tokens", "Alias", completion_tokens_);
}

void ServerMetrics::write_llama(std::string& out, const SchedulerState& state,
                                const SchedulerTotals& totals) const {
  Writer llama(out, fmt::format("model=\"{}\"", escaped(model_name_)));
  llama.counter("llamacpp:prompt_tokens_total", "Alias", n(sums_.n_prompt - sums_.n_restored));
  llama.counter("llamacpp:prompt_seconds_total", "Alias", prefill_seconds_);
  llama.counter("llamacpp:tokens_predicted_total", "Alias", n(sums_.n_completion));
  llama.counter("llamacpp:tokens_predicted_seconds_total", "Alias", decode_seconds_);
  llama.gauge("llamacpp:prompt_tokens_seconds", "Alias",
              ratio(n(sums_.n_prompt - sums_.n_restored), prefill_seconds_));
  llama.gauge("llamacpp:predicted_tokens_seconds", "Alias",
              ratio(n(sums_.n_completion), decode_seconds_));
  llama.gauge("llamacpp:requests_processing", "Alias", n_running(state));
  llama.gauge("llamacpp:requests_deferred", "Alias", n(state.n_waiting));
  llama.counter("llamacpp:n_decode_total", "Alias", n(totals.n_passes));
  llama.gauge("llamacpp:n_busy_slots_per_decode", "Alias",
              ratio(n(totals.n_sequences_in_passes), n(totals.n_passes)));
  llama.counter("llamacpp:spec_decode_num_draft_tokens_total", "Alias", n(drafts_.n_drafted));
  llama.counter("llamacpp:spec_decode_num_accepted_tokens_total", "Alias", n(drafts_.n_accepted));
  llama.counter("llamacpp:spec_decode_num_drafts_total", "Alias", n(drafts_.n_steps));
  llama.counters("llamacpp:spec_decode_num_accepted_tokens_per_pos_total", "Alias", "position",
                 by_position(drafts_));
  llama.counter("llamacpp:n_tokens_max", "Alias: longest sequence of ended requests",
                n(most_tokens_));
}

}  // namespace hadal
