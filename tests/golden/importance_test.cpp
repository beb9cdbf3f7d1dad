// The importance matrix that the engine measures, against sums made here with plain loops in double
// from the residual streams that each layer reads, and against laws that it must obey.

#include "engine/measure_importance.h"
#include "recording_backend.h"
#include "synthetic_engine.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <numeric>

namespace hadal {
namespace {

using Vector = std::vector<double>;

constexpr std::size_t kExperts = 6;
constexpr std::size_t kChosen = 3;
constexpr double kLimit = 0.6;  // swiglu_limit of G1
constexpr double kEps = 1e-5;   // rms_norm_eps of G1

/// Sums by weight name, [matrix][column]; counts by weight name, [matrix].
struct Expected {
  std::map<std::string, std::vector<Vector>> sums;
  std::map<std::string, std::vector<std::uint64_t>> counts;

  void add(const std::string& name, std::size_t matrix, std::size_t n_matrices, const Vector& x) {
    auto& all = sums[name];
    all.resize(n_matrices);
    all[matrix].resize(x.size());
    for (std::size_t i = 0; i < x.size(); ++i) all[matrix][i] += x[i] * x[i];
    counts[name].resize(n_matrices);
    ++counts[name][matrix];
  }
};

/// The products of config G1 that can be followed from what a layer reads, one token at a time.
class PlainModel {
 public:
  explicit PlainModel(const Checkpoint& checkpoint) : checkpoint_(checkpoint) {}

  /// Before the first layer, the four streams are the embedding.
  void first_streams(std::int32_t token, Expected& out) const {
    Vector streams;
    for (std::size_t stream = 0; stream < 4; ++stream) {
      const Vector x = row("embed.weight", static_cast<std::size_t>(token));
      streams.insert(streams.end(), x.begin(), x.end());
    }
    out.add("blk.0.hc_attn_fn.weight", 0, 1, normed(streams));
  }

  void attention(std::size_t layer, const Vector& hidden, Expected& out) const {
    const std::string p = fmt::format("layers.{}.", layer);
    const std::string b = fmt::format("blk.{}.", layer);
    const Vector x = rms_norm(hidden, p + "attn_norm.weight");
    const Vector q = rms_norm(times(p + "attn.wq_a.weight", x), p + "attn.q_norm.weight");
    out.add(b + "attn_q_a.weight", 0, 1, x);
    out.add(b + "attn_kv.weight", 0, 1, x);
    out.add(b + "attn_q_b.weight", 0, 1, q);
    if (layer == 0) return;
    out.add(b + "attn_compressor_kv.weight", 0, 1, x);
    out.add(b + "attn_compressor_gate.weight", 0, 1, x);
    if (layer == 2) return;  // rate 128: no indexer
    out.add(b + "indexer.attn_q_b.weight", 0, 1, q);
    out.add(b + "indexer.proj.weight", 0, 1, x);
  }

  void experts(std::size_t layer, std::int32_t token, const Vector& hidden, Expected& out) const {
    const std::string p = fmt::format("layers.{}.ffn", layer);
    const std::string b = fmt::format("blk.{}.", layer);
    const Vector x = rms_norm(hidden, p + "_norm.weight");
    out.add(b + "ffn_gate_inp.weight", 0, 1, x);
    for (const std::size_t e : chosen(layer, token, x)) {
      const std::string expert = fmt::format("{}.experts.{}.", p, e);
      out.add(b + "ffn_gate_exps.weight", e, kExperts, x);
      out.add(b + "ffn_up_exps.weight", e, kExperts, x);
      out.add(b + "ffn_down_exps.weight", e, kExperts, swiglu(expert, x));
    }
    out.add(b + "ffn_gate_shexp.weight", 0, 1, x);
    out.add(b + "ffn_up_shexp.weight", 0, 1, x);
    out.add(b + "ffn_down_shexp.weight", 0, 1, swiglu(p + ".shared_experts.", x));
  }

 private:
  Vector row(const std::string& name, std::size_t index) const {
    const MatrixView& view = checkpoint_.find(name)->view;
    std::vector<float> values(view.cols);
    decode_row(view, index, 0, view.cols, values.data());
    return {values.begin(), values.end()};
  }

  Vector times(const std::string& name, const Vector& x) const {
    Vector y(checkpoint_.find(name)->view.rows);
    for (std::size_t r = 0; r < y.size(); ++r) {
      const Vector w = row(name, r);
      y[r] = std::inner_product(w.begin(), w.end(), x.begin(), 0.0);
    }
    return y;
  }

  static Vector normed(Vector x) {
    const double square = std::inner_product(x.begin(), x.end(), x.begin(), 0.0);
    const double root = std::sqrt(square / static_cast<double>(x.size()) + kEps);
    for (double& v : x) v /= root;
    return x;
  }

  Vector rms_norm(const Vector& x, const std::string& name) const {
    Vector y = normed(x);
    const Vector weight = row(name, 0);
    for (std::size_t i = 0; i < y.size(); ++i) y[i] *= weight[i];
    return y;
  }

