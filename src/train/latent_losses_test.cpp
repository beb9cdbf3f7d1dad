#include "train/latent_losses.h"

#include "train/world_model_for_test.h"

#include <gtest/gtest.h>
#include <torch/csrc/autograd/autograd.h>

#include <cmath>

namespace hadal::train {
namespace {

using at::Tensor;

constexpr std::int64_t kWidth = 16;

LatentPredictor random_predictor() {
  const auto leaf = [](at::IntArrayRef shape) {
    return (at::randn(shape) * 0.3).set_requires_grad(true);
  };
  return {leaf({kWidth, 2 * kWidth}), leaf({kWidth}), leaf({kWidth, kWidth}), leaf({kWidth}),
          leaf({7, kWidth})};
}

/// fact e0, fact e1, act e2 by e0 e1, obs e3 by e1, obs e4 by e9 (unknown) in one sequence.
struct Story {
  Story() {
    const StructureTokens t = test_structure_tokens();
    const auto event = [&](EventKind kind, int id, const std::vector<int>& causes) {
      ids.push_back(t.openers[static_cast<std::size_t>(kind)]);
      ids.push_back(t.ids[static_cast<std::size_t>(id)]);
      ids.push_back(t.by);
      for (const int cause : causes) ids.push_back(t.ids[static_cast<std::size_t>(cause)]);
      ids.push_back(t.colon);
      colons.push_back(static_cast<std::int64_t>(ids.size()) - 1);
      ids.push_back(3);
      ids.push_back(t.close);
      closers.push_back(static_cast<std::int64_t>(ids.size()) - 1);
    };
    ids.push_back(7);
    event(EventKind::fact, 0, {});
    event(EventKind::fact, 1, {});
    event(EventKind::act, 2, {0, 1});
    event(EventKind::obs, 3, {1});
    event(EventKind::obs, 4, {9});
    tokens = at::empty({1, static_cast<std::int64_t>(ids.size())}, at::kLong);
    std::copy(ids.begin(), ids.end(), tokens.data_ptr<std::int64_t>());
    const SequenceMask rows{MaskMode::causal_graph, 0};
    masks = make_event_masks(*world_model_config().world_model, tokens, {&rows, 1});
  }
  std::span<const std::int64_t> span() const { return ids; }
  std::vector<std::int64_t> ids, colons, closers;
  Tensor tokens;
  EventMasks masks;
};

TEST(LatentLoss, FindsHeaderEndAndCloserOfEachEvent) {
  const Story story;

  const auto rows = event_rows(story.masks.graphs[0], story.span(), test_structure_tokens(), 100);

  ASSERT_EQ(rows.size(), 5u);
  for (std::size_t e = 0; e < rows.size(); ++e) {
    EXPECT_EQ(rows[e].colon, 100 + story.colons[e]);
    EXPECT_EQ(rows[e].close, 100 + story.closers[e]);
  }
  EventGraph cut(test_structure_tokens(), {});
  for (std::size_t i = 0; i < 3; ++i) cut.push(static_cast<std::int32_t>(story.ids[i]));
  const auto open = event_rows(cut, story.span().first(3), test_structure_tokens(), 0);
  ASSERT_EQ(open.size(), 1u);
  EXPECT_EQ(open[0].colon, -1);
  EXPECT_EQ(open[0].close, -1);
}

TEST(LatentLoss, PredictsFromCausesAndTheNamedActionWithTheFormulaOfTheSpecification) {
  at::manual_seed(1);
  const Story story;
  const LatentPredictor p = random_predictor();
  const Tensor u0 = at::randn({story.tokens.numel(), kWidth}).set_requires_grad(true),
               z = (at::randn({story.tokens.numel(), kWidth}) * 2.0).set_requires_grad(true);

  const LatentLoss actual =
      latent_loss(p, {u0, z}, story.masks, story.tokens, test_structure_tokens());

  const auto norm = [](const Tensor& x) {
    return (x - x.mean(-1, true)) / (x.var(-1, false, true) + 1e-5).sqrt();
  };
  // act from e0, e1; the first obs from e1 and its act; the second from its act alone.
  const std::vector<std::vector<std::size_t>> causes = {{0, 1}, {1, 2}, {2}};
  Tensor expected = at::zeros({});
  for (std::size_t i = 0; i < 3; ++i) {
    std::vector<Tensor> rows, scores;
    const Tensor query =
        p.kind_embed[static_cast<std::int64_t>(i == 0 ? EventKind::act : EventKind::obs)];
    for (const std::size_t c : causes[i]) {
      rows.push_back(z[story.closers[c]]);
      scores.push_back((rows.back() * query).sum() / std::sqrt(static_cast<double>(kWidth)));
    }
    const Tensor weights = at::softmax(at::stack(scores), 0);
    const Tensor c = (weights.unsqueeze(1) * at::stack(rows)).sum(0);
    const Tensor hidden = at::matmul(p.w0, at::cat({c, u0[story.colons[2 + i]]})) + p.b0;
    const Tensor predicted = at::matmul(p.w2, hidden * at::sigmoid(hidden)) + p.b2;
    const Tensor error = (norm(predicted) - norm(z[story.closers[2 + i]].detach())).abs();
    expected = expected + at::where(error < 1.0, error * error * 0.5, error - 0.5).mean() / 3.0;
  }
  EXPECT_EQ(actual.n_events, 3u);
  EXPECT_NEAR(actual.loss.item<float>(), expected.item<float>(), 1e-5);
  const std::vector<Tensor> inputs = {p.w0, p.b0, p.w2, p.b2, p.kind_embed, u0, z};
  const auto da = torch::autograd::grad({actual.loss}, inputs),
             de = torch::autograd::grad({expected}, inputs);
  for (std::size_t i = 0; i < inputs.size(); ++i)
    EXPECT_LT((da[i] - de[i]).abs().max().item<float>(), 1e-5) << i;
  EXPECT_EQ(da[6][story.closers[3]].abs().max().item<float>(), 0.0f);  // a target only
}

TEST(LatentLoss, TheGuardPushesCollapsedLatentsApart) {
  at::manual_seed(2);
  const Story story;
  const LatentPredictor p = random_predictor();
  const std::int64_t n = story.tokens.numel();
  const Tensor u0 = at::randn({n, kWidth});
  const Tensor line = at::randn({1, kWidth});  // rank 1: below 16 / 8
  const Tensor z = (at::randn({n, 1}) * line * 0.1 + 1.0).set_requires_grad(true);

  const LatentLoss collapsed =
      latent_loss(p, {u0, z}, story.masks, story.tokens, test_structure_tokens());
  const LatentLoss healthy = latent_loss(p, {u0, at::randn({n, kWidth})}, story.masks, story.tokens,
                                         test_structure_tokens());

  EXPECT_NEAR(collapsed.effective_rank, 1.0, 0.01);
  EXPECT_GT(healthy.effective_rank, 3.0);
  EXPECT_LT(collapsed.log_std, -1.0);
  const Tensor gradient = torch::autograd::grad({collapsed.loss}, {z})[0];
  // The last obs is no cause of anything: only the guard reaches it.
  EXPECT_GT(gradient[story.closers[4]].abs().max().item<float>(), 0.0f);
}

TEST(LatentLoss, EffectiveRankCountsDirectionsOfEqualStrength) {
  const Tensor eye = at::eye(8);
  const Tensor three = at::cat({eye.slice(0, 0, 3), -eye.slice(0, 0, 3)});

  EXPECT_NEAR(effective_rank(three), 3.0, 1e-6);
  EXPECT_EQ(effective_rank(at::ones({5, 8})), 0.0);
  EXPECT_EQ(effective_rank(at::ones({1, 8})), 0.0);
}

TEST(CounterfactualLoss, DescendantsThatFlipGoApartAndOthersStayTogether) {
  // The second event is set from outside; the third follows and flips, the fourth follows and keeps
  // what it says; the last one was cut off in the twin.
  const std::vector<worlds::PairEvent> events = {{7, false, false}, {3, false, true},
                                                 {9, true, true},   {5, true, false},
                                                 {2, false, false}, {1, false, false}};
  const std::vector<std::int64_t> rows = {4, 9, 15, 20, 26, 30}, twins = {4, 8, 14, 19, 25};

  const auto pairs = align_events(events, rows, twins);

  using Goal = EventPair::Goal;
  const std::vector<EventPair> expected = {
      {4, 4, Goal::together}, {9, 8, Goal::apart}, {15, 14, Goal::apart}, {26, 25, Goal::together}};
  EXPECT_EQ(pairs, expected);
}

TEST(CounterfactualLoss, HasTheMarginOfTheSpecification) {
  // LN of (1, -1, 1, -1) is itself and of (1, 1, -1, -1) too: their distance is 2; equal ones: 0.
  Tensor z = at::empty({3, 4});
  const float values[] = {1, -1, 1, -1, 1, 1, -1, -1, 2, -2, 2, -2};
  std::copy(std::begin(values), std::end(values), z.data_ptr<float>());
  const auto loss = [&](std::int64_t twin, EventPair::Goal goal) {
    const EventPair pair{0, twin, goal};
    return counterfactual_loss(z, {&pair, 1}).item<float>();
  };

  EXPECT_NEAR(loss(1, EventPair::Goal::together), 2.0f, 1e-4);
  EXPECT_NEAR(loss(2, EventPair::Goal::together), 0.0f, 1e-4);
  EXPECT_NEAR(loss(1, EventPair::Goal::apart), 0.0f, 1e-4);
  EXPECT_NEAR(loss(2, EventPair::Goal::apart), 0.5f, 1e-4);
  EXPECT_EQ(counterfactual_loss(z, {}).item<float>(), 0.0f);
}

}  // namespace
}  // namespace hadal::train
