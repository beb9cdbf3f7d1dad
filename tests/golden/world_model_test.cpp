// The world model in the engine (world-model.md 2.4 - 2.6): identity when absent, the same bits in
// any passes, and the equations against a dense double reference that is written here.

#include "base/random.h"
#include "engine/generate.h"
#include "engine/memory/state_bytes.h"
#include "synthetic_engine.h"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstdlib>

namespace hadal {
namespace {

using nlohmann::json;

constexpr std::size_t kVocab = 200;
constexpr std::int32_t kFirstStructureToken = 60;  // below: text

StructureTokens structure_tokens() {
  std::array<std::int32_t, StructureTokens::kCount> list;
  for (std::size_t i = 0; i < list.size(); ++i)
    list[i] = kFirstStructureToken + static_cast<std::int32_t>(i);
  return StructureTokens::from_list(list);
}

json base_config() {
  json config = json::parse(g1_config_json());
  config["vocab_size"] = kVocab;
  return config;
}

/// Odd sizes, grouped heads, a body of two layers, and few nodes, so that some are dropped.
json with_world_model(const json& changes = {}) {
  json config = base_config();
  json& m = config["world_model"] = {
      {"layers", 2},           {"after_layer", 1}, {"latent_dim", 21},   {"n_heads", 6},
      {"head_dim", 11},        {"n_kv_heads", 2},  {"intermediate", 29}, {"n_latent_steps", 3},
      {"max_latent_steps", 5}, {"rope_dim", 6},    {"max_events", 10}};
  for (std::size_t i = 0; i < StructureTokens::kCount; ++i)
    m["structure_tokens"].push_back(kFirstStructureToken + static_cast<std::int32_t>(i));
  if (!changes.is_null()) m.update(changes);
  return config;
}

std::vector<std::int32_t> text(std::size_t n, std::uint64_t seed) {
  RandomStream random(seed);
  std::vector<std::int32_t> tokens(n);
  for (std::int32_t& token : tokens) token = static_cast<std::int32_t>(random.below(60));
  return tokens;
}

/// At least `n` tokens: events with causes among what was declared, text between some of them.
std::vector<std::int32_t> narrative(std::size_t n, std::uint64_t seed) {
  const StructureTokens s = structure_tokens();
  RandomStream random(seed);
  std::vector<std::int32_t> tokens;
  const auto add_text = [&](std::uint32_t most) {
    for (std::uint32_t i = random.below(most + 1); i > 0; --i)
      tokens.push_back(static_cast<std::int32_t>(random.below(60)));
  };
  for (std::uint32_t id = 0; tokens.size() < n; ++id) {
    if (random.below(2) == 0) add_text(5);
    tokens.push_back(s.openers[random.below(7)]);
    tokens.push_back(s.ids[id % StructureTokens::kIds]);
    const std::uint32_t n_causes = id == 0 ? 0 : random.below(3);
    if (n_causes > 0) tokens.push_back(s.by);
    for (std::uint32_t i = 0; i < n_causes; ++i) tokens.push_back(s.ids[random.below(id + 2) % 96]);
    tokens.push_back(s.colon);
    add_text(7);
    if (random.below(8) != 0) tokens.push_back(s.close);  // else the next opener ends it
  }
  return tokens;
}

struct Variant {
  const char* isa;  ///< HADAL_CPU_ISA; nullptr: the ref backend
  MaskMode mask;
};

SyntheticEngine make_engine(const json& config, const char* isa, std::size_t threads = 2,
                            const ModelOptions& options = {}) {
  return make_synthetic_engine_on(isa, config.dump(), threads, options);
}

bool same_bits(std::span<const float> a, std::span<const float> b) {
  return a.size() == b.size() && std::equal(a.begin(), a.end(), b.begin(), [](float x, float y) {
           return std::bit_cast<std::uint32_t>(x) == std::bit_cast<std::uint32_t>(y);
         });
}

std::vector<float> logits(Model& model, SequenceState& state,
                          std::span<const std::int32_t> tokens) {
  const ForwardInput input{.state = &state, .tokens = tokens, .logits = LogitsFor::all};
  return model.forward({&input, 1}).logits;
}

}  // namespace

// ---- identity (2.6)

class WorldModelIdentity : public testing::TestWithParam<const char*> {
 protected:
  void SetUp() override {
    if (!runs_here(GetParam())) GTEST_SKIP() << "this CPU lacks " << GetParam();
  }
};

TEST_P(WorldModelIdentity, LogitsKeepTheirBitsWithoutKeyOffAndWithoutEvents) {
  SyntheticEngine without = make_engine(base_config(), GetParam());
  SyntheticEngine off =
      make_engine(with_world_model(), GetParam(), 2, {.world_model = {.off = true}});
  SyntheticEngine on = make_engine(with_world_model(), GetParam());
  const auto plain = text(150, 1);
  const auto expected = one_shot(*without.model, plain);

  EXPECT_TRUE(same_bits(one_shot(*off.model, plain), expected));
  EXPECT_TRUE(same_bits(one_shot(*on.model, plain), expected));
  EXPECT_TRUE(same_bits(in_passes(*on.model, plain, {40, 1}), expected));
}

TEST_P(WorldModelIdentity, EventsChangeLogitsFromTheirOpenerOn) {
  SyntheticEngine off =
      make_engine(with_world_model(), GetParam(), 2, {.world_model = {.off = true}});
  SyntheticEngine on = make_engine(with_world_model(), GetParam());
  std::vector<std::int32_t> tokens = text(30, 2);
  const auto story = narrative(60, 3);
  const auto opener = std::find_if(story.begin(), story.end(),
                                   [](std::int32_t t) { return t >= kFirstStructureToken; });
  tokens.insert(tokens.end(), opener, story.end());

  const auto with = one_shot(*on.model, tokens);
  const auto without = one_shot(*off.model, tokens);

  const auto row = [&](const std::vector<float>& all, std::size_t i) {
    return std::span(all).subspan(i * kVocab, kVocab);
  };
  for (std::size_t i = 0; i < 30; ++i) EXPECT_TRUE(same_bits(row(with, i), row(without, i))) << i;
  EXPECT_FALSE(same_bits(row(with, 30), row(without, 30)));
}

TEST_P(WorldModelIdentity, MtpBlocksDoNotUseIt) {
  SyntheticEngine off =
      make_engine(with_world_model(), GetParam(), 2, {.world_model = {.off = true}});
  SyntheticEngine on = make_engine(with_world_model(), GetParam());
  const auto tokens = narrative(40, 4);
  const auto draft = [&](Model& model, std::span<const float> streams) {
    SequenceState state = model.new_sequence();
    const ForwardInput main{.state = &state, .tokens = tokens};
    model.forward({&main, 1});
    const MtpInput input{
        .state = &state, .streams = streams, .next_tokens = tokens, .logits = LogitsFor::all};
    const auto result = model.forward_mtp({&input, 1}).logits;
    if (state.world_model() != nullptr) {
      EXPECT_EQ(state.world_model()->graph.n_tokens(), tokens.size());
    }
    return result;
  };
  SequenceState state = on.model->new_sequence();
  const ForwardInput input{.state = &state, .tokens = tokens};
  const std::vector<float> streams = on.model->forward({&input, 1}, true).streams;

  EXPECT_TRUE(same_bits(draft(*on.model, streams), draft(*off.model, streams)));
}

TEST_P(WorldModelIdentity, StepsAndMaskAreChosenAtRunTime) {
  const auto tokens = narrative(60, 5);
  const auto with = [&](const json& changes, const WorldModelOptions& options) {
    return one_shot(
        *make_engine(with_world_model(changes), GetParam(), 2, {.world_model = options}).model,
        tokens);
  };

  const auto as_stored = with({}, {});
  EXPECT_TRUE(same_bits(with({}, {.n_latent_steps = 5}), with({{"n_latent_steps", 5}}, {})));
  EXPECT_FALSE(same_bits(with({}, {.n_latent_steps = 5}), as_stored));
  EXPECT_TRUE(
      same_bits(with({}, {.mask = MaskMode::token_causal}), with({{"mask", "token_causal"}}, {})));
  EXPECT_FALSE(same_bits(with({}, {.mask = MaskMode::token_causal}), as_stored));
}

TEST_P(WorldModelIdentity, StructureTokensMayComeFromTheTokenizer) {
  const auto tokens = narrative(60, 6);
  json unnamed = with_world_model();
  unnamed["world_model"].erase("structure_tokens");
  SyntheticEngine named = make_engine(with_world_model(), GetParam());
  SyntheticEngine given = make_engine(unnamed, GetParam(), 2,
                                      {.world_model = {.structure_tokens = structure_tokens()}});
  SyntheticEngine none = make_engine(unnamed, GetParam());
  SyntheticEngine off =
      make_engine(with_world_model(), GetParam(), 2, {.world_model = {.off = true}});

  EXPECT_TRUE(same_bits(one_shot(*given.model, tokens), one_shot(*named.model, tokens)));
  EXPECT_TRUE(same_bits(one_shot(*none.model, tokens), one_shot(*off.model, tokens)));
}

INSTANTIATE_TEST_SUITE_P(Isa, WorldModelIdentity, testing::Values(nullptr, "avx2", "avx512"),
                         [](const auto& info) {
                           return std::string(info.param == nullptr ? "ref" : info.param);
                         });

// ---- the same bits in any passes (promise 2)

class WorldModelBits : public testing::TestWithParam<Variant> {
 protected:
  void SetUp() override {
    if (!runs_here(GetParam().isa)) GTEST_SKIP() << "this CPU lacks " << GetParam().isa;
    engine_ = make(2);
  }

