// Everything the model remembers of one sequence (serving.md section 1): per layer the window ring,
// the compressors' pending inputs, the compressed rows and the indexer rows; for the world model
// its graph, keys and values.
#pragma once

#include "base/result.h"
#include "engine/memory/position_ring.h"
#include "engine/memory/row_store.h"
#include "engine/memory/world_model_state.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

namespace hadal {

/// One compressor (deepseek-v4.md 4.3): recent projections K and gates G (position bias included)
/// and the rows made of them.
struct CompressorState {
  PositionRing values;  ///< K, [series * width] per position
  PositionRing gates;   ///< G
  RowStore rows;        ///< after norm and rope
  std::size_t ratio;    ///< tokens per row
};

/// Where the rows of all sequences of a model come from, by kind. Shared by every store that was
/// made from them; the last one ends the pool.
struct StatePools {
  std::shared_ptr<PagePool> latents;      ///< attention rows of csa and hca layers
  std::shared_ptr<PagePool> index_keys;   ///< indexer rows of csa layers
  std::shared_ptr<PagePool> world_model;  ///< keys and values; nullptr: no world model
};

struct LayerState {
  PositionRing window;                       ///< roped latents of the last sliding_window positions
  std::optional<CompressorState> attention;  ///< csa, hca
  std::optional<CompressorState> indexer;    ///< csa
};

/// Copying = snapshot or fork: rings are copied (constant size), row pages are shared and cloned on
/// write. Use clone(), which says so. Owned by the engine thread.
class SequenceState {
 public:
  /// Rings keep this many more rows than the model needs, so drafts up to this length roll back
  /// without a snapshot.
  static constexpr std::size_t kMaxRollback = 32;

  SequenceState(std::vector<LayerState> layers, std::vector<LayerState> mtp_layers,
                std::optional<WorldModelState> world_model)
      : layers_(std::move(layers)),
        mtp_layers_(std::move(mtp_layers)),
        world_model_(std::move(world_model)) {}
  SequenceState(SequenceState&&) noexcept = default;
  SequenceState& operator=(SequenceState&&) noexcept = default;

  /// A snapshot (to restore: assign a clone of it) or a fork (two sequences go on from the same
  /// past).
  SequenceState clone() const { return SequenceState(*this); }

  /// Tokens processed by the main layers, which is also the position of the next token.
  std::size_t n_tokens() const noexcept { return n_tokens_; }
  /// Tokens processed by the MTP block (it may lag behind).
  std::size_t n_mtp_tokens() const noexcept { return n_mtp_tokens_; }

  /// Forgets tokens from `n_tokens` on. Errors: invalid_argument when that is more than
  /// kMaxRollback tokens ago (use a snapshot).
  Result<void> roll_back(std::size_t n_tokens);

  /// Puts the MTP block at `position`: back, to forget drafts made from its own output, or ahead
  /// over positions that it never saw (its window then holds stale rows there: worse drafts, never
  /// wrong tokens).
  void seek_mtp(std::size_t position) { n_mtp_tokens_ = position; }

  /// Takes the memory for `n_tokens` in all now, so that growing to them allocates nothing (drafts
  /// beyond them included; for structure tokens see EventGraph::reserve).
  void reserve(std::size_t n_tokens);

  /// Of rings, of pages with rows in them and of the graph.
  std::size_t bytes() const;
  /// What bytes() will be with `n_tokens`, the growth of the graph left out.
  std::size_t bytes_at(std::size_t n_tokens) const;
  /// The part that a clone copies: of rings and of the graph.
  std::size_t tail_bytes() const;

  /// Calls `ring` for each ring and `rows` for each row store, in one order for all states of a
  /// model. The world model's graph is not among them: it is a function of the tokens.
  template <typename Ring, typename Store>
  void visit(Ring&& ring, Store&& rows) {
    visit_parts(*this, ring, rows);
  }
  template <typename Ring, typename Store>
  void visit(Ring&& ring, Store&& rows) const {
    visit_parts(*this, ring, rows);
  }

  /// How far the state has come; see n_tokens(), n_mtp_tokens(), roll_back().
  struct Progress {
    std::uint64_t n_tokens, n_mtp_tokens, high_water;
  };
  Progress progress() const { return {n_tokens_, n_mtp_tokens_, high_water_}; }
  void set_progress(const Progress& progress) {
    n_tokens_ = progress.n_tokens;
    n_mtp_tokens_ = progress.n_mtp_tokens;
    high_water_ = progress.high_water;
  }

  LayerState& layer(std::size_t i) { return layers_[i]; }
  LayerState& mtp_layer(std::size_t i) { return mtp_layers_[i]; }
  /// nullptr: of a model without one, or with one that is off.
  WorldModelState* world_model() { return world_model_ ? &*world_model_ : nullptr; }
  void advance(std::size_t n) {
    n_tokens_ += n;
    high_water_ = std::max(high_water_, n_tokens_);
  }
  void advance_mtp(std::size_t n) { n_mtp_tokens_ += n; }

 private:
  SequenceState(const SequenceState&) = default;

  template <typename Self, typename Ring, typename Store>
  static void visit_parts(Self& self, Ring& ring, Store& rows) {
    const auto visit_compressor = [&](auto& compressor) {
      if (!compressor) return;
      ring(compressor->values);
      ring(compressor->gates);
      rows(compressor->rows);
    };
    for (auto* layers : {&self.layers_, &self.mtp_layers_}) {
      for (auto& layer : *layers) {
        ring(layer.window);
        visit_compressor(layer.attention);
        visit_compressor(layer.indexer);
      }
    }
    if (self.world_model_)
      for (auto& store : self.world_model_->rows) rows(store);
  }

  std::size_t n_tokens_ = 0;
  std::size_t n_mtp_tokens_ = 0;
  std::size_t high_water_ =
      0;  ///< most tokens ever processed: rings hold the positions just below it
  std::vector<LayerState> layers_;
  std::vector<LayerState> mtp_layers_;
  std::optional<WorldModelState> world_model_;
};

}  // namespace hadal
