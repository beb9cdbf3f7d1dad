#include "engine/bench/bench.h"

#include <algorithm>

namespace hadal::bench {
namespace {

constexpr std::size_t kMostThreads = 1024;
constexpr std::size_t kMostStreams = 4096;
constexpr std::size_t kMostRounds = 10'000;

Result<void> check_lists(const Options& o, const ModelConfig& config) {
  const auto most = [](const std::vector<std::size_t>& list) {
    return list.empty() ? 0 : *std::max_element(list.begin(), list.end());
  };
  if (o.rounds == 0 || o.rounds > kMostRounds) {
    return error(ErrorCode::invalid_argument, "--rounds {}: expected 1 to {}", o.rounds,
                 kMostRounds);
  }
  if (o.chunk == 0)
    return error(ErrorCode::invalid_argument, "--chunk 0: a pass needs at least one token");
  if (most(o.threads) > kMostThreads) {
    return error(ErrorCode::invalid_argument, "--threads {}: expected at most {}", most(o.threads),
                 kMostThreads);
  }
  const bool zero_batch = std::find(o.batches.begin(), o.batches.end(), 0) != o.batches.end();
  if (zero_batch || most(o.batches) > kMostStreams) {
    return error(ErrorCode::invalid_argument, "--batch: expected 1 to {} streams, found {}",
                 kMostStreams, zero_batch ? 0 : most(o.batches));
  }
  // Each alone first: the sum of two huge numbers could wrap around.
  const std::size_t context = config.max_position_embeddings;
  const std::size_t longest = std::max(most(o.prompts), most(o.gens));
  if (longest > context || most(o.depths) > context || longest + most(o.depths) > context) {
    return error(ErrorCode::invalid_argument,
                 "depth {} and {} more tokens: the model's context is {} tokens", most(o.depths),
                 longest, context);
  }
  if (most(o.drafts) > 0 && config.num_nextn_predict_layers == 0) {
    return error(ErrorCode::invalid_argument,
                 "--draft {}: drafts need an MTP block, and this model has none", most(o.drafts));
  }
  return {};
}

}  // namespace

Result<std::vector<Case>> cases_of(const Options& options, const ModelConfig& config) {
  HADAL_TRY(check_lists(options, config));
  std::vector<Case> cases;
  for (const std::size_t threads : options.threads) {
    const std::size_t n_threads = threads != 0 ? threads : default_n_threads();
    for (const std::size_t depth : options.depths) {
      for (const std::size_t n : options.prompts) {
        if (n > 0) cases.push_back({Test::prefill, n, 0, depth, 1, n_threads, 0});
      }
      for (const std::size_t n : options.gens) {
        for (const std::size_t batch : options.batches) {
          for (const std::size_t drafts : options.drafts) {
            if (n > 0) cases.push_back({Test::decode, 0, n, depth, batch, n_threads, drafts});
          }
        }
      }
    }
  }
  if (cases.empty()) {
    return error(ErrorCode::invalid_argument,
                 "nothing to run: --prompt and --gen are both 0; give one of them a number");
  }
  return cases;
}

}  // namespace hadal::bench