  static SyntheticEngine make(std::size_t threads) {
    return make_engine(with_world_model({{"mask", name_of(GetParam().mask)}}), GetParam().isa,
                       threads);
  }
  Model& model() { return *engine_.model; }

  SyntheticEngine engine_;
};

TEST_P(WorldModelBits, DoNotDependOnCuts) {
  const auto tokens = narrative(220, 7);
  const auto expected = one_shot(model(), tokens);

  EXPECT_TRUE(same_bits(in_passes(model(), tokens, {1}), expected));
  RandomStream random(8);
  for (int round = 0; round < 4; ++round) {
    std::vector<std::size_t> lengths;
    for (int i = 0; i < 40; ++i) lengths.push_back(1 + random.below(i % 4 == 0 ? 70 : 9));
    EXPECT_TRUE(same_bits(in_passes(model(), tokens, lengths), expected)) << "round " << round;
  }
}

TEST_P(WorldModelBits, DoNotDependOnThreads) {
  const auto tokens = narrative(150, 9);
  const auto expected = one_shot(model(), tokens);

  for (const std::size_t threads : {1, 3}) {
    SyntheticEngine other = make(threads);
    EXPECT_TRUE(same_bits(one_shot(*other.model, tokens), expected)) << threads;
  }
}

TEST_P(WorldModelBits, DoNotDependOnNeighbours) {
  const std::vector<std::vector<std::int32_t>> tokens = {narrative(90, 10), text(40, 11),
                                                         narrative(5, 12), narrative(60, 13)};
  const auto together = in_shared_passes(model(), tokens, 30, 14);

  for (std::size_t i = 0; i < tokens.size(); ++i)
    EXPECT_TRUE(same_bits(together[i], one_shot(model(), tokens[i]))) << "sequence " << i;
}

TEST_P(WorldModelBits, SnapshotsForkAndRestore) {
  const auto tokens = narrative(160, 15);
  const auto others = narrative(60, 16);
  const auto expected = one_shot(model(), tokens);
  SequenceState state = model().new_sequence();
  logits(model(), state, std::span(tokens).first(75));

  const SequenceState snapshot = state.clone();
  const auto elsewhere = logits(model(), state, others);
  state = snapshot.clone();
  SequenceState fork = snapshot.clone();

  // In turn, so that rows which one writes into a page of both would meet the other.
  const auto first = logits(model(), state, std::span(tokens).subspan(75, 10));
  const auto fork_first = logits(model(), fork, std::span(others).first(8));
  const auto second = logits(model(), state, std::span(tokens).subspan(85));
  const auto fork_second = logits(model(), fork, std::span(others).subspan(8));

  EXPECT_TRUE(same_bits(first, std::span(expected).subspan(75 * kVocab, 10 * kVocab)));
  EXPECT_TRUE(same_bits(second, std::span(expected).subspan(85 * kVocab)));
  EXPECT_TRUE(same_bits(fork_first, std::span(elsewhere).first(8 * kVocab)));
  EXPECT_TRUE(same_bits(fork_second, std::span(elsewhere).subspan(8 * kVocab)));
}

/// As a snapshot on disk does: in two parts, the second one behind the first.
TEST_P(WorldModelBits, ComesBackFromBytes) {
  const auto tokens = narrative(160, 12);
  const auto span = std::span<const std::int32_t>(tokens);
  constexpr std::size_t kFirst = 61, kSecond = 130;
  SequenceState state = model().new_sequence();
  logits(model(), state, span.first(kFirst));
  const RowCounts counts = row_counts(state);
  const auto first_rows = rows_to_bytes(state, {});
  logits(model(), state, span.subspan(kFirst, kSecond - kFirst));
  const auto more_rows = rows_to_bytes(state, counts);
  const auto tail = tail_to_bytes(state);

  SequenceState restored = model().new_sequence();
  ASSERT_TRUE(append_rows(restored, first_rows, counts));
  ASSERT_TRUE(append_rows(restored, more_rows, row_counts(state)));
  ASSERT_TRUE(set_tail(restored, tail, span.first(kSecond)));

  EXPECT_TRUE(same_bits(logits(model(), restored, span.subspan(kSecond)),
                        logits(model(), state, span.subspan(kSecond))));
  SequenceState empty = model().new_sequence();
  EXPECT_FALSE(append_rows(empty, more_rows, row_counts(state)));
  EXPECT_FALSE(set_tail(empty, std::span(tail).first(tail.size() - 1), span.first(kSecond)));
}

TEST_P(WorldModelBits, RollBackForgetsDrafts) {
  const auto tokens = narrative(120, 17);
  const auto expected = one_shot(model(), tokens);
  for (const std::size_t n_drafts : {1, 7, 32}) {
    for (const std::size_t at : {1, 30, 31, 32, 33, 34, 35, 36, 64}) {
      SequenceState state = model().new_sequence();
      logits(model(), state, std::span(tokens).first(at));
      const auto drafts = narrative(n_drafts, 100 + at);
      logits(model(), state, std::span(drafts).first(n_drafts));
      ASSERT_TRUE(state.roll_back(at));
      EXPECT_TRUE(same_bits(logits(model(), state, std::span(tokens).subspan(at)),
                            std::span(expected).subspan(at * kVocab)))
          << n_drafts << " drafts at " << at;
    }
  }
}

TEST_P(WorldModelBits, GenerationDoesNotDependOnDraftsOrReserves) {
  const auto prompt = narrative(70, 18);
  const auto generated = [&](std::size_t n_drafts) {
    SequenceState state = model().new_sequence();
    GenerationRequest request{.state = &state,
                              .prompt = prompt,
                              .history = {},
                              .sampling = {.temperature = 0.8f, .seed = 4},
                              .max_tokens = 50,
                              .stop_tokens = {},
                              .n_drafts = n_drafts,
                              .on_token = {}};
    auto result = generate(model(), {&request, 1}, {.max_batch_tokens = 64, .on_prefill = {}});
    EXPECT_TRUE(result) << result.error().message;
    return result->front().tokens;
  };

  const auto expected = generated(0);
  EXPECT_EQ(generated(3), expected);
  EXPECT_TRUE(std::any_of(expected.begin(), expected.end(), [](std::int32_t token) {
    return token >= kFirstStructureToken;
  })) << "no structure token was generated";
}

std::vector<Variant> all_variants() {
  std::vector<Variant> variants;
  for (const char* isa : {static_cast<const char*>(nullptr), "avx2", "avx512"}) {
    for (const MaskMode mask : {MaskMode::causal_graph, MaskMode::causal_parents,
                                MaskMode::token_causal, MaskMode::random_graph, MaskMode::none})
      variants.push_back({isa, mask});
  }
  return variants;
}

std::string variant_name(const testing::TestParamInfo<Variant>& info) {
  return std::string(info.param.isa == nullptr ? "ref" : info.param.isa) + "_" +
         std::string(name_of(info.param.mask));
}

INSTANTIATE_TEST_SUITE_P(Variants, WorldModelBits, testing::ValuesIn(all_variants()), variant_name);

// ---- the equations (2.4), with a dense mask, in double

namespace {

using Vector = std::vector<double>;
using Matrix = std::vector<Vector>;  // by row

class DenseModule {
 public:
  DenseModule(const Checkpoint& checkpoint, const ModelConfig& config)
      : checkpoint_(checkpoint), c_(*config.world_model), config_(config) {}

