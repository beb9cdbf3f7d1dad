#include "engine/sampling/sampler.h"

#include "base/check.h"
#include "base/random.h"

#include <algorithm>
#include <array>
#include <bit>
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

/// Calls use(i) for each bit i that is set, the lowest first.
template <typename Use>
void for_each_bit(std::uint64_t bits, Use&& use) {
  for (; bits != 0; bits &= bits - 1) use(static_cast<std::size_t>(std::countr_zero(bits)));
}

constexpr std::size_t kBlock = 64;  // tokens of one word of a mask

float largest_of(std::span<const float, kBlock> block) {
  constexpr std::size_t kLanes = 16;  // independent maxima, so that compilers use vectors
  std::array<float, kLanes> largest;
  std::copy_n(block.begin(), kLanes, largest.begin());
  for (std::size_t i = kLanes; i < kBlock; i += kLanes)
    for (std::size_t k = 0; k < kLanes; ++k)
      largest[k] = block[i + k] > largest[k] ? block[i + k] : largest[k];
  return *std::max_element(largest.begin(), largest.end());
}

/// The allowed id of the largest logit; ties: the lower id. Nothing allowed: 0.
std::int32_t best_of(std::span<const float> logits, std::span<const std::uint64_t> allowed) {
  std::size_t best = 0;
  float most = -std::numeric_limits<float>::infinity();
  bool found = false;
  const auto take = [&](std::size_t id) {
    if (found && !(logits[id] > most)) return;
    best = id;
    most = logits[id];
    found = true;
  };
  for (std::size_t begin = 0; begin < logits.size(); begin += kBlock) {
    const std::uint64_t bits = allowed.empty() ? ~std::uint64_t{0} : allowed[begin / kBlock];
    const bool is_whole = begin + kBlock <= logits.size();
    if (is_whole && ~bits == 0) {
      if (found && !(largest_of(logits.subspan(begin).first<kBlock>()) > most)) continue;
      for (std::size_t id = begin; id < begin + kBlock; ++id) take(id);
    } else {
      for_each_bit(bits, [&](std::size_t i) {
        if (begin + i < logits.size()) take(begin + i);
      });
    }
  }
  return static_cast<std::int32_t>(best);
}

/// log(sum(exp(logits))), accumulated in double.
double log_sum_exp(std::span<const float> logits) {
  const float most = *std::max_element(logits.begin(), logits.end());
  double sum = 0.0;
  for (float logit : logits)
    sum += std::exp(static_cast<double>(logit) - static_cast<double>(most));
  return static_cast<double>(most) + std::log(sum);
}

struct Candidate {
  float logit;
  std::int32_t id;
  double p;  ///< relative to the most likely token
};

/// By falling logit; ties: the lower id first.
bool comes_before(const Candidate& a, const Candidate& b) {
  return a.logit != b.logit ? a.logit > b.logit : a.id < b.id;
}

/// Candidates in order, sorted only as far as somebody looks: mostly the first few are enough.
class Ranking {
 public:
  explicit Ranking(std::vector<Candidate> all) : all_(std::move(all)) {}

  std::size_t size() const { return all_.size(); }
  const Candidate& at(std::size_t rank) {
    while (rank >= n_sorted_) {
      const std::size_t n = std::min(all_.size(), std::max(kFirst, 4 * n_sorted_));
      std::partial_sort(all_.begin() + static_cast<std::ptrdiff_t>(n_sorted_),
                        all_.begin() + static_cast<std::ptrdiff_t>(n), all_.end(), comes_before);
      n_sorted_ = n;
    }
    return all_[rank];
  }

 private:
  static constexpr std::size_t kFirst = 64;
  std::vector<Candidate> all_;
  std::size_t n_sorted_ = 0;
};

/// Beyond this many temperatures below the largest logit a token adds nothing to a sum in double
/// that begins with 1: e^-40 < 2^-54.
constexpr float kNegligible = 40.0f;

std::vector<Candidate> candidates(std::span<const float> logits,
                                  std::span<const std::uint64_t> allowed, float temperature) {
  const float best = logits[static_cast<std::size_t>(best_of(logits, allowed))];
  const float least = best - kNegligible * temperature;
  std::vector<Candidate> all;
  all.reserve(allowed.empty() ? logits.size() : 0);
  const auto take = [&](std::size_t id) {
    if (logits[id] < least) return;
    const double below = static_cast<double>(logits[id]) - static_cast<double>(best);
    all.push_back({.logit = logits[id],
                   .id = static_cast<std::int32_t>(id),
                   .p = std::exp(below / static_cast<double>(temperature))});
  };
  for (std::size_t begin = 0; begin < logits.size(); begin += kBlock) {
    const std::uint64_t bits = allowed.empty() ? ~std::uint64_t{0} : allowed[begin / kBlock];
    for_each_bit(bits, [&](std::size_t i) {
      if (begin + i < logits.size()) take(begin + i);
    });
  }
  return all;
}

