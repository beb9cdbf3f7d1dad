#include "engine/backends/cpu/cpu_linear.h"

#include "base/checked_math.h"

namespace hadal {
namespace {

// Few tokens: weights are read in long runs, which the memory likes, but in enough tasks for many
// threads to share.
constexpr std::size_t kTaskBytes = 384 * 1024;
constexpr std::size_t kMinTasks = 16;
// Many tokens: tasks large enough that unpacked weights and packed tokens are used many times.
constexpr std::size_t kTaskRows = 256;
constexpr std::size_t kMinTaskRows = 64;
constexpr std::size_t kTaskTokens = 144;

std::size_t round_up(std::size_t n, std::size_t step) noexcept {
  return ceil_div(n, step) * step;
}

/// Where the output of row 0 of W would stand: the kernels index outputs by row of W.
float* output_of_row_zero(const LinearArgs& args, std::size_t token) noexcept {
  return args.y[token] - args.row_begin;
}

}  // namespace

LinearSplit split_linear(const LinearKernels& kernels, const MatrixView& weight,
                         std::size_t n_tokens, std::size_t n_matrices) noexcept {
  if (n_tokens <= kernels.token_tile) {
    const std::size_t row_bytes =
        n_matrices * bytes_of(weight) / std::max<std::size_t>(weight.rows, 1);
    const std::size_t rows = std::min(kTaskBytes / (row_bytes + 1), weight.rows / kMinTasks);
    return {.rows = round_up(std::max<std::size_t>(rows, 1), kernels.row_tile),
            .tokens = kernels.token_tile};
  }
  const std::size_t n_blocks = ceil_div(n_tokens, kTaskTokens);
  const std::size_t rows =
      round_up(std::clamp(weight.rows / kMinTasks, kMinTaskRows, kTaskRows), kMinTaskRows);
  return {.rows = rows, .tokens = round_up(ceil_div(n_tokens, n_blocks), kernels.token_tile)};
}

void CpuLinear::operator()(const LinearArgs& args) {
  const LinearKernels& kernels = variants_.of(args.weight);
  if (args.x.n == 1 && kernels.one != nullptr) {
    one_token(kernels, args);
  } else if (args.x.n > 0) {
    packed_tokens(kernels, args);
  }
}

void CpuLinear::one_token(const LinearKernels& kernels, const LinearArgs& args) {
  const MatrixView& weight = args.weight;
  const std::size_t n_rows = args.y.width;
  const std::size_t step = split_linear(kernels, weight, 1).rows;
  runner_.run(ceil_div(n_rows, step), n_rows * weight.cols, [&](std::size_t task) {
    kernels.one({.weight = &weight,
                 .row_begin = args.row_begin + task * step,
                 .row_end = args.row_begin + std::min(task * step + step, n_rows),
                 .x = args.x[0],
                 .y = output_of_row_zero(args, 0)});
  });
}

void CpuLinear::packed_tokens(const LinearKernels& kernels, const LinearArgs& args) {
  const MatrixView& weight = args.weight;
  const std::size_t n = args.x.n;
  pack(kernels, args.x, weight.cols);
  const LinearSplit split = split_linear(kernels, weight, n);
  const std::size_t n_rows = args.y.width;
  const std::size_t n_row_tasks = ceil_div(n_rows, split.rows);
  const std::size_t n_tasks = n_row_tasks * ceil_div(n, split.tokens);
  runner_.run(n_tasks, n * n_rows * weight.cols, [&](std::size_t task) {
    const std::size_t row = task % n_row_tasks * split.rows;
    const std::size_t token = task / n_row_tasks * split.tokens;
    kernels.packed({.weight = &weight,
                    .row_begin = args.row_begin + row,
                    .row_end = args.row_begin + std::min(row + split.rows, n_rows),
                    .packed = packed_.data() + token * kernels.packed_floats(weight.cols),
                    .n_tokens = std::min(split.tokens, n - token),
                    .y = output_of_row_zero(args, token),
                    .y_stride = args.y.stride});
  });
}

void CpuLinear::pack(const LinearKernels& kernels, const Rows<const float>& x, std::size_t cols) {
  const float** rows = reserve(token_rows_, x.n);
  for (std::size_t t = 0; t < x.n; ++t) rows[t] = x[t];
  const std::size_t width = kernels.packed_floats(cols);
  float* packed = reserve(packed_, x.n * width);
  const std::size_t step = 4 * kernels.token_tile;
  runner_.run(ceil_div(x.n, step), x.n * cols, [&](std::size_t task) {
    const std::size_t first = task * step;
    kernels.pack_tokens(rows + first, std::min(step, x.n - first), cols, packed + first * width);
  });
}

}  // namespace hadal
