#include "engine/backends/cpu/cpu_moe.h"

#include "base/checked_math.h"
#include "engine/kernels/fake_quant/fake_quant.h"
#include "engine/kernels/moe/activation_quant.h"

namespace hadal {
namespace {

constexpr std::size_t kPackTokens = 24;  // tokens of one packing task: whole tiles of all variants

}  // namespace

void CpuMoe::operator()(const MoeArgs& args) {
  if (args.x.n == 0) return;
  group_pairs(args);
  if (args.fake_quant_activations) quantise_inputs(args);
  pack_inputs(args);
  up(args);
  finish_hidden(args);
  down(args);
  combine(args);
}

/// Counting sort of the pairs by expert; inside of an expert the order of the tokens stays.
void CpuMoe::group_pairs(const MoeArgs& args) {
  const std::size_t k = args.expert_ids.width;
  const std::size_t n_shared = args.shared != nullptr ? 1 : 0;
  next_pair_.assign(args.experts.size(), 0);
  pair_of_.resize(args.x.n * (k + 1));
  token_of_.resize(args.x.n * (k + n_shared));
  for (std::size_t t = 0; t < args.x.n; ++t) {
    for (std::size_t s = 0; s < k; ++s) {
      ++next_pair_[static_cast<std::size_t>(args.expert_ids[t][s])];
    }
  }

  groups_.clear();
  work_ = 0;
  for (std::size_t e = 0; e < args.experts.size(); ++e) {
    const std::size_t n = next_pair_[e];
    next_pair_[e] = groups_.empty() ? 0 : groups_.back().first_pair + groups_.back().n;
    if (n != 0) add_group(args, args.experts[e], n);
  }
  for (std::size_t t = 0; t < args.x.n; ++t) {
    for (std::size_t s = 0; s < k; ++s) {
      const std::size_t pair = next_pair_[static_cast<std::size_t>(args.expert_ids[t][s])]++;
      pair_of_[t * (k + 1) + s] = pair;
      token_of_[pair] = t;
    }
  }
  if (args.shared == nullptr) return;
  for (std::size_t t = 0; t < args.x.n; ++t) {
    pair_of_[t * (k + 1) + k] = args.x.n * k + t;
    token_of_[args.x.n * k + t] = t;
  }
  add_group(args, *args.shared, args.x.n);
}

/// w1 and w3 share their packed inputs, so they are multiplied in the same way.
const LinearKernels* CpuMoe::up_kernels(const ExpertWeights& weights) const {
  const LinearKernels& kernels = variants_.of(weights.w1);
  return &kernels == &variants_.of(weights.w3) ? &kernels : variants_.exact;
}

void CpuMoe::add_group(const MoeArgs& args, const ExpertWeights& weights, std::size_t n) {
  Group group{.weights = &weights,
              .up = up_kernels(weights),
              .down = &variants_.of(weights.w2),
              .first_pair = 0,
              .n = n,
              .hidden = 0,
              .packed_x = 0,
              .packed_hidden = 0};
  if (!groups_.empty()) {
    const Group& last = groups_.back();
    const std::size_t last_hidden = last.weights->w1.rows;
    group.first_pair = last.first_pair + last.n;
    group.hidden = last.hidden + last.n * last_hidden;
    group.packed_x = last.packed_x + last.n * last.up->packed_floats(args.x.width);
    group.packed_hidden = last.packed_hidden + last.n * last.down->packed_floats(last_hidden);
  }
  work_ += n * weights.w1.rows * weights.w1.cols;
  groups_.push_back(group);
}

void CpuMoe::quantise_inputs(const MoeArgs& args) {
  const std::size_t d = args.x.width;
  float* quantised = reserve(quantised_x_, args.x.n * d);
  runner_.for_rows(args.x.n, d, [&](std::size_t begin, std::size_t end) {
    for (std::size_t t = begin; t < end; ++t) std::copy_n(args.x[t], d, quantised + t * d);
    fake_quant_e4m3(dense_rows(quantised + begin * d, end - begin, d), kActivationBlock);
  });
}

/// The input row of a pair as `weight` sees it.
const float* CpuMoe::input(const MoeArgs& args, const MatrixView& weight, std::size_t pair) const {
  const std::size_t token = token_of_[pair];
  const bool quantised = args.fake_quant_activations && quantises_activations(weight);
  return quantised ? quantised_x_.data() + token * args.x.width : args.x[token];
}

void CpuMoe::pack_inputs(const MoeArgs& args) {
  const std::size_t d = args.x.width;
  const Group& last = groups_.back();
  const std::size_t n_floats = last.packed_x + last.n * last.up->packed_floats(d);
  reserve(packed_w1_, n_floats);
  if (args.fake_quant_activations) reserve(packed_w3_, n_floats);

  tasks_.clear();
  for (const Group& group : groups_) {
    if (group.n == 1 && group.up->one != nullptr) continue;  // read directly
    for (std::size_t t = 0; t < group.n; t += kPackTokens) {
      tasks_.push_back({&group, 0, 0, t, std::min(t + kPackTokens, group.n)});
    }
  }
  runner_.run(tasks_.size(), args.x.n * d, [&](std::size_t i) {
    const Task& task = tasks_[i];
    const std::size_t n = task.token_end - task.token_begin;
    const std::size_t offset =
        task.group->packed_x + task.token_begin * task.group->up->packed_floats(d);
    const auto pack = [&](const MatrixView& weight, float* packed) {
      const float* rows[kPackTokens];
      for (std::size_t t = 0; t < n; ++t) {
        rows[t] = input(args, weight, task.group->first_pair + task.token_begin + t);
      }
      task.group->up->pack_tokens(rows, n, d, packed + offset);
    };
    pack(task.group->weights->w1, packed_w1_.data());
    if (args.fake_quant_activations) pack(task.group->weights->w3, packed_w3_.data());
  });
}

void CpuMoe::split(Stage stage) {
  tasks_.clear();
  for (const Group& group : groups_) {
    const MatrixView& weight = stage == Stage::up ? group.weights->w1 : group.weights->w2;
    const LinearSplit step = split_linear(stage == Stage::up ? *group.up : *group.down, weight,
                                          group.n, stage == Stage::up ? 2 : 1);
    for (std::size_t t = 0; t < group.n; t += step.tokens) {
      for (std::size_t r = 0; r < weight.rows; r += step.rows) {
        tasks_.push_back({&group, r, std::min(r + step.rows, weight.rows), t,
                          std::min(t + step.tokens, group.n)});
      }
    }
  }
}

/// y = x W^T for the rows and tokens of a task; `single` is the input row of a group of one,
/// `packed` and `y` belong to the group's first token.
void CpuMoe::multiply(const LinearKernels& kernels, const MatrixView& weight, const Task& task,
                      const float* single, const float* packed, float* y) const {
  if (task.group->n == 1 && kernels.one != nullptr) {
    kernels.one({.weight = &weight,
                 .row_begin = task.row_begin,
                 .row_end = task.row_end,
                 .x = single,
                 .y = y});
    return;
  }
  kernels.packed({.weight = &weight,
                  .row_begin = task.row_begin,
                  .row_end = task.row_end,
                  .packed = packed + task.token_begin * kernels.packed_floats(weight.cols),
                  .n_tokens = task.token_end - task.token_begin,
                  .y = y + task.token_begin * weight.rows,
                  .y_stride = weight.rows});
}

/// gate_ <- swiglu(x w1^T, x w3^T)
void CpuMoe::up(const MoeArgs& args) {
  const Group& last = groups_.back();
  reserve(gate_, last.hidden + last.n * last.weights->w1.rows);
  reserve(up_, last.hidden + last.n * last.weights->w1.rows);
  const std::vector<float>& packed_w3 = args.fake_quant_activations ? packed_w3_ : packed_w1_;

  split(Stage::up);
  runner_.run(tasks_.size(), 2 * work_, [&](std::size_t i) {
    const Task& task = tasks_[i];
    const Group& group = *task.group;
    const MatrixView& w1 = group.weights->w1;
    const MatrixView& w3 = group.weights->w3;
    float* gate = gate_.data() + group.hidden;
    float* up = up_.data() + group.hidden;
    multiply(*group.up, w1, task, input(args, w1, group.first_pair),
             packed_w1_.data() + group.packed_x, gate);
    multiply(*group.up, w3, task, input(args, w3, group.first_pair),
             packed_w3.data() + group.packed_x, up);

    const std::size_t first = task.token_begin * w1.rows + task.row_begin;
    const std::size_t n = task.token_end - task.token_begin;
    const std::size_t width = task.row_end - task.row_begin;
    const Rows<float> hidden{gate + first, n, width, w1.rows};
    kernels_.swiglu({.gate = hidden,
                     .up = Rows<float>{up + first, n, width, w1.rows},
                     .limit = args.swiglu_limit,
                     .out = hidden});
  });
}

/// Quantises (QAT simulation) and packs the hidden activations.
void CpuMoe::finish_hidden(const MoeArgs& args) {
  const Group& last = groups_.back();
  reserve(packed_w2_,
          last.packed_hidden + last.n * last.down->packed_floats(last.weights->w1.rows));
  tasks_.clear();
  for (const Group& group : groups_) {
    const bool is_single = group.n == 1 && group.down->one != nullptr;
    if (is_single && !args.fake_quant_activations) continue;  // read directly
    for (std::size_t t = 0; t < group.n; t += kPackTokens) {
      tasks_.push_back({&group, 0, 0, t, std::min(t + kPackTokens, group.n)});
    }
  }
  runner_.run(tasks_.size(), last.hidden, [&](std::size_t i) {
    const Task& task = tasks_[i];
    const Group& group = *task.group;
    const std::size_t f = group.weights->w1.rows;
    const std::size_t n = task.token_end - task.token_begin;
    float* hidden = gate_.data() + group.hidden + task.token_begin * f;
    if (args.fake_quant_activations && quantises_activations(group.weights->w2)) {
      fake_quant_e4m3(dense_rows(hidden, n, f), kActivationBlock);
    }
    if (group.n == 1 && group.down->one != nullptr) return;
    const float* rows[kPackTokens];
    for (std::size_t t = 0; t < n; ++t) rows[t] = hidden + t * f;
    group.down->pack_tokens(
        rows, n, f,
        packed_w2_.data() + group.packed_hidden + task.token_begin * group.down->packed_floats(f));
  });
}

/// out_ <- hidden w2^T
void CpuMoe::down(const MoeArgs& args) {
  const std::size_t d = args.y.width;
  reserve(out_, token_of_.size() * d);
  split(Stage::down);
  runner_.run(tasks_.size(), work_, [&](std::size_t i) {
    const Task& task = tasks_[i];
    const Group& group = *task.group;
    multiply(*group.down, group.weights->w2, task, gate_.data() + group.hidden,
             packed_w2_.data() + group.packed_hidden, out_.data() + group.first_pair * d);
  });
}

/// y[t] = sum over the token's list, in its order; the shared expert last, with weight 1.
void CpuMoe::combine(const MoeArgs& args) {
  const std::size_t d = args.y.width;
  const std::size_t k = args.expert_ids.width;
  const std::size_t n_terms = k + (args.shared != nullptr ? 1 : 0);
  runner_.for_rows(args.x.n, n_terms * d, [&](std::size_t begin, std::size_t end) {
    TaskScratch& scratch = task_scratch();
    const float** outputs = reserve(scratch.pointers, n_terms);
    float* weights = reserve(scratch.floats, n_terms);
    for (std::size_t t = begin; t < end; ++t) {
      for (std::size_t s = 0; s < n_terms; ++s) {
        outputs[s] = out_.data() + pair_of_[t * (k + 1) + s] * d;
        weights[s] = s < k ? args.expert_weights[t][s] : 1.0f;
      }
      kernels_.moe->combine(outputs, weights, n_terms, 0, d, args.y[t]);
    }
  });
}

}  // namespace hadal
