#include "engine/model/tensor_stream.h"

#include "base/checked_math.h"
#include "engine/model/synthetic_weights.h"

#include <algorithm>
#include <cstring>

namespace hadal {
namespace {

/// Tasks of 128 rows per piece: as many as the scratch memory allows, but work for every thread.
std::size_t tasks_per_piece(std::size_t scratch_floats, std::size_t cols, std::size_t n_threads) {
  return std::max(n_threads, scratch_floats / (kEncodingRows * cols));
}

/// Rows [first, first + n), whose values are given, each with the importance of its group. Types
/// that take an importance have no scales beside.
void encode_with_importance(const TensorPlan& plan, std::size_t first, std::size_t n,
                            const float* values, std::byte* weight) {
  const std::size_t cols = plan.cols();
  const std::size_t group_rows = plan.rows() * cols / plan.importance.size();
  const std::size_t row_bytes = encoded_row_bytes(plan.encoding, cols);
  for (std::size_t row = first; row < first + n;) {
    const std::size_t group = row / group_rows;
    const std::size_t end = std::min(first + n, (group + 1) * group_rows);
    encode_rows(plan.encoding, {values + (row - first) * cols, (end - row) * cols}, cols,
                weight + (row - first) * row_bytes, nullptr, &plan.importance[group * cols]);
    row = end;
  }
}

}  // namespace

std::size_t TensorPlan::rows() const {
  std::size_t rows = 1;
  for (std::size_t i = 0; i + 1 < spec->shape.size(); ++i) rows *= spec->shape[i];
  return rows;
}

std::size_t TensorPlan::scale_bytes() const {
  return n_scales(encoding, rows(), cols()) * bytes_of(scale_dtype, 1);
}

void TensorStream::encode(const TensorPlan& plan, std::size_t first, std::size_t n, float* scratch,
                          std::byte* weight, std::byte* scale) const {
  const MatrixView* stored = source_.stored(*plan.spec);
  if (stored != nullptr && is_stored_as(*stored, plan.encoding)) {
    repack_rows(*stored, plan.encoding, first, n, weight, scale);
    return;
  }
  source_.read_rows(*plan.spec, first, n, scratch);
  if (plan.importance.empty()) {
    encode_rows(plan.encoding, {scratch, n * plan.cols()}, plan.cols(), weight, scale);
  } else {
    encode_with_importance(plan, first, n, scratch, weight);
  }
}

Result<std::vector<std::byte>> TensorStream::write_weight(const TensorPlan& plan,
                                                          TensorSink& sink) {
  return encode_all(plan,
                    [&](std::span<const std::byte> bytes) { return write_bytes(bytes, sink); });
}

Result<std::vector<std::byte>> TensorStream::scales_of(const TensorPlan& plan) {
  return encode_all(plan, [](std::span<const std::byte>) { return Result<void>(); });
}

Result<std::vector<std::byte>> TensorStream::encode_all(
    const TensorPlan& plan, const std::function<Result<void>(std::span<const std::byte>)>& take) {
  const std::size_t rows = plan.rows();
  const std::size_t cols = plan.cols();
  const std::size_t row_bytes = encoded_row_bytes(plan.encoding, cols);
  const std::size_t piece_rows =
      std::min(rows, tasks_per_piece(options_.scratch_floats, cols, pool_.size()) * kEncodingRows);
  const std::size_t task_floats = std::min(rows, kEncodingRows) * cols;
  std::vector<std::byte> scales(plan.scale_bytes());
  bytes_.resize(std::max(bytes_.size(), piece_rows * row_bytes));
  scratch_.resize(std::max(scratch_.size(), ceil_div(piece_rows, kEncodingRows) * task_floats));
  for (std::size_t begin = 0; begin < rows; begin += piece_rows) {
    const std::size_t n_rows = std::min(piece_rows, rows - begin);
    pool_.run(ceil_div(n_rows, kEncodingRows), [&](std::size_t task) {
      const std::size_t row = task * kEncodingRows;  // in this piece
      const std::size_t n = std::min(kEncodingRows, n_rows - row);
      const std::size_t scale_at =
          n_scales(plan.encoding, begin + row, cols) * bytes_of(plan.scale_dtype, 1);
      encode(plan, begin + row, n, &scratch_[task * task_floats], &bytes_[row * row_bytes],
             scales.empty() ? nullptr : &scales[scale_at]);
    });
    HADAL_TRY(take({bytes_.data(), n_rows * row_bytes}));
  }
  return scales;
}

Result<void> TensorStream::write_side_by_side(const TensorPlan& left, const TensorPlan& right,
                                              TensorSink& sink) {
  const std::size_t left_bytes = encoded_row_bytes(left.encoding, left.cols());
  const std::size_t right_bytes = encoded_row_bytes(right.encoding, right.cols());
  std::vector<std::byte> bytes(left_bytes + right_bytes);
  std::vector<float> scratch(std::max(left.cols(), right.cols()));
  for (std::size_t row = 0; row < left.rows(); ++row) {
    encode(left, row, 1, scratch.data(), bytes.data(), nullptr);
    encode(right, row, 1, scratch.data(), bytes.data() + left_bytes, nullptr);
    HADAL_TRY(write_bytes(bytes, sink));
  }
  return {};
}

Result<void> TensorStream::write_token_table(const TensorSpec& spec, DType dtype,
                                             TensorSink& sink) {
  const std::vector<std::int64_t> table = source_.read_token_table(spec);
  if (dtype == DType::i64) return write_bytes(std::as_bytes(std::span(table)), sink);
  std::vector<std::int32_t> narrow(table.size());
  std::transform(table.begin(), table.end(), narrow.begin(),
                 [](std::int64_t id) { return static_cast<std::int32_t>(id); });
  return write_bytes(std::as_bytes(std::span(narrow)), sink);
}

Result<void> TensorStream::write_bytes(std::span<const std::byte> bytes, TensorSink& sink) {
  HADAL_TRY(sink.write(bytes));
  done_bytes_ += bytes.size();
  if (options_.on_progress) options_.on_progress(done_bytes_, total_bytes_);
  return {};
}

// ---- sources

void SyntheticSource::read_rows(const TensorSpec& spec, std::size_t first, std::size_t n,
                                float* out) const {
  const std::size_t cols = spec.shape.back();
  fill_synthetic(spec.name, cols, std::uint64_t{first} * cols, {out, n * cols});
}

std::vector<std::int64_t> SyntheticSource::read_token_table(const TensorSpec& spec) const {
  std::vector<std::int64_t> table(spec.shape[0] * spec.shape[1]);
  fill_synthetic_token_table(spec.name, config_.n_routed_experts, spec.shape[1], 0, table);
  return table;
}

void CheckpointSource::read_rows(const TensorSpec& spec, std::size_t first, std::size_t n,
                                 float* out) const {
  const MatrixView& view = checkpoint_.find(spec.name)->view;
  for (std::size_t row = first; row < first + n; ++row, out += view.cols)
    decode_row(view, row, 0, view.cols, out);
}

std::vector<std::int64_t> CheckpointSource::read_token_table(const TensorSpec& spec) const {
  const MatrixView& view = checkpoint_.find(spec.name)->view;
  std::vector<std::int64_t> table(view.rows * view.cols);
  for (std::size_t i = 0; i < table.size(); ++i) {
    if (view.dtype == DType::i64) {
      std::memcpy(&table[i], view.data + i * sizeof(std::int64_t), sizeof(std::int64_t));
    } else {
      std::int32_t id;
      std::memcpy(&id, view.data + i * sizeof(id), sizeof(id));
      table[i] = id;
    }
  }
  return table;
}

const MatrixView* CheckpointSource::stored(const TensorSpec& spec) const {
  const CheckpointTensor* tensor = checkpoint_.find(spec.name);
  return tensor == nullptr ? nullptr : &tensor->view;
}

}  // namespace hadal
