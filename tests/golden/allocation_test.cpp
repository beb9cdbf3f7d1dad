// A decode step allocates nothing: operator new is replaced and counts.
#include "base/thread_pool.h"
#include "engine/generate.h"
#include "engine/model/checkpoint_writer.h"
#include "engine/model/memory_plan.h"
#include "synthetic_engine.h"

#include <gtest/gtest.h>

#include <array>
#include <atomic>
#include <cstdlib>
#include <filesystem>
#include <new>
#include <numeric>

#include <malloc.h>

namespace {

std::atomic<std::size_t> n_allocations{0};
std::atomic<std::ptrdiff_t> n_live_bytes{0};

void release(void* memory) {
  n_live_bytes.fetch_sub(static_cast<std::ptrdiff_t>(::malloc_usable_size(memory)),
                         std::memory_order_relaxed);
  std::free(memory);
}

void* count_and_allocate(std::size_t n_bytes, std::size_t alignment) {
  n_allocations.fetch_add(1, std::memory_order_relaxed);
  const std::size_t step = std::max(alignment, sizeof(void*));
  void* memory =
      std::aligned_alloc(step, (std::max<std::size_t>(n_bytes, 1) + step - 1) / step * step);
  if (memory == nullptr) throw std::bad_alloc();
  n_live_bytes.fetch_add(static_cast<std::ptrdiff_t>(::malloc_usable_size(memory)),
                         std::memory_order_relaxed);
  return memory;
}

}  // namespace

// The array and nothrow forms of the library call these.
void* operator new(std::size_t n_bytes) {
  return count_and_allocate(n_bytes, __STDCPP_DEFAULT_NEW_ALIGNMENT__);
}
void* operator new(std::size_t n_bytes, std::align_val_t alignment) {
  return count_and_allocate(n_bytes, static_cast<std::size_t>(alignment));
}
void operator delete(void* memory) noexcept {
  release(memory);
}
void operator delete(void* memory, std::size_t) noexcept {
  release(memory);
}
void operator delete(void* memory, std::align_val_t) noexcept {
  release(memory);
}
void operator delete(void* memory, std::size_t, std::align_val_t) noexcept {
  release(memory);
}

namespace hadal {
namespace {

/// All kinds of layers in the published types, wide enough for their blocks: sliding with hash
/// routing, then CSA, HCA and CSA with routing by score.
constexpr const char* kConfig = R"({"architectures": ["DeepseekV4ForCausalLM"],
    "model_type": "deepseek_v4", "vocab_size": 256, "hidden_size": 256, "num_hidden_layers": 4,
    "num_attention_heads": 16, "num_key_value_heads": 1, "head_dim": 64, "qk_rope_head_dim": 16,
    "q_lora_rank": 128, "o_groups": 2, "o_lora_rank": 128, "sliding_window": 32,
    "compress_ratios": [0, 4, 128, 4, 0], "rope_theta": 10000, "compress_rope_theta": 160000,
    "max_position_embeddings": 4096, "index_n_heads": 8, "index_head_dim": 32, "index_topk": 16,
    "n_routed_experts": 16, "num_experts_per_tok": 4, "n_shared_experts": 1,
    "moe_intermediate_size": 128, "num_hash_layers": 1, "scoring_func": "sqrtsoftplus",
    "topk_method": "noaux_tc", "norm_topk_prob": true, "routed_scaling_factor": 1.5,
    "swiglu_limit": 10, "hc_mult": 4, "hc_sinkhorn_iters": 20, "hc_eps": 1e-6,
    "rms_norm_eps": 1e-6, "hidden_act": "silu", "num_nextn_predict_layers": 1,
    "bos_token_id": 0, "eos_token_id": 1, "tie_word_embeddings": false})";
constexpr std::size_t kVocab = 256;
constexpr std::size_t kContext = 1200;

/// With a world model behind the second block. Its structure tokens are 100 .. 205.
ModelConfig config_with_world_model() {
  ModelConfig config = parse_config(kConfig, "test").value();
  std::array<std::int32_t, StructureTokens::kCount> list;
  std::iota(list.begin(), list.end(), 100);
  config.world_model = WorldModelConfig{.layers = 1,
                                        .after_layer = 1,
                                        .latent_dim = 96,
                                        .n_heads = 6,
                                        .head_dim = 16,
                                        .n_kv_heads = 3,
                                        .intermediate = 2048,  // the deepest stack of frames
                                        .n_latent_steps = 3,
                                        .max_latent_steps = 4,
                                        .rope_dim = 8,
                                        .loss = {},
                                        .structure_tokens = StructureTokens::from_list(list)};
  return config;
}

