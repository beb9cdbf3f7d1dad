// What synth and convert write, read back; and the GGUF forms that others write (deepseek-v4.md 9).
#include "engine/model/checkpoint_writer.h"

#include "base/random.h"
#include "engine/model/checkpoint_test_util.h"
#include "engine/model/config_gguf.h"
#include "engine/model/tensor_names.h"
#include "formats/gguf.h"
#include "formats/gguf_writer.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <iterator>

namespace hadal {
namespace {

class WriteAndRead : public testing::Test {
 protected:
  Checkpoint open(const std::string& name) {
    auto checkpoint = Checkpoint::open(directory_.path() / name);
    if (!checkpoint) {
      ADD_FAILURE() << checkpoint.error().message;
      std::abort();
    }
    return std::move(checkpoint).value();
  }

  WriteReport synth(const std::string& name, WeightTypes types,
                    const ModelConfig& config = tiny_config()) {
    return write(name, SyntheticSource(config), types, config);
  }

  WriteReport convert(const std::string& from, const std::string& to, WeightTypes types) {
    const Checkpoint checkpoint = open(from);
    return write(to, CheckpointSource(checkpoint), types, checkpoint.config());
  }

  /// NAME.gguf with its MTP file, or a directory.
  WriteReport write(const std::string& name, const WeightSource& source, WeightTypes types,
                    const ModelConfig& config) {
    const std::filesystem::path path = directory_.path() / name;
    const WriteOptions options{.types = types, .max_shard_bytes = shard_bytes_};
    if (!name.ends_with(".gguf"))
      return done(write_safetensors_model(config, source, path, "", options, pool_));
    if (config.num_nextn_predict_layers > 0)
      done(write_gguf_mtp(config, source, path, options, pool_));
    return done(write_gguf_model(config, source, path, options, pool_));
  }

  static WriteReport done(Result<WriteReport> report) {
    if (report) return std::move(report).value();
    ADD_FAILURE() << report.error().message;
    return {};
  }

