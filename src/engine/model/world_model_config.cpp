#include "engine/model/world_model_config.h"

#include "engine/model/config_reader.h"

#include <algorithm>
#include <vector>

namespace hadal {
namespace {

using nlohmann::json;

MaskMode read_mask(KeyReader& in) {
  const std::string name = in.text({"mask"}, "causal_graph");
  const std::optional<MaskMode> mask = parse_mask_mode(name);
  if (!mask)
    in.fail(
        ErrorCode::unsupported, "mask",
        fmt::format("expected causal_graph, causal_parents, token_causal, random_graph or none, "
                    "found '{}'",
                    name));
  return mask.value_or(MaskMode::causal_graph);
}

WorldModelConfig::LossWeights read_loss(KeyReader& in) {
  WorldModelConfig::LossWeights loss;
  const json* value = in.find({"loss"});
  if (value == nullptr) return loss;
  if (!value->is_object()) {
    in.fail(ErrorCode::bad_format, "loss",
            fmt::format("expected an object, found {}", shown(*value)));
    return loss;
  }
  KeyReader inner(*value, in.source(), "world_model.loss.");
  inner.refuse_others({"latent", "counterfactual", "edge"});
  loss = {.latent = inner.number({"latent"}, 0.0),
          .counterfactual = inner.number({"counterfactual"}, 0.0),
          .edge = inner.number({"edge"}, 0.0)};
  in.merge(inner);
  return loss;
}

std::optional<StructureTokens> read_structure_tokens(KeyReader& in) {
  const json* value = in.find({"structure_tokens"});
  if (value == nullptr) return std::nullopt;
  if (!value->is_array() || value->size() != StructureTokens::kCount) {
    in.fail(ErrorCode::bad_format, "structure_tokens",
            fmt::format("expected a list of {} token ids", StructureTokens::kCount));
    return std::nullopt;
  }
  std::array<std::int32_t, StructureTokens::kCount> list{};
  for (std::size_t i = 0; i < list.size(); ++i) {
    const std::size_t id = in.to_size((*value)[i], "structure_tokens");
    if (id > static_cast<std::size_t>(std::numeric_limits<std::int32_t>::max()))
      in.fail(ErrorCode::bad_format, "structure_tokens",
              fmt::format("expected token ids, found {}", id));
    list[i] = static_cast<std::int32_t>(id);
  }
  return StructureTokens::from_list(list);
}

std::vector<std::int32_t> to_list(const StructureTokens& tokens) {
  std::vector<std::int32_t> list(tokens.openers.begin(), tokens.openers.end());
  list.insert(list.end(), {tokens.by, tokens.colon, tokens.close});
  list.insert(list.end(), tokens.ids.begin(), tokens.ids.end());
  return list;
}

void check_structure_tokens(const StructureTokens& tokens, std::size_t vocab_size,
                            ConfigRules& rules) {
  std::vector<std::int32_t> list = to_list(tokens);
  std::sort(list.begin(), list.end());
  rules.require(static_cast<std::size_t>(list.back()) < vocab_size,
                "world_model.structure_tokens must be below vocab_size ({}), found {}", vocab_size,
                list.back());
  const auto twice = std::adjacent_find(list.begin(), list.end());
  if (twice != list.end())
    rules.require(false, "world_model.structure_tokens must differ, found {} twice", *twice);
}

}  // namespace

Result<WorldModelConfig> parse_world_model(const json& value, std::size_t n_layers,
                                           std::string_view source) {
  if (!value.is_object())
    return error(ErrorCode::bad_format, "{}: key 'world_model': expected an object, found {}",
                 source, shown(value));
  KeyReader in(value, source, "world_model.");
  in.refuse_others({"layers", "after_layer", "latent_dim", "n_heads", "head_dim", "n_kv_heads",
                    "intermediate", "n_latent_steps", "max_latent_steps", "rope_dim", "mask",
                    "mask_source", "mask_dropout", "max_events", "skip_root", "loss",
                    "structure_tokens"});
  for (const char* key : {"latent_dim", "n_heads", "head_dim", "intermediate"})
    if (in.find({key}) == nullptr) in.fail(ErrorCode::not_found, key, "the key is missing");

  WorldModelConfig c;
  c.layers = in.size({"layers"}, c.layers);
  c.after_layer = in.size({"after_layer"}, std::max<std::size_t>(n_layers / 2, 1) - 1);
  c.latent_dim = in.size({"latent_dim"}, 0);
  c.n_heads = in.size({"n_heads"}, 0);
  c.head_dim = in.size({"head_dim"}, 0);
  c.n_kv_heads = in.size({"n_kv_heads"}, c.n_heads);
  c.intermediate = in.size({"intermediate"}, 0);
  c.n_latent_steps = in.size({"n_latent_steps"}, c.n_latent_steps);
  c.max_latent_steps =
      in.size({"max_latent_steps"}, std::max(c.max_latent_steps, c.n_latent_steps));
  c.rope_dim = in.size({"rope_dim"}, c.head_dim / 4 * 2);
  c.mask = read_mask(in);
  if (const std::string from = in.text({"mask_source"}, "tokens"); from != "tokens")
    in.fail(ErrorCode::unsupported, "mask_source",
            fmt::format("expected tokens, found '{}'", from));
  c.mask_dropout = in.number({"mask_dropout"}, 0.0);
  c.max_events = in.size({"max_events"}, c.max_events);
  c.skip_root = in.boolean({"skip_root"}, true);
  c.loss = read_loss(in);
  c.structure_tokens = read_structure_tokens(in);
  if (in.first_error()) return *in.first_error();
  return c;
}

nlohmann::ordered_json world_model_json(const WorldModelConfig& c) {
  nlohmann::ordered_json out = {{"layers", c.layers},
                                {"after_layer", c.after_layer},
                                {"latent_dim", c.latent_dim},
                                {"n_heads", c.n_heads},
                                {"head_dim", c.head_dim},
                                {"n_kv_heads", c.n_kv_heads},
                                {"intermediate", c.intermediate},
                                {"n_latent_steps", c.n_latent_steps},
                                {"max_latent_steps", c.max_latent_steps},
                                {"rope_dim", c.rope_dim},
                                {"mask", name_of(c.mask)},
                                {"mask_source", "tokens"},
                                {"mask_dropout", c.mask_dropout},
                                {"max_events", c.max_events},
                                {"skip_root", c.skip_root},
                                {"loss",
                                 {{"latent", c.loss.latent},
                                  {"counterfactual", c.loss.counterfactual},
                                  {"edge", c.loss.edge}}}};
  if (c.structure_tokens) out["structure_tokens"] = to_list(*c.structure_tokens);
  return out;
}

void check_world_model(const WorldModelConfig& c, std::size_t n_layers, std::size_t vocab_size,
                       ConfigRules& rules) {
  rules.in_range("world_model.layers", c.layers, 1, 64);
  rules.in_range("world_model.after_layer", c.after_layer, 0,
                 std::max<std::size_t>(n_layers, 1) - 1);
  rules.in_range("world_model.latent_dim", c.latent_dim, 1, 1u << 16);
  rules.in_range("world_model.n_heads", c.n_heads, 1, 4096);
  rules.in_range("world_model.head_dim", c.head_dim, 1, 8192);
  rules.require(c.n_kv_heads > 0 && c.n_heads % c.n_kv_heads == 0,
                "world_model.n_kv_heads must divide n_heads ({}), found {}", c.n_heads,
                c.n_kv_heads);
  rules.in_range("world_model.intermediate", c.intermediate, 1, 1u << 17);
  rules.in_range("world_model.max_latent_steps", c.max_latent_steps, 1, 64);
  rules.in_range("world_model.n_latent_steps", c.n_latent_steps, 1, c.max_latent_steps);
  rules.require(c.rope_dim % 2 == 0 && c.rope_dim <= c.head_dim,
                "world_model.rope_dim must be even and at most head_dim ({}), found {}", c.head_dim,
                c.rope_dim);
  rules.require(c.mask_dropout >= 0.0 && c.mask_dropout <= 1.0,
                "world_model.mask_dropout must be between 0 and 1, found {}", c.mask_dropout);
  rules.in_range("world_model.max_events", c.max_events, 1, 4096);
  for (const auto& [name, weight] :
       {std::pair("latent", c.loss.latent), std::pair("counterfactual", c.loss.counterfactual)})
    rules.require(weight >= 0.0 && weight <= 1e3,
                  "world_model.loss.{} must be between 0 and 1000, found {}", name, weight);
  rules.require(c.loss.edge == 0.0,
                "world_model.loss.edge must be 0 (edges are never predicted), "
                "found {}",
                c.loss.edge);
  if (c.structure_tokens) check_structure_tokens(*c.structure_tokens, vocab_size, rules);
}

}  // namespace hadal