double sum_of(std::span<const Candidate> all) {
  double sum = 0.0;
  for (const Candidate& candidate : all) sum += candidate.p;
  return sum;
}

std::int32_t draw(std::span<const float> logits, std::span<const std::uint64_t> allowed,
                  const SamplingOptions& o, std::uint64_t position) {
  std::vector<Candidate> all = candidates(logits, allowed, o.temperature);
  if (o.top_k > 0 && o.top_k < all.size()) {
    std::nth_element(all.begin(), all.begin() + static_cast<std::ptrdiff_t>(o.top_k), all.end(),
                     comes_before);
    all.resize(o.top_k);
  }
  const double total = sum_of(all);
  const double least = std::min(static_cast<double>(o.min_p), 1.0);
  std::erase_if(all, [&](const Candidate& candidate) { return candidate.p < least; });

  double kept = sum_of(all);
  Ranking ranking(std::move(all));
  std::size_t n = ranking.size();
  if (o.top_p < 1.0f) {
    kept = 0.0;
    for (n = 0; n < ranking.size() && (n == 0 || kept < static_cast<double>(o.top_p) * total);)
      kept += ranking.at(n++).p;
  }
  double target = static_cast<double>(splitmix64_at(o.seed, position) >> 11) * 0x1.0p-53 * kept;
  for (std::size_t i = 0; i + 1 < n; ++i) {
    target -= ranking.at(i).p;
    if (target < 0.0) return ranking.at(i).id;
  }
  return ranking.at(n - 1).id;
}

}  // namespace

std::int32_t argmax(std::span<const float> logits) {
  return best_of(logits, {});
}

TokenChoice score(std::span<const float> logits, std::int32_t token, std::size_t n_logprobs) {
  const double log_total = log_sum_exp(logits);
  const auto logprob = [&](std::int32_t id) {
    return static_cast<float>(static_cast<double>(logits[static_cast<std::size_t>(id)]) -
                              log_total);
  };
  TokenChoice choice{.token = token, .logprob = logprob(token), .top_logprobs = {}};
  if (n_logprobs > 0) {
    std::vector<std::int32_t> ids(logits.size());
    std::iota(ids.begin(), ids.end(), 0);
    const std::size_t n = std::min(n_logprobs, ids.size());
    const auto logit = [&](std::int32_t id) { return logits[static_cast<std::size_t>(id)]; };
    std::partial_sort(ids.begin(), ids.begin() + static_cast<std::ptrdiff_t>(n), ids.end(),
                      [&](std::int32_t a, std::int32_t b) {
                        return logit(a) != logit(b) ? logit(a) > logit(b) : a < b;
                      });
    for (std::size_t i = 0; i < n; ++i) choice.top_logprobs.emplace_back(ids[i], logprob(ids[i]));
  }
  return choice;
}

TokenChoice sample(std::span<const float> logits, const SamplingOptions& options,
                   const TokenHistory& history, std::uint64_t position,
                   std::span<const std::uint64_t> allowed) {
  HADAL_CHECK(allowed.empty() || allowed.size() * kBlock >= logits.size(),
              "a mask has a bit for each token");
  std::vector<float> changed;
  std::span<const float> scores = logits;
  if (has_penalties(options) || !options.logit_bias.empty()) {
    changed.assign(logits.begin(), logits.end());
    for (const auto& [id, bias] : options.logit_bias) {
      HADAL_CHECK(static_cast<std::size_t>(id) < changed.size(),
                  "a biased token is in the vocabulary");
      changed[static_cast<std::size_t>(id)] += bias;
    }
    if (has_penalties(options)) penalise(changed, options, history);
    scores = changed;
  }
  const std::int32_t token = options.temperature > 0.0f ? draw(scores, allowed, options, position)
                                                        : best_of(scores, allowed);
  if (options.n_logprobs) return score(logits, token, *options.n_logprobs);
  return {.token = token, .logprob = 0.0f, .top_logprobs = {}};
}

}  // namespace hadal
