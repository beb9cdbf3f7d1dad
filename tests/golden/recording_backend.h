// A Backend that passes everything on to another one and remembers the intermediates that appendix
// A.2 lists.
#pragma once

#include "engine/backends/backend.h"

#include <vector>

namespace hadal {

class RecordingBackend final : public Backend {
 public:
  explicit RecordingBackend(Backend& inner) : inner_(inner) {}

  struct Site {
    std::vector<float> post, comb, hidden;  ///< of token 0
  };
  struct Selection {
    std::vector<std::vector<std::int32_t>> rows;  ///< per token of the call
    std::vector<float> q, head_weights;
    PagedRows keys;
    std::size_t n_heads;
  };
  std::vector<Site> sites;            ///< hyper_connection_read calls in order
  std::vector<Selection> selections;  ///< indexer_select calls in order

  std::string description() const override { return "recording " + inner_.description(); }
  void embedding(const EmbeddingArgs& a) override { inner_.embedding(a); }
  void linear(const LinearArgs& a) override { inner_.linear(a); }
  void rms_norm(const RmsNormArgs& a) override { inner_.rms_norm(a); }
  void rope(const RopeArgs& a) override { inner_.rope(a); }
  void hyper_connection_write(const HyperConnectionWriteArgs& a) override {
    inner_.hyper_connection_write(a);
  }
  void hyper_connection_head(const HyperConnectionHeadArgs& a) override {
    inner_.hyper_connection_head(a);
  }
  void compressor_pool(const CompressorPoolArgs& a) override { inner_.compressor_pool(a); }
  void attention(const AttentionArgs& a) override { inner_.attention(a); }
  void router(const RouterArgs& a) override { inner_.router(a); }
  void moe(const MoeArgs& a) override { inner_.moe(a); }
  void swiglu(const SwigluArgs& a) override { inner_.swiglu(a); }
  void range_attention(const RangeAttentionArgs& a) override { inner_.range_attention(a); }

  void hyper_connection_read(const HyperConnectionReadArgs& a) override {
    inner_.hyper_connection_read(a);
    sites.push_back({first_row(a.post), first_row(a.comb), first_row(a.hidden)});
  }

  void indexer_select(const IndexerSelectArgs& a) override {
    inner_.indexer_select(a);
    Selection selection{
        .rows = {}, .q = {}, .head_weights = {}, .keys = a.keys, .n_heads = a.n_heads};
    for (std::size_t t = 0; t < a.q.n; ++t) {
      selection.rows.emplace_back(a.selected[t], a.selected[t] + a.n_selected[t]);
      selection.q.insert(selection.q.end(), a.q[t], a.q[t] + a.q.width);
      selection.head_weights.insert(selection.head_weights.end(), a.head_weights[t],
                                    a.head_weights[t] + a.n_heads);
    }
    selections.push_back(std::move(selection));
  }

 private:
  static std::vector<float> first_row(Rows<const float> rows) {
    return {rows[0], rows[0] + rows.width};
  }

  Backend& inner_;
};

}  // namespace hadal
