// The world model in the trainer against its equations (world-model.md 2.4) written as plain loops,
// against finite differences, and its masks against the event graph.
#include "train/world_model.h"

#include "train/v4_model.h"
#include "train/world_model_for_test.h"

#include <gtest/gtest.h>
#include <torch/csrc/autograd/autograd.h>

#include <algorithm>
#include <cmath>
#include <map>

namespace hadal::train {
namespace {

using at::Tensor;

constexpr MaskMode kModes[] = {MaskMode::causal_graph, MaskMode::causal_parents,
                               MaskMode::token_causal, MaskMode::random_graph, MaskMode::none};

/// Two sequences of random events, padded to one length.
Tensor event_ids(std::uint64_t seed, std::size_t n_events = 7) {
  const std::vector<std::vector<std::int32_t>> rows = {random_events(seed, n_events),
                                                       random_events(seed + 1, n_events - 2)};
  const std::size_t width = std::max(rows[0].size(), rows[1].size());
  Tensor ids = at::full({2, static_cast<std::int64_t>(width)}, 2, at::kLong);
  for (std::size_t b = 0; b < rows.size(); ++b)
    std::copy(rows[b].begin(), rows[b].end(), ids.data_ptr<std::int64_t>() + b * width);
  return ids;
}

EventMasks masks_of(const ModelConfig& config, const Tensor& ids) {
  const std::vector<SequenceMask> rows = {{config.world_model->mask, 11},
                                          {config.world_model->mask, 12}};
  return make_event_masks(*config.world_model, ids, rows);
}

TEST(V4Model, APassForLatentsAloneHasThoseOfAWholePass) {
  const at::NoGradGuard no_grad;
  const ModelConfig config = world_model_config();
  const V4Model model(config, appendix_weights(config));
  const Tensor ids = event_ids(5);
  WorldModelTrace whole, part;
  whole.masks = part.masks = masks_of(config, ids);
  part.is_end = true;

  const Tensor all = model.streams(ids, nullptr, &whole),
               first = model.streams(ids, nullptr, &part);

  EXPECT_TRUE(whole.latents.last.equal(part.latents.last));
  EXPECT_FALSE(all.equal(first));
}

/// A module of its own, with random tensors kept by name.
struct TestModule {
  TestModule(const ModelConfig& config, at::ScalarType type)
      : world_model(config,
                    [&](const std::string& name, ParameterKind kind, at::IntArrayRef shape) {
                      Tensor value = at::randn(shape, type) * (shape.size() == 2 ? 0.3 : 0.5);
                      if (kind == ParameterKind::norm) value = value + 1.0;
                      return tensors[name] = value.set_requires_grad(true);
                    }) {}
  std::map<std::string, Tensor> tensors;
  WorldModel world_model;
};

TEST(EventMasks, HoldTheRowsOfTheGraph) {
  for (const MaskMode mode : kModes) {
    const ModelConfig config = world_model_config(mode);
    for (std::uint64_t seed = 0; seed < 20; ++seed) {
      const Tensor ids = event_ids(seed);
      const EventMasks masks = masks_of(config, ids);

      ASSERT_EQ(masks.bias.defined(), mode != MaskMode::none);
      const std::int64_t n = ids.size(1);
      for (std::int64_t b = 0; b < 2; ++b) {
        EventGraph graph(test_structure_tokens(),
                         {.mode = mode, .seed = static_cast<std::uint64_t>(11 + b)});
        for (std::int64_t i = 0; i < n; ++i)
          graph.push(static_cast<std::int32_t>(ids[b][i].item<std::int64_t>()));
        for (std::int64_t i = 0; i < n; ++i) {
          const auto token = static_cast<std::size_t>(i);
          EXPECT_EQ(masks.is_event[b * n + i].item<float>(),
                    graph.segment(token) > 0 ? 1.0f : 0.0f);
          if (mode == MaskMode::none) continue;
          std::vector<float> expected(static_cast<std::size_t>(n), -INFINITY);
          for (const TokenRange& range : graph.ranges(token))
            std::fill(expected.begin() + range.begin, expected.begin() + range.end, 0.0f);
          const float* row = masks.bias.data_ptr<float>() + (b * n + i) * n;
          EXPECT_TRUE(std::equal(expected.begin(), expected.end(), row))
              << name_of(mode) << " seed " << seed << " sequence " << b << " token " << i;
        }
      }
    }
  }
}

TEST(EventMasks, DropoutIsThatShareOfTheSequencesByTheirSeedAndIndexAlone) {
  WorldModelConfig config = *world_model_config().world_model;
  config.mask_dropout = 0.25;
  int n_dropped = 0, n_same = 0;
  for (std::uint64_t index = 0; index < 4000; ++index) {
    const SequenceMask mask = training_mask(config, 7, index);

    EXPECT_EQ(mask, training_mask(config, 7, index));
    EXPECT_EQ(evaluation_mask(config, index).mode, MaskMode::causal_graph);
    n_dropped += mask.mode == MaskMode::token_causal ? 1 : 0;
    n_same += mask.mode == training_mask(config, 8, index).mode ? 1 : 0;
  }
  EXPECT_NEAR(n_dropped, 1000, 110);  // four standard deviations
  EXPECT_NEAR(n_same, 4000 * (0.75 * 0.75 + 0.25 * 0.25), 125);
  config.mask_dropout = 0.0;
  EXPECT_EQ(training_mask(config, 7, 3).mode, MaskMode::causal_graph);
  EXPECT_NE(training_mask(config, 7, 3).seed, training_mask(config, 7, 4).seed);
}

// --- The equations as loops, in double

using Row = std::vector<double>;
using Rows = std::vector<Row>;

struct Loops {
  const WorldModelConfig& c;
  double eps;
  const std::map<std::string, Tensor>& tensors;

