#include "engine/kernels/fake_quant/fake_quant.h"
#include "engine/kernels/linear/linear.h"
#include "engine/kernels/moe/activation_quant.h"
#include "engine/kernels/moe/moe.h"
#include "engine/kernels/swiglu/swiglu.h"

#include <vector>

namespace hadal {
namespace {

void linear(const MoeArgs& args, std::vector<float> x, const MatrixView& weight,
            std::vector<float>& y) {
  const auto row = dense_rows(x.data(), 1, x.size());
  if (args.fake_quant_activations && quantises_activations(weight)) {
    fake_quant_e4m3(row, kActivationBlock);
  }
  y.resize(weight.rows);
  linear_ref({.x = row, .weight = weight, .y = dense_rows(y.data(), 1, y.size())});
}

/// sum += weight * E(x)
void add_expert(const MoeArgs& args, const ExpertWeights& expert, double weight, std::size_t token,
                std::vector<double>& sum) {
  const std::vector<float> x(args.x[token], args.x[token] + args.x.width);
  std::vector<float> gate;
  std::vector<float> up;
  std::vector<float> down;
  linear(args, x, expert.w1, gate);
  linear(args, x, expert.w3, up);
  const auto hidden = dense_rows(gate.data(), 1, gate.size());
  swiglu_ref({.gate = hidden,
              .up = dense_rows(up.data(), 1, up.size()),
              .limit = args.swiglu_limit,
              .out = hidden});
  linear(args, gate, expert.w2, down);
  for (std::size_t i = 0; i < sum.size(); ++i) sum[i] += weight * double{down[i]};
}

}  // namespace

void moe_ref(const MoeArgs& args) {
  for (std::size_t token = 0; token < args.x.n; ++token) {
    std::vector<double> sum(args.y.width);
    for (std::size_t slot = 0; slot < args.expert_ids.width; ++slot) {
      const auto expert = static_cast<std::size_t>(args.expert_ids[token][slot]);
      add_expert(args, args.experts[expert], double{args.expert_weights[token][slot]}, token, sum);
    }
    if (args.shared != nullptr) add_expert(args, *args.shared, 1.0, token, sum);
    for (std::size_t i = 0; i < sum.size(); ++i) args.y[token][i] = static_cast<float>(sum[i]);
  }
}

}  // namespace hadal
