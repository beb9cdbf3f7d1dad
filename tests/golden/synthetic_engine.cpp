#include "synthetic_engine.h"

#include "base/check.h"
#include "base/random.h"
#include "engine/kernels/cpu_kernels.h"
#include "engine/model/synthetic_weights.h"
#include "formats/safetensors_writer.h"

#include <algorithm>
#include <cstdlib>

namespace hadal {
namespace {

std::size_t n_elements(const TensorSpec& spec) {
  std::size_t n = 1;
  for (std::uint64_t dim : spec.shape) n *= dim;
  return n;
}

Result<std::vector<std::byte>> synthetic_image(const ModelConfig& config) {
  const std::vector<TensorSpec> specs = expected_tensors(config);
  SafetensorsWriter writer;
  for (const TensorSpec& spec : specs) {
    const bool table = spec.kind == TensorSpec::Kind::token_table;
    HADAL_TRY(writer.declare(spec.name, table ? DType::i64 : DType::f32, spec.shape));
  }
  return writer.write_to_memory([&](std::size_t index, TensorSink& sink) -> Result<void> {
    const TensorSpec& spec = specs[index];
    if (spec.kind == TensorSpec::Kind::token_table) {
      std::vector<std::int64_t> table(n_elements(spec));
      fill_synthetic_token_table(spec.name, config.n_routed_experts, spec.shape.back(), 0, table);
      return sink.write(std::as_bytes(std::span(table)));
    }
    std::vector<float> values(n_elements(spec));
    fill_synthetic(spec.name, spec.shape.back(), 0, values);
    return sink.write(std::as_bytes(std::span(values)));
  });
}

template <typename T>
T take(Result<T> result) {
  if (!result) std::fprintf(stderr, "%s\n", result.error().message.c_str());
  HADAL_CHECK(result.has_value(), "the synthetic model can be built");
  return std::move(result).value();
}

}  // namespace

SyntheticEngine make_synthetic_engine(std::string_view config_json, const BackendOptions& backend,
                                      const ModelOptions& options) {
  const ModelConfig config = take(parse_config(config_json, "golden config"));
  SyntheticEngine engine;
  engine.image = take(synthetic_image(config));
  engine.checkpoint = std::make_unique<Checkpoint>(
      take(Checkpoint::from_memory(engine.image, config_json, "", "synthetic")));
  engine.backend = take(make_backend(backend));
  engine.model = take(Model::create(*engine.checkpoint, *engine.backend, options));
  return engine;
}

bool runs_here(const char* isa) {
  if (isa == nullptr) return true;
  const auto all = cpu_kernels();
  const auto found = std::find_if(all.begin(), all.end(),
                                  [&](const CpuKernels& kernels) { return kernels.name == isa; });
  return found != all.end() && found->runs_here();
}

SyntheticEngine make_synthetic_engine_on(const char* isa, std::string_view config_json,
                                         std::size_t n_threads, const ModelOptions& options) {
  if (isa == nullptr)
    return make_synthetic_engine(config_json, {.kind = BackendKind::ref}, options);
  ::setenv("HADAL_CPU_ISA", isa, 1);
  auto engine = make_synthetic_engine(config_json,
                                      {.kind = BackendKind::cpu, .n_threads = n_threads}, options);
  ::unsetenv("HADAL_CPU_ISA");
  return engine;
}

std::string g1_config_json() {
  return R"({"architectures": ["DeepseekV4ForCausalLM"], "model_type": "deepseek_v4",
    "vocab_size": 50, "hidden_size": 32, "num_hidden_layers": 4, "num_attention_heads": 4, "num_key_value_heads": 1,
    "head_dim": 32, "qk_rope_head_dim": 8, "q_lora_rank": 24, "o_groups": 2, "o_lora_rank": 12, "sliding_window": 16,
    "compress_ratios": [0, 4, 128, 4, 0], "rope_theta": 10000, "compress_rope_theta": 160000,
    "rope_scaling": {"type": "yarn", "factor": 16, "original_max_position_embeddings": 64, "beta_fast": 32, "beta_slow": 1},
    "max_position_embeddings": 1024, "index_n_heads": 32, "index_head_dim": 16, "index_topk": 5,
    "n_routed_experts": 6, "num_experts_per_tok": 3, "n_shared_experts": 1, "moe_intermediate_size": 24,
    "num_hash_layers": 1, "scoring_func": "sqrtsoftplus", "topk_method": "noaux_tc", "norm_topk_prob": true,
    "routed_scaling_factor": 2.5, "swiglu_limit": 0.6, "hc_mult": 4, "hc_sinkhorn_iters": 20, "hc_eps": 1e-3,
    "rms_norm_eps": 1e-5, "hidden_act": "silu", "num_nextn_predict_layers": 1,
    "bos_token_id": 0, "eos_token_id": 1, "tie_word_embeddings": false})";
}

std::vector<std::int32_t> golden_tokens(std::size_t first, std::size_t n, std::size_t vocab_size) {
  std::vector<std::int32_t> tokens;
  for (std::size_t i = first; i < first + n; ++i)
    tokens.push_back(static_cast<std::int32_t>((7 * i * i + 3 * i + 11) % vocab_size));
  return tokens;
}

std::vector<float> one_shot(Model& model, std::span<const std::int32_t> tokens) {
  return in_passes(model, tokens, {tokens.size()});
}

std::vector<float> in_passes(Model& model, std::span<const std::int32_t> tokens,
                             std::vector<std::size_t> lengths) {
  SequenceState state = model.new_sequence();
  std::vector<float> logits;
  std::size_t pass = 0;
  while (state.n_tokens() < tokens.size()) {
    const std::size_t n =
        std::min(lengths[std::min(pass++, lengths.size() - 1)], tokens.size() - state.n_tokens());
    const ForwardInput input{
        .state = &state, .tokens = tokens.subspan(state.n_tokens(), n), .logits = LogitsFor::all};
    const ForwardOutput output = model.forward({&input, 1});
    logits.insert(logits.end(), output.logits.begin(), output.logits.end());
  }
  return logits;
}

std::vector<std::vector<float>> in_shared_passes(Model& model,
                                                 std::span<const std::vector<std::int32_t>> tokens,
                                                 std::size_t most, std::uint64_t seed) {
  std::vector<SequenceState> states;
  for (std::size_t i = 0; i < tokens.size(); ++i) states.push_back(model.new_sequence());
  std::vector<std::vector<float>> logits(tokens.size());
  RandomStream random(seed);
  for (bool more = true; more;) {
    std::vector<ForwardInput> inputs;
    std::vector<std::size_t> who;
    more = false;
    for (std::size_t i = 0; i < tokens.size(); ++i) {
      const std::size_t left = tokens[i].size() - states[i].n_tokens();
      const std::size_t n = std::min<std::size_t>(left, random.below(most));
      more = more || left > 0;
      if (n == 0) continue;
      inputs.push_back({.state = &states[i],
                        .tokens = std::span(tokens[i]).subspan(states[i].n_tokens(), n),
                        .logits = LogitsFor::all});
      who.push_back(i);
    }
    if (inputs.empty()) continue;
    const ForwardOutput output = model.forward(inputs);
    const float* row = output.logits.data();
    for (std::size_t k = 0; k < who.size(); ++k) {
      const std::size_t size = inputs[k].tokens.size() * model.config().vocab_size;
      logits[who[k]].insert(logits[who[k]].end(), row, row + size);
      row += size;
    }
  }
  return logits;
}

}  // namespace hadal
