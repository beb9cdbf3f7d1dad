// Requests in plain English, in a causal world: does the model take them for what was meant, and
// does it act until that holds? (world-model.md 6.2)
#pragma once

#include "chat/language_model.h"
#include "worlds/options.h"
#include "worlds/request.h"
#include "worlds/world.h"

#include <cstddef>
#include <functional>
#include <span>
#include <vector>

namespace hadal::eval {

struct RequestRow {
  worlds::WorldKey key;
  bool understood;  ///< the model set the goal that was meant
  bool reached;     ///< and made it hold within worlds::step_budget()
};

struct RequestOptions {
  worlds::WorldOptions world;
  worlds::Wordings wordings = worlds::Wordings::held_out;
  /// Called after each; may be empty.
  std::function<void(std::size_t n_done, std::size_t n_all)> on_progress = {};
};

/// Asks once in each world, for its own goal. The wording is drawn by the key. Errors: of the
/// model.
Result<std::vector<RequestRow>> ask_requests(LanguageModel& model,
                                             std::span<const worlds::WorldKey> keys,
                                             const RequestOptions& options);

}  // namespace hadal::eval