struct Variant {
  const char* isa;  ///< HADAL_CPU_ISA
  std::size_t threads;
  WeightTypes types;
  bool world_model = false;
};

class Allocation : public testing::TestWithParam<Variant> {
 protected:
  void SetUp() override {
    const Variant& variant = GetParam();
    const ModelConfig config =
        variant.world_model ? config_with_world_model() : parse_config(kConfig, "test").value();
    directory_ =
        std::filesystem::path(testing::TempDir()) /
        (std::string("hadal_allocation_") + variant.isa + "_" + std::to_string(variant.threads) +
         "_" + std::to_string(static_cast<int>(variant.types)) +
         (variant.world_model ? "_world_model" : ""));
    ThreadPool pool(1);
    const auto written = write_safetensors_model(config, SyntheticSource(config), directory_, "",
                                                 {.types = variant.types}, pool);
    ASSERT_TRUE(written) << written.error().message;
    ::setenv("HADAL_CPU_ISA", variant.isa, 1);
    auto engine = Engine::open(
        directory_.string(),
        {.backend = {.kind = BackendKind::cpu, .n_threads = variant.threads},
         .model = {},
         .limits = {.n_tokens = 64, .n_sequences = 1, .n_logits = 1, .context = kContext}});
    ::unsetenv("HADAL_CPU_ISA");
    if (!engine) GTEST_SKIP() << engine.error().message;
    engine_ = std::move(engine).value();
  }
  void TearDown() override { std::filesystem::remove_all(directory_); }

  std::uint64_t bytes_of_tensors() const {
    std::uint64_t sum = 0;
    for (const CheckpointTensor& tensor : engine_->checkpoint().tensors())
      sum += bytes_of(tensor.view);
    return sum;
  }

  /// Of a step whose token may be a structure token: lists of causes, names that wait for their
  /// declaration, what an ask affects (by doubling).
  static std::size_t most_allocations() { return GetParam().world_model ? 12 : 0; }

  std::filesystem::path directory_;
  std::unique_ptr<Engine> engine_;
};

class WorldModelAllocation : public Allocation {};

}  // namespace

TEST_P(Allocation, ADecodeStepOfTheModelAllocatesNothing) {
  Model& model = engine_->model();
  SequenceState state = model.new_sequence();
  state.reserve(kContext);
  ForwardOutput output;
  const auto prompt = golden_tokens(0, 61, kVocab);
  const ForwardInput prefill{.state = &state, .tokens = prompt};
  model.forward({&prefill, 1}, output);
  std::int32_t token = sample(output.row(0), {}, {}, state.n_tokens()).token;
  const auto step = [&] {
    const ForwardInput input{.state = &state, .tokens = {&token, 1}};
    model.forward({&input, 1}, output);
    token = sample(output.row(0), {}, {}, state.n_tokens()).token;
  };
  step();  // buffers of the one-token path

  // Across finished windows of both rates and many pages, up to the planned context.
  while (state.n_tokens() < kContext) {
    const std::size_t before = n_allocations.load();
    step();
    ASSERT_LE(n_allocations.load() - before, most_allocations()) << "token " << state.n_tokens();
  }
}

/// Events of eight tokens with a cause each, over the whole planned context.
TEST_P(WorldModelAllocation, OnlyStructureTokensAllocateAndLittle) {
  Model& model = engine_->model();
  const StructureTokens& tokens = *model.config().world_model->structure_tokens;
  SequenceState state = model.new_sequence();
  state.reserve(kContext);
  ForwardOutput output;
  const auto step = [&](std::int32_t token) {
    const ForwardInput input{.state = &state, .tokens = {&token, 1}};
    const std::size_t before = n_allocations.load();
    model.forward({&input, 1}, output);
    return n_allocations.load() - before;
  };
  step(1);
  step(2);

  for (std::size_t i = 0; state.n_tokens() + 8 <= kContext; ++i) {
    const std::int32_t event[] = {tokens.openers[i % 7],
                                  tokens.ids[i % 96],
                                  tokens.by,
                                  tokens.ids[(i + 95) % 96],
                                  tokens.colon,
                                  5,
                                  6,
                                  tokens.close};
    for (const std::int32_t token : event) {
      const std::size_t n = step(token);
      ASSERT_LE(n, token < 100 ? 0 : most_allocations())
          << "token " << state.n_tokens() << ": " << token;
    }
  }
}

