// hadal show: what a checkpoint holds and what it will need, before it is loaded.

#include "common.h"
#include "engine/engine.h"
#include "engine/model/arranged_weights.h"
#include "model_needs.h"
#include "verbs.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <cstdio>
#include <map>
#include <memory>
#include <optional>
#include <vector>

namespace hadal {
namespace {

using nlohmann::ordered_json;

struct ShowFlags {
  std::string model;
  bool json = false;
  bool memory = false;
  PassLimits limits;
  std::size_t threads = 0;
  bool tensors = false;
};

/// The part of the model that a tensor belongs to.
std::string_view kind_of(std::string_view name) {
  constexpr std::pair<std::string_view, std::string_view> kParts[] = {
      // the first match counts
      {"world_model.", "world model"},
      {"mtp.", "MTP block"},
      {".experts.", "routed experts"},
      {".shared_experts.", "shared experts"},
      {".ffn.gate.", "routers"},
      {".indexer.", "indexers"},
      {".compressor.", "compressors"},
      {"hc_", "hyper-connections"},
      {".attn.", "attention"},
      {"embed.", "embedding"},
      {"head.", "head"},
  };
  for (const auto& [part, kind] : kParts)
    if (name.find(part) != std::string_view::npos) return kind;
  return "norms";
}

std::string type_name(const MatrixView& view) {
  std::string name(info(view.dtype).name);
  if (view.scale_layout != ScaleLayout::none)
    name += fmt::format(" + {} scales", info(view.scale_dtype).name);
  return name;
}

struct Totals {
  std::map<std::string, std::uint64_t> by_kind;
  std::map<std::string, std::uint64_t> by_dtype;
  std::uint64_t mtp_parameters = 0;
};

Totals totals_of(const Checkpoint& checkpoint) {
  Totals totals;
  for (const CheckpointTensor& tensor : checkpoint.tensors()) {
    totals.by_kind[std::string(kind_of(tensor.name))] += bytes_of(tensor.view);
    totals.by_dtype[type_name(tensor.view)] += bytes_of(tensor.view);
    if (tensor.name.starts_with("mtp."))
      totals.mtp_parameters += tensor.view.rows * tensor.view.cols;
  }
  return totals;
}

/// Whether the weights lie in the cache in panel order, or could.
struct Order {
  std::optional<ArrangedWeights> arranged;
  std::uint64_t can_be_arranged = 0;  ///< bytes of the file that `hadal arrange` would write
};

Order order_of(const Checkpoint& checkpoint) {
  Order order{.arranged = ArrangedWeights::find(checkpoint)};
  if (!checkpoint.files().empty()) order.can_be_arranged = arranged_layout(checkpoint).file_bytes;
  return order;
}

// ---- JSON

void print_json(const Checkpoint& checkpoint) {
  const ModelNeeds needs = needs_of(checkpoint);
  const Totals totals = totals_of(checkpoint);
  const Order order = order_of(checkpoint);
  ordered_json out;
  out["model"] = checkpoint.name();
  out["config"] = ordered_json::parse(to_config_json(checkpoint.config()));
  out["total_parameters"] = needs.n_parameters;
  out["active_parameters"] = needs.n_active_parameters;
  out["mtp_parameters"] = totals.mtp_parameters;
  out["bytes"] = needs.weight_bytes;
  out["bytes_by_kind"] = totals.by_kind;
  out["bytes_by_dtype"] = totals.by_dtype;
  out["memory"] = {{"weights_mapped", needs.weight_bytes},
                   {"read_per_token", needs.bytes_per_token},
                   {"state_fixed", needs.state_bytes},
                   {"state_per_1k_tokens", needs.state_bytes_per_1k}};
  out["panel_order"] = {
      {"file", order.arranged ? ordered_json(order.arranged->path().string()) : ordered_json()},
      {"bytes", order.can_be_arranged}};
  ordered_json& tensors = out["tensors"] = ordered_json::array();
  for (const CheckpointTensor& tensor : checkpoint.tensors())
    tensors.push_back({{"name", tensor.name},
                       {"dtype", info(tensor.view.dtype).name},
                       {"shape", tensor.shape},
                       {"bytes", bytes_of(tensor.view)}});
  fmt::print("{}\n", out.dump(-1, ' ', false, ordered_json::error_handler_t::replace));
}

// ---- text

std::string size_text(std::uint64_t bytes) {
  constexpr std::pair<double, const char*> kUnits[] = {
      {1e12, "TB"}, {1e9, "GB"}, {1e6, "MB"}, {1e3, "kB"}};
  for (const auto& [unit, name] : kUnits)
    if (static_cast<double>(bytes) >= unit)
      return fmt::format("{:.2f} {}", static_cast<double>(bytes) / unit, name);
  return fmt::format("{} B", bytes);
}

std::string count_text(std::uint64_t n) {
  constexpr std::pair<double, const char*> kUnits[] = {
      {1e12, "T"}, {1e9, "B"}, {1e6, "M"}, {1e3, "K"}};
  for (const auto& [unit, name] : kUnits)
    if (static_cast<double>(n) >= unit)
      return fmt::format("{:.3f}{}", static_cast<double>(n) / unit, name);
  return fmt::format("{}", n);
}

std::size_t count(const ModelConfig& c, AttentionType type) {
  return static_cast<std::size_t>(std::count(c.layer_types.begin(), c.layer_types.end(), type));
}

void print_shape(const ModelConfig& c) {
  fmt::print("layers       {} ({} sliding, {} CSA, {} HCA; {} with hash routing)\n",
             c.num_hidden_layers, count(c, AttentionType::sliding), count(c, AttentionType::csa),
             count(c, AttentionType::hca),
             std::count(c.mlp_layer_types.begin(), c.mlp_layer_types.end(), MlpType::hash));
  fmt::print("width        hidden {}, {} streams, vocabulary {}\n", c.hidden_size, c.hc_mult,
             c.vocab_size);
  fmt::print(
      "attention    {} heads of {} (rope {}), window {}, query rank {}, output {} groups of rank "
      "{}\n",
      c.num_attention_heads, c.head_dim, c.qk_rope_head_dim, c.sliding_window, c.q_lora_rank,
      c.o_groups, c.o_lora_rank);
  fmt::print("experts      {} of {} per token + {} shared, width {}\n", c.num_experts_per_tok,
             c.n_routed_experts, c.n_shared_experts, c.moe_intermediate_size);
  fmt::print("context      {} tokens{}\n", c.max_position_embeddings,
             c.yarn ? fmt::format(" (YaRN {} x {})", c.yarn->factor,
                                  c.yarn->original_max_position_embeddings)
                    : "");
  fmt::print("MTP blocks   {}\n", c.num_nextn_predict_layers);
  if (const auto& m = c.world_model)
    fmt::print(
        "world model  behind layer {}, width {}, {} loops of {} layers, {} heads of {} ({} key "
        "heads), mask {}\n",
        m->after_layer, m->latent_dim, m->n_latent_steps, m->layers, m->n_heads, m->head_dim,
        m->n_kv_heads, name_of(m->mask));
}

void print_needs(const Checkpoint& checkpoint, const ModelNeeds& needs) {
  const std::uint64_t at_limit =
      needs.state_bytes +
      needs.state_bytes_per_1k * (checkpoint.config().max_position_embeddings / 1024);
  fmt::print("\nmemory       weights {} (mapped), of which a token reads {}\n",
             size_text(needs.weight_bytes), size_text(needs.bytes_per_token));
  fmt::print("             state of a sequence {} + {} per 1024 tokens; {} at the context limit\n",
             size_text(needs.state_bytes), size_text(needs.state_bytes_per_1k),
             size_text(at_limit));
  const Order order = order_of(checkpoint);
  if (order.arranged) {
    fmt::print("             {} of the weights are mapped in panel order: {}\n",
               size_text(order.arranged->bytes()), order.arranged->path().string());
  } else if (order.can_be_arranged > 0) {
    fmt::print(
        "             weights are read as stored; `hadal arrange` puts {} in panel order, for "
        "faster decoding, into the cache\n",
        size_text(order.can_be_arranged));
  }
}

void print_table(std::string_view title, const std::map<std::string, std::uint64_t>& bytes) {
  std::vector<std::pair<std::uint64_t, std::string>> rows;
  for (const auto& [name, n] : bytes) rows.emplace_back(n, name);
  std::sort(rows.rbegin(), rows.rend());
  fmt::print("\n{}\n", title);
  for (const auto& [n, name] : rows) fmt::print("  {:>10}  {}\n", size_text(n), name);
}

/// "layers.3.ffn.experts.11.w1.weight" -> "layers.*.ffn.experts.*.w1.weight".
std::string pattern_of(std::string_view name) {
  std::string out;
  for (std::size_t i = 0; i < name.size(); ++i) {
    const bool is_index = i > 0 && name[i - 1] == '.' && name[i] >= '0' && name[i] <= '9';
    if (!is_index) {
      out += name[i];
      continue;
    }
    out += '*';
    while (i + 1 < name.size() && name[i + 1] >= '0' && name[i + 1] <= '9') ++i;
  }
  return out;
}

/// One line per tensor, or per group of tensors that differ in their numbers only.
void print_tensors(const Checkpoint& checkpoint, bool each) {
  std::vector<std::pair<std::string, std::size_t>> lines;
  std::map<std::string, std::size_t> line_of;
  for (const CheckpointTensor& tensor : checkpoint.tensors()) {
    const std::string line =
        fmt::format("{:<50} {:<24} [{}]", each ? tensor.name : pattern_of(tensor.name),
                    type_name(tensor.view), fmt::join(tensor.shape, ", "));
    const auto [it, is_new] = line_of.emplace(line, lines.size());
    if (is_new) lines.emplace_back(line, 0);
    ++lines[it->second].second;
  }
  fmt::print("\ntensors\n");
  for (const auto& [line, n] : lines) fmt::print("  {:>5}x {}\n", n, line);
}

void print_text(const Checkpoint& checkpoint, const ShowFlags& flags) {
  const ModelNeeds needs = needs_of(checkpoint);
  const Totals totals = totals_of(checkpoint);
  fmt::print("model        {}\n", checkpoint.name());
  fmt::print("parameters   {} total, {} active per token", count_text(needs.n_parameters),
             count_text(needs.n_active_parameters));
  if (totals.mtp_parameters > 0)
    fmt::print(", {} in MTP blocks", count_text(totals.mtp_parameters));
  fmt::print("\n");
  print_shape(checkpoint.config());
  print_needs(checkpoint, needs);
  print_table("bytes by part", totals.by_kind);
  print_table("bytes by type", totals.by_dtype);
  print_tensors(checkpoint, flags.tensors);
}

// ---- the plan

Result<void> print_plan(const Checkpoint& checkpoint, const ShowFlags& flags) {
  HADAL_ASSIGN(const std::unique_ptr<Backend> backend, make_backend({.n_threads = flags.threads}));
  const MemoryPlan plan = plan_memory(checkpoint, *backend, flags.limits);
  const std::size_t context =
      flags.limits.context > 0 ? flags.limits.context : checkpoint.config().max_position_embeddings;
  if (flags.json) {
    const auto state = [](const StateBytes& s) {
      return ordered_json{{"windows", s.windows},       {"pending", s.pending},
                          {"csa_rows", s.csa_rows},     {"hca_rows", s.hca_rows},
                          {"index_keys", s.index_keys}, {"world_model", s.world_model},
                          {"total", s.total()}};
    };
    const ordered_json out = {{"model", checkpoint.name()},
                              {"backend", backend->description()},
                              {"pass_tokens", flags.limits.n_tokens},
                              {"context", context},
                              {"weights",
                               {{"routed_experts", plan.weights.routed_experts},
                                {"attention", plan.weights.attention},
                                {"embedding_and_head", plan.weights.embedding_and_head},
                                {"mtp", plan.weights.mtp},
                                {"world_model", plan.weights.world_model},
                                {"other", plan.weights.other},
                                {"total", plan.weights.total()}}},
                              {"activations", plan.activations},
                              {"workspace", plan.workspace},
                              {"logits", plan.logits},
                              {"state", state(plan.state)},
                              {"state_per_1k", state(plan.state_per_1k)},
                              {"total", plan.total()}};
    fmt::print("{}\n", out.dump(-1, ' ', false, ordered_json::error_handler_t::replace));
    return {};
  }
  const auto line = [](std::string_view name, std::uint64_t bytes, std::string_view more = "") {
    fmt::print("  {:<34} {:>10}{}\n", name, size_text(bytes), more);
  };
  const auto state_line = [&](std::string_view name, std::uint64_t bytes, std::uint64_t per_1k) {
    line(name, bytes, per_1k > 0 ? fmt::format("   {} per 1024 tokens", size_text(per_1k)) : "");
  };
  fmt::print("memory plan of {}: passes of {} tokens, context {}, {}\n", checkpoint.name(),
             flags.limits.n_tokens, context, backend->description());
  const Order order = order_of(checkpoint);
  line("weights, mapped", plan.weights.total(),
       order.arranged
           ? fmt::format("   {} of it in panel order", size_text(order.arranged->bytes()))
           : "   as stored");
  line("  routed experts", plan.weights.routed_experts);
  line("  attention", plan.weights.attention);
  line("  embedding and head", plan.weights.embedding_and_head);
  if (plan.weights.mtp > 0) line("  MTP blocks", plan.weights.mtp);
  if (plan.weights.world_model > 0) line("  world model", plan.weights.world_model);
  line("  other", plan.weights.other);
  line("activations, one arena", plan.activations);
  line("work memory of the backend, at most", plan.workspace);
  line("logits", plan.logits);
  state_line("state of a sequence", plan.state.total(), plan.state_per_1k.total());
  line("  windows", plan.state.windows);
  line("  pending compressor inputs", plan.state.pending);
  state_line("  CSA rows", plan.state.csa_rows, plan.state_per_1k.csa_rows);
  state_line("  HCA rows", plan.state.hca_rows, plan.state_per_1k.hca_rows);
  state_line("  indexer keys", plan.state.index_keys, plan.state_per_1k.index_keys);
  if (plan.state.world_model > 0)
    state_line("  world model", plan.state.world_model, plan.state_per_1k.world_model);
  line("all of it", plan.total());
  return {};
}

Result<void> show(const ShowFlags& flags) {
  HADAL_ASSIGN(const Checkpoint checkpoint, Checkpoint::open(flags.model));
  if (flags.memory) return print_plan(checkpoint, flags);
  if (flags.json) {
    print_json(checkpoint);
  } else {
    print_text(checkpoint, flags);
  }
  return {};
}

}  // namespace

void add_show(CLI::App& app, int& exit_code) {
  auto flags = std::make_shared<ShowFlags>();
  CLI::App* verb = app.add_subcommand(
      "show",
      "What a checkpoint holds: shape, tensors, parameters, and the memory that it will need");
  verb->add_option("model,-m,--model", flags->model,
                   "directory with config.json, .gguf file, Hub id in the local cache, or builtin")
      ->required();
  verb->add_flag("--json", flags->json, "for programs: config, every tensor, parameters, bytes");
  verb->add_flag("--memory", flags->memory,
                 "what running takes: weights, activations, work memory, state by kind");
  verb->add_option("--chunk", flags->limits.n_tokens, "--memory: most tokens in one pass")
      ->check(CLI::Range(1, 1 << 20))
      ->capture_default_str();
  verb->add_option("-c,--ctx-size", flags->limits.context,
                   "--memory: context in tokens (0: the model's)");
  verb->add_option("-t,--threads", flags->threads, "--memory: threads (0: all cores)")
      ->check(CLI::Range(0, 1024));
  verb->add_flag("--tensors", flags->tensors, "list every tensor, not one line per kind");
  verb->callback([flags, &exit_code] {
    if (const auto done = show(*flags); !done) exit_code = report("show", done.error());
  });
}

}  // namespace hadal
