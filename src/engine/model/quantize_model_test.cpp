// A model written with types by role: what changes, what keeps its bytes, what does not fit.
#include "base/random.h"
#include "engine/model/checkpoint_test_util.h"
#include "engine/model/checkpoint_writer.h"
#include "engine/model/config_gguf.h"
#include "engine/model/importance_matrix.h"
#include "formats/gguf.h"
#include "formats/gguf_writer.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>

namespace hadal {
namespace {

/// Rows of w1 and w3 are two blocks of 256, those of w2 are one.
ModelConfig config_of_blocks() {
  ModelConfig c = tiny_config();
  c.hidden_size = 512;
  c.moe_intermediate_size = 256;
  c.num_nextn_predict_layers = 0;
  return c;
}

bool is_expert(std::string_view gguf_name) {
  return gguf_name.find("_exps.") != std::string_view::npos;
}

class QuantizeModel : public testing::Test {
 protected:
  std::filesystem::path path(const std::string& name) const { return directory_.path() / name; }

  void synth(const std::string& name, WeightTypes types, const ModelConfig& config) {
    const SyntheticSource source(config);
    const WriteOptions options{.types = types};
    expect_done(name.ends_with(".gguf")
                    ? write_gguf_model(config, source, path(name), options, pool_)
                    : write_safetensors_model(config, source, path(name), "", options, pool_));
  }

  WriteReport quantize(const std::string& from, const std::string& to, const QuantizePlan& plan) {
    const Checkpoint checkpoint = open(from);
    WriteOptions options{.quantize = plan};
    if (checkpoint.gguf() != nullptr)
      options.add_gguf_metadata = [&](GgufWriter& out) { carry_metadata(*checkpoint.gguf(), out); };
    return expect_done(write_gguf_model(checkpoint.config(), CheckpointSource(checkpoint), path(to),
                                        options, pool_));
  }

  static WriteReport expect_done(Result<WriteReport> report) {
    if (report) return std::move(report).value();
    ADD_FAILURE() << report.error().message;
    return {};
  }

  Checkpoint open(const std::string& name) const {
    auto checkpoint = Checkpoint::open(path(name));
    if (!checkpoint) {
      ADD_FAILURE() << checkpoint.error().message;
      std::abort();
    }
    return std::move(checkpoint).value();
  }

  /// Copies a GGUF file with some tensors replaced by random blocks of another type.
  void replace(const std::string& from, const std::string& to,
               const std::map<std::string, DType>& types) {
    const auto file = GgufFile::open(path(from));
    ASSERT_TRUE(file) << file.error().message;
    GgufWriter writer;
    for (const std::string& key : file->keys()) writer.add_value(key, *file->find(key));
    writer.add_string("tokenizer.chat_template", "{{ messages }}");
    for (const GgufTensor& tensor : file->tensors()) {
      const auto it = types.find(tensor.name);
      ASSERT_TRUE(
          writer.declare(tensor.name, it == types.end() ? *tensor.dtype : it->second, tensor.dims));
    }
    const auto written = writer.write(path(to), [&](std::size_t i, TensorSink& sink) {
      const GgufTensor& tensor = file->tensors()[i];
      const auto it = types.find(tensor.name);
      if (it == types.end()) return sink.write(tensor.data);
      return sink.write(random_blocks(it->second, tensor));
    });
    ASSERT_TRUE(written) << written.error().message;
  }

  static std::vector<std::byte> random_blocks(DType dtype, const GgufTensor& tensor) {
    std::size_t n = 1;
    for (const std::uint64_t dim : tensor.dims) n *= dim;
    std::vector<std::byte> bytes(bytes_of(dtype, n));
    RandomStream random(n);
    for (std::byte& b : bytes) b = static_cast<std::byte>(random.below(0x3C));  // halves below 1
    return bytes;
  }

