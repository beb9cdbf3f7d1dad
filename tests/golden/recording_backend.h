// A Backend that passes everything on to another one and remembers the intermediates that appendix
// A.2 lists.
#pragma once

#include "engine/backends/forwarding_backend.h"

#include <vector>

namespace hadal {

class RecordingBackend final : public ForwardingBackend {
 public:
  using ForwardingBackend::ForwardingBackend;

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
  bool reads_panels() const override { return false; }

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
};

}  // namespace hadal