  std::size_t size(const std::string& name, std::int64_t axis) const {
    return static_cast<std::size_t>(tensors.at("world_model." + name).size(axis));
  }
  double weight(const std::string& name, std::size_t i) const {
    return tensors.at("world_model." + name).data_ptr<double>()[i];
  }
  Row matmul(const std::string& name, const Row& x) const {
    Row y(size(name, 0));
    for (std::size_t i = 0; i < y.size(); ++i)
      for (std::size_t j = 0; j < x.size(); ++j) y[i] += weight(name, i * x.size() + j) * x[j];
    return y;
  }
  Row rms(const std::string& name, const Row& x) const {
    double squares = 0.0;
    for (const double v : x) squares += v * v;
    Row y = x;
    for (std::size_t i = 0; i < x.size(); ++i)
      y[i] *= weight(name, i) / std::sqrt(squares / static_cast<double>(x.size()) + eps);
    return y;
  }
  /// Rotates the last rope_dim channels of each head by the position.
  Row rope(Row x, std::size_t position) const {
    const std::size_t half = c.rope_dim / 2;
    for (std::size_t head = 0; head < x.size() / c.head_dim; ++head)
      for (std::size_t i = 0; i < half; ++i) {
        double& a = x[head * c.head_dim + c.head_dim - c.rope_dim + i];
        double& b = x[head * c.head_dim + c.head_dim - half + i];
        const double angle =
            static_cast<double>(position) *
            std::pow(10000.0, -2.0 * static_cast<double>(i) / static_cast<double>(c.rope_dim));
        const double turned = a * std::cos(angle) - b * std::sin(angle);
        b = b * std::cos(angle) + a * std::sin(angle);
        a = turned;
      }
    return x;
  }

  Row attention(const std::string& p, std::size_t i, const Rows& q, const Rows& k, const Rows& v,
                const EventGraph& graph) const {
    Row o(c.n_heads * c.head_dim);
    for (std::size_t head = 0; head < c.n_heads; ++head) {
      const std::size_t kv = head / (c.n_heads / c.n_kv_heads);
      double sum = std::exp(weight(p + "attn_sink", head));
      Row out(c.head_dim);
      for (const TokenRange& range : graph.ranges(i))
        for (std::size_t j = range.begin; j < range.end; ++j) {
          double score = 0.0;
          for (std::size_t e = 0; e < c.head_dim; ++e)
            score += q[i][head * c.head_dim + e] * k[j][kv * c.head_dim + e];
          const double w = std::exp(score / std::sqrt(static_cast<double>(c.head_dim)));
          sum += w;
          for (std::size_t e = 0; e < c.head_dim; ++e) out[e] += w * v[j][kv * c.head_dim + e];
        }
      for (std::size_t e = 0; e < c.head_dim; ++e) o[head * c.head_dim + e] = out[e] / sum;
    }
    return o;
  }

