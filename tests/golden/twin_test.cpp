// A file in the published types and its dequantised f32 twin are the same model (done-when 5): on
// `ref` they agree within 1e-4 * max|logit|; on `cpu` the difference is printed (both decode
// exactly and accumulate in float32, so it is rounding of the accumulation at most).

#include "base/thread_pool.h"
#include "engine/engine.h"
#include "engine/model/checkpoint_writer.h"
#include "synthetic_engine.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <fstream>

#include <unistd.h>

namespace hadal {
namespace {

namespace fs = std::filesystem;

/// Inner dimensions are multiples of 32, so that nothing falls back to BF16; rows that are not
/// multiples of 128.
constexpr const char* kConfig =
    R"({"model_type": "deepseek_v4", "vocab_size": 320, "hidden_size": 64,
  "num_hidden_layers": 4, "num_attention_heads": 4, "head_dim": 32, "qk_rope_head_dim": 8, "q_lora_rank": 32,
  "o_groups": 2, "o_lora_rank": 32, "sliding_window": 16, "compress_ratios": [0, 4, 128, 4, 0], "rope_theta": 10000,
  "compress_rope_theta": 160000, "max_position_embeddings": 1024, "index_n_heads": 32, "index_head_dim": 16, "index_topk": 5,
  "rope_scaling": {"type": "yarn", "factor": 16, "original_max_position_embeddings": 64, "beta_fast": 32, "beta_slow": 1},
  "n_routed_experts": 6, "num_experts_per_tok": 3, "n_shared_experts": 1, "moe_intermediate_size": 96, "num_hash_layers": 1,
  "routed_scaling_factor": 2.5, "swiglu_limit": 0.6, "hc_mult": 4, "hc_sinkhorn_iters": 20, "hc_eps": 1e-6,
  "rms_norm_eps": 1e-6, "num_nextn_predict_layers": 0, "bos_token_id": 0, "eos_token_id": 1, "pad_token_id": 2})";

class Twin : public testing::Test {
 protected:
  void SetUp() override {
    std::string name = (fs::temp_directory_path() / "hadal-twin-XXXXXX").string();
    ASSERT_NE(::mkdtemp(name.data()), nullptr);
    directory_ = name;
    const auto config = parse_config(kConfig, "twin");
    ASSERT_TRUE(config) << config.error().message;
    config_ = *config;
  }
  void TearDown() override { fs::remove_all(directory_); }

  fs::path write_synthetic(const std::string& format, WeightTypes types) {
    const SyntheticSource source(config_);
    return write(config_, source, "native-" + format, format, types);
  }

  /// The f32 twin of a model, always as safetensors.
  fs::path write_twin(const fs::path& native) {
    auto checkpoint = Checkpoint::open(native.string());
    EXPECT_TRUE(checkpoint) << checkpoint.error().message;
    const CheckpointSource source(*checkpoint);
    return write(checkpoint->config(), source, native.filename().string() + "-twin", "safetensors",
                 WeightTypes::f32);
  }

  std::vector<float> logits(const fs::path& model, BackendKind backend) {
    auto engine = Engine::open(model.string(), {.backend = {.kind = backend}, .model = {}});
    EXPECT_TRUE(engine) << engine.error().message;
    return one_shot((*engine)->model(), golden_tokens(0, 140, config_.vocab_size));
  }

  /// max|a - b| / max|b|
  static float relative_difference(std::span<const float> a, std::span<const float> b) {
    float largest = 0.0f;
    float worst = 0.0f;
    for (std::size_t i = 0; i < a.size(); ++i) {
      largest = std::max(largest, std::fabs(b[i]));
      const float difference = std::fabs(a[i] - b[i]);
      worst = difference <= worst ? worst : difference;
    }
    return worst / largest;
  }

  void expect_twin(const std::string& format, WeightTypes types) {
    const fs::path native = write_synthetic(format, types);
    const fs::path twin = write_twin(native);
    const auto of_native = logits(native, BackendKind::ref);
    const auto of_twin = logits(twin, BackendKind::ref);
    ASSERT_EQ(of_native.size(), 140 * config_.vocab_size);

    EXPECT_LE(relative_difference(of_native, of_twin), 1e-4f);
    const float on_cpu =
        relative_difference(logits(native, BackendKind::cpu), logits(twin, BackendKind::cpu));
    std::printf("%s: native against its f32 twin on cpu: %.2g of the largest logit\n",
                format.c_str(), static_cast<double>(on_cpu));
    RecordProperty("relative_difference_on_cpu", std::to_string(on_cpu));
  }

  fs::path directory_;
  ModelConfig config_;

 private:
  fs::path write(const ModelConfig& config, const WeightSource& source, const std::string& name,
                 const std::string& format, WeightTypes types) {
    ThreadPool pool(1);
    const WriteOptions options{.types = types};
    const fs::path out = directory_ / (format == "gguf" ? name + ".gguf" : name);
    const auto report = format == "gguf"
                            ? write_gguf_model(config, source, out, options, pool)
                            : write_safetensors_model(config, source, out, "", options, pool);
    EXPECT_TRUE(report) << report.error().message;
    return out;
  }
};

}  // namespace

TEST_F(Twin, SafetensorsFp8AndFp4) {
  expect_twin("safetensors", WeightTypes::native);
}
TEST_F(Twin, GgufQ8AndMxfp4) {
  expect_twin("gguf", WeightTypes::native);
}
TEST_F(Twin, GgufBf16) {
  expect_twin("gguf", WeightTypes::bf16);
}

TEST_F(Twin, QuantisationIsNotALossOfTheModel) {  // Q8_0 + MXFP4 differ from FP8 + FP4 by rounding
                                                  // of the non-experts only
  const auto exact = logits(write_synthetic("safetensors", WeightTypes::native), BackendKind::ref);
  const auto other = logits(write_synthetic("gguf", WeightTypes::native), BackendKind::ref);

  const float difference = relative_difference(exact, other);
  std::printf("FP8 + FP4 against Q8_0 + MXFP4: %.2g of the largest logit\n",
              static_cast<double>(difference));
  EXPECT_GT(difference, 0.0f);  // not the same file read twice
}

}  // namespace hadal