  Vector last_weights;  ///< mean over heads, of the last token in the last layer that was run

  /// streams [n_tokens][n d] <- H'; sees[i][j] = M; written[i]: whether D_i is added.
  void apply(Matrix& streams, const std::vector<std::vector<bool>>& sees,
             const std::vector<bool>& written) {
    const std::size_t n = streams.size();
    const std::size_t d = config_.hidden_size;
    const Vector a = vector("read_weight");
    const Vector b = vector("write_weight");
    const Matrix steps = matrix("step_embed");
    Matrix u(n);
    for (std::size_t i = 0; i < n; ++i) {
      Vector r(d);
      for (std::size_t m = 0; m < a.size(); ++m) {
        for (std::size_t k = 0; k < d; ++k) r[k] += a[m] * streams[i][m * d + k];
      }
      u[i] = times(matrix("in_proj.weight"), rms(r, vector("in_norm.weight")));
    }
    for (std::size_t t = 0; t < c_.n_latent_steps; ++t) {
      for (Vector& x : u) add(x, steps[t]);
      for (std::size_t layer = 0; layer < c_.layers; ++layer)
        u = body(u, "layers." + std::to_string(layer) + ".", sees);
    }
    for (std::size_t i = 0; i < n; ++i) {
      if (!written[i]) continue;
      const Vector update = times(matrix("out_proj.weight"), rms(u[i], vector("out_norm.weight")));
      for (std::size_t m = 0; m < b.size(); ++m) {
        for (std::size_t k = 0; k < d; ++k) streams[i][m * d + k] += b[m] * update[k];
      }
    }
  }

