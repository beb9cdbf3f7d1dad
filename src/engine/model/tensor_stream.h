// Streams tensors of a WeightSource in their stored form, a few megabytes at a time. Internal to
// the writers.
#pragma once

#include "base/thread_pool.h"
#include "engine/model/checkpoint_writer.h"
#include "engine/model/weight_encoding.h"
#include "formats/tensor_sink.h"

#include <cstddef>
#include <optional>
#include <span>
#include <vector>

namespace hadal {

/// One tensor of the output and the way it is written.
struct TensorPlan {
  const TensorSpec* spec;
  Encoding encoding;
  DType scale_dtype = DType::f8_e8m0;  ///< f32 when FP8 with f32 scales is copied
  /// Of the columns, side by side for equal groups of rows when it is longer than a row; empty: all
  /// columns count the same.
  std::span<const float> importance = {};

  std::size_t rows() const;
  std::size_t cols() const { return spec->shape.back(); }
  std::size_t scale_bytes() const;
};

class TensorStream {
 public:
  TensorStream(const WeightSource& source, const WriteOptions& options, ThreadPool& pool,
               std::uint64_t total_bytes)
      : source_(source), options_(options), pool_(pool), total_bytes_(total_bytes) {}

  /// All rows of the tensor into `sink`; returns the scales beside it (empty when there are none).
  Result<std::vector<std::byte>> write_weight(const TensorPlan& plan, TensorSink& sink);
  /// Those scales alone.
  Result<std::vector<std::byte>> scales_of(const TensorPlan& plan);
  /// Row by row the columns of `left`, then of `right` (nextn.eh_proj). Both have one encoding
  /// without scales beside.
  Result<void> write_side_by_side(const TensorPlan& left, const TensorPlan& right,
                                  TensorSink& sink);
  /// A token table as i64 or i32.
  Result<void> write_token_table(const TensorSpec& spec, DType dtype, TensorSink& sink);
  Result<void> write_bytes(std::span<const std::byte> bytes, TensorSink& sink);

 private:
  /// Encodes the tensor piece by piece and hands the rows' bytes to `take`. Returns the scales.
  Result<std::vector<std::byte>> encode_all(
      const TensorPlan& plan, const std::function<Result<void>(std::span<const std::byte>)>& take);
  /// Encodes rows [first, first + n), n <= 128.
  void encode(const TensorPlan& plan, std::size_t first, std::size_t n, float* scratch,
              std::byte* weight, std::byte* scale) const;

  const WeightSource& source_;
  const WriteOptions& options_;
  ThreadPool& pool_;
  std::uint64_t total_bytes_;
  std::uint64_t done_bytes_ = 0;
  std::vector<std::byte> bytes_;  ///< of one piece; kept between tensors, as is its scratch memory
  std::vector<float> scratch_;
};

}  // namespace hadal
