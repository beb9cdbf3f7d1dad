#include "engine/model/tensor_names.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <utility>

namespace hadal {
namespace {

/// A module or parameter inside of a layer, in each convention. Without `.weight` and `.scale`
/// where `is_module`.
struct LeafNames {
  std::string_view original;
  std::string_view hugging_face;
  std::string_view gguf;  // empty: no tensor of its own
  bool is_module;
};

constexpr LeafNames kLayerLeaves[] = {
    {"attn_norm", "input_layernorm", "attn_norm", true},
    {"ffn_norm", "post_attention_layernorm", "ffn_norm", true},
    {"hc_attn_fn", "attn_hc.fn", "hc_attn_fn.weight", false},
    {"hc_attn_base", "attn_hc.base", "hc_attn_base.weight", false},
    {"hc_attn_scale", "attn_hc.scale", "hc_attn_scale.weight", false},
    {"hc_ffn_fn", "ffn_hc.fn", "hc_ffn_fn.weight", false},
    {"hc_ffn_base", "ffn_hc.base", "hc_ffn_base.weight", false},
    {"hc_ffn_scale", "ffn_hc.scale", "hc_ffn_scale.weight", false},
    {"attn.attn_sink", "self_attn.sinks", "attn_sinks.weight", false},
    {"attn.wq_a", "self_attn.q_a_proj", "attn_q_a", true},
    {"attn.q_norm", "self_attn.q_a_norm", "attn_q_a_norm", true},
    {"attn.wq_b", "self_attn.q_b_proj", "attn_q_b", true},
    {"attn.wkv", "self_attn.kv_proj", "attn_kv", true},
    {"attn.kv_norm", "self_attn.kv_norm", "attn_kv_a_norm", true},
    {"attn.wo_a", "self_attn.o_a_proj", "attn_output_a", true},
    {"attn.wo_b", "self_attn.o_b_proj", "attn_output_b", true},
    {"attn.compressor.wkv", "self_attn.compressor.kv_proj", "attn_compressor_kv", true},
    {"attn.compressor.wgate", "self_attn.compressor.gate_proj", "attn_compressor_gate", true},
    {"attn.compressor.ape", "self_attn.compressor.position_bias", "attn_compressor_ape.weight",
     false},
    {"attn.compressor.norm", "self_attn.compressor.kv_norm", "attn_compressor_norm", true},
    {"attn.indexer.wq_b", "self_attn.compressor.indexer.q_b_proj", "indexer.attn_q_b", true},
    {"attn.indexer.weights_proj", "self_attn.compressor.indexer.scorer.weights_proj",
     "indexer.proj", true},
    {"attn.indexer.compressor.wkv", "self_attn.compressor.indexer.kv_proj", "indexer_compressor_kv",
     true},
    {"attn.indexer.compressor.wgate", "self_attn.compressor.indexer.gate_proj",
     "indexer_compressor_gate", true},
    {"attn.indexer.compressor.ape", "self_attn.compressor.indexer.position_bias",
     "indexer_compressor_ape.weight", false},
    {"attn.indexer.compressor.norm", "self_attn.compressor.indexer.kv_norm",
     "indexer_compressor_norm", true},
    {"ffn.gate.weight", "mlp.gate.weight", "ffn_gate_inp.weight", false},
    {"ffn.gate.bias", "mlp.gate.e_score_correction_bias", "exp_probs_b.bias", false},
    {"ffn.gate.tid2eid", "mlp.gate.tid2eid", "ffn_gate_tid2eid.weight", false},
    {"ffn.shared_experts.w1", "mlp.shared_experts.gate_proj", "ffn_gate_shexp", true},
    {"ffn.shared_experts.w2", "mlp.shared_experts.down_proj", "ffn_down_shexp", true},
    {"ffn.shared_experts.w3", "mlp.shared_experts.up_proj", "ffn_up_shexp", true},
};

/// Leaves that only MTP blocks have; transformers ignores them.
constexpr LeafNames kMtpLeaves[] = {
    {"enorm", "", "nextn.enorm", true},
    {"hnorm", "", "nextn.hnorm", true},
    {"norm", "", "nextn.shared_head_norm", true},
};

/// Older spellings, read only: {stored, original}.
constexpr std::pair<std::string_view, std::string_view> kOldSpellings[] = {
    {"self_attn.q_a_layernorm", "attn.q_norm"},
    {"self_attn.kv_a_layernorm", "attn.kv_norm"},
    {"attn.norm", "attn.kv_norm"},  // as transformers 5.23 saves it
    {"self_attn.compressor.indexer.weights_proj", "attn.indexer.weights_proj"},
    {"ffn.gate.e_score_correction_bias", "ffn.gate.bias"},
};

constexpr std::pair<std::string_view, std::string_view> kTopLevel[] = {
    // {original, Hugging Face}
    {"embed.weight", "embed_tokens.weight"}, {"norm.weight", "norm.weight"},
    {"hc_head_fn", "hc_head.hc_fn"},         {"hc_head_base", "hc_head.hc_base"},
    {"hc_head_scale", "hc_head.hc_scale"},   {"head.weight", "lm_head.weight"},
};

constexpr std::pair<std::string_view, std::string_view> kTopLevelGguf[] = {
    {"embed.weight", "token_embd.weight"},       {"norm.weight", "output_norm.weight"},
    {"hc_head_fn", "output_hc_fn.weight"},       {"hc_head_base", "output_hc_base.weight"},
    {"hc_head_scale", "output_hc_scale.weight"}, {"head.weight", "output.weight"},
};

struct ExpertNames {
  std::string_view original;
  std::string_view hugging_face;
  std::string_view gguf;
};
constexpr ExpertNames kExperts[] = {
    {"w1", "gate_proj", "ffn_gate_exps.weight"},
    {"w2", "down_proj", "ffn_down_exps.weight"},
    {"w3", "up_proj", "ffn_up_exps.weight"},
};

/// "layers.12.rest" -> {"layers", 12, "rest"}.
struct BlockName {
  std::string_view list;
  std::size_t index;
  std::string_view rest;
};

std::optional<std::size_t> leading_number(std::string_view& text) {
  std::size_t number = 0;
  const auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (code != std::errc{} || end == text.data()) return std::nullopt;
  text.remove_prefix(static_cast<std::size_t>(end - text.data()));
  return number;
}

std::optional<BlockName> split_block(std::string_view name) {
  for (std::string_view list : {"layers", "mtp"}) {
    if (!name.starts_with(list) || !name.substr(list.size()).starts_with('.')) continue;
    std::string_view rest = name.substr(list.size() + 1);
    const auto index = leading_number(rest);
    if (!index || !rest.starts_with('.')) return std::nullopt;
    return BlockName{list, *index, rest.substr(1)};
  }
  return std::nullopt;
}

bool strip_prefix(std::string_view& text, std::string_view prefix) {
  if (!text.starts_with(prefix)) return false;
  text.remove_prefix(prefix.size());
  return true;
}

bool strip_suffix(std::string_view& text, std::string_view suffix) {
  if (!text.ends_with(suffix)) return false;
  text.remove_suffix(suffix.size());
  return true;
}

/// "q_a_proj.weight" -> {"q_a_proj", ".weight"}; all spellings of scales become ".scale".
std::pair<std::string_view, std::string_view> split_parameter(std::string_view leaf) {
  for (std::string_view suffix : {".weight_scale_inv", ".scale_inv", "_scale_inv", ".scale"})
    if (strip_suffix(leaf, suffix)) return {leaf, ".scale"};
  if (strip_suffix(leaf, ".weight")) return {leaf, ".weight"};
  return {leaf, ""};
}

/// experts.X.{w1,gate_proj,...}.{weight,scale...} and the stacked experts.{gate_up_proj,down_proj}.
std::optional<std::string> canonical_expert(std::string_view rest) {
  if (!strip_prefix(rest, "mlp.experts.") && !strip_prefix(rest, "ffn.experts."))
    return std::nullopt;
  const auto [stacked, stacked_suffix] = split_parameter(rest);
  if (stacked == "gate_up_proj" || stacked == "down_proj")
    return fmt::format("ffn.experts.{}{}", stacked, stacked_suffix == ".scale" ? ".scale" : "");
  const auto expert = leading_number(rest);
  if (!expert || !strip_prefix(rest, ".")) return std::nullopt;
  const auto [module, suffix] = split_parameter(rest);
  for (const ExpertNames& names : kExperts)
    if (module == names.original || module == names.hugging_face)
      return fmt::format("ffn.experts.{}.{}{}", *expert, names.original, suffix);
  return std::nullopt;
}

std::optional<std::string> canonical_leaf(std::string_view rest) {
  if (auto expert = canonical_expert(rest)) return expert;
  for (const LeafNames& names : kLayerLeaves)
    if (rest == names.hugging_face && !names.is_module) return std::string(names.original);
  const auto [module, suffix] = split_parameter(rest);
  for (const LeafNames& names : kLayerLeaves)
    if (names.is_module && (module == names.hugging_face || module == names.original))
      return fmt::format("{}{}", names.original, suffix);
  for (const auto& [stored, original] : kOldSpellings)
    if (module == stored) return fmt::format("{}{}", original, suffix);
  if (suffix == ".scale")
    return fmt::format("{}.scale", module);  // e_proj, h_proj, main_proj of mtp.*
  return std::nullopt;
}

/// "experts.12.w1.weight" of a canonical leaf.
struct ExpertLeaf {
  std::size_t expert;
  const ExpertNames* names;
  std::string_view suffix;
};

std::optional<ExpertLeaf> parse_expert(std::string_view leaf) {
  if (!strip_prefix(leaf, "ffn.experts.")) return std::nullopt;
  const auto expert = leading_number(leaf);
  if (!expert || !strip_prefix(leaf, ".")) return std::nullopt;
  for (const ExpertNames& names : kExperts)
    if (std::string_view suffix = leaf; strip_prefix(suffix, names.original))
      return ExpertLeaf{*expert, &names, suffix};
  return std::nullopt;
}

std::optional<std::string> hugging_face_leaf(std::string_view leaf) {
  if (const auto expert = parse_expert(leaf))
    return fmt::format("mlp.experts.{}.{}{}", expert->expert, expert->names->hugging_face,
                       expert->suffix == ".scale" ? ".weight_scale_inv" : expert->suffix);
  for (const LeafNames& names : kLayerLeaves) {
    if (!names.is_module && leaf == names.original) return std::string(names.hugging_face);
    if (std::string_view suffix = leaf; names.is_module && strip_prefix(suffix, names.original)) {
      if (suffix == ".weight") return fmt::format("{}.weight", names.hugging_face);
      if (suffix == ".scale") return fmt::format("{}.weight_scale_inv", names.hugging_face);
    }
  }
  return std::nullopt;
}

template <std::size_t N>
std::optional<std::string> gguf_leaf(const LeafNames (&table)[N], std::string_view leaf) {
  for (const LeafNames& names : table) {
    if (!names.is_module && leaf == names.original) return std::string(names.gguf);
    if (std::string_view suffix = leaf;
        names.is_module && strip_prefix(suffix, names.original) && suffix == ".weight")
      return fmt::format("{}.weight", names.gguf);
  }
  return std::nullopt;
}

}  // namespace

std::string canonical_name(std::string_view stored) {
  std::string_view name = stored;
  strip_prefix(name, "model.");
  for (const auto& [original, hugging_face] : kTopLevel)
    if (name == hugging_face) return std::string(original);
  if (const auto block = split_block(name))
    if (const auto leaf = canonical_leaf(block->rest))
      return fmt::format("{}.{}.{}", block->list, block->index, *leaf);
  return std::string(name);
}

std::optional<std::string> hugging_face_name(std::string_view canonical) {
  for (const auto& [original, hugging_face] : kTopLevel)
    if (canonical == original)
      return fmt::format("{}{}", original == "head.weight" ? "" : "model.", hugging_face);
  const auto block = split_block(canonical);
  if (!block || block->list != "layers") return std::nullopt;
  const auto leaf = hugging_face_leaf(block->rest);
  if (!leaf) return std::nullopt;
  return fmt::format("model.layers.{}.{}", block->index, *leaf);
}

std::optional<GgufPlace> gguf_place(std::string_view canonical, std::size_t mtp_block) {
  const auto block = split_block(canonical);
  const std::string_view top_level = block && block->list == "mtp" ? block->rest : canonical;
  for (const auto& [original, gguf] :
       kTopLevelGguf)  // of mtp.*: hc_head_* only; its norm is nextn.shared_head_norm
    if (top_level == original && (!block || original.starts_with("hc_head_")))
      return GgufPlace{std::string(gguf), {}};
  if (!block) return std::nullopt;
  const std::size_t number = block->list == "mtp" ? mtp_block + block->index : block->index;
  if (const auto expert = parse_expert(block->rest); expert && expert->suffix == ".weight")
    return GgufPlace{fmt::format("blk.{}.{}", number, expert->names->gguf), expert->expert};
  auto leaf = gguf_leaf(kLayerLeaves, block->rest);
  if (!leaf && block->list == "mtp") leaf = gguf_leaf(kMtpLeaves, block->rest);
  if (!leaf) return std::nullopt;
  return GgufPlace{fmt::format("blk.{}.{}", number, *leaf), {}};
}

}  // namespace hadal