 private:
  Matrix body(const Matrix& u, const std::string& layer,
              const std::vector<std::vector<bool>>& sees) {
    const std::size_t n = u.size();
    const std::size_t dim = c_.head_dim;
    const Vector sinks = vector(layer + "attn_sink");
    Matrix q(n), k(n), v(n);
    for (std::size_t i = 0; i < n; ++i) {
      const Vector h = rms(u[i], vector(layer + "attn_norm.weight"));
      q[i] = rotated(times(matrix(layer + "q_proj.weight"), h), i);
      k[i] = rotated(times(matrix(layer + "k_proj.weight"), h), i);
      v[i] = times(matrix(layer + "v_proj.weight"), h);
    }
    Matrix out(n);
    for (std::size_t i = 0; i < n; ++i) {
      Vector heads(c_.n_heads * dim);
      last_weights.assign(n, 0.0);
      for (std::size_t head = 0; head < c_.n_heads; ++head) {
        const std::size_t kv = head / (c_.n_heads / c_.n_kv_heads);
        double sum = std::exp(sinks[head]);
        Vector weight(n);
        for (std::size_t j = 0; j < n; ++j) {
          if (!sees[i][j]) continue;
          double score = 0.0;
          for (std::size_t e = 0; e < dim; ++e) score += q[i][head * dim + e] * k[j][kv * dim + e];
          weight[j] = std::exp(score / std::sqrt(static_cast<double>(dim)));
          sum += weight[j];
        }
        for (std::size_t j = 0; j < n; ++j) {
          last_weights[j] += weight[j] / sum / static_cast<double>(c_.n_heads);
          for (std::size_t e = 0; e < dim; ++e)
            heads[head * dim + e] += weight[j] / sum * v[j][kv * dim + e];
        }
      }
      Vector x = u[i];
      add(x, times(matrix(layer + "o_proj.weight"), heads));
      const Vector h = rms(x, vector(layer + "ffn_norm.weight"));
      Vector gate = times(matrix(layer + "w1.weight"), h);
      const Vector up = times(matrix(layer + "w3.weight"), h);
      for (std::size_t e = 0; e < gate.size(); ++e) gate[e] *= up[e] / (1.0 + std::exp(-gate[e]));
      add(x, times(matrix(layer + "w2.weight"), gate));
      out[i] = x;
    }
    return out;
  }

