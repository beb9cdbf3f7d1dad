#include "engine/kernels/indexer/indexer.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <vector>

namespace hadal {
namespace {

/// I = sum_h weight[h] ReLU(q[h] . key); a NaN counts as -infinity so that rows can be ordered.
double score_row(const IndexerSelectArgs& args, std::size_t token, const float* key) {
  const std::size_t head_dim = args.keys.width;
  double score = 0.0;
  for (std::size_t head = 0; head < args.n_heads; ++head) {
    const float* q = args.q[token] + head * head_dim;
    double dot = 0.0;
    for (std::size_t i = 0; i < head_dim; ++i) dot += double{q[i]} * double{key[i]};
    score += double{args.head_weights[token][head]} * std::max(dot, 0.0);
  }
  return std::isnan(score) ? -std::numeric_limits<double>::infinity() : score;
}

}  // namespace

void indexer_select_ref(const IndexerSelectArgs& args) {
  for (std::size_t t = 0; t < args.q.n; ++t) {
    const std::size_t n_visible = args.n_visible[t];
    const std::size_t n_selected = std::min(args.top_k, n_visible);
    std::vector<std::int32_t> order(n_visible);
    std::iota(order.begin(), order.end(), 0);
    if (n_selected < n_visible) {
      std::vector<double> score(n_visible);
      for (std::size_t w = 0; w < n_visible; ++w) score[w] = score_row(args, t, args.keys[w]);
      std::sort(order.begin(), order.end(), [&](std::int32_t a, std::int32_t b) {
        const double score_a = score[static_cast<std::size_t>(a)];
        const double score_b = score[static_cast<std::size_t>(b)];
        return score_a != score_b ? score_a > score_b : a < b;
      });
      std::sort(order.begin(), order.begin() + static_cast<std::ptrdiff_t>(n_selected));
    }
    std::copy_n(order.begin(), n_selected, args.selected[t]);
    args.n_selected[t] = n_selected;
  }
}

}  // namespace hadal
