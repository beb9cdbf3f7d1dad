// The DeepSeek-V4 graph: token ids and sequence states in, logits out (deepseek-v4.md section 2.1).
#pragma once

#include "engine/backends/backend.h"
#include "engine/memory/page_mapper.h"
#include "engine/model/arranged_weights.h"
#include "engine/model/checkpoint.h"
#include "engine/model/memory_plan.h"
#include "engine/model/mtp_block.h"
#include "engine/model/world_model_layer.h"
#include "engine/model/world_model_options.h"

#include <memory>
#include <optional>
#include <span>
#include <vector>

namespace hadal {

/// For which positions of an input logits are wanted.
enum class LogitsFor : std::uint8_t { none, last, all };

/// Tokens that continue one sequence. One batch may hold several sequences, each once, with
/// different lengths.
struct ForwardInput {
  SequenceState* state;                  ///< advanced by tokens.size()
  std::span<const std::int32_t> tokens;  ///< not empty, ids in [0, vocab_size)
  LogitsFor logits = LogitsFor::last;
  /// Filled, when given, with what the last token attended to in the last loop of the world model:
  /// [n_events + 1], the share of text outside of events, then of each event of the sequence's
  /// graph; mean over heads; the sink's share is missing from 1. Empty without a world model. Costs
  /// some time and allocates.
  std::vector<float>* attended = nullptr;
};

struct ForwardOutput {
  std::size_t vocab_size = 0;
  std::vector<float> logits;   ///< [n_wanted, vocab_size], inputs in order, positions in order
  std::vector<float> streams;  ///< [n_tokens, n d] residual streams after the last block, when
                               ///< asked for (MTP input)

  std::span<const float> row(std::size_t i) const {
    return {logits.data() + i * vocab_size, vocab_size};
  }
};

/// One drafting step of the MTP block for one sequence.
struct MtpInput {
  SequenceState* state;            ///< its MTP part is advanced by next_tokens.size()
  std::span<const float> streams;  ///< [n, n_streams d]: streams at MTP positions n_mtp_tokens() ..
  std::span<const std::int32_t> next_tokens;  ///< [n]: the token after each of these positions
  LogitsFor logits = LogitsFor::last;
};

struct ModelOptions {
  bool fake_quant = false;  ///< QAT simulation of deepseek-v4.md 3.9
  /// Taken instead of the weights as stored, when the backend reads panels. Must outlive the model.
  const ArrangedWeights* arranged = nullptr;
  WorldModelOptions world_model = {};
};

/// Immutable apart from scratch memory; one forward at a time (the engine thread). Results for a
/// sequence do not depend on what shares its batch, on chunking or on threads: bit-identical
/// (promise 2).
class Model {
 public:
  /// `checkpoint` and `backend` must outlive the model. Errors: not_found (a tensor is missing),
  /// invalid_argument (see apply_options).
  static Result<std::unique_ptr<Model>> create(const Checkpoint& checkpoint, Backend& backend,
                                               const ModelOptions& options);

  ~Model();

  /// The checkpoint's, with the options applied.
  const ModelConfig& config() const { return config_; }
  const ModelOptions& options() const { return options_; }
  bool has_mtp() const { return !mtp_.empty(); }
  SequenceState new_sequence() const;
  /// Of the row pages that all its sequences hold, reserved ones included.
  std::size_t page_bytes() const;

  /// Takes what passes within `limits` need at once: the arena as planned, and what grows with the
  /// context in the backend.
  void reserve(const PassLimits& limits);
  /// Memory of the passes so far.
  const Scratch& scratch() const { return scratch_; }

  /// Prefill and decode alike. The caller has checked the ids. `output` keeps its memory: with the
  /// same one, and states that have reserved their pages, a decode step allocates nothing once a
  /// step of this shape has run.
  void forward(std::span<const ForwardInput> inputs, ForwardOutput& output,
               bool want_streams = false);
  ForwardOutput forward(std::span<const ForwardInput> inputs, bool want_streams = false);

  /// Logits for the token after next; output streams allow chained drafts.
  ForwardOutput forward_mtp(std::span<const MtpInput> inputs);

 private:
  struct Batch;

  Model(ModelConfig config, ModelWeights weights, Backend& backend, const ModelOptions& options);
  void embed(Step& s, std::span<const std::int32_t> tokens, Rows<float> streams);
  void head(Step& s, const HyperConnectionHead& head, std::span<const float> norm,
            Rows<const float> streams, std::span<const std::size_t> wanted, ForwardOutput& output);
  Step make_step(const Batch& batch);

  ModelConfig config_;
  ModelWeights weights_;
  Backend& backend_;
  ModelOptions options_;
  std::vector<float> main_freq_;      ///< sliding layers, MTP
  std::vector<float> compress_freq_;  ///< csa, hca
  std::vector<Block> blocks_;
  std::optional<WorldModelLayer> world_model_;  ///< behind block config_.world_model->after_layer
  std::vector<MtpBlock> mtp_;
  StatePools pools_;
  Scratch scratch_;
  std::unique_ptr<Batch> batch_;  ///< of the running pass
  std::unique_ptr<PageMapper> page_mapper_;
};

}  // namespace hadal
