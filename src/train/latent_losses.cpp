#include "train/latent_losses.h"

#include "base/check.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace hadal::train {
namespace {

using at::Tensor;

constexpr double kGuardWeight = 0.04;
constexpr double kMargin = 0.5;

Tensor layer_norm(const Tensor& x) {
  return at::layer_norm(x, {x.size(-1)});
}

Tensor index_tensor(const std::vector<std::int64_t>& values) {
  Tensor t = at::empty({static_cast<std::int64_t>(values.size())}, at::kLong);
  std::copy(values.begin(), values.end(), t.data_ptr<std::int64_t>());
  return t;
}

/// One event to be predicted.
struct Prediction {
  EventRows rows;
  std::int64_t kind;
  std::vector<std::int64_t> context;  ///< rows of its causes
};

/// Of one sequence; appends the rows of all closed events to `closed`.
void collect(const EventGraph& graph, const std::vector<EventRows>& rows,
             std::vector<Prediction>& predictions, std::vector<std::int64_t>& closed) {
  const auto events = graph.events();
  for (std::size_t e = 0; e < events.size(); ++e) {
    if (rows[e].close < 0) continue;
    closed.push_back(rows[e].close);
    const EventGraph::Event& event = events[e];
    if (event.kind != EventKind::act && event.kind != EventKind::obs) continue;
    Prediction prediction{rows[e], static_cast<std::int64_t>(event.kind), {}};
    const auto use = [&](std::int32_t cause) {
      if (cause < 0 || static_cast<std::size_t>(cause) >= e) return;  // named before it stood there
      const std::int64_t row = rows[static_cast<std::size_t>(cause)].close;
      auto& context = prediction.context;
      if (row >= 0 && std::find(context.begin(), context.end(), row) == context.end())
        context.push_back(row);
    };
    for (const std::int32_t cause : event.causes) use(cause);
    use(event.act);
    if (rows[e].colon >= 0 && !prediction.context.empty())
      predictions.push_back(std::move(prediction));
  }
}

/// c [M, w]: the causes' latents, pooled by attention.
Tensor pooled_causes(const LatentPredictor& predictor, const Tensor& z,
                     const std::vector<Prediction>& predictions) {
  std::size_t width = 0;
  for (const Prediction& p : predictions) width = std::max(width, p.context.size());
  const auto m = static_cast<std::int64_t>(predictions.size()),
             c = static_cast<std::int64_t>(width);
  Tensor index = at::zeros({m, c}, at::kLong);
  Tensor mask = at::full({m, c}, -std::numeric_limits<double>::infinity(), at::kFloat);
  std::vector<std::int64_t> kinds;
  for (std::int64_t i = 0; i < m; ++i) {
    const Prediction& p = predictions[static_cast<std::size_t>(i)];
    kinds.push_back(p.kind);
    std::copy(p.context.begin(), p.context.end(), index.data_ptr<std::int64_t>() + i * c);
    std::fill_n(mask.data_ptr<float>() + i * c, p.context.size(), 0.0f);
  }
  const Tensor causes = z.index_select(0, index.view({-1})).view({m, c, -1});
  const Tensor query = predictor.kind_embed.index_select(0, index_tensor(kinds)).unsqueeze(1);
  const Tensor scores =
      (causes * query).sum(-1) * (1.0 / std::sqrt(static_cast<double>(z.size(1)))) + mask;
  return (at::softmax(scores, -1).unsqueeze(-1) * causes).sum(1);
}

Tensor predict(const LatentPredictor& predictor, const Latents& latents,
               const std::vector<Prediction>& predictions) {
  std::vector<std::int64_t> colons;
  for (const Prediction& p : predictions) colons.push_back(p.rows.colon);
  const Tensor named = latents.first.index_select(0, index_tensor(colons));
  const Tensor x = at::cat({pooled_causes(predictor, latents.last, predictions), named}, -1);
  return at::linear(at::silu(at::linear(x, predictor.w0, predictor.b0)), predictor.w2,
                    predictor.b2);
}

}  // namespace

std::vector<EventRows> event_rows(const EventGraph& graph, std::span<const std::int64_t> ids,
                                  const StructureTokens& tokens, std::int64_t first_row) {
  std::vector<EventRows> rows;
  for (const EventGraph::Event& e : graph.events()) {
    EventRows r{-1, -1};
    const auto begin = ids.begin() + e.begin, end = ids.begin() + e.end;
    const auto colon = std::find(begin, end, tokens.colon);
    if (colon != end) r.colon = first_row + (colon - ids.begin());
    if (begin != end && *(end - 1) == tokens.close) r.close = first_row + e.end - 1;
    rows.push_back(r);
  }
  return rows;
}

double effective_rank(const Tensor& x) {
  if (x.size(0) < 2) return 0.0;
  const at::NoGradGuard no_grad;
  const Tensor centred = (x - x.mean(0)).to(at::kDouble);
  const Tensor gram = at::mm(centred.t(), centred);
  const Tensor values = at::linalg_eigvalsh(gram).clamp_min(0.0).sqrt();
  const double sum = values.sum().item<double>();
  if (!(sum > 0.0)) return 0.0;
  const Tensor share = values / sum;
  return std::exp(-at::xlogy(share, share).sum().item<double>());
}

LatentLoss latent_loss(const LatentPredictor& predictor, const Latents& latents,
                       const EventMasks& masks, const Tensor& ids, const StructureTokens& tokens) {
  std::vector<Prediction> predictions;
  std::vector<std::int64_t> closed;
  const auto n = static_cast<std::size_t>(ids.size(1));
  for (std::size_t b = 0; b < masks.graphs.size(); ++b) {
    const std::span<const std::int64_t> own(ids.data_ptr<std::int64_t>() + b * n, n);
    const auto rows = event_rows(masks.graphs[b], own, tokens, static_cast<std::int64_t>(b * n));
    collect(masks.graphs[b], rows, predictions, closed);
  }
  LatentLoss out;
  if (predictions.empty()) return out;
  std::vector<std::int64_t> targets;
  for (const Prediction& p : predictions) targets.push_back(p.rows.close);
  const Tensor target = latents.last.index_select(0, index_tensor(targets)).detach();
  out.n_events = predictions.size();
  out.loss =
      at::smooth_l1_loss(layer_norm(predict(predictor, latents, predictions)), layer_norm(target));

  const Tensor z = latents.last.index_select(0, index_tensor(closed));
  const Tensor std = (z.var(0, false) + 1e-12).sqrt();
  out.log_std = std.log().mean().item<double>();
  out.effective_rank = effective_rank(z);
  if (out.effective_rank < static_cast<double>(z.size(1)) / 8.0)
    out.loss = out.loss + at::relu(1.0 - std).mean() * kGuardWeight;
  return out;
}

Tensor counterfactual_loss(const Tensor& latents, std::span<const EventPair> pairs) {
  if (pairs.empty()) return at::zeros({}, latents.options());
  std::vector<std::int64_t> rows, twins;
  Tensor apart = at::zeros({static_cast<std::int64_t>(pairs.size())}, at::kBool);
  for (std::size_t i = 0; i < pairs.size(); ++i) {
    rows.push_back(pairs[i].row);
    twins.push_back(pairs[i].twin_row);
    apart.data_ptr<bool>()[i] = pairs[i].goal == EventPair::Goal::apart;
  }
  const Tensor difference = layer_norm(latents.index_select(0, index_tensor(rows))) -
                            layer_norm(latents.index_select(0, index_tensor(twins)));
  const Tensor distance = difference.square().mean(-1);
  return at::where(apart, at::relu(kMargin - distance), distance).mean();
}

}  // namespace hadal::train