  void layer(const std::string& p, Rows& u, const EventGraph& graph) const {
    Rows q, k, v;
    for (std::size_t i = 0; i < u.size(); ++i) {
      const Row n = rms(p + "attn_norm.weight", u[i]);
      q.push_back(rope(matmul(p + "q_proj.weight", n), i));
      k.push_back(rope(matmul(p + "k_proj.weight", n), i));
      v.push_back(matmul(p + "v_proj.weight", n));
    }
    for (std::size_t i = 0; i < u.size(); ++i) {
      const Row o = matmul(p + "o_proj.weight", attention(p, i, q, k, v, graph));
      for (std::size_t e = 0; e < o.size(); ++e) u[i][e] += o[e];
      const Row n = rms(p + "ffn_norm.weight", u[i]);
      Row gate = matmul(p + "w1.weight", n);
      const Row up = matmul(p + "w3.weight", n);
      for (std::size_t e = 0; e < gate.size(); ++e) gate[e] *= up[e] / (1.0 + std::exp(-gate[e]));
      const Row y = matmul(p + "w2.weight", gate);
      for (std::size_t e = 0; e < y.size(); ++e) u[i][e] += y[e];
    }
  }

  /// New streams of one sequence, h [S, n, d].
  Tensor operator()(const Tensor& h, const EventGraph& graph) const {
    const auto n = static_cast<std::size_t>(h.size(1)), d = static_cast<std::size_t>(h.size(2));
    const double* x = h.data_ptr<double>();
    Rows u;
    for (std::int64_t i = 0; i < h.size(0); ++i) {
      Row r(d);
      for (std::size_t m = 0; m < n; ++m)
        for (std::size_t e = 0; e < d; ++e)
          r[e] += weight("read_weight", m) * x[(static_cast<std::size_t>(i) * n + m) * d + e];
      u.push_back(matmul("in_proj.weight", rms("in_norm.weight", r)));
    }
    for (std::size_t t = 0; t < c.n_latent_steps; ++t) {
      for (Row& row : u)
        for (std::size_t e = 0; e < row.size(); ++e)
          row[e] += weight("step_embed", t * row.size() + e);
      for (std::size_t l = 0; l < c.layers; ++l)
        layer("layers." + std::to_string(l) + ".", u, graph);
    }
    Tensor out = h.clone();
    double* y = out.data_ptr<double>();
    for (std::size_t i = 0; i < u.size(); ++i) {
      if (c.skip_root && graph.segment(i) == 0) continue;
      const Row delta = matmul("out_proj.weight", rms("out_norm.weight", u[i]));
      for (std::size_t m = 0; m < n; ++m)
        for (std::size_t e = 0; e < d; ++e)
          y[(i * n + m) * d + e] += weight("write_weight", m) * delta[e];
    }
    return out;
  }
};

TEST(WorldModel, FollowsTheEquations) {
  at::manual_seed(3);
  for (const MaskMode mode : kModes)
    for (const bool skip_root : {true, false}) {
      ModelConfig config = world_model_config(mode);
      config.world_model->skip_root = skip_root;
      const TestModule module(config, at::kDouble);
      const Tensor ids = event_ids(5);
      const std::int64_t s = ids.size(1);
      const Tensor h = at::randn({2 * s, 4, 32}, at::kDouble);
      const EventMasks masks = masks_of(config, ids);

      const Tensor actual = module.world_model.forward(h, masks, nullptr);

      const Loops loops{*config.world_model, config.rms_norm_eps, module.tensors};
      for (std::int64_t b = 0; b < 2; ++b) {
        const Tensor expected = loops(h.slice(0, b * s, (b + 1) * s).contiguous(),
                                      masks.graphs[static_cast<std::size_t>(b)]);
        const Tensor error = (actual.slice(0, b * s, (b + 1) * s) - expected).abs().max();
        // double sums in another order
        EXPECT_LT(error.item<double>(), 1e-11) << name_of(mode) << " sequence " << b;
      }
    }
}

TEST(WorldModel, GradientsMatchFiniteDifferences) {
  at::manual_seed(4);
  for (const MaskMode mode : {MaskMode::causal_graph, MaskMode::none}) {
    const ModelConfig config = world_model_config(mode);
    const TestModule module(config, at::kDouble);
    const Tensor ids = event_ids(6);
    const Tensor h = at::randn({ids.numel(), 4, 32}, at::kDouble).set_requires_grad(true);
    const EventMasks masks = masks_of(config, ids);
    const Tensor output_weights = at::randn({ids.numel(), 4, 32}, at::kDouble);
    const auto loss = [&] {
      return (module.world_model.forward(h, masks, nullptr) * output_weights).sum();
    };
    std::map<std::string, Tensor> leaves = module.tensors;
    leaves["streams"] = h;
    std::vector<Tensor> inputs;
    for (const auto& [name, value] : leaves) inputs.push_back(value);

    const auto gradients = torch::autograd::grad({loss()}, inputs, {}, {}, false, true);

    std::size_t i = 0;
    for (const auto& [name, value] : leaves) {
      const Tensor gradient = gradients[i++];
      const Tensor direction = at::randn_like(value.detach()), storage = value.detach();
      const at::NoGradGuard no_grad;
      constexpr double kStep = 1e-6;
      storage.add_(direction, kStep);
      const double up = loss().item<double>();
      storage.add_(direction, -2.0 * kStep);
      const double down = loss().item<double>();
      storage.add_(direction, kStep);
      const double expected = (up - down) / (2.0 * kStep);
      const double actual = gradient.defined() ? (gradient * direction).sum().item<double>() : 0.0;
      // rounding of the loss (1e-13 of about 100) over the step, and its third derivative
      EXPECT_NEAR(actual, expected, 1e-6 * std::max(1.0, std::abs(expected))) << name;
    }
  }
}

TEST(WorldModel, SinglePrecisionGivesTheSameValuesAndGradients) {
  at::manual_seed(5);
  const ModelConfig config = world_model_config();
  const TestModule exact(config, at::kDouble);
  TestModule module(config, at::kFloat);
  const Tensor ids = event_ids(7, 25);  // several blocks of queries
  ASSERT_GT(ids.size(1), 130);
  const Tensor h = at::randn({ids.numel(), 4, 32}, at::kDouble);
  for (auto& [name, value] : module.tensors) value.detach().copy_(exact.tensors.at(name));
  const EventMasks masks = masks_of(config, ids);

  const Tensor y = exact.world_model.forward(h, masks, nullptr),
               z = module.world_model.forward(h.to(at::kFloat), masks, nullptr);

  EXPECT_LT((y - z).abs().max().item<double>(), 1e-4);
  for (const auto& [name, value] : exact.tensors) {
    if (name == "world_model.step_embed") continue;  // only some rows are used; covered above
    const Tensor a = torch::autograd::grad({y.square().sum()}, {value}, {}, true)[0];
    const Tensor b =
        torch::autograd::grad({z.square().sum()}, {module.tensors.at(name)}, {}, true)[0];
    EXPECT_LT((a - b).abs().max().item<double>(), 2e-4 * a.abs().max().item<double>()) << name;
  }
}

TEST(WorldModel, LeavesTokensOutsideOfEventsAlone) {
  const at::NoGradGuard no_grad;
  ModelConfig config = world_model_config();
  ModelConfig without = config;
  without.world_model.reset();
  const Tensor text = at::randint(0, 40, {2, 30}, at::kLong);
  const auto logits = [&](const ModelConfig& c, const Tensor& ids) {
    const V4Model model(c, appendix_weights(c));
    return at::linear(model.collapse(model.streams(ids)), model.head());
  };

  EXPECT_TRUE(logits(config, text).equal(logits(without, text)));
  EXPECT_FALSE(logits(config, event_ids(1)).equal(logits(without, event_ids(1))));
  config.world_model->skip_root = false;
  EXPECT_FALSE(logits(config, text).equal(logits(without, text)));
}

TEST(WorldModel, EachModeAndSeedSeesSomethingElse) {
  const at::NoGradGuard no_grad;
  const Tensor ids = event_ids(2);
  std::vector<Tensor> seen;
  for (const MaskMode mode : kModes) {
    const ModelConfig config = world_model_config(mode);
    const V4Model model(config, appendix_weights(config));
    seen.push_back(model.streams(ids));
  }

  for (std::size_t i = 0; i < seen.size(); ++i)
    for (std::size_t j = 0; j < i; ++j) EXPECT_FALSE(seen[i].equal(seen[j])) << i << " " << j;
}

}  // namespace
}  // namespace hadal::train
