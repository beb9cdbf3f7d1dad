#include "base/random.h"
#include "train/v4_model.h"

#include <algorithm>
#include <cmath>

namespace hadal::train {
namespace {

using at::Tensor;

/// Calls fill(file_name, data, count, last_dimension) for each tensor that the file holds: stacks
/// are split by expert.
template <typename Fill>
void for_each_file_tensor(std::string_view name, Tensor& value, const Fill& fill) {
  const std::size_t star = name.find('*');
  const std::int64_t last = value.size(-1);
  if (star == std::string_view::npos) return fill(std::string(name), value, last);
  for (std::int64_t e = 0; e < value.size(0); ++e) {
    std::string own(name);
    own.replace(star, 1, std::to_string(e));
    Tensor slice = value[e];
    fill(own, slice, last);
  }
}

bool ends_with_any(std::string_view name, std::initializer_list<std::string_view> endings) {
  return std::any_of(endings.begin(), endings.end(),
                     [&](std::string_view e) { return name.ends_with(e); });
}

/// deepseek-v4.md A.1
double appendix_value(std::string_view name, std::int64_t last_dimension, std::uint64_t z) {
  const double r = 2.0 * (static_cast<double>(z >> 40) * 0x1.0p-24) - 1.0;
  if (name.find("norm") != std::string_view::npos || name.ends_with("_scale"))
    return 1.0 + 0.25 * r;
  if (ends_with_any(name, {"_base", "ape", "attn_sink", "gate.bias"})) return 0.7 * r;
  return r * 2.5 / std::sqrt(static_cast<double>(last_dimension));
}

Tensor hash_table(at::IntArrayRef shape, std::size_t experts, std::uint64_t seed) {
  Tensor table = at::empty(shape, at::kLong);
  auto* out = table.data_ptr<std::int64_t>();
  const auto n = static_cast<std::int64_t>(experts);
  for (std::int64_t t = 0; t < shape[0]; ++t) {
    const auto first = static_cast<std::int64_t>(
        (splitmix64_at(seed, static_cast<std::uint64_t>(t)) >> 33) % experts);
    for (std::int64_t j = 0; j < shape[1]; ++j) out[t * shape[1] + j] = (first + j) % n;
  }
  return table;
}

/// Normal values by Box-Muller from a counter-based stream, so that the seed alone decides.
void fill_normal(Tensor& t, double std, std::uint64_t seed) {
  auto* out = t.data_ptr<float>();
  for (std::int64_t i = 0; i < t.numel(); ++i) {
    const auto k = static_cast<std::uint64_t>(i);
    const double u = (static_cast<double>(splitmix64_at(seed, 2 * k) >> 11) + 0.5) * 0x1.0p-53;
    const double v = static_cast<double>(splitmix64_at(seed, 2 * k + 1) >> 11) * 0x1.0p-53;
    out[i] = static_cast<float>(std * std::sqrt(-2.0 * std::log(u)) * std::cos(2.0 * M_PI * v));
  }
}

/// Hyper-connections start as "read mostly one stream, write to all, keep the streams apart": the
/// read stream differs from site to site, which breaks the symmetry between streams that begin as
/// identical copies.
void fill_hyper_base(Tensor& base, std::int64_t streams, std::uint64_t seed) {
  auto* out = base.data_ptr<float>();
  const bool head = base.numel() == streams;
  const auto read =
      static_cast<std::int64_t>(splitmix64_at(seed, 0) % static_cast<std::uint64_t>(streams));
  for (std::int64_t j = 0; j < streams; ++j) {
    out[j] = head ? -std::log(static_cast<float>(streams)) : j == read ? 1.0f : -2.0f;
    if (head) continue;
    out[streams + j] = 0.0f;
    for (std::int64_t k = 0; k < streams; ++k)
      out[2 * streams + j * streams + k] = j == k ? 3.0f : 0.0f;
  }
}

}  // namespace

V4Model::TensorSource appendix_weights(const ModelConfig& config) {
  return [experts = config.n_routed_experts](std::string_view name, ParameterKind kind,
                                             at::IntArrayRef shape) {
    if (kind == ParameterKind::table) return hash_table(shape, experts, fnv1a64(name));
    Tensor value = at::empty(shape);
    for_each_file_tensor(name, value, [](const std::string& own, Tensor& t, std::int64_t last) {
      const std::uint64_t seed = fnv1a64(own);
      auto* out = t.data_ptr<float>();
      for (std::int64_t i = 0; i < t.numel(); ++i)
        out[i] = static_cast<float>(
            appendix_value(own, last, splitmix64_at(seed, static_cast<std::uint64_t>(i))));
    });
    return value;
  };
}

V4Model::TensorSource random_initialisation(const ModelConfig& config, std::uint64_t seed) {
  const auto streams = static_cast<std::int64_t>(config.hc_mult);
  return [streams, experts = config.n_routed_experts, seed](
             std::string_view name, ParameterKind kind, at::IntArrayRef shape) {
    const std::uint64_t own = fnv1a64(name) ^ splitmix64_mix(seed);
    if (kind == ParameterKind::table) return hash_table(shape, experts, own);
    Tensor value = at::zeros(shape);
    const double fan_in = static_cast<double>(value.size(-1));
    switch (kind) {
      case ParameterKind::norm:
        value.fill_(1.0);
        break;
      case ParameterKind::embedding:
        fill_normal(value, 0.5, own);
        break;
      case ParameterKind::matrix:
        fill_normal(value, 0.6 / std::sqrt(fan_in), own);
        break;
      case ParameterKind::head:
        fill_normal(value, 0.3 / std::sqrt(fan_in), own);
        break;
      case ParameterKind::router:
      case ParameterKind::hyper:
        fill_normal(value, 0.5 / std::sqrt(fan_in), own);
        break;
      case ParameterKind::vector:
        if (name.ends_with("_base")) fill_hyper_base(value, streams, own);
        if (name.ends_with("_scale")) value.fill_(0.1);
        if (name.ends_with("read_weight")) value.fill_(1.0 / static_cast<double>(streams));
        if (name.ends_with("write_weight")) value.fill_(1.0);
        if (name.ends_with("_embed")) fill_normal(value, 0.1, own);
        break;
      case ParameterKind::bias:
      case ParameterKind::table:
        break;
    }
    return value;
  };
}

}  // namespace hadal::train