  /// Every tensor but those that `may_change` says has the type and the bytes that it had.
  template <typename Predicate>
  void expect_same_bytes(const std::string& a, const std::string& b, Predicate may_change) const {
    const auto before = GgufFile::open(path(a)), after = GgufFile::open(path(b));
    ASSERT_TRUE(before && after);
    ASSERT_EQ(after->tensors().size(), before->tensors().size());
    for (const GgufTensor& old : before->tensors()) {
      const GgufTensor* found = after->find_tensor(old.name);
      ASSERT_NE(found, nullptr) << old.name;
      EXPECT_EQ(found->dims, old.dims) << old.name;
      if (may_change(old.name)) continue;
      EXPECT_EQ(found->type_name, old.type_name) << old.name;
      EXPECT_TRUE(std::ranges::equal(found->data, old.data)) << old.name;
    }
  }

  TemporaryDirectory directory_;
  ThreadPool pool_{2};
};

TEST_F(QuantizeModel, ChangesTheExpertsAndKeepsTheBytesOfTheRest) {
  synth("a.gguf", WeightTypes::native, config_of_blocks());
  for (const Encoding type : {Encoding::q4_k, Encoding::q4_0, Encoding::q5_k, Encoding::q6_k}) {
    const WriteReport report = quantize("a.gguf", "b.gguf", {.experts = type});

    expect_same_bytes("a.gguf", "b.gguf", is_expert);
    const Checkpoint a = open("a.gguf"), b = open("b.gguf");
    const std::string name = "layers.1.ffn.experts.2.w2.weight";
    EXPECT_EQ(b.find(name)->view.dtype, stored_dtype(type));
    const std::vector<float> values = values_of(*a.find(name));
    std::vector<std::byte> expected(encoded_row_bytes(type, 256) * 128);
    encode_rows(type, std::span(values).first(128 * 256), 256, expected.data(), nullptr);
    EXPECT_TRUE(std::equal(expected.begin(), expected.end(), b.find(name)->view.data));
    ASSERT_EQ(report.notes.size(), 1u);
    expect_contains(report.notes[0], "rounded a second time, from MXFP4");
  }
}

TEST_F(QuantizeModel, TheRestIsChosenApart) {
  synth("a.gguf", WeightTypes::f32, config_of_blocks());
  quantize("a.gguf", "b.gguf", {.experts = Encoding::mxfp4, .rest = Encoding::q6_k});
  const Checkpoint b = open("b.gguf");
  const std::pair<const char*, DType> kCases[] = {
      {"embed.weight", DType::q6_k},
      {"head.weight", DType::q6_k},
      {"layers.0.attn.wq_a.weight", DType::q6_k},
      {"layers.0.ffn.shared_experts.w2.weight", DType::q6_k},
      {"layers.0.attn.wq_b.weight", DType::q8_0},  // 32 columns
      {"layers.0.ffn.experts.0.w1.weight", DType::mxfp4},
      {"layers.0.ffn.gate.weight", DType::f32},
      {"layers.1.attn.compressor.wkv.weight", DType::f32},
      {"layers.1.hc_attn_fn", DType::f32},
      {"norm.weight", DType::f32},
      {"layers.0.ffn.gate.tid2eid", DType::i32},
  };
  for (const auto& [name, dtype] : kCases) EXPECT_EQ(b.find(name)->view.dtype, dtype) << name;
}

TEST_F(QuantizeModel, TypesWithoutAQuantizerKeepTheirBytes) {
  synth("a.gguf", WeightTypes::f32, config_of_blocks());
  const std::map<std::string, DType> types = {
      {"token_embd.weight", DType::q2_k},
      {"output.weight", DType::q3_k},
      {"blk.0.attn_q_a.weight", DType::iq2_xxs},
      {"blk.1.attn_q_a.weight", DType::iq4_xs},
      {"blk.1.attn_compressor_kv.weight", DType::f16},
      {"blk.0.ffn_gate_exps.weight", DType::q5_k},
  };
  replace("a.gguf", "odd.gguf", types);

  quantize("odd.gguf", "b.gguf", {.experts = Encoding::q5_k});

  expect_same_bytes("odd.gguf", "b.gguf", [&](const std::string& name) {
    return is_expert(name) && name != "blk.0.ffn_gate_exps.weight";  // it has the type already
  });
  const auto file = GgufFile::open(path("b.gguf"));
  EXPECT_EQ(file->find_string("tokenizer.chat_template"), "{{ messages }}");
  EXPECT_EQ(file->find_u32("general.file_type"), 16u);
}

TEST_F(QuantizeModel, AnEmptyPlanKeepsEveryTypeAndByte) {
  synth("native.gguf", WeightTypes::native, config_of_blocks());
  replace("native.gguf", "a.gguf",
          {{"token_embd.weight", DType::q4_k},
           {"output.weight", DType::q6_k},
           {"blk.0.hc_attn_fn.weight", DType::q4_k},  // as llama-quantize writes them
           {"blk.1.hc_ffn_fn.weight", DType::f16},
           {"blk.0.attn_q_a.weight", DType::q4_0},
           {"blk.0.ffn_gate_exps.weight", DType::iq2_xxs},
           {"blk.0.ffn_down_exps.weight", DType::q2_k},
           {"blk.1.ffn_gate_exps.weight", DType::q5_k},
           {"blk.1.ffn_up_exps.weight", DType::q3_k},
           {"blk.2.ffn_gate_exps.weight", DType::iq4_xs}});

  const WriteReport report = quantize("a.gguf", "b.gguf", {});

  expect_same_bytes("a.gguf", "b.gguf", [](const std::string&) { return false; });
  EXPECT_TRUE(report.notes.empty());
  const auto a = GgufFile::open(path("a.gguf")), b = GgufFile::open(path("b.gguf"));
  for (const std::string& key : a->keys()) EXPECT_NE(b->find(key), nullptr) << key;
  EXPECT_EQ(b->find_u32("general.file_type"), a->find_u32("general.file_type"));
}

TEST_F(QuantizeModel, AnEmptyPlanKeepsTheTypesOfTheDraftBlock) {
  ModelConfig config = config_of_blocks();
  config.num_nextn_predict_layers = 1;
  synth("a.gguf", WeightTypes::native, config);
  const SyntheticSource source(config);
  expect_done(
      write_gguf_mtp(config, source, path("a.gguf"), {.types = WeightTypes::native}, pool_));
  const Checkpoint checkpoint = open("a.gguf");

  expect_done(write_gguf_mtp(checkpoint.config(), CheckpointSource(checkpoint), path("b.gguf"),
                             {.quantize = QuantizePlan{}}, pool_));

  expect_same_bytes("mtp-a.gguf", "mtp-b.gguf", [](const std::string&) { return false; });
}

TEST_F(QuantizeModel, WhatDoesNotFitKeepsATypeThatFitsAndIsNoted) {
  synth("native.gguf", WeightTypes::native, tiny_config());  // 160 and 64 columns
  synth("plain.gguf", WeightTypes::f32, tiny_config());
  synth("safetensors", WeightTypes::native, tiny_config());

  const WriteReport native = quantize("native.gguf", "a.gguf", {.experts = Encoding::q4_k});
  const WriteReport plain = quantize("plain.gguf", "b.gguf", {.experts = Encoding::q4_k});

  expect_same_bytes("native.gguf", "a.gguf", [](const std::string&) { return false; });
  ASSERT_EQ(native.notes.size(), 2u);
  expect_contains(native.notes[0],
                  "stored as MXFP4 instead of Q4_K, because 160 columns are not a multiple of 256");
  const std::string expert = "layers.0.ffn.experts.0.w1.weight";
  EXPECT_EQ(open("b.gguf").find(expert)->view.dtype, DType::q8_0);
  ASSERT_EQ(plain.notes.size(), 2u);
  expect_contains(plain.notes[1], "stored as Q8_0 instead of Q4_K, because 64 columns");
  quantize("safetensors", "c.gguf", {.experts = Encoding::q4_k});
  EXPECT_EQ(open("c.gguf").find(expert)->view.dtype, DType::mxfp4);  // FP4 in another order
}

TEST_F(QuantizeModel, SafetensorsBecomeTheNearestTypesOfGguf) {
  synth("a", WeightTypes::native, config_of_blocks());
  quantize("a", "b.gguf", {.experts = Encoding::q4_k});
  synth("c.gguf", WeightTypes::native, config_of_blocks());  // the same FP4 values as MXFP4
  quantize("c.gguf", "d.gguf", {.experts = Encoding::q4_k});

  const Checkpoint b = open("b.gguf"), d = open("d.gguf");
  EXPECT_EQ(b.find("layers.1.attn.wq_a.weight")->view.dtype, DType::q8_0);
  EXPECT_EQ(b.find("layers.1.attn_norm.weight")->view.dtype, DType::f32);
  EXPECT_EQ(b.find("embed.weight")->view.dtype, DType::bf16);
  const std::string expert = "layers.1.ffn.experts.2.w2.weight";
  EXPECT_EQ(values_of(*b.find(expert)), values_of(*d.find(expert)));
}

TEST_F(QuantizeModel, ThreadsDoNotChangeTheBytes) {
  synth("a.gguf", WeightTypes::native, config_of_blocks());
  const Checkpoint checkpoint = open("a.gguf");
  ThreadPool one(1);
  const WriteOptions pieces{.quantize = QuantizePlan{.experts = Encoding::q4_k},
                            .scratch_floats = 1};
  expect_done(write_gguf_model(checkpoint.config(), CheckpointSource(checkpoint), path("one.gguf"),
                               pieces, one));
  quantize("a.gguf", "two.gguf", {.experts = Encoding::q4_k});

  expect_same_bytes("one.gguf", "two.gguf", [](const std::string&) { return false; });
}

/// An importance matrix for the experts' w1 of layer 0: column c of expert e counts weight(e, c).
void write_importance(const std::filesystem::path& file, std::size_t n_columns, auto weight) {
  GgufWriter writer;
  writer.add_string("general.type", "imatrix");
  ASSERT_TRUE(writer.declare("blk.0.ffn_gate_exps.weight.in_sum2", DType::f32, {n_columns, 3}));
  ASSERT_TRUE(writer.declare("blk.0.ffn_gate_exps.weight.counts", DType::f32, {1, 3}));
  const auto written = writer.write(file, [&](std::size_t i, TensorSink& sink) {
    std::vector<float> values;
    for (std::size_t e = 0; e < 3; ++e)
      for (std::size_t c = 0; c < (i == 0 ? n_columns : 1); ++c)
        values.push_back(i == 0 ? weight(e, c) : 1.0f);
    return sink.write(std::as_bytes(std::span(values)));
  });
  ASSERT_TRUE(written) << written.error().message;
}

double weighted_error(const std::vector<float>& a, const std::vector<float>& b, std::size_t expert,
                      auto weight) {
  double sum = 0.0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    const double difference = double{a[i]} - double{b[i]};
    sum += weight(expert, i % 512) * difference * difference;
  }
  return sum;
}

TEST_F(QuantizeModel, ImportanceOfEachExpertIsItsOwn) {
  const auto weight = [](std::size_t expert, std::size_t column) {
    return (column + column / 256) % 8 == expert ? 100.0f : 1.0f;  // some in every group of 32
  };
  synth("a.gguf", WeightTypes::f32, config_of_blocks());
  write_importance(path("imatrix.gguf"), 512, weight);
  const auto importance = ImportanceMatrix::open(path("imatrix.gguf"));
  ASSERT_TRUE(importance) << importance.error().message;

  quantize("a.gguf", "b.gguf", {.experts = Encoding::q4_k});
  const WriteReport report =
      quantize("a.gguf", "c.gguf", {.experts = Encoding::q4_k, .importance = &*importance});

  const Checkpoint a = open("a.gguf"), b = open("b.gguf"), c = open("c.gguf");
  for (std::size_t expert = 0; expert < 3; ++expert) {
    const std::string name = fmt::format("layers.0.ffn.experts.{}.w1.weight", expert);
    const auto exact = values_of(*a.find(name)), without = values_of(*b.find(name)),
               with = values_of(*c.find(name));
    EXPECT_LT(weighted_error(with, exact, expert, weight),
              0.95 * weighted_error(without, exact, expert, weight))
        << name;
  }
  EXPECT_EQ(values_of(*c.find("layers.0.ffn.experts.1.w3.weight")),
            values_of(*b.find("layers.0.ffn.experts.1.w3.weight")));
  ASSERT_EQ(report.notes.size(), 1u);  // 3 layers of 9 matrices, without the 3 above
  expect_contains(report.notes[0], "quantised without importance");
  expect_contains(report.notes[0], "24 tensors");
}

TEST_F(QuantizeModel, GroupsOfRowsHaveTheirOwnImportance) {
  ModelConfig config = config_of_blocks();
  config.head_dim = 64;  // wo_a: 2 groups of 128 columns
  synth("a.gguf", WeightTypes::f32, config);
  const std::string name = "layers.0.attn.wo_a.weight";
  const std::size_t columns = open("a.gguf").find(name)->view.cols;
  const auto quantized = [&](const std::vector<double>& sums) {
    const WeightImportance weight = {.name = "blk.0.attn_output_a.weight",
                                     .n_columns = sums.size(),
                                     .sums = sums,
                                     .counts = {1}};
    EXPECT_TRUE(write_importance_matrix(path("imatrix.gguf"), {&weight, 1}, {}));
    const auto importance = ImportanceMatrix::open(path("imatrix.gguf"));
    quantize("a.gguf", "b.gguf",
             {.experts = Encoding::q8_0, .rest = Encoding::q4_0, .importance = &*importance});
    return values_of(*open("b.gguf").find(name));
  };
  std::vector<double> first(columns, 1.0), second(columns, 1.0);
  for (std::size_t c = 0; c < columns; c += 8) first[c] = second[c + 3] = 100.0;
  std::vector<double> both = first;
  both.insert(both.end(), second.begin(), second.end());  // o_groups is 2

  const std::vector<float> a = quantized(first), b = quantized(second), ab = quantized(both);

  const auto half = static_cast<std::ptrdiff_t>(ab.size() / 2);
  EXPECT_TRUE(std::equal(ab.begin(), ab.begin() + half, a.begin()));
  EXPECT_TRUE(std::equal(ab.begin() + half, ab.end(), b.begin() + half));
  EXPECT_FALSE(std::equal(ab.begin(), ab.begin() + half, b.begin()));
}

TEST_F(QuantizeModel, ImportanceOfAnotherModelIsAnError) {
  synth("a.gguf", WeightTypes::f32, config_of_blocks());
  write_importance(path("imatrix.gguf"), 128, [](std::size_t, std::size_t) { return 1.0f; });
  const auto importance = ImportanceMatrix::open(path("imatrix.gguf"));
  const Checkpoint a = open("a.gguf");
  const WriteOptions options{
      .quantize = QuantizePlan{.experts = Encoding::q4_k, .importance = &*importance}};

  const auto report =
      write_gguf_model(a.config(), CheckpointSource(a), path("b.gguf"), options, pool_);

  ASSERT_FALSE(report);
  expect_contains(report.error().message, "blk.0.ffn_gate_exps.weight.in_sum2");
  EXPECT_FALSE(std::filesystem::exists(path("b.gguf")));
}

}  // namespace
}  // namespace hadal
