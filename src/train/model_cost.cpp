#include "train/model_cost.h"

#include "train/v4_model.h"

#include <algorithm>
#include <string_view>

namespace hadal::train {
namespace {

constexpr std::string_view kTrainOnly = "world model, train-only";

bool contains(std::string_view text, std::string_view part) {
  return text.find(part) != std::string_view::npos;
}

std::string_view part_of(std::string_view name) {
  if (is_train_only(name)) return kTrainOnly;
  if (name.starts_with("world_model.")) return "world model";
  if (name.starts_with("mtp.")) return "MTP block";
  if (name == "embed.weight") return "embedding";
  if (name == "head.weight") return "head";
  if (contains(name, "hc_")) return "hyper-connections";
  if (contains(name, ".attn.")) return "attention";
  if (contains(name, "ffn.experts.")) return "routed experts";
  if (contains(name, "shared_experts.")) return "shared expert";
  if (contains(name, "ffn.gate.")) return "router";
  return "norms";
}

/// How often a token meets each weight of the tensor.
double uses_of(const Parameter& p, const ModelConfig& c) {
  const bool is_product = p.kind == ParameterKind::matrix || p.kind == ParameterKind::head ||
                          p.kind == ParameterKind::router || p.kind == ParameterKind::hyper;
  if (!is_product || is_train_only(p.name)) return 0.0;
  if (contains(p.name, "experts.*"))
    return static_cast<double>(c.num_experts_per_tok) / static_cast<double>(c.n_routed_experts);
  if (p.name.starts_with("world_model.layers."))
    return static_cast<double>(c.world_model->n_latent_steps);
  return 1.0;
}

}  // namespace

std::vector<PartCost> model_cost(const ModelConfig& config) {
  std::vector<PartCost> parts;
  for (const std::string_view part :
       {"embedding", "head", "attention", "hyper-connections", "routed experts", "shared expert",
        "router", "norms", "MTP block"})
    parts.push_back({.part = std::string(part)});
  if (config.world_model) {
    parts.push_back({.part = "world model"});
    parts.push_back({.part = std::string(kTrainOnly)});
  }
  const V4Model model(config, [](std::string_view, ParameterKind kind, at::IntArrayRef shape) {
    return at::empty(shape, kind == ParameterKind::table ? at::kLong : at::kFloat);
  });
  for (const Parameter& p : model.parameters()) {
    if (!p.trainable()) continue;
    PartCost& part = *std::find_if(parts.begin(), parts.end(), [&](const PartCost& cost) {
      return cost.part == part_of(p.name);
    });
    part.n_parameters += p.value.numel();
    part.macs_per_token += uses_of(p, config) * static_cast<double>(p.value.numel());
  }
  return parts;
}

PartCost total_cost(const std::vector<PartCost>& parts) {
  PartCost total{.part = "total"};
  for (const PartCost& part : parts) {
    if (part.part == kTrainOnly) continue;
    total.n_parameters += part.n_parameters;
    total.macs_per_token += part.macs_per_token;
  }
  return total;
}

}  // namespace hadal::train
