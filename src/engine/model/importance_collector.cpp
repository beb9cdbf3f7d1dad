#include "engine/model/importance_collector.h"

#include "base/check.h"
#include "engine/kernels/moe/activation_quant.h"
#include "engine/kernels/swiglu/swiglu.h"
#include "engine/model/tensor_names.h"

#include <algorithm>

namespace hadal {
namespace {

/// Rows with storage of their own.
struct OwnRows {
  std::vector<float> values;
  Rows<float> rows;

  OwnRows(std::size_t n, std::size_t width)
      : values(n * width), rows(dense_rows(values.data(), n, width)) {}
  explicit OwnRows(Rows<const float> source) : OwnRows(source.n, source.width) {
    for (std::size_t i = 0; i < source.n; ++i) std::copy_n(source[i], source.width, rows[i]);
  }
};

/// Rows of `x` whose token has chosen `expert`, once for each time.
OwnRows rows_of_expert(const MoeArgs& args, std::size_t expert) {
  std::vector<std::size_t> tokens;
  for (std::size_t t = 0; t < args.x.n; ++t) {
    for (std::size_t slot = 0; slot < args.expert_ids.width; ++slot)
      if (static_cast<std::size_t>(args.expert_ids[t][slot]) == expert) tokens.push_back(t);
  }
  OwnRows out(tokens.size(), args.x.width);
  for (std::size_t i = 0; i < tokens.size(); ++i)
    std::copy_n(args.x[tokens[i]], args.x.width, out.rows[i]);
  return out;
}

/// `x` as the product with `weight` gets it (moe_ref).
OwnRows product_input(const MoeArgs& args, const MatrixView& weight, Rows<const float> x) {
  OwnRows input(x);
  if (args.fake_quant_activations && quantises_activations(weight))
    fake_quant_e4m3(input.rows, kActivationBlock);
  return input;
}

bool is_head(std::string_view name) {
  return name == "head.weight" || name == "hc_head_fn";
}

bool is_met(const WeightImportance& weight) {
  return std::any_of(weight.counts.begin(), weight.counts.end(),
                     [](std::uint64_t count) { return count > 0; });
}

}  // namespace

ImportanceCollector::ImportanceCollector(Backend& inner, const Checkpoint& checkpoint,
                                         bool with_head)
    : ForwardingBackend(inner), with_head_(with_head) {
  for (const CheckpointTensor& tensor : checkpoint.tensors())
    add_place(tensor, checkpoint.config().num_hidden_layers);
}

void ImportanceCollector::add_place(const CheckpointTensor& tensor, std::size_t mtp_block) {
  const bool is_measured = tensor.name != "embed.weight" && tensor.shape.size() >= 2 &&
                           (with_head_ || !is_head(tensor.name));
  const auto place = gguf_place(tensor.name, mtp_block);
  if (!is_measured || !place) {
    places_.emplace(tensor.view.data, std::nullopt);
    return;
  }
  const auto [found, is_new] = by_name_.emplace(place->name, weights_.size());
  if (is_new) weights_.push_back({.name = place->name, .n_columns = tensor.view.cols});
  WeightImportance& weight = weights_[found->second];
  const std::size_t matrix = place->expert.value_or(0);
  weight.counts.resize(std::max(weight.counts.size(), matrix + 1));
  weight.sums.resize(weight.counts.size() * weight.n_columns);
  places_.insert_or_assign(tensor.view.data, Place{found->second, matrix});
}

std::vector<WeightImportance> ImportanceCollector::take() {
  places_.clear();
  std::vector<WeightImportance> out = std::move(weights_);
  std::erase_if(out, [](const WeightImportance& weight) { return !is_met(weight); });
  std::sort(out.begin(), out.end(), [](const auto& a, const auto& b) { return a.name < b.name; });
  return out;
}

void ImportanceCollector::add(const MatrixView& weight, Rows<const float> inputs) {
  const auto found = places_.find(weight.data);
  HADAL_CHECK(found != places_.end(), "every weight of a product is a tensor of the checkpoint");
  if (!found->second) return;
  WeightImportance& measured = weights_[found->second->weight];
  const std::size_t matrix = found->second->matrix;
  double* sums = measured.sums.data() + matrix * measured.n_columns;
  for (std::size_t i = 0; i < inputs.n; ++i) {
    for (std::size_t c = 0; c < measured.n_columns; ++c)
      sums[c] += double{inputs[i][c]} * double{inputs[i][c]};
  }
  measured.counts[matrix] += inputs.n;
}

void ImportanceCollector::linear(const LinearArgs& args) {
  add(args.weight, args.x);
  inner_.linear(args);
}

/// fn meets UNorm(streams).
void ImportanceCollector::add_streams(const MatrixView& fn, Rows<const float> streams,
                                      float rms_norm_eps) {
  const OwnRows normed(streams.n, streams.width);
  inner_.rms_norm({.x = streams, .weight = {}, .out = normed.rows, .eps = rms_norm_eps});
  add(fn, normed.rows);
}

void ImportanceCollector::hyper_connection_read(const HyperConnectionReadArgs& args) {
  add_streams(args.weights.fn, args.streams, args.rms_norm_eps);
  inner_.hyper_connection_read(args);
}

void ImportanceCollector::hyper_connection_head(const HyperConnectionHeadArgs& args) {
  add_streams(args.fn, args.streams, args.rms_norm_eps);
  inner_.hyper_connection_head(args);
}

void ImportanceCollector::add_expert(const MoeArgs& args, const ExpertWeights& expert,
                                     Rows<const float> x) {
  const OwnRows gate_input = product_input(args, expert.w1, x);
  const OwnRows up_input = product_input(args, expert.w3, x);
  OwnRows gate(x.n, expert.w1.rows);
  OwnRows up(x.n, expert.w3.rows);
  inner_.linear({.x = gate_input.rows, .weight = expert.w1, .y = gate.rows});
  inner_.linear({.x = up_input.rows, .weight = expert.w3, .y = up.rows});
  swiglu_ref({.gate = gate.rows, .up = up.rows, .limit = args.swiglu_limit, .out = gate.rows});
  add(expert.w1, gate_input.rows);
  add(expert.w3, up_input.rows);
  add(expert.w2, product_input(args, expert.w2, gate.rows).rows);
}

void ImportanceCollector::moe(const MoeArgs& args) {
  for (std::size_t e = 0; e < args.experts.size(); ++e) {
    const OwnRows x = rows_of_expert(args, e);
    if (x.rows.n > 0) add_expert(args, args.experts[e], x.rows);
  }
  if (args.shared != nullptr) add_expert(args, *args.shared, args.x);
  inner_.moe(args);
}

}  // namespace hadal