  std::string bytes_of_file(const std::string& name) {
    std::ifstream file(directory_.path() / name, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
  }

  TemporaryDirectory directory_;
  ThreadPool pool_{2};
  std::uint64_t shard_bytes_ = 5'000'000'000;
};

TEST_F(WriteAndRead, F32HoldsTheGeneratorExactlyInBothContainers) {
  synth("a", WeightTypes::f32);
  synth("b.gguf", WeightTypes::f32);
  OpenModel expected = open_model(synthetic_model(tiny_config()), tiny_config());

  expect_equal_values(open("a"), *expected.checkpoint);
  expect_equal_values(open("b.gguf"), *expected.checkpoint);
}

TEST_F(WriteAndRead, StoredTypesAreThePublishedOnes) {
  synth("a", WeightTypes::native);
  synth("b.gguf", WeightTypes::native);
  const Checkpoint a = open("a"), b = open("b.gguf");
  const std::tuple<const char*, DType, DType> kCases[] = {
      {"embed.weight", DType::bf16, DType::bf16},
      {"norm.weight", DType::bf16, DType::f32},
      {"hc_head_fn", DType::f32, DType::f32},
      {"layers.1.attn.wq_a.weight", DType::f8_e4m3, DType::q8_0},
      {"layers.1.attn.compressor.wkv.weight", DType::bf16, DType::bf16},
      {"layers.1.attn.compressor.ape", DType::f32, DType::f32},
      {"layers.1.attn.indexer.wq_b.weight", DType::f8_e4m3, DType::q8_0},
      {"layers.1.ffn.gate.bias", DType::f32, DType::f32},
      {"layers.0.ffn.gate.tid2eid", DType::i64, DType::i32},
      {"layers.1.ffn.experts.2.w2.weight", DType::fp4, DType::mxfp4},
      {"layers.1.ffn.shared_experts.w3.weight", DType::f8_e4m3, DType::q8_0},
      {"mtp.0.e_proj.weight", DType::f8_e4m3, DType::q8_0},
  };
  for (const auto& [name, safetensors, gguf] : kCases) {
    EXPECT_EQ(a.find(name)->view.dtype, safetensors) << name;
    EXPECT_EQ(b.find(name)->view.dtype, gguf) << name;
  }
}

TEST_F(WriteAndRead, Bf16IsTheSameModelInBothContainers) {
  synth("a", WeightTypes::bf16);
  synth("b.gguf", WeightTypes::bf16);

  const Checkpoint a = open("a");
  expect_equal_values(open("b.gguf"), a);
  EXPECT_EQ(a.find("layers.1.ffn.experts.2.w2.weight")->view.dtype, DType::bf16);
}

TEST_F(WriteAndRead, Mxfp4AndFp4HoldTheSameValues) {
  synth("a", WeightTypes::native);
  synth("b.gguf", WeightTypes::native);
  const Checkpoint a = open("a"), b = open("b.gguf");
  std::size_t n = 0;
  for (const CheckpointTensor& tensor : a.tensors()) {
    if (tensor.view.dtype != DType::fp4) continue;
    EXPECT_EQ(values_of(*b.find(tensor.name)), values_of(tensor)) << tensor.name;
    ++n;
  }
  EXPECT_EQ(n, 4u * 3u * 3u);  // blocks, experts, matrices
}

TEST_F(WriteAndRead, NativeToNativeIsLossless) {
  synth("a", WeightTypes::native);
  synth("a.gguf", WeightTypes::native);

  convert("a", "b", WeightTypes::native);
  EXPECT_EQ(bytes_of_file("b/model.safetensors"), bytes_of_file("a/model.safetensors"));
  EXPECT_EQ(bytes_of_file("b/config.json"), bytes_of_file("a/config.json"));

  convert("a.gguf", "c.gguf", WeightTypes::native);
  expect_equal_values(open("c.gguf"), open("a.gguf"));

  // FP4 -> MXFP4 -> FP4
  convert("a", "d.gguf", WeightTypes::native);
  convert("d.gguf", "e", WeightTypes::native);
  const std::string name = "layers.2.ffn.experts.1.w3.weight";
  EXPECT_EQ(values_of(*open("e").find(name)), values_of(*open("a").find(name)));
}

TEST_F(WriteAndRead, F32OfNativeHoldsTheDequantisedValues) {
  for (const char* name : {"a", "a.gguf"}) {
    synth(name, WeightTypes::native);
    const std::string twin = std::string("f32-of-") + name;
    convert(name, twin, WeightTypes::f32);
    convert(name, twin + "-dir", WeightTypes::f32);

    expect_equal_values(open(twin), open(name));
    expect_equal_values(open(twin + "-dir"), open(name));
    EXPECT_EQ(open(twin).find("layers.1.attn.wq_a.weight")->view.dtype, DType::f32);
  }
}

TEST_F(WriteAndRead, F32ScalesOfBaseModelsAreKept) {
  StoredModel model = synthetic_model(tiny_config());
  store_as(model, "layers.1.ffn.experts.1.w1.weight", Encoding::fp8);
  std::vector<float> scales(model.at("layers.1.ffn.experts.1.w1.scale").bytes.size(), 0.3f);
  model["layers.1.ffn.experts.1.w1.scale"] =
      f32_data(model.at("layers.1.ffn.experts.1.w1.scale").shape, scales);
  OpenModel source = open_model(model, tiny_config());
  const Checkpoint& checkpoint = *source.checkpoint;

  write("a", CheckpointSource(checkpoint), WeightTypes::native, checkpoint.config());

  const Checkpoint actual = open("a");
  const std::string name = "layers.1.ffn.experts.1.w1.weight";
  EXPECT_EQ(actual.find(name)->view.scale_dtype, DType::f32);
  EXPECT_EQ(values_of(*actual.find(name)), values_of(*checkpoint.find(name)));
}

TEST_F(WriteAndRead, OddWidthsFallBackToBf16WithANote) {
  ModelConfig config = tiny_config();
  config.moe_intermediate_size = 40;
  const WriteReport a = synth("a", WeightTypes::native, config);
  const WriteReport b = synth("b.gguf", WeightTypes::native, config);

  ASSERT_EQ(a.notes.size(), 1u);
  expect_contains(a.notes[0], "40 columns");
  EXPECT_EQ(open("a").find("layers.0.ffn.experts.0.w2.weight")->view.dtype, DType::bf16);
  EXPECT_EQ(open("a").find("layers.0.ffn.experts.0.w1.weight")->view.dtype, DType::fp4);
  EXPECT_EQ(open("a").find("layers.0.ffn.shared_experts.w2.weight")->view.dtype,
            DType::f8_e4m3);      // ceil blocks
  EXPECT_EQ(b.notes.size(), 3u);  // Q8_0 and MXFP4 of 40 columns, Q8_0 of the 80 columns of wo_a
  EXPECT_EQ(open("b.gguf").find("layers.0.ffn.shared_experts.w2.weight")->view.dtype, DType::bf16);
}

TEST_F(WriteAndRead, ShardsAreOneModel) {
  synth("whole", WeightTypes::native);
  shard_bytes_ = 40'000;
  const WriteReport report = synth("shards", WeightTypes::native);

  EXPECT_GT(report.files.size(), 3u);
  expect_equal_values(open("shards"), open("whole"));
}

TEST_F(WriteAndRead, ThreadsAndPieceSizesDoNotChangeTheBytes) {
  ThreadPool one(1), many(5);
  const ModelConfig config = tiny_config();
  const SyntheticSource source(config);
  const WriteOptions whole{.types = WeightTypes::native};
  const WriteOptions pieces{.types = WeightTypes::native,
                            .scratch_floats = 1};  // 128 rows at a time

  done(write_safetensors_model(config, source, directory_.path() / "one", "", pieces, one));
  done(write_safetensors_model(config, source, directory_.path() / "many", "", whole, many));

  EXPECT_EQ(bytes_of_file("one/model.safetensors"), bytes_of_file("many/model.safetensors"));
}

TEST_F(WriteAndRead, ConfigSurvivesBothContainers) {
  synth("a", WeightTypes::native);
  synth("b.gguf", WeightTypes::native);

  EXPECT_EQ(to_config_json(open("a").config()), to_config_json(tiny_config()));
  EXPECT_EQ(to_config_json(open("b.gguf").config()), to_config_json(tiny_config()));
}

TEST_F(WriteAndRead, GgufRefusesSchedulesItCannotExpress) {
  ModelConfig config = tiny_config();
  config.compress_ratios[1] = 8;  // CSA with another rate
  const auto report =
      write_gguf_model(config, SyntheticSource(config), directory_.path() / "a.gguf", {}, pool_);
  ASSERT_FALSE(report.has_value());
  expect_contains(report.error().message, "layer 1");
}

TEST_F(WriteAndRead, GgufWithoutDraftFileHasNoMtpBlock) {
  synth("a.gguf", WeightTypes::f32);
  EXPECT_EQ(open("a.gguf").config().num_nextn_predict_layers, 1u);
  std::filesystem::remove(directory_.path() / "mtp-a.gguf");
  EXPECT_EQ(open("a.gguf").config().num_nextn_predict_layers, 0u);
}

TEST_F(WriteAndRead, BrokenDraftFileIsAnError) {
  synth("a.gguf", WeightTypes::f32);
  std::ofstream(directory_.path() / "mtp-a.gguf", std::ios::trunc) << "GGUF";

  const auto checkpoint = Checkpoint::open(directory_.path() / "a.gguf");

  ASSERT_FALSE(checkpoint.has_value());
  expect_contains(checkpoint.error().message, "mtp-a.gguf");
}

// ---- GGUF as others write it

/// Opens the model after damage to single bytes of the first `n_bytes` of a file; what opens must
/// stay in bounds.
void expect_damage_is_harmless(const std::filesystem::path& file,
                               const std::filesystem::path& model, std::uint64_t n_bytes) {
  RandomStream random(17);
  for (int i = 0; i < 200; ++i) {
    const auto at = static_cast<std::streamoff>(random.next() % n_bytes);
    std::fstream stream(file, std::ios::binary | std::ios::in | std::ios::out);
    stream.seekg(at);
    const int old = stream.get();
    const int damaged =
        i % 2 == 0 ? old ^ (1 << random.below(8)) : static_cast<int>(random.below(256));
    stream.seekp(at);
    stream.put(static_cast<char>(damaged)).flush();
    const auto checkpoint = Checkpoint::open(model);
    if (checkpoint) {
      for (const CheckpointTensor& tensor : checkpoint->tensors())
        if (!tensor.name.ends_with("tid2eid")) (void)values_of(tensor);
    } else {
      EXPECT_FALSE(checkpoint.error().message.empty());
    }
    stream.seekp(at);
    stream.put(static_cast<char>(old)).flush();
  }
}

TEST_F(WriteAndRead, DamagedFilesAreRefusedOrReadWithinBounds) {
  synth("a", WeightTypes::native);
  synth("a.gguf", WeightTypes::native);
  const std::filesystem::path& root = directory_.path();

  expect_damage_is_harmless(root / "a.gguf", root / "a.gguf",
                            12'000);  // metadata and the list of tensors
  expect_damage_is_harmless(root / "mtp-a.gguf", root / "a.gguf", 5'000);
  expect_damage_is_harmless(root / "a" / "model.safetensors", root / "a", 20'000);
  expect_damage_is_harmless(root / "a" / "config.json", root / "a",
                            bytes_of_file("a/config.json").size());

  EXPECT_TRUE(Checkpoint::open(root / "a").has_value());  // the damage was undone
  EXPECT_TRUE(Checkpoint::open(root / "a.gguf").has_value());
}

/// A GGUF file put together tensor by tensor.
class GgufBuilder {
 public:
  GgufWriter writer;

  void add(const std::string& name, const StoredData& data) {
    std::vector<std::uint64_t> dims(data.shape.rbegin(), data.shape.rend());
    const auto declared = writer.declare(name, data.dtype, std::move(dims));
    EXPECT_TRUE(declared.has_value()) << declared.error().message;
    tensors_.push_back(data.bytes);
  }

  /// The main model in F32 under llama.cpp's names, experts stacked.
  void add_main(StoredModel model, const ModelConfig& config) {
    ModelConfig without_mtp = config;
    without_mtp.num_nextn_predict_layers = 0;
    std::map<std::string, StoredData> stacks;
    for (const TensorSpec& spec : expected_tensors(without_mtp)) {
      const GgufPlace place = *gguf_place(spec.name, 0);
      StoredData data = model.at(spec.name);
      if (!place.expert) {
        if (data.dtype == DType::i64) data = narrowed(data);
        add(place.name, data);
        continue;
      }
      StoredData& stack = stacks[place.name];
      stack.dtype = data.dtype;
      stack.shape = {*place.expert + 1, data.shape[0], data.shape[1]};
      stack.bytes.insert(stack.bytes.end(), data.bytes.begin(), data.bytes.end());
    }
    for (const auto& [name, stack] : stacks) add(name, stack);
  }

  void write(const std::filesystem::path& path) {
    const auto written = writer.write(
        path, [&](std::size_t i, TensorSink& sink) { return sink.write(tensors_[i]); });
    ASSERT_TRUE(written.has_value()) << written.error().message;
  }

 private:
  static StoredData narrowed(const StoredData& i64) {
    StoredData out{DType::i32, i64.shape, {}};
    for (std::size_t i = 0; i < i64.bytes.size(); i += 8)
      out.bytes.insert(out.bytes.end(), i64.bytes.begin() + static_cast<std::ptrdiff_t>(i),
                       i64.bytes.begin() + static_cast<std::ptrdiff_t>(i + 4));
    return out;
  }

  std::vector<std::vector<std::byte>> tensors_;
};

using GgufForms = WriteAndRead;

TEST_F(GgufForms, DraftFilesOfDs4KeepTheOriginalNames) {
  synth("a.gguf", WeightTypes::f32);
  OpenModel expected = open_model(synthetic_model(tiny_config()), tiny_config());
  GgufBuilder ds4;
  add_config_metadata(tiny_config(), tiny_config().num_hidden_layers, ds4.writer);
  for (const auto& [name, data] : synthetic_model(tiny_config()))
    if (name.starts_with("mtp.")) ds4.add(name, data);
  ds4.write(directory_.path() / "mtp-a.gguf");

  expect_equal_values(open("a.gguf"), *expected.checkpoint);
}

TEST_F(GgufForms, MtpBlockMayBeInsideWithSeparateProjections) {
  const StoredModel model = synthetic_model(tiny_config());
  GgufBuilder file;
  add_config_metadata(tiny_config(), 4, file.writer);  // block_count includes the MTP block
  file.add_main(model, tiny_config());
  for (const TensorSpec& spec : mtp_tensors(tiny_config(), 0)) {
    const auto place = gguf_place(spec.name, 3);
    if (spec.name.find("hc_head") != std::string::npos) {
      file.add(spec.name, model.at(spec.name));
    } else if (!place) {
      file.add("blk.3.nextn." + spec.name.substr(6), model.at(spec.name));  // e_proj, h_proj
    } else if (!place->expert) {
      file.add(place->name, model.at(spec.name));
    } else if (*place->expert == 0) {
      StoredData stack{DType::f32, {3, spec.shape[0], spec.shape[1]}, {}};
      for (int expert = 0; expert < 3; ++expert) {
        std::string name = spec.name;
        name.replace(name.find("experts.0"), 9, fmt::format("experts.{}", expert));
        const auto& bytes = model.at(name).bytes;
        stack.bytes.insert(stack.bytes.end(), bytes.begin(), bytes.end());
      }
      file.add(place->name, stack);
    }
  }
  file.write(directory_.path() / "a.gguf");
  OpenModel expected = open_model(model, tiny_config());

  const Checkpoint checkpoint = open("a.gguf");

  EXPECT_EQ(checkpoint.config().num_hidden_layers, 3u);
  expect_equal_values(checkpoint, *expected.checkpoint);
}

TEST_F(GgufForms, EhProjIsTwoViewsOfOneTensor) {
  synth("a.gguf", WeightTypes::native);
  const Checkpoint checkpoint = open("a.gguf");

  const MatrixView& e = checkpoint.find("mtp.0.e_proj.weight")->view;
  const MatrixView& h = checkpoint.find("mtp.0.h_proj.weight")->view;

  const std::size_t half_row = tiny_config().hidden_size / 32 * 34;
  EXPECT_EQ(e.cols, tiny_config().hidden_size);
  EXPECT_EQ(e.row_stride, 2 * half_row);
  EXPECT_EQ(h.data - e.data, static_cast<std::ptrdiff_t>(half_row));
}

TEST_F(GgufForms, NamesTensorAndTypeThatAreNotSupported) {
  StoredModel model = synthetic_model(tiny_config());
  GgufBuilder file;
  add_config_metadata(tiny_config(), 3, file.writer);
  file.add_main(model, tiny_config());
  const std::filesystem::path path = directory_.path() / "a.gguf";
  file.write(path);
  // The type follows the name, the number of dimensions (u32) and two dimensions (u64). 3 is Q4_1.
  std::string bytes = bytes_of_file("a.gguf");
  const std::string name = "blk.0.attn_q_a.weight";
  bytes[bytes.find(name) + name.size() + 4 + 16] = 3;
  std::ofstream(path, std::ios::binary) << bytes;

  const auto checkpoint = Checkpoint::open(path);

  ASSERT_FALSE(checkpoint.has_value());
  expect_contains(checkpoint.error().message, name);
  expect_contains(checkpoint.error().message, "Q4_1");
}

/// Only metadata is needed to read a config.
Result<ModelConfig> config_of(const GgufWriter& writer, std::vector<std::byte>& image) {
  auto written = writer.write_to_memory([](std::size_t, TensorSink&) { return Result<void>(); });
  EXPECT_TRUE(written.has_value());
  image = std::move(written).value();
  const auto file = GgufFile::parse(image, "a.gguf");
  EXPECT_TRUE(file.has_value());
  return config_from_gguf(*file);
}

TEST(GgufConfig, RefusesOtherArchitecturesByName) {
  for (const auto& [architecture, hint] :
       {std::pair("deepseek41", "DeepSeek-V4.1"), std::pair("llama", "llama")}) {
    GgufWriter writer;
    writer.add_string("general.architecture", architecture);
    std::vector<std::byte> image;
    const auto config = config_of(writer, image);
    ASSERT_FALSE(config.has_value());
    EXPECT_EQ(config.error().code, ErrorCode::unsupported);
    expect_contains(config.error().message, hint);
  }
}

TEST(GgufConfig, NamesTheMissingKey) {
  GgufWriter writer;
  writer.add_string("general.architecture", "deepseek4");
  std::vector<std::byte> image;
  const auto config = config_of(writer, image);
  ASSERT_FALSE(config.has_value());
  expect_contains(config.error().message, "deepseek4.block_count");
}

/// The smallest set of keys, limits and ratios as scalars or arrays.
GgufWriter minimal(bool arrays) {
  GgufWriter w;
  w.add_string("general.architecture", "deepseek4");
  const std::pair<const char*, std::uint32_t> kSizes[] = {{"block_count", 2},
                                                          {"context_length", 64},
                                                          {"embedding_length", 32},
                                                          {"vocab_size", 9},
                                                          {"attention.head_count", 2},
                                                          {"attention.key_length", 16},
                                                          {"attention.q_lora_rank", 8},
                                                          {"attention.output_lora_rank", 8},
                                                          {"attention.output_group_count", 1},
                                                          {"attention.sliding_window", 4},
                                                          {"rope.dimension_count", 8},
                                                          {"expert_count", 2},
                                                          {"expert_used_count", 1},
                                                          {"expert_feed_forward_length", 32}};
  for (const auto& [key, value] : kSizes) w.add_u32(fmt::format("deepseek4.{}", key), value);
  if (arrays) {
    w.add_u32_array("deepseek4.attention.compress_ratios", std::vector<std::uint32_t>{128, 128, 0});
    w.add_f32_array("deepseek4.swiglu_clamp_exp", std::vector<float>{7.5f, 7.5f});
  } else {
    w.add_u32("deepseek4.attention.compress_ratios", 128);
    w.add_f32("deepseek4.swiglu_clamp_exp", 7.5f);
  }
  return w;
}

TEST(GgufConfig, ScalarsServeWhereNewerFilesHaveArrays) {
  for (bool arrays : {false, true}) {
    std::vector<std::byte> image;
    const auto config = config_of(minimal(arrays), image);
    ASSERT_TRUE(config.has_value()) << config.error().message;
    EXPECT_EQ(config->compress_ratios, (std::vector<std::size_t>{128, 128}));
    EXPECT_EQ(config->swiglu_limit, 7.5);
    EXPECT_EQ(config->hc_mult, 4u);
    EXPECT_EQ(config->n_hash_layers(), 0u);
    EXPECT_FALSE(config->yarn.has_value());
  }
}

TEST(GgufConfig, RefusesHostileCountsAndMixedLimits) {
  GgufWriter many = minimal(true);
  many.add_u32("deepseek4.hyper_connection.count", 4000000000u);
  std::vector<std::byte> image;
  auto config = config_of(many, image);
  ASSERT_FALSE(config.has_value());
  expect_contains(config.error().message, "hc_mult");

  GgufWriter mixed = minimal(true);
  mixed.add_f32_array("deepseek4.swiglu_clamp_shexp", std::vector<float>{7.5f, 8.0f});
  config = config_of(mixed, image);
  ASSERT_FALSE(config.has_value());
  expect_contains(config.error().message, "swiglu_clamp_shexp");
}

}  // namespace
}  // namespace hadal
