// The world view of the page: a model that lives in causal worlds plays an episode of one.
#pragma once

#include "engine/engine.h"
#include "serve/exchange.h"
#include "serve/router.h"
#include "serve/scheduler.h"
#include "tokenizer/tokenizer.h"

#include <atomic>
#include <cstddef>
#include <memory>
#include <string>

namespace hadal {

/// GET /worlds: which worlds there are, and whether this model plays them. POST /worlds/play
/// {domain, depth, seed, what_if: {fact, after}}: an episode as `hadal play --json` tells it. Any
/// thread.
class WorldRoutes {
 public:
  /// All must outlive the routes. The engine is used on the scheduler's thread alone.
  /// @param max_running  episodes played at the same time; more get 429: they wait in no queue
  WorldRoutes(Engine& engine, const Tokenizer& tokenizer, Scheduler& scheduler,
              std::size_t max_running);

  void add_to(Router& router);

 private:
  void list(Exchange& exchange);
  void play(Exchange& exchange);
  std::shared_ptr<void> take_place();

  Engine& engine_;
  const Tokenizer& tokenizer_;
  Scheduler& scheduler_;
  const std::size_t max_running_;
  /// Shared with those that run: each gives its place back when it is gone, wherever that is.
  std::shared_ptr<std::atomic<std::size_t>> n_running_ =
      std::make_shared<std::atomic<std::size_t>>(0);
  std::string refusal_;  ///< why this model plays no worlds; empty: it does
};

}  // namespace hadal