  Vector swiglu(const std::string& expert, const Vector& x) const {
    Vector gate = times(expert + "w1.weight", x);
    const Vector up = times(expert + "w3.weight", x);
    for (std::size_t i = 0; i < gate.size(); ++i) {
      const double g = std::min(gate[i], kLimit);
      gate[i] = g / (1.0 + std::exp(-g)) * std::clamp(up[i], -kLimit, kLimit);
    }
    return gate;
  }

  /// Layer 0 by token id, the others by sqrt(softplus) + bias.
  std::vector<std::size_t> chosen(std::size_t layer, std::int32_t token, const Vector& x) const {
    const std::string p = fmt::format("layers.{}.ffn.gate.", layer);
    if (layer == 0) {
      const MatrixView& table = checkpoint_.find(p + "tid2eid")->view;
      const auto* ids = reinterpret_cast<const std::int64_t*>(table.data) +
                        static_cast<std::size_t>(token) * kChosen;
      return {ids, ids + kChosen};
    }
    Vector score = times(p + "weight", x);
    const Vector bias = row(p + "bias", 0);
    for (std::size_t e = 0; e < kExperts; ++e)
      score[e] = std::sqrt(std::log1p(std::exp(score[e]))) + bias[e];
    std::vector<std::size_t> order(kExperts);
    std::iota(order.begin(), order.end(), 0u);
    std::sort(order.begin(), order.end(),
              [&](std::size_t a, std::size_t b) { return score[a] > score[b]; });
    order.resize(kChosen);
    return order;
  }

