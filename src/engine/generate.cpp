#include "engine/generate.h"

namespace hadal {
namespace {

/// The batch of one call: which of its requests sits where.
class Run {
 public:
  Run(Model& model, const GenerateOptions& options) : batch_(model), options_(options) {}

  Result<void> seat(std::size_t index, GenerationRequest request) {
    n_prompt_ += request.prompt.size();
    HADAL_ASSIGN(const Batch::Slot slot, batch_.add(std::move(request)));
    if (slot >= index_of_.size()) index_of_.resize(slot + 1);
    index_of_[slot] = index;
    return {};
  }

  Result<void> to_the_end(std::vector<Generation>& results) {
    while (step()) {
      for (Batch::Slot slot = 0; slot < batch_.n_slots(); ++slot) {
        if (!batch_.has_ended(slot)) continue;
        const std::size_t index = index_of_[slot];
        Generation ended = batch_.remove(slot);
        if (!options_.on_end) {
          results[index] = std::move(ended);
          continue;
        }
        auto next = options_.on_end(index, std::move(ended));
        if (next) HADAL_TRY(seat(index, std::move(*next)));
      }
    }
    return {};
  }

 private:
  bool step() {
    const Batch::Pass pass = batch_.step({.max_tokens = options_.max_batch_tokens});
    n_prompt_done_ += pass.n_prompt_tokens;
    if (options_.on_prefill && pass.n_prompt_tokens > 0)
      options_.on_prefill(n_prompt_done_, n_prompt_);
    return pass.n_sequences > 0;
  }

  Batch batch_;
  const GenerateOptions& options_;
  std::vector<std::size_t> index_of_;  ///< by slot
  std::size_t n_prompt_ = 0;
  std::size_t n_prompt_done_ = 0;
};

}  // namespace

Result<std::vector<Generation>> generate(Model& model, std::span<const GenerationRequest> requests,
                                         const GenerateOptions& options) {
  Run run(model, options);
  for (std::size_t i = 0; i < requests.size(); ++i) HADAL_TRY(run.seat(i, requests[i]));
  std::vector<Generation> results(requests.size());
  HADAL_TRY(run.to_the_end(results));
  return results;
}

}  // namespace hadal