  /// Pairs (e, e + rope_dim / 2) of the last rope_dim channels of each head.
  Vector rotated(Vector x, std::size_t position) const {
    const std::size_t half = c_.rope_dim / 2;
    for (std::size_t head = 0; head < x.size() / c_.head_dim; ++head) {
      double* last = &x[(head + 1) * c_.head_dim - c_.rope_dim];
      for (std::size_t e = 0; e < half; ++e) {
        const double angle =
            static_cast<double>(position) *
            std::pow(10000.0, -2.0 * static_cast<double>(e) / static_cast<double>(c_.rope_dim));
        const double first = last[e];
        const double second = last[e + half];
        last[e] = first * std::cos(angle) - second * std::sin(angle);
        last[e + half] = first * std::sin(angle) + second * std::cos(angle);
      }
    }
    return x;
  }

  Vector rms(Vector x, const Vector& weight) const {
    double squares = 0.0;
    for (const double value : x) squares += value * value;
    const double root = std::sqrt(squares / static_cast<double>(x.size()) + config_.rms_norm_eps);
    for (std::size_t i = 0; i < x.size(); ++i) x[i] *= weight[i] / root;
    return x;
  }

  static Vector times(const Matrix& w, const Vector& x) {
    Vector y(w.size());
    for (std::size_t r = 0; r < w.size(); ++r) {
      for (std::size_t i = 0; i < x.size(); ++i) y[r] += w[r][i] * x[i];
    }
    return y;
  }
  static void add(Vector& x, const Vector& y) {
    for (std::size_t i = 0; i < x.size(); ++i) x[i] += y[i];
  }