  const Checkpoint& checkpoint_;
};

SyntheticEngine g1() {
  return make_synthetic_engine(g1_config_json(), {.kind = BackendKind::ref});
}

std::vector<WeightImportance> measured(const Checkpoint& checkpoint,
                                       const std::vector<std::vector<std::int32_t>>& chunks,
                                       MeasureImportanceOptions options = {
                                           .backend = {.kind = BackendKind::ref}}) {
  auto weights = measure_importance(checkpoint, chunks, options);
  EXPECT_TRUE(weights) << weights.error().message;
  return std::move(weights).value();
}

const WeightImportance* find(const std::vector<WeightImportance>& weights,
                             const std::string& name) {
  const auto found =
      std::find_if(weights.begin(), weights.end(), [&](const auto& w) { return w.name == name; });
  return found != weights.end() ? &*found : nullptr;
}

TEST(MeasureImportance, SumsTheSquaresOfWhatMeetsEachColumn) {
  const SyntheticEngine engine = g1();
  RecordingBackend recording(*engine.backend);
  const auto model = std::move(Model::create(*engine.checkpoint, recording, {})).value();
  const PlainModel plain(*engine.checkpoint);
  Expected expected;
  std::vector<std::vector<std::int32_t>> chunks;
  for (const std::int32_t token : golden_tokens(0, 12, 50)) {  // sequences of one token
    chunks.push_back({token});
    recording.sites.clear();
    one_shot(*model, chunks.back());
    plain.first_streams(token, expected);
    for (std::size_t layer = 0; layer < 4; ++layer) {
      const auto hidden = [&](std::size_t site) {
        const std::vector<float>& h = recording.sites[2 * layer + site].hidden;
        return Vector(h.begin(), h.end());
      };
      plain.attention(layer, hidden(0), expected);
      plain.experts(layer, token, hidden(1), expected);
    }
  }

  const std::vector<WeightImportance> actual = measured(*engine.checkpoint, chunks);

  EXPECT_EQ(expected.sums.size(), 1 + 4 * 10u + 3 * 2u + 2 * 2u);
  for (const auto& [name, matrices] : expected.sums) {
    const WeightImportance* weight = find(actual, name);
    ASSERT_NE(weight, nullptr) << name;
    EXPECT_EQ(weight->counts, expected.counts[name]) << name;
    for (std::size_t m = 0; m < matrices.size(); ++m) {
      for (std::size_t c = 0; c < matrices[m].size(); ++c) {
        // float activations of a few products in a row, squared
        EXPECT_NEAR(weight->sums[m * weight->n_columns + c], matrices[m][c],
                    1e-5 * (matrices[m][c] + 1e-3))
            << name << " matrix " << m << " column " << c;
      }
    }
  }
}

TEST(MeasureImportance, OfAChunkIsThatOfItsTokensOneByOne) {
  const SyntheticEngine engine = g1();
  const auto tokens = golden_tokens(0, 40, 50);
  ImportanceCollector collector(*engine.backend, *engine.checkpoint, false);
  const auto model = std::move(Model::create(*engine.checkpoint, collector, {})).value();
  SequenceState state = model->new_sequence();
  for (const std::int32_t& token : tokens) {
    const ForwardInput input{.state = &state, .tokens = {&token, 1}, .logits = LogitsFor::none};
    model->forward({&input, 1});
  }
  const std::vector<WeightImportance> expected = collector.take();

  const std::vector<WeightImportance> actual = measured(*engine.checkpoint, {tokens});

  ASSERT_EQ(actual.size(), expected.size());
  for (std::size_t i = 0; i < actual.size(); ++i) {
    EXPECT_EQ(actual[i].name, expected[i].name);
    EXPECT_EQ(actual[i].counts, expected[i].counts) << actual[i].name;
    ASSERT_EQ(actual[i].sums.size(), expected[i].sums.size()) << actual[i].name;
    for (std::size_t j = 0; j < actual[i].sums.size(); ++j) {  // groups of wo_a: in another order
      EXPECT_NEAR(actual[i].sums[j], expected[i].sums[j], 1e-13 * expected[i].sums[j])
          << actual[i].name << " " << j;
    }
  }
}

/// Rows as the QAT simulation rounds them. Sums over one token are squares, whose roots are exact.
std::vector<float> rounded_roots(const WeightImportance& weight) {
  std::vector<float> x;
  for (const double sum : weight.sums) x.push_back(static_cast<float>(std::sqrt(sum)));
  fake_quant_e4m3(dense_rows(x.data(), 1, x.size()), 128);
  return x;
}

TEST(MeasureImportance, UnderQatMeasuresRoundedInputs) {
  const auto checkpoint = open_builtin_checkpoint();
  if (!checkpoint) GTEST_SKIP() << "this build has no built-in model";
  ASSERT_EQ(checkpoint->find("layers.0.ffn.shared_experts.w1.weight")->view.dtype, DType::f8_e4m3);

  const auto weights = measured(
      *checkpoint, {{7}}, {.backend = {.kind = BackendKind::ref}, .model = {.fake_quant = true}});

  const auto expect_sums = [&](const std::string& name, const std::vector<float>& x) {
    const WeightImportance* weight = find(weights, name);
    ASSERT_EQ(weight->sums.size(), x.size()) << name;
    for (std::size_t i = 0; i < x.size(); ++i)
      EXPECT_EQ(weight->sums[i], double{x[i]} * double{x[i]}) << name << " " << i;
  };
  // the router meets the same input, but not rounded
  expect_sums("blk.0.ffn_gate_shexp.weight",
              rounded_roots(*find(weights, "blk.0.ffn_gate_inp.weight")));
  // what is rounded stays when it is rounded again
  expect_sums("blk.0.ffn_down_shexp.weight",
              rounded_roots(*find(weights, "blk.0.ffn_down_shexp.weight")));
}

TEST(MeasureImportance, CountsTokensGroupsAndChoices) {
  const SyntheticEngine engine = g1();

  const auto actual = measured(*engine.checkpoint, {golden_tokens(0, 30, 50)},
                               {.backend = {.kind = BackendKind::ref}, .with_head = true});

  EXPECT_EQ(find(actual, "output.weight")->counts, std::vector<std::uint64_t>{30});
  EXPECT_EQ(find(actual, "blk.3.attn_output_a.weight")->counts, std::vector<std::uint64_t>{60});
  EXPECT_EQ(find(actual, "blk.3.attn_output_a.weight")->n_columns, 64u);
  EXPECT_EQ(find(actual, "blk.3.attn_output_b.weight")->counts, std::vector<std::uint64_t>{30});
  EXPECT_EQ(find(actual, "blk.3.hc_ffn_fn.weight")->counts, std::vector<std::uint64_t>{30});
  EXPECT_EQ(find(actual, "output_hc_fn.weight")->counts, std::vector<std::uint64_t>{30});
  const auto& experts = find(actual, "blk.3.ffn_down_exps.weight")->counts;
  EXPECT_EQ(std::accumulate(experts.begin(), experts.end(), 0u), 30 * kChosen);
  EXPECT_EQ(find(actual, "token_embd.weight"), nullptr);      // looked up, not multiplied
  EXPECT_EQ(find(actual, "blk.4.attn_q_a.weight"), nullptr);  // the MTP block is not run
  EXPECT_EQ(find(measured(*engine.checkpoint, {{1, 2}}), "output.weight"), nullptr);
}

TEST(MeasureImportance, TellsWhatItCannotRun) {
  const SyntheticEngine engine = g1();
  const std::vector<std::vector<std::int32_t>> bad[] = {{}, {{}}, {{1, 50}}, {{-1}}};
  for (const auto& chunks : bad) {
    const auto result = measure_importance(*engine.checkpoint, chunks, {});
    ASSERT_FALSE(result);
    EXPECT_EQ(result.error().code, ErrorCode::invalid_argument);
  }
}

TEST(ImportanceChunks, HoldEveryTokenOnceBehindABos) {
  const std::vector<std::int32_t> tokens = {5, 6, 7, 8, 9};

  const auto chunks = chunks_of(tokens, 0, 3);

  EXPECT_EQ(chunks, (std::vector<std::vector<std::int32_t>>{{0, 5, 6}, {0, 7, 8}, {0, 9}}));
  EXPECT_TRUE(chunks_of({}, 0, 3).empty());
}

}  // namespace
}  // namespace hadal
