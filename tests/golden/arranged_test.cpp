// A model whose weights are mapped in panel order gives the bits of the same model as stored, in
// prefill and decode, with any number of threads, on AVX2 and AVX-512.

#include "base/thread_pool.h"
#include "engine/engine.h"
#include "engine/model/checkpoint_writer.h"
#include "synthetic_engine.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>

#include <unistd.h>

namespace hadal {
namespace {

namespace fs = std::filesystem;

/// Inner dimensions are multiples of 256, so that K-quants can be arranged.
constexpr const char* kConfig =
    R"({"model_type": "deepseek_v4", "vocab_size": 320, "hidden_size": 256,
  "num_hidden_layers": 3, "num_attention_heads": 8, "head_dim": 64, "qk_rope_head_dim": 16, "q_lora_rank": 256,
  "o_groups": 2, "o_lora_rank": 128, "sliding_window": 16, "compress_ratios": [0, 4, 128, 0], "rope_theta": 10000,
  "compress_rope_theta": 160000, "max_position_embeddings": 1024, "index_n_heads": 32, "index_head_dim": 16, "index_topk": 5,
  "rope_scaling": {"type": "yarn", "factor": 16, "original_max_position_embeddings": 64, "beta_fast": 32, "beta_slow": 1},
  "n_routed_experts": 6, "num_experts_per_tok": 3, "n_shared_experts": 1, "moe_intermediate_size": 256, "num_hash_layers": 1,
  "routed_scaling_factor": 2.5, "swiglu_limit": 0.6, "hc_mult": 4, "hc_sinkhorn_iters": 20, "hc_eps": 1e-6,
  "rms_norm_eps": 1e-6, "num_nextn_predict_layers": 1, "bos_token_id": 0, "eos_token_id": 1, "pad_token_id": 2})";

struct File {
  const char* name;
  bool gguf;
  std::optional<QuantizePlan> plan;
};

class Arranged : public testing::TestWithParam<File> {
 protected:
  void SetUp() override {
    std::string name = (fs::temp_directory_path() / "hadal-arranged-XXXXXX").string();
    ASSERT_NE(::mkdtemp(name.data()), nullptr);
    directory_ = name;
    ::setenv("XDG_CACHE_HOME", (directory_ / "cache").c_str(), 1);
    const auto config = parse_config(kConfig, "arranged");
    ASSERT_TRUE(config) << config.error().message;
    const SyntheticSource source(*config);
    model_ = directory_ / (GetParam().gguf ? "model.gguf" : "model");
    WriteOptions options{.types = WeightTypes::native};
    options.quantize = GetParam().plan;
    const auto report = GetParam().gguf
                            ? write_gguf_model(*config, source, model_, options, pool_)
                            : write_safetensors_model(*config, source, model_, "", options, pool_);
    ASSERT_TRUE(report) << report.error().message;
    const auto checkpoint = Checkpoint::open(model_.string());
    ASSERT_TRUE(checkpoint) << checkpoint.error().message;
    const auto path = write_arranged(*checkpoint, pool_, {});
    ASSERT_TRUE(path) << path.error().message;
  }
  void TearDown() override {
    ::unsetenv("XDG_CACHE_HOME");
    fs::remove_all(directory_);
  }

  std::unique_ptr<Engine> open(const EngineOptions& options) const {
    auto engine = Engine::open(model_.string(), options);
    EXPECT_TRUE(engine) << engine.error().message;
    return std::move(*engine);
  }

  /// Logits of all positions: a prefill, then token by token.
  static std::vector<float> logits(Engine& engine) {
    return in_passes(engine.model(), golden_tokens(0, 150, engine.config().vocab_size), {140, 1});
  }

  fs::path directory_;
  fs::path model_;
  ThreadPool pool_{2};
};

}  // namespace

TEST_P(Arranged, GivesTheBitsOfTheWeightsAsStored) {
  for (const char* isa : {"avx2", "avx512"}) {
    if (!runs_here(isa)) continue;
    SCOPED_TRACE(isa);
    ::setenv("HADAL_CPU_ISA", isa, 1);
    for (const std::size_t threads : {1, 3}) {
      EngineOptions options{.backend = {.n_threads = threads}, .model = {}};
      const auto arranged = open(options);
      options.as_stored = true;
      const auto stored = open(options);
      ASSERT_NE(arranged->arranged(), nullptr);
      ASSERT_EQ(stored->arranged(), nullptr);
      const auto actual = logits(*arranged);
      const auto expected = logits(*stored);
      ASSERT_EQ(actual.size(), expected.size());
      EXPECT_EQ(std::memcmp(actual.data(), expected.data(), actual.size() * sizeof(float)), 0);
    }
    ::unsetenv("HADAL_CPU_ISA");
  }
}

TEST_P(Arranged, ReadsItsOwnFileAndNotTheWeightsAsStored) {
  EngineOptions options{.backend = {}, .model = {}};
  const auto expected = logits(*open(options));
  const fs::path path = arranged_file(*Checkpoint::open(model_.string()));
  {
    constexpr std::streamoff kHeader = 4096;
    std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(kHeader);
    file << std::string(fs::file_size(path) - kHeader, '\0');
  }
  EXPECT_NE(logits(*open(options)), expected);
  options.as_stored = true;
  EXPECT_EQ(logits(*open(options)), expected);
}

TEST_P(Arranged, IsLeftToBackendsThatReadPanels) {
  EXPECT_EQ(open({.backend = {.kind = BackendKind::ref}, .model = {}})->arranged(), nullptr);
  EXPECT_EQ(open({.backend = {.exact = true}, .model = {}})->arranged(), nullptr);
}

INSTANTIATE_TEST_SUITE_P(
    All, Arranged,
    testing::Values(
        File{"SafetensorsFp4", false, {}}, File{"GgufMxfp4AndQ8_0", true, {}},
        File{"Q4_KAndQ6_K", true, QuantizePlan{.experts = Encoding::q4_k, .rest = Encoding::q6_k}},
        File{"Q5_KAndQ4_0", true, QuantizePlan{.experts = Encoding::q5_k, .rest = Encoding::q4_0}}),
    [](const auto& info) { return std::string(info.param.name); });

}  // namespace hadal
