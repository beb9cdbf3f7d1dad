#include "engine/sampling/sampler.h"

#include "base/check.h"
#include "base/random.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <unordered_map>

namespace hadal {
namespace {

bool has_penalties(const SamplingOptions& o) {
  return o.repetition_penalty != 1.0f || o.presence_penalty != 0.0f || o.frequency_penalty != 0.0f;
}

void penalise(std::span<float> logits, const SamplingOptions& o, const TokenHistory& history) {
  struct Counts {
    bool anywhere = false;
    float in_answer = 0.0f;
  };
  std::unordered_map<std::int32_t, Counts> counts;
  for (std::int32_t id : history.prompt) counts[id].anywhere = true;
  for (std::int32_t id : history.answer) {
    counts[id].anywhere = true;
    counts[id].in_answer += 1.0f;
  }
  for (const auto& [id, count] : counts) {
    float& logit = logits[static_cast<std::size_t>(id)];
    logit = logit > 0.0f ? logit / o.repetition_penalty : logit * o.repetition_penalty;
    if (count.in_answer > 0.0f) logit -= o.presence_penalty + o.frequency_penalty * count.in_answer;
  }
}

void forbid_others(std::span<float> logits, std::span<const std::uint64_t> allowed) {
  if (allowed.empty()) return;
  HADAL_CHECK(allowed.size() * 64 >= logits.size(), "a mask has a bit for each token");
  for (std::size_t id = 0; id < logits.size(); ++id) {
    if (((allowed[id / 64] >> (id % 64)) & 1u) == 0)
      logits[id] = -std::numeric_limits<float>::infinity();
  }
}

/// log(sum(exp(logits))), accumulated in double.
double log_sum_exp(std::span<const float> logits) {
  const float most = *std::max_element(logits.begin(), logits.end());
  double sum = 0.0;
  for (float logit : logits)
    sum += std::exp(static_cast<double>(logit) - static_cast<double>(most));
  return static_cast<double>(most) + std::log(sum);
}

/// Ids by falling logit; ties: the lower id first. Only the first `n` are in order.
std::vector<std::int32_t> most_likely(std::span<const float> logits, std::size_t n) {
  std::vector<std::int32_t> ids(logits.size());
  std::iota(ids.begin(), ids.end(), 0);
  n = std::min(n, ids.size());
  std::partial_sort(ids.begin(), ids.begin() + static_cast<std::ptrdiff_t>(n), ids.end(),
                    [&](std::int32_t a, std::int32_t b) {
                      const float x = logits[static_cast<std::size_t>(a)];
                      const float y = logits[static_cast<std::size_t>(b)];
                      return x != y ? x > y : a < b;
                    });
  ids.resize(n);
  return ids;
}

std::int32_t draw(std::span<const float> logits, const SamplingOptions& o, std::uint64_t position) {
  const std::vector<std::int32_t> ids = most_likely(logits, o.top_k > 0 ? o.top_k : logits.size());
  const double most = static_cast<double>(logits[static_cast<std::size_t>(ids.front())]);
  std::vector<double> p(ids.size());
  for (std::size_t i = 0; i < ids.size(); ++i) {
    p[i] = std::exp((static_cast<double>(logits[static_cast<std::size_t>(ids[i])]) - most) /
                    static_cast<double>(o.temperature));
  }

  std::size_t n = p.size();
  const double total = std::accumulate(p.begin(), p.end(), 0.0);
  if (o.top_p < 1.0f) {
    double sum = 0.0;
    for (n = 0; n < p.size() && (n == 0 || sum < static_cast<double>(o.top_p) * total);)
      sum += p[n++];
  }
  // Never one of probability 0 (not allowed, or too unlikely for a double): rounding could choose
  // it.
  while (n > 1 && (p[n - 1] < static_cast<double>(o.min_p) * p.front() || p[n - 1] == 0.0)) --n;

  const double kept = std::accumulate(p.begin(), p.begin() + static_cast<std::ptrdiff_t>(n), 0.0);
  double target = static_cast<double>(splitmix64_at(o.seed, position) >> 11) * 0x1.0p-53 * kept;
  for (std::size_t i = 0; i + 1 < n; ++i) {
    target -= p[i];
    if (target < 0.0) return ids[i];
  }
  return ids[n - 1];
}

}  // namespace

std::int32_t argmax(std::span<const float> logits) {
  return static_cast<std::int32_t>(std::max_element(logits.begin(), logits.end()) - logits.begin());
}

TokenChoice score(std::span<const float> logits, std::int32_t token, std::size_t n_logprobs) {
  const double log_total = log_sum_exp(logits);
  const auto logprob = [&](std::int32_t id) {
    return static_cast<float>(static_cast<double>(logits[static_cast<std::size_t>(id)]) -
                              log_total);
  };
  TokenChoice choice{.token = token, .logprob = logprob(token), .top_logprobs = {}};
  if (n_logprobs > 0) {
    for (std::int32_t id : most_likely(logits, n_logprobs))
      choice.top_logprobs.emplace_back(id, logprob(id));
  }
  return choice;
}

TokenChoice sample(std::span<const float> logits, const SamplingOptions& options,
                   const TokenHistory& history, std::uint64_t position,
                   std::span<const std::uint64_t> allowed) {
  std::vector<float> changed;
  std::span<const float> scores = logits;
  if (has_penalties(options) || !options.logit_bias.empty() || !allowed.empty()) {
    changed.assign(logits.begin(), logits.end());
    for (const auto& [id, bias] : options.logit_bias) changed[static_cast<std::size_t>(id)] += bias;
    if (has_penalties(options)) penalise(changed, options, history);
    forbid_others(changed, allowed);
    scores = changed;
  }
  const std::int32_t token =
      options.temperature > 0.0f ? draw(scores, options, position) : argmax(scores);
  return score(logits, token, options.n_logprobs);
}

}  // namespace hadal
