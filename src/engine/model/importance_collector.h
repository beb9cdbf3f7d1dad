// A Backend that passes every operator on to another one and sums the squares of what meets each
// column of each weight: how an importance matrix is measured (importance_matrix.h).
#pragma once

#include "engine/backends/forwarding_backend.h"
#include "engine/model/checkpoint.h"
#include "engine/model/importance_matrix.h"

#include <optional>
#include <unordered_map>
#include <vector>

namespace hadal {

/// Measured: the weights of `linear` and of `moe` that GGUF has a name for (routers, compressors
/// and indexers too, whatever quantisers make of them). The groups of wo_a are one weight, whose
/// count is that of tokens times groups. Inputs are taken as the product gets them: rounded to FP8
/// in the QAT simulation, not yet rounded to int8 on `cpu`.
///
/// The hidden activations of an expert, which meet w2, are computed once more: w1 and w3 by
/// `linear` of the inner backend, then swiglu_ref. So a pass costs up to twice its time. Sums are
/// doubles, in memory for the whole model: 8 bytes per column of each matrix (0.9 GB for V4-Flash).
/// One caller at a time, like every Backend.
class ImportanceCollector final : public ForwardingBackend {
 public:
  /// For models on `checkpoint` alone, whose tensors are recognised by their address. `inner` and
  /// `checkpoint` must outlive this. @param with_head  measure the language-model head too, and the
  /// hyper-connection before it.
  ImportanceCollector(Backend& inner, const Checkpoint& checkpoint, bool with_head);

  /// Hands over the sums of the weights that some token has met, by name. Nothing is measured
  /// after.
  std::vector<WeightImportance> take();

  /// Panels have no columns in order.
  bool reads_panels() const override { return false; }
  void linear(const LinearArgs& args) override;
  void hyper_connection_read(const HyperConnectionReadArgs& args) override;
  void hyper_connection_head(const HyperConnectionHeadArgs& args) override;
  void moe(const MoeArgs& args) override;

 private:
  /// Where the sums of a matrix are.
  struct Place {
    std::size_t weight;
    std::size_t matrix;
  };

  void add_place(const CheckpointTensor& tensor, std::size_t mtp_block);
  void add(const MatrixView& weight, Rows<const float> inputs);
  void add_streams(const MatrixView& fn, Rows<const float> streams, float rms_norm_eps);
  void add_expert(const MoeArgs& args, const ExpertWeights& expert, Rows<const float> x);

  bool with_head_;
  std::vector<WeightImportance> weights_;
  std::unordered_map<std::string, std::size_t> by_name_;
  /// By the address of a matrix; nothing for those that are not measured.
  std::unordered_map<const std::byte*, std::optional<Place>> places_;
};

}  // namespace hadal
