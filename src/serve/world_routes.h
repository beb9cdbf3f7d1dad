// The world view of the page: a model that lives in causal worlds plays an episode of one.
#pragma once

#include "engine/engine.h"
#include "serve/exchange.h"
#include "serve/router.h"
#include "serve/scheduler.h"
#include "tokenizer/tokenizer.h"

namespace hadal {

/// GET /worlds: which worlds there are, and whether this model plays them. POST /worlds/play
/// {domain, depth, seed, what_if: {fact, after}}: an episode as `hadal play --json` tells it. Any
/// thread.
class WorldRoutes {
 public:
  /// All must outlive the routes. The engine is used on the scheduler's thread alone.
  WorldRoutes(Engine& engine, const Tokenizer& tokenizer, Scheduler& scheduler);

  void add_to(Router& router);

 private:
  void list(Exchange& exchange);
  void play(Exchange& exchange);

  Engine& engine_;
  const Tokenizer& tokenizer_;
  Scheduler& scheduler_;
  std::string refusal_;  ///< why this model plays no worlds; empty: it does
};

}  // namespace hadal
