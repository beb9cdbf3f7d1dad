// From logits to a token: penalties, temperature, truncation, a counter-based random draw.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <utility>
#include <vector>

namespace hadal {

struct SamplingOptions {
  float temperature = 0.0f;  ///< 0: greedy
  std::size_t top_k = 0;     ///< keep the k most likely tokens; 0: all
  float top_p =
      1.0f;  ///< keep the smallest set of most likely tokens whose probability reaches top_p
  float min_p = 0.0f;  ///< drop tokens less likely than min_p times the most likely one
  float repetition_penalty = 1.0f;  ///< over prompt and answer: positive logits / r, negative
                                    ///< logits * r (Keskar et al. 2019)
  float presence_penalty =
      0.0f;  ///< over the answer: subtracted once from every token that occurred (OpenAI)
  float frequency_penalty = 0.0f;  ///< over the answer: subtracted per occurrence (OpenAI)
  std::uint64_t seed = 0;
  /// How many of the most likely tokens to report beside the chosen one; absent: nothing of
  /// probabilities, which costs a pass over the vocabulary.
  std::optional<std::size_t> n_logprobs = {};
  /// Added first (OpenAI); ids of the vocabulary.
  std::vector<std::pair<std::int32_t, float>> logit_bias = {};
};

/// What was said before: penalties look at it.
struct TokenHistory {
  std::span<const std::int32_t> prompt;
  std::span<const std::int32_t> answer;
};

struct TokenChoice {
  std::int32_t token = 0;
  /// Natural log, of the untouched logits (temperature 1, no penalties); 0 if not asked for.
  float logprob = 0.0f;
  std::vector<std::pair<std::int32_t, float>> top_logprobs;  ///< most likely first
};

/// Chooses a token. A pure function: the random number is keyed by (options.seed, position), so
/// batches, drafts and restarts cannot shift it. Ties: the lower id wins. Order of truncation:
/// top_k, then top_p, then min_p, on the tempered distribution, of which tokens less likely than
/// e^-40 times the most likely one are no part.
/// @param allowed  tokens that may be chosen, as bits (id % 64 of word id / 64), at least one of
/// them; empty: all
TokenChoice sample(std::span<const float> logits, const SamplingOptions& options,
                   const TokenHistory& history, std::uint64_t position,
                   std::span<const std::uint64_t> allowed = {});

/// As if `token` had been chosen.
TokenChoice score(std::span<const float> logits, std::int32_t token, std::size_t n_logprobs);

/// The id of the largest logit; ties: the lower id.
std::int32_t argmax(std::span<const float> logits);

}  // namespace hadal