TEST_P(Allocation, AGeneratedTokenAllocatesNothing) {
  SequenceState state = engine_->model().new_sequence();
  std::size_t n_tokens = 0;
  std::size_t before = 0;
  std::size_t most = 0;  // between two tokens, from the third on
  GenerationRequest request{.state = &state,
                            .prompt = golden_tokens(5, 100, kVocab),
                            .history = {},
                            .sampling = {},
                            .max_tokens = 600,
                            .stop_tokens = {},
                            .n_drafts = 0,
                            .on_token = [&](const TokenChoice&) {
                              const std::size_t now = n_allocations.load();
                              if (++n_tokens > 2) most = std::max(most, now - before);
                              before = now;
                              return true;
                            }};

  const auto result = generate(engine_->model(), {&request, 1});

  ASSERT_TRUE(result) << result.error().message;
  EXPECT_EQ(n_tokens, 600u);
  EXPECT_LE(most, most_allocations());
}

TEST_P(Allocation, ThePlanIsWhatAPassTakes) {
  const PassLimits limits{.n_tokens = 300, .n_sequences = 1, .n_logits = 1, .context = kContext};
  Model& model = engine_->model();
  SequenceState state = model.new_sequence();
  state.reserve(kContext);
  ForwardOutput output;
  output.logits.reserve(kVocab);
  const std::ptrdiff_t before = n_live_bytes.load();
  model.reserve(limits);
  const std::size_t capacity = model.scratch().capacity_bytes();
  for (std::size_t n : {300, 300, 300, 1, 299}) {
    const auto tokens = golden_tokens(state.n_tokens(), n, kVocab);
    const ForwardInput input{.state = &state, .tokens = tokens};
    model.forward({&input, 1}, output);
  }
  const std::ptrdiff_t after = n_live_bytes.load();
  const auto tokens = golden_tokens(3, limits.n_tokens, kVocab);
  SequenceState other = model.new_sequence();
  const ForwardInput input{.state = &other, .tokens = tokens};
  model.forward({&input, 1}, output, /*want_streams=*/true);
  const MtpInput drafts{.state = &other, .streams = output.streams, .next_tokens = tokens};
  model.forward_mtp({&drafts, 1});

  const MemoryPlan plan = plan_memory(engine_->checkpoint(), engine_->backend(), limits);
  EXPECT_EQ(model.scratch().capacity_bytes(), capacity) << "the arena has grown";
  EXPECT_EQ(plan.activations, model.scratch().peak_bytes());
  EXPECT_EQ(state.n_tokens(), kContext);
  if (GetParam().world_model) {  // what the graph reserves is more than it uses
    EXPECT_GE(plan.state.total(), state.bytes());
    EXPECT_EQ(plan.state.total() - plan.state.world_model,
              state.bytes() - state.world_model()->bytes());
  } else {
    EXPECT_EQ(plan.state.total(), state.bytes());
  }
  EXPECT_EQ(plan.weights.total(), bytes_of_tensors());
  // What the tasks' buffers take was in part reserved at opening, so growth is a lower bound.
  EXPECT_GE(plan.workspace, static_cast<std::size_t>(std::max<std::ptrdiff_t>(after - before, 0)));
}

std::string variant_name(const testing::TestParamInfo<Variant>& info) {
  return std::string(info.param.isa) + "_" + std::to_string(info.param.threads) + "_threads_" +
         (info.param.types == WeightTypes::native ? "native" : "f32") +
         (info.param.world_model ? "_world_model" : "");
}

constexpr Variant kWorldModels[] = {{"avx2", 2, WeightTypes::f32, true},
                                    {"avx512", 1, WeightTypes::native, true}};

INSTANTIATE_TEST_SUITE_P(Variants, Allocation,
                         testing::Values(kWorldModels[0], kWorldModels[1],
                                         Variant{"avx2", 1, WeightTypes::f32},
                                         Variant{"avx2", 2, WeightTypes::native},
                                         Variant{"avx512", 1, WeightTypes::native},
                                         Variant{"avx512", 2, WeightTypes::f32},
                                         Variant{"avx512", 2, WeightTypes::native}),
                         variant_name);
INSTANTIATE_TEST_SUITE_P(Variants, WorldModelAllocation, testing::ValuesIn(kWorldModels),
                         variant_name);

TEST(AllocationCounter, CountsAVector) {
  const std::size_t before = n_allocations.load();
  const std::vector<int> something(100);
  EXPECT_EQ(n_allocations.load(), before + 1) << something.size();
}

}  // namespace hadal
