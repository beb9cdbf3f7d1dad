// Names and shapes against the published list: tests/data/v4_tensors.csv holds the columns of the
// specification's deepseek-v4-tensors.csv that concern names (original, Hugging Face, llama.cpp)
// and the shapes of Flash and Pro.
#include "engine/model/tensor_names.h"

#include "engine/model/checkpoint.h"

#include <gtest/gtest.h>

#include <fstream>
#include <map>
#include <set>
#include <sstream>
#include <vector>

namespace hadal {
namespace {

struct Row {
  std::string name, flash_shape, pro_shape, present_in, hugging_face, gguf;
};

std::vector<std::string> split_csv(const std::string& line) {
  std::vector<std::string> fields(1);
  bool quoted = false;
  for (char c : line) {
    if (c == '"') {
      quoted = !quoted;
    } else if (c == ',' && !quoted) {
      fields.emplace_back();
    } else {
      fields.back() += c;
    }
  }
  return fields;
}

std::vector<Row> published_rows() {
  std::ifstream file(HADAL_SOURCE_DIR "/tests/data/v4_tensors.csv");
  std::vector<Row> rows;
  std::string line;
  std::getline(file, line);
  while (std::getline(file, line)) {
    const auto f = split_csv(line);
    rows.push_back({f.at(0), f.at(1), f.at(2), f.at(3), f.at(4), f.at(5)});
  }
  EXPECT_GT(rows.size(), 90u);
  return rows;
}

std::string replaced(std::string text, const std::string& from, const std::string& to) {
  for (std::size_t at = text.find(from); at != std::string::npos;
       at = text.find(from, at + to.size()))
    text.replace(at, from.size(), to);
  return text;
}

/// Layer 7, expert 5, MTP block 0 of a model of 43 layers.
std::string concrete(const std::string& name) {
  std::string text = replaced(replaced(name, "layers.N.", "layers.7."), "blk.N.", "blk.7.");
  text = replaced(replaced(text, "mtp.M.", "mtp.0."), "blk.(L+M).", "blk.43.");
  return replaced(text, "experts.X.", "experts.5.");
}

TEST(TensorNames, HuggingFaceNamesMatchThePublishedListBothWays) {
  std::size_t n = 0;
  for (const Row& row : published_rows()) {
    if (row.hugging_face.empty()) continue;
    const std::string original = concrete(row.name);
    const std::string hugging_face = concrete(row.hugging_face);
    EXPECT_EQ(canonical_name(hugging_face), original);
    EXPECT_EQ(hugging_face_name(original), hugging_face);
    ++n;
  }
  EXPECT_GT(n, 40u);
}

TEST(TensorNames, OriginalNamesAreFixedPointsWithAndWithoutPrefix) {
  for (const Row& row : published_rows()) {
    const std::string original = concrete(row.name);
    EXPECT_EQ(canonical_name(original), original);
    EXPECT_EQ(canonical_name("model." + original), original);
  }
}

TEST(TensorNames, GgufNamesMatchThePublishedList) {
  std::size_t n = 0;
  for (const Row& row : published_rows()) {
    if (row.gguf.empty()) continue;
    const bool is_expert = row.name.find(".experts.X.") != std::string::npos;
    const GgufPlace expected{concrete(row.gguf),
                             is_expert ? std::optional<std::size_t>(5) : std::nullopt};
    EXPECT_EQ(gguf_place(concrete(row.name), 43), expected) << row.name;
    ++n;
  }
  EXPECT_GT(n, 60u);
}

TEST(TensorNames, OlderSpellingsAreUnderstood) {
  const std::pair<const char*, const char*> kCases[] = {
      {"model.layers.2.self_attn.compressor.indexer.weights_proj.weight",
       "layers.2.attn.indexer.weights_proj.weight"},
      {"layers.2.self_attn.q_a_layernorm.weight", "layers.2.attn.q_norm.weight"},
      {"layers.2.attn.wq_a.weight_scale_inv", "layers.2.attn.wq_a.scale"},
      {"layers.2.ffn.gate.e_score_correction_bias", "layers.2.ffn.gate.bias"},
      {"model.layers.2.mlp.experts.11.up_proj.weight", "layers.2.ffn.experts.11.w3.weight"},
      {"model.layers.2.mlp.experts.11.up_proj.weight_scale_inv",
       "layers.2.ffn.experts.11.w3.scale"},
      {"model.layers.2.mlp.experts.gate_up_proj", "layers.2.ffn.experts.gate_up_proj"},
      {"model.layers.2.mlp.experts.gate_up_proj_scale_inv",
       "layers.2.ffn.experts.gate_up_proj.scale"},
      {"model.layers.2.mlp.experts.down_proj", "layers.2.ffn.experts.down_proj"},
      {"mtp.0.e_proj.weight_scale_inv", "mtp.0.e_proj.scale"},
  };
  for (const auto& [stored, canonical] : kCases) EXPECT_EQ(canonical_name(stored), canonical);
}

TEST(TensorNames, UnknownAndOddNamesComeBackAsTheyAre) {
  for (const char* name :
       {"", ".", "layers", "layers.", "layers.x.attn", "layers.1", "layers.1.", "layers.1.foo.bar",
        "layers.99999999999999999999999.attn_norm.weight", "mtp..norm.weight", "experts.",
        "layers.1.ffn.experts.", "layers.1.ffn.experts.3", "layers.1.ffn.experts.3.w9.weight"})
    EXPECT_EQ(canonical_name(name), name);
  EXPECT_EQ(gguf_place("layers.1.unknown.weight", 0), std::nullopt);
  EXPECT_EQ(hugging_face_name("mtp.0.enorm.weight"), std::nullopt);
}

// ---- published shapes

ModelConfig flash() {
  ModelConfig c;
  c.vocab_size = 129280;
  c.hidden_size = 4096;
  c.num_hidden_layers = 43;
  c.num_attention_heads = 64;
  c.head_dim = 512;
  c.qk_rope_head_dim = 64;
  c.q_lora_rank = 1024;
  c.o_groups = 8;
  c.o_lora_rank = 1024;
  c.sliding_window = 128;
  c.max_position_embeddings = 1048576;
  c.index_n_heads = 64;
  c.index_head_dim = 128;
  c.index_topk = 512;
  c.n_routed_experts = 256;
  c.num_experts_per_tok = 6;
  c.n_shared_experts = 1;
  c.moe_intermediate_size = 2048;
  c.hc_mult = 4;
  c.hc_sinkhorn_iters = 20;
  c.num_nextn_predict_layers = 1;
  c.compress_ratios = {0, 0};
  while (c.compress_ratios.size() < c.num_hidden_layers)
    c.compress_ratios.push_back(c.compress_ratios.size() % 2 == 0 ? 4 : 128);
  return c;
}

ModelConfig pro() {
  ModelConfig c = flash();
  c.hidden_size = 7168;
  c.num_hidden_layers = 61;
  c.num_attention_heads = 128;
  c.q_lora_rank = 1536;
  c.o_groups = 16;
  c.index_topk = 1024;
  c.n_routed_experts = 384;
  c.moe_intermediate_size = 3072;
  c.compress_ratios = {128, 128};
  while (c.compress_ratios.size() < c.num_hidden_layers)
    c.compress_ratios.push_back(c.compress_ratios.size() % 2 == 0 ? 4 : 128);
  return c;
}

ModelConfig completed(ModelConfig c) {
  for (std::size_t ratio : c.compress_ratios)
    c.layer_types.push_back(ratio == 0   ? AttentionType::sliding
                            : ratio == 4 ? AttentionType::csa
                                         : AttentionType::hca);
  c.mlp_layer_types.assign(c.num_hidden_layers, MlpType::score);
  for (std::size_t layer = 0; layer < 3; ++layer) c.mlp_layer_types[layer] = MlpType::hash;
  return c;
}

/// "layers.3.attn.wq_a.weight" -> "layers.N.attn.wq_a.weight".
std::string pattern_of(const std::string& name) {
  std::string out;
  std::stringstream parts(name);
  std::string part, previous;
  while (std::getline(parts, part, '.')) {
    const bool is_number = part.find_first_not_of("0123456789") == std::string::npos;
    const std::string shown = !is_number             ? part
                              : previous == "layers" ? "N"
                              : previous == "mtp"    ? "M"
                                                     : "X";
    if (!out.empty()) out += '.';
    out += shown;
    previous = part;
  }
  return out;
}

std::string shape_text(const TensorSpec& spec, bool is_fp4) {
  std::vector<std::uint64_t> shape = spec.shape;
  if (is_fp4) shape.back() /= 2;  // two values per byte on disk
  std::string text;
  for (std::uint64_t n : shape) {
    if (!text.empty()) text += 'x';
    text += std::to_string(n);
  }
  return text;
}

void expect_published_tensors(const ModelConfig& config, std::string Row::*shape_column) {
  std::map<std::string, std::set<std::string>> published;  // the compressors have one row per ratio
  for (const Row& row : published_rows())
    if (!row.name.ends_with(".scale")) published[row.name].insert(row.*shape_column);
  std::set<std::string> seen;
  std::set<std::string> names;
  for (const TensorSpec& spec : expected_tensors(config)) {
    const std::string pattern = pattern_of(spec.name);
    const auto it = published.find(pattern);
    ASSERT_NE(it, published.end()) << "not a published tensor: " << spec.name;
    EXPECT_TRUE(it->second.contains(shape_text(spec, spec.kind == TensorSpec::Kind::fp4)))
        << spec.name << ": expected one of " << *it->second.begin() << "..., found "
        << shape_text(spec, spec.kind == TensorSpec::Kind::fp4);
    EXPECT_TRUE(names.insert(spec.name).second) << "twice: " << spec.name;
    seen.insert(pattern);
  }
  EXPECT_EQ(seen.size(), published.size());
}

TEST(ExpectedTensors, AreThePublishedOnesOfFlashAndPro) {
  expect_published_tensors(completed(flash()), &Row::flash_shape);
  expect_published_tensors(completed(pro()), &Row::pro_shape);
}

TEST(ExpectedTensors, SumToThePublishedParameterCounts) {
  const auto count = [](ModelConfig config) {
    config.num_nextn_predict_layers = 0;
    double n = 0;
    for (const TensorSpec& spec : expected_tensors(completed(config))) {
      double elements = 1;
      for (std::uint64_t dim : spec.shape) elements *= static_cast<double>(dim);
      if (spec.kind != TensorSpec::Kind::token_table) n += elements;
    }
    return n;
  };
  EXPECT_NEAR(count(flash()) / 1e9, 284.332,
              0.0005);  // deepseek-v4.md 12.1, printed to the million
  EXPECT_NEAR(count(pro()) / 1e9, 1572.997, 0.0005);
}

}  // namespace
}  // namespace hadal
