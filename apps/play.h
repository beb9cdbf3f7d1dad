// The two forms of `hadal play`: one episode told to a person, and many of them counted.
#pragma once

#include "common.h"
#include "depth_range.h"
#include "tokenizer/tokenizer.h"
#include "worlds/domain.h"

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace hadal {

struct PlayFlags {
  EngineFlags engine;
  std::string domain = "all";
  std::uint64_t seed = 0;
  int depth = 0;           ///< 0: as the form of the verb chooses
  std::string depth_text;  ///< --depths; empty: all of them
  DepthRange depths;       ///< of many episodes
  std::size_t episodes = 0;
  std::size_t drafts = 0;
  bool json = false;
  // Of one episode:
  std::vector<std::string> why;  ///< steps or events to explain
  std::string what_if;           ///< a fact to change from outside; empty: none
  std::size_t after = 1;         ///< the step after which it changes; 0: before the first
  bool graph = false;
  bool interactive = false;  ///< questions from stdin, though it is no terminal
};

/// Plays and prints one episode, in the chosen domain that flags.seed names.
/// @return whether it was solved. Errors: out_of_memory, unsupported.
Result<bool> play_one(const PlayFlags& flags, Engine& engine, const Tokenizer& tokenizer,
                      const worlds::DomainChoice& domains);

/// Plays flags.episodes per depth, in the chosen domains in turn, and prints success with
/// confidence intervals and baselines.
Result<void> play_many(const PlayFlags& flags, Engine& engine, const Tokenizer& tokenizer,
                       const worlds::DomainChoice& domains);

}  // namespace hadal
