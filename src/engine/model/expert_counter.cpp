#include "engine/model/expert_counter.h"

#include <algorithm>

namespace hadal {

ExpertCounter::ExpertCounter(Backend& inner, std::size_t n_layers, std::size_t n_experts)
    : ForwardingBackend(inner),
      n_experts_(n_experts),
      layers_(n_layers),
      counts_(n_layers * n_experts) {}

void ExpertCounter::moe(const MoeArgs& args) {
  inner_.moe(args);
  const auto end = layers_.begin() + static_cast<std::ptrdiff_t>(n_layers_.load());
  const auto known = std::find(layers_.begin(), end, args.experts.data());
  const auto layer = static_cast<std::size_t>(known - layers_.begin());
  if (known == end) {
    if (layer == layers_.size()) return;
    layers_[layer] = args.experts.data();
    ++n_layers_;
  }
  for (std::size_t t = 0; t < args.expert_ids.n; ++t) {
    for (std::size_t slot = 0; slot < args.expert_ids.width; ++slot) {
      const auto expert = static_cast<std::size_t>(args.expert_ids[t][slot]);
      counts_[layer * n_experts_ + expert].fetch_add(1, std::memory_order_relaxed);
    }
  }
}

std::vector<std::vector<std::uint64_t>> ExpertCounter::counts() const {
  std::vector<std::vector<std::uint64_t>> all(n_layers_.load(),
                                              std::vector<std::uint64_t>(n_experts_));
  for (std::size_t layer = 0; layer < all.size(); ++layer) {
    for (std::size_t expert = 0; expert < n_experts_; ++expert)
      all[layer][expert] = counts_[layer * n_experts_ + expert].load(std::memory_order_relaxed);
  }
  return all;
}

}  // namespace hadal
