// A client's request as the engine sees it: tokens in, tokens out.
#pragma once

#include "base/result.h"
#include "engine/batch.h"

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace hadal {

/// Why prompt tokens that were known before had to be computed again.
enum class PrefixMiss : std::uint8_t {
  none,      ///< all known tokens were restored
  cold,      ///< nothing like this prompt was seen before
  diverged,  ///< it begins like an earlier text, and then differs; see JobStart::diverged_at
  evicted,   ///< a longer snapshot was given up for lack of memory
  disabled,  ///< the client asked not to use the cache
};
std::string_view prefix_miss_name(PrefixMiss miss);

/// How the prompt's tokens were come by: n_restored + n_repeated + n_new = all of them.
struct PrefixUse {
  std::size_t n_restored = 0;  ///< from a snapshot
  std::size_t n_repeated = 0;  ///< known, but computed again
  std::size_t n_new = 0;
  PrefixMiss miss = PrefixMiss::none;
  bool from_disk = false;       ///< the snapshot had to be read from there
  std::size_t diverged_at = 0;  ///< index of the boundary below which the prompt was known
};

struct JobTimes {
  double queued_seconds = 0;
  double prefill_seconds = 0;  ///< from the first pass to the first token
  double decode_seconds = 0;
};

enum class JobOutcome : std::uint8_t {
  stopped,    ///< a stop token, or on_token returned false
  length,     ///< max_tokens
  no_token,   ///< the constraint left nothing to say
  cancelled,  ///< by cancel(), or the server's end
  refused,    ///< never began: see `error`
};

struct JobEnd {
  JobOutcome outcome = JobOutcome::stopped;
  Error error{};  ///< of refused
  std::size_t n_tokens = 0;
  DraftCounts drafts;
  std::size_t n_preemptions = 0;
  PrefixUse prefix;
  JobTimes times;
};

/// Hears of a job's progress on the engine's thread: must be quick, must not block, must not call
/// the scheduler. on_end is the last call, and always comes.
class JobListener {
 public:
  virtual ~JobListener() = default;
  virtual void on_start(const PrefixUse&) {}
  /// Prompt tokens that are done (restored ones included) and in all.
  virtual void on_prefill(std::size_t /*done*/, std::size_t /*total*/) {}
  virtual void on_prompt_token(const TokenChoice&) {}
  /// False ends the answer after this token.
  virtual bool on_token(const TokenChoice&) = 0;
  virtual void on_end(const JobEnd&) = 0;
};

struct Job {
  std::vector<std::int32_t> prompt;
  SamplingOptions sampling;
  std::size_t max_tokens = 1;  ///< 0: the prompt is read, and nothing said
  std::vector<std::int32_t> stop_tokens;
  std::size_t n_drafts = 0;
  /// Prompt lengths, rising, at which messages end: where later prompts may part from this one.
  std::vector<std::size_t> boundaries;
  std::string client;  ///< whose turn it is: clients share the engine evenly
  bool uses_cache = true;
  bool scores_prompt = false;  ///< on_prompt_token is wanted: the whole prompt is computed
  /// Batch's `allowed`; called on the engine's thread.
  std::function<std::span<const std::uint64_t>()> allowed{};
  std::shared_ptr<JobListener> listener;
};

}  // namespace hadal
