// How often each expert of each layer is chosen: the expert load of a running server.
#pragma once

#include "engine/backends/forwarding_backend.h"

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace hadal {

class ExpertCounter final : public ForwardingBackend {
 public:
  /// @param n_layers  MoE layers of the model, MTP blocks included; those beyond are not counted
  ExpertCounter(Backend& inner, std::size_t n_layers, std::size_t n_experts);

  void moe(const MoeArgs& args) override;

  /// [layers that have run][n_experts] choices so far, layers in the order in which they ran first.
  /// Any thread, while the engine works.
  std::vector<std::vector<std::uint64_t>> counts() const;

 private:
  const std::size_t n_experts_;
  std::vector<const ExpertWeights*> layers_;  ///< by the address of their experts
  std::atomic<std::size_t> n_layers_{0};      ///< of layers_ that are set
  std::vector<std::atomic<std::uint64_t>> counts_;
};

}  // namespace hadal
