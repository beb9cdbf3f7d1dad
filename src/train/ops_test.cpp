// The hand-written gradients against automatic differentiation of the same formulas in plain tensor
// operations.
#include "train/ops.h"

#include <gtest/gtest.h>
#include <torch/csrc/autograd/autograd.h>

#include <functional>
#include <vector>

namespace hadal::train {
namespace {

using at::Tensor;
using Operation = std::function<Tensor(const std::vector<Tensor>&)>;

Tensor leaf(at::IntArrayRef shape, double scale = 1.0) {
  return (at::randn(shape) * scale).set_requires_grad(true);
}

/// Values and all gradients of both operations under the same random weighting of the output. fp32
/// sums of up to a few hundred terms of size one: 1e-4 of the largest value leaves a decade over
/// the observed noise.
void expect_same(const Operation& actual, const Operation& expected,
                 const std::vector<Tensor>& inputs) {
  const Tensor a = actual(inputs), e = expected(inputs), weights = at::randn(e.sizes());
  const auto near = [](const Tensor& x, const Tensor& y, const char* what, std::size_t which) {
    const float tolerance = 1e-4f * std::max(1.0f, y.abs().max().item<float>());
    EXPECT_LT((x - y).abs().max().item<float>(), tolerance) << what << " " << which;
  };
  near(a, e, "value", 0);
  const auto da = torch::autograd::grad({(a * weights).sum()}, inputs);
  const auto de = torch::autograd::grad({(e * weights).sum()}, inputs);
  for (std::size_t i = 0; i < inputs.size(); ++i) near(da[i], de[i], "gradient of input", i);
}

Tensor unorm(const Tensor& x, double eps) {
  return x * at::rsqrt(x.square().mean(-1, true) + eps);
}

/// Interleaved rope on the last 2 * half channels of x [rows, width]; cos, sin [rows, half]; sign
/// -1 turns back.
Tensor turn(const Tensor& x, const Tensor& cos, const Tensor& sin, double sign = 1.0) {
  const std::int64_t width = x.size(1), rope = 2 * cos.size(1);
  const Tensor head = x.slice(1, 0, width - rope),
               pairs = x.slice(1, width - rope, width).reshape({x.size(0), -1, 2});
  const Tensor a = pairs.select(2, 0), b = pairs.select(2, 1), s = sin * sign;
  return at::cat({head, at::stack({a * cos - b * s, a * s + b * cos}, 2).reshape({x.size(0), -1})},
                 1);
}

Rope random_rope(std::int64_t positions, std::int64_t half) {
  const Tensor angle = at::randn({positions, half});
  return {at::cos(angle), at::sin(angle)};
}

TEST(Ops, NormRopeMatchesAutograd) {
  at::manual_seed(1);
  const std::int64_t sequence = 5, heads = 3;
  const Rope rope = random_rope(sequence, 2);
  const Tensor position =
      at::arange(2 * sequence * heads, at::kLong).floor_divide(heads).remainder(sequence);
  expect_same([&](const auto& in) { return norm_rope(in[0], in[1], 1e-3, rope, heads, sequence); },
              [&](const auto& in) {
                return turn(unorm(in[0], 1e-3) * in[1], rope.cos.index_select(0, position),
                            rope.sin.index_select(0, position));
              },
              {leaf({2 * sequence * heads, 7}), leaf({7})});
}

TEST(Ops, HyperReadMatchesAutograd) {
  at::manual_seed(2);
  for (const std::int64_t n : {2, 4})
    for (const std::int64_t iters : {1, 3, 20}) {
      const std::int64_t tokens = 37, d = 6;
      const auto plain = [&](const std::vector<Tensor>& in) {
        const Tensor t = at::linear(unorm(in[0].view({tokens, n * d}), 1e-5), in[1]);
        const auto part = [&](std::int64_t from, std::int64_t to, int kind) {
          return t.slice(1, from, to) * in[3][kind] + in[2].slice(0, from, to);
        };
        const Tensor pre = at::sigmoid(part(0, n, 0)) + 1e-3,
                     post = 2 * at::sigmoid(part(n, 2 * n, 1));
        Tensor c = at::softmax(part(2 * n, (2 + n) * n, 2).view({tokens, n, n}), -1) + 1e-3;
        c = c / (c.sum(1, true) + 1e-3);
        for (std::int64_t i = 1; i < iters; ++i) {
          c = c / (c.sum(2, true) + 1e-3);
          c = c / (c.sum(1, true) + 1e-3);
        }
        const Tensor x = (pre.unsqueeze(-1) * in[0]).sum(1);
        return at::cat({x, post, c.view({tokens, n * n})}, 1);
      };
      const auto fused = [&](const std::vector<Tensor>& in) {
        auto [x, post, comb] = hyper_read(in[0], in[1], in[2], in[3], {iters, 1e-3, 1e-5});
        return at::cat({x, post, comb.view({tokens, n * n})}, 1);
      };
      expect_same(
          fused, plain,
          {leaf({tokens, n, d}), leaf({(2 + n) * n, n * d}, 0.5), leaf({(2 + n) * n}), leaf({3})});
    }
}

TEST(Ops, HyperMixAndHeadMatchAutograd) {
  at::manual_seed(3);
  const std::int64_t tokens = 131, n = 3, d = 5;
  expect_same([](const auto& in) { return hyper_mix(in[0], in[1], in[2], in[3]); },
              [](const auto& in) {
                return in[2].unsqueeze(-1) * in[1].unsqueeze(1) +
                       at::matmul(in[3].transpose(1, 2), in[0]);
              },
              {leaf({tokens, n, d}), leaf({tokens, d}), leaf({tokens, n}), leaf({tokens, n, n})});
  expect_same(
      [](const auto& in) {
        return hyper_head(in[0], in[1], in[2], in[3], {1, 1e-3, 1e-5});
      },
      [&](const auto& in) {
        const Tensor t = at::linear(unorm(in[0].view({tokens, n * d}), 1e-5), in[1]);
        return ((at::sigmoid(t * in[3] + in[2]) + 1e-3).unsqueeze(-1) * in[0]).sum(1);
      },
      {leaf({tokens, n, d}), leaf({n, n * d}), leaf({n}), leaf({1})});
}

TEST(Ops, AttentionMatchesAutograd) {
  at::manual_seed(4);
  const std::int64_t batch = 2, s = 71, heads = 2, c = 6, window = 9, ratio = 4, rows = s / ratio;
  const Rope rope = random_rope(s, 2);
  const Tensor selected = at::rand({batch, s, rows}).gt(0.4);
  const auto plain = [&](const std::vector<Tensor>& in) {
    const Tensor keys = at::cat({in[1], in[2]}, 1);  // [B, S + T, c]
    const Tensor scores =
        at::einsum("bshc,bkc->bshk", {in[0], keys}) / std::sqrt(6.0);  // [B, S, H, S + T]
    const Tensor p = at::arange(s).unsqueeze(1), k = at::arange(s).unsqueeze(0);
    const Tensor in_window =
        k.le(p).logical_and(k.gt(p - window)).unsqueeze(0).expand({batch, s, s});
    const Tensor visible =
        at::arange(rows).unsqueeze(0).lt((p + 1).floor_divide(ratio)).unsqueeze(0);
    const Tensor mask = at::cat({in_window, visible.logical_and(selected)}, 2).unsqueeze(2);
    const Tensor masked = scores.masked_fill(mask.logical_not(), -INFINITY);
    const Tensor sink = in[3].view({1, 1, heads, 1}).expand({batch, s, heads, 1});
    const Tensor weights = at::softmax(at::cat({masked, sink}, 3), -1).slice(3, 0, s + rows);
    const Tensor o = at::einsum("bshk,bkc->bshc", {weights, keys}).reshape({-1, c});
    const Tensor position =
        at::arange(batch * s * heads, at::kLong).floor_divide(heads).remainder(s);
    return turn(o, rope.cos.index_select(0, position), rope.sin.index_select(0, position), -1.0)
        .view({batch, s, heads, c});
  };
  const Tensor bytes = selected.to(at::kByte);
  expect_same(
      [&](const auto& in) {
        return attention(in[0], in[1], in[2], in[3], bytes, rope, window, ratio);
      },
      plain,
      {leaf({batch, s, heads, c}), leaf({batch, s, c}), leaf({batch, rows, c}), leaf({heads})});
}

TEST(Ops, PoolMatchesAutograd) {
  at::manual_seed(5);
  const std::int64_t batch = 2, s = 14, m = 4, e = 3, rows = s / m;
  const auto windows = [&](const Tensor& x) {
    return x.slice(1, 0, rows * m).reshape({batch, rows, m, -1});
  };
  const auto plain = [&](bool overlap) {
    return [&, overlap](const std::vector<Tensor>& in) {
      const Tensor k = windows(in[0]), g = windows(in[1]) + in[2];
      if (!overlap) return (at::softmax(g, 2) * k).sum(2);
      const auto with_previous = [&](const Tensor& x, double fill) {
        const Tensor previous =
            at::cat({at::full({batch, 1, m, e}, fill), x.slice(1, 0, rows - 1).slice(3, 0, e)}, 1);
        return at::cat({previous, x.slice(3, e, 2 * e)}, 2);
      };
      return (at::softmax(with_previous(g, -INFINITY), 2) * with_previous(k, 0.0)).sum(2);
    };
  };
  for (const bool overlap : {false, true}) {
    const std::int64_t width = overlap ? 2 * e : e;
    expect_same([&](const auto& in) { return pool(in[0], in[1], in[2], overlap); }, plain(overlap),
                {leaf({batch, s, width}), leaf({batch, s, width}), leaf({m, width})});
  }
}

TEST(Ops, GroupedLinearMatchesAutograd) {
  at::manual_seed(6);
  expect_same([](const auto& in) { return grouped_linear(in[0], in[1], 3); },
              [](const auto& in) {
                std::vector<Tensor> parts;
                for (std::int64_t u = 0; u < 3; ++u)
                  parts.push_back(at::linear(in[0].slice(1, 4 * u, 4 * u + 4),
                                             in[1].slice(0, 2 * u, 2 * u + 2)));
                return at::cat(parts, 1);
              },
              {leaf({9, 12}), leaf({6, 4})});
}

TEST(Ops, ExpertsMatchAutograd) {
  at::manual_seed(7);
  const std::int64_t tokens = 23, d = 5, f = 4, n_experts = 3, k = 2;
  const double limit = 0.8;
  const Tensor chosen =
      at::stack({at::randint(2, {tokens}), at::full({tokens}, 2, at::kLong)}, 1).to(at::kInt);
  const auto plain = [&](const std::vector<Tensor>& in) {
    Tensor y = at::zeros({tokens, d});
    for (std::int64_t e = 0; e < n_experts; ++e) {
      const Tensor a = at::linear(in[0], in[2][e]), b = at::linear(in[0], in[4][e]);
      const Tensor out =
          at::linear(at::silu(a.clamp_max(limit)) * b.clamp(-limit, limit), in[3][e]);
      y = y + out * (in[1] * chosen.eq(e)).sum(1, true);
    }
    return y;
  };
  expect_same(
      [&](const auto& in) { return experts(in[0], in[1], chosen, in[2], in[3], in[4], limit); },
      plain,
      {leaf({tokens, d}), leaf({tokens, k}), leaf({n_experts, f, d}), leaf({n_experts, d, f}),
       leaf({n_experts, f, d})});
}

TEST(Ops, CrossEntropyMatchesAutograd) {
  at::manual_seed(8);
  const std::int64_t tokens = 150, d = 6, vocab = 11;
  const Tensor targets = at::randint(vocab, {tokens}),
               weights = at::rand({tokens}) * at::rand({tokens}).gt(0.3);
  expect_same(
      [&](const auto& in) {
        return std::get<0>(cross_entropy_loss(in[0], in[1], targets.to(at::kInt), weights))
            .view({1});
      },
      [&](const auto& in) {
        const Tensor p = at::log_softmax(at::linear(in[0], in[1]), -1);
        return (-p.gather(1, targets.unsqueeze(1)).squeeze(1) * weights).sum().view({1});
      },
      {leaf({tokens, d}), leaf({vocab, d})});
}

}  // namespace
}  // namespace hadal::train
