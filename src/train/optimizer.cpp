#include "train/optimizer.h"

#include "base/check.h"
#include "train/kernels.h"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <thread>
#include <utility>

#include <ATen/Parallel.h>

namespace hadal::train {

using at::Tensor;

namespace {

constexpr double kMomentum = 0.95;
constexpr double kUpdateRms = 0.2;  // of an AdamW update, so that one learning rate serves both

bool is_matrix(ParameterKind kind) {
  return kind == ParameterKind::matrix;
}

}  // namespace

Tensor orthogonalise(const Tensor& x) {
  constexpr double a = 3.4445, b = -4.7750, c = 2.0315;
  const bool stacked = x.dim() == 3, tall = x.size(-2) > x.size(-1);
  Tensor m = stacked ? x : x.unsqueeze(0);
  if (tall) m = m.transpose(1, 2);
  m = m / (m.norm(2, {1, 2}, true) + 1e-7);
  for (int i = 0; i < 5; ++i) {
    const Tensor gram = at::bmm(m, m.transpose(1, 2));
    m = a * m + at::bmm(b * gram + c * at::bmm(gram, gram), m);
  }
  if (tall) m = m.transpose(1, 2);
  return stacked ? m : m.squeeze(0);
}

Optimizer::Optimizer(std::vector<Parameter> parameters, OptimizerOptions options,
                     std::size_t n_threads)
    : options_(options), n_threads_(n_threads) {
  for (Parameter& p : parameters) {
    if (!p.trainable()) {
      slots_.push_back({std::move(p), false, {}, {}});
      continue;
    }
    p.value = p.value.detach();
    const bool muon = options_.muon && is_matrix(p.kind);
    Tensor first = at::zeros_like(p.value), second = muon ? Tensor() : at::zeros_like(p.value);
    slots_.push_back({std::move(p), muon, first, second});
  }
}

double Optimizer::step(const std::vector<Tensor>& gradients, double factor) {
  HADAL_CHECK(gradients.size() == slots_.size(), "one gradient slot per parameter");
  double squares = 0.0;
  for (const Tensor& g : gradients)
    if (g.defined()) squares += g.square().sum().item<double>();
  const double norm = std::sqrt(squares);
  if (!std::isfinite(norm)) return norm;
  ++n_steps_;
  const double scale = norm > options_.clip ? options_.clip / norm : 1.0,
               rate = options_.learning_rate * factor;
  std::atomic<std::size_t> next{0};
  const auto work = [&] {
    at::set_num_threads(1);
    for (std::size_t i = next++; i < slots_.size(); i = next++) {
      if (!gradients[i].defined()) continue;
      if (slots_[i].muon)
        update_muon(slots_[i], gradients[i], scale, rate);
      else
        update_adamw(slots_[i], gradients[i], scale, rate);
    }
  };
  std::vector<std::thread> threads;
  for (std::size_t t = 1; t < n_threads_; ++t) threads.emplace_back(work);
  work();
  for (std::thread& t : threads) t.join();
  return norm;
}

void Optimizer::update_muon(Slot& slot, const Tensor& gradient, double scale, double rate) const {
  Tensor &value = slot.parameter.value, &momentum = slot.first;
  momentum.mul_(kMomentum).add_(gradient, scale);
  const Tensor direction = orthogonalise(gradient * scale + momentum * kMomentum);
  const auto longest = static_cast<double>(std::max(value.size(-1), value.size(-2)));
  value.mul_(1.0 - rate * options_.weight_decay)
      .add_(direction, -rate * kUpdateRms * std::sqrt(longest));
}

void Optimizer::update_adamw(Slot& slot, const Tensor& gradient, double scale, double rate) const {
  const auto t = static_cast<double>(n_steps_);
  const Tensor g = gradient.contiguous();
  const AdamStep step{
      static_cast<float>(rate),
      static_cast<float>(options_.beta1),
      static_cast<float>(options_.beta2),
      1e-10f,
      is_matrix(slot.parameter.kind) ? static_cast<float>(options_.weight_decay) : 0.0f,
      static_cast<float>(1.0 - std::pow(options_.beta1, t)),
      static_cast<float>(1.0 - std::pow(options_.beta2, t))};
  adamw_update(static_cast<std::size_t>(g.numel()), step, static_cast<float>(scale),
               g.data_ptr<float>(), slot.parameter.value.data_ptr<float>(),
               slot.first.data_ptr<float>(), slot.second.data_ptr<float>());
}

std::map<std::string, Tensor> Optimizer::state() const {
  std::map<std::string, Tensor> state;
  for (const Slot& s : slots_) {
    if (!s.parameter.trainable()) continue;
    state[(s.muon ? "momentum." : "adam_m.") + s.parameter.name] = s.first;
    if (!s.muon) state["adam_v." + s.parameter.name] = s.second;
  }
  return state;
}

}  // namespace hadal::train