  Matrix matrix(const std::string& name) const {
    const CheckpointTensor* tensor = checkpoint_.find("world_model." + name);
    Matrix out(tensor->view.rows);
    std::vector<float> row(tensor->view.cols);
    for (std::size_t r = 0; r < out.size(); ++r) {
      decode_row(tensor->view, r, 0, row.size(), row.data());
      out[r].assign(row.begin(), row.end());
    }
    return out;
  }
  Vector vector(const std::string& name) const { return matrix(name)[0]; }

  const Checkpoint& checkpoint_;
  const WorldModelConfig& c_;
  const ModelConfig& config_;
};

/// Streams after the last block.
std::vector<float> streams_of(Model& model, std::span<const std::int32_t> tokens,
                              std::vector<float>* attended = nullptr) {
  SequenceState state = model.new_sequence();
  const ForwardInput input{
      .state = &state, .tokens = tokens, .logits = LogitsFor::none, .attended = attended};
  return model.forward({&input, 1}, true).streams;
}

}  // namespace

class WorldModelEquations : public testing::TestWithParam<Variant> {};

TEST_P(WorldModelEquations, AgreeWithADenseMaskInDouble) {
  if (!runs_here(GetParam().isa)) GTEST_SKIP() << "this CPU lacks " << GetParam().isa;
  const auto tokens = narrative(90, 19);
  for (const bool skip_root : {true, false}) {
    // Behind the last block the streams of the model are those of the module.
    const json config = with_world_model(
        {{"mask", name_of(GetParam().mask)}, {"after_layer", 3}, {"skip_root", skip_root}});
    SyntheticEngine off = make_engine(config, GetParam().isa, 2, {.world_model = {.off = true}});
    SyntheticEngine on = make_engine(config, GetParam().isa);
    const std::vector<float> before = streams_of(*off.model, tokens);
    std::vector<float> attended = {7};
    const std::vector<float> actual = streams_of(*on.model, tokens, &attended);

    EventGraph graph(structure_tokens(), {.mode = GetParam().mask, .max_events = 10});
    graph.push(tokens);
    std::vector<std::vector<bool>> sees(tokens.size(), std::vector<bool>(tokens.size()));
    std::vector<bool> written(tokens.size());
    std::size_t n_hidden = 0;
    for (std::size_t i = 0; i < tokens.size(); ++i) {
      for (const TokenRange& range : graph.ranges(i)) {
        for (std::size_t j = range.begin; j < range.end; ++j) sees[i][j] = true;
      }
      written[i] = !skip_root || graph.segment(i) != 0;
      n_hidden += static_cast<std::size_t>(std::count(sees[i].begin(), sees[i].begin() + i, false));
    }
    if (GetParam().mask != MaskMode::token_causal) {
      ASSERT_GT(n_hidden, 1000u) << "the mask hides something";
    }
    const std::size_t width = before.size() / tokens.size();
    Matrix expected(tokens.size());
    for (std::size_t i = 0; i < tokens.size(); ++i)
      expected[i].assign(before.begin() + static_cast<std::ptrdiff_t>(i * width),
                         before.begin() + static_cast<std::ptrdiff_t>((i + 1) * width));
    DenseModule module(*on.checkpoint, on.model->config());
    module.apply(expected, sees, written);

    Vector shares(graph.events().size() + 1);
    for (std::size_t j = 0; j < tokens.size(); ++j)
      shares[graph.segment(j)] += module.last_weights[j];
    ASSERT_EQ(attended.size(), shares.size());
    for (std::size_t i = 0; i < shares.size(); ++i)
      EXPECT_NEAR(attended[i], shares[i], 1e-4) << "event " << i;

    // Some 60 operators of float32 follow each other, each with a relative error of a few 2^-24
    // that the ones behind it amplify little: 60 * 4 * 6e-8 = 1.4e-5 were they all alike. The
    // update is compared, not the streams, whose size hides it.
    double error = 0.0;
    double power = 0.0;
    for (std::size_t i = 0; i < tokens.size(); ++i) {
      for (std::size_t k = 0; k < width; ++k) {
        const float was = before[i * width + k];
        const float is = actual[i * width + k];
        error += std::pow(double{is} - expected[i][k], 2.0);
        power += std::pow(expected[i][k] - double{was}, 2.0);
        if (!written[i]) {
          ASSERT_EQ(std::bit_cast<std::uint32_t>(is), std::bit_cast<std::uint32_t>(was));
        }
      }
    }
    EXPECT_GT(power, 0.0);
    EXPECT_LT(std::sqrt(error / power), 1.4e-5) << "skip_root " << skip_root;
    RecordProperty("relative_error", std::to_string(std::sqrt(error / power)));
  }
}

INSTANTIATE_TEST_SUITE_P(Variants, WorldModelEquations, testing::ValuesIn(all_variants()),
                         variant_name);

}  // namespace hadal
