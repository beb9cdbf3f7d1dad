#include "engine/model/checkpoint_parts.h"

#include "base/check.h"
#include "base/checked_math.h"
#include "base/ggml_blocks.h"
#include "base/log.h"
#include "formats/quote.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <cstring>

namespace hadal {
namespace {

std::string shape_text(std::span<const std::uint64_t> shape) {
  return fmt::format("[{}]", fmt::join(shape, ", "));
}

/// Leading ones say nothing about the layout, and writers differ in keeping them.
std::span<const std::uint64_t> without_leading_ones(std::span<const std::uint64_t> shape) {
  while (!shape.empty() && shape.front() == 1) shape = shape.subspan(1);
  return shape;
}

Result<void> expect_shape(const StoredTensor& tensor, std::span<const std::uint64_t> expected) {
  const auto a = without_leading_ones(tensor.shape);
  const auto b = without_leading_ones(expected);
  if (std::equal(a.begin(), a.end(), b.begin(), b.end())) return {};
  return error(ErrorCode::bad_format,
               "{}: tensor {}: expected shape {}, found {}; is this the config of another model?",
               tensor.file, quote(tensor.name), shape_text(expected), shape_text(tensor.shape));
}

Error wrong_type(const StoredTensor& tensor, std::string_view expected) {
  return error(ErrorCode::unsupported, "{}: tensor {}: expected {}, found {}", tensor.file,
               quote(tensor.name), expected, tensor.type_name);
}

/// Every container checks that data matches the stored shape; this guards the views against one
/// that does not.
void check_bytes(const StoredTensor& tensor, std::uint64_t expected) {
  HADAL_CHECK(tensor.data.size() == expected,
              "a container must deliver exactly the bytes of a tensor");
}

MatrixView plain_view(const TensorSpec& spec, const StoredTensor& weight) {
  MatrixView view;
  view.dtype = *weight.dtype;
  view.data = weight.data.data();
  view.cols = spec.shape.back();
  view.rows = 1;
  for (std::size_t i = 0; i + 1 < spec.shape.size(); ++i) view.rows *= spec.shape[i];
  view.row_stride = bytes_of(view.dtype, view.cols);
  check_bytes(weight, std::uint64_t{view.rows} * view.row_stride);
  return view;
}

Result<void> require_scale(const StoredTensor& weight, const StoredTensor* scale) {
  if (scale != nullptr) return {};
  return error(ErrorCode::not_found,
               "{}: tensor {} is {} and needs a scale tensor beside it, found none", weight.file,
               quote(weight.name), weight.type_name);
}

Result<MatrixView> fp8_view(const TensorSpec& spec, const StoredTensor& weight,
                            const StoredTensor* scale) {
  HADAL_TRY(expect_shape(weight, spec.shape));
  HADAL_TRY(require_scale(weight, scale));
  if (scale->dtype != DType::f8_e8m0 && scale->dtype != DType::f32)
    return wrong_type(*scale, "a scale of type F8_E8M0 or F32");
  MatrixView view = plain_view(spec, weight);
  const std::uint64_t scale_shape[] = {ceil_div(view.rows, kScaleBlock),
                                       ceil_div(view.cols, kScaleBlock)};
  HADAL_TRY(expect_shape(*scale, scale_shape));
  check_bytes(*scale, scale_shape[0] * scale_shape[1] * bytes_of(*scale->dtype, 1));
  view.scale_layout = ScaleLayout::block128;
  view.scale_dtype = *scale->dtype;
  view.scale = scale->data.data();
  view.scale_stride = scale_shape[1];
  return view;
}

/// I8 bytes with two FP4 values each, scales per 32 columns.
Result<MatrixView> fp4_view(const TensorSpec& spec, const StoredTensor& weight,
                            const StoredTensor* scale) {
  const std::size_t rows = spec.shape[0];
  const std::size_t cols = spec.shape[1];
  if (cols % kScaleGroup != 0)
    return error(ErrorCode::bad_format,
                 "{}: tensor {}: FP4 needs a multiple of {} columns, the config says {}",
                 weight.file, quote(weight.name), kScaleGroup, cols);
  const std::uint64_t packed_shape[] = {rows, cols / 2};
  HADAL_TRY(expect_shape(weight, packed_shape));
  HADAL_TRY(require_scale(weight, scale));
  if (scale->dtype != DType::f8_e8m0) return wrong_type(*scale, "a scale of type F8_E8M0");
  const std::uint64_t scale_shape[] = {rows, cols / kScaleGroup};
  HADAL_TRY(expect_shape(*scale, scale_shape));
  check_bytes(weight, std::uint64_t{rows} * cols / 2);
  check_bytes(*scale, scale_shape[0] * scale_shape[1]);
  return MatrixView{.dtype = DType::fp4,
                    .scale_layout = ScaleLayout::group32,
                    .scale_dtype = DType::f8_e8m0,
                    .data = weight.data.data(),
                    .scale = scale->data.data(),
                    .rows = rows,
                    .cols = cols,
                    .row_stride = cols / 2,
                    .scale_stride = cols / kScaleGroup};
}

Result<MatrixView> ggml_block_view(const TensorSpec& spec, const StoredTensor& weight) {
  HADAL_TRY(expect_shape(weight, spec.shape));
  const std::size_t block = info(*weight.dtype).block_elements;
  if (spec.shape.back() % block != 0)
    return error(ErrorCode::bad_format,
                 "{}: tensor {}: {} needs a multiple of {} columns, the config says {}",
                 weight.file, quote(weight.name), weight.type_name, block, spec.shape.back());
  return plain_view(spec, weight);
}

Result<MatrixView> view_of(const TensorSpec& spec, const StoredTensor& weight,
                           const StoredTensor* scale) {
  const bool is_table = spec.kind == TensorSpec::Kind::token_table;
  const bool is_matrix = spec.shape.size() == 2 && !is_table;
  // llama-quantize makes blocks of hyper-connections and position biases too; nobody makes FP8.
  const bool may_have_scales = is_matrix && spec.kind != TensorSpec::Kind::f32;
  const std::string_view blocks =
      "one of the ggml blocks Q8_0, Q6_K, Q5_K, Q4_K, Q4_0, Q3_K, Q2_K, IQ4_XS, IQ2_XXS, MXFP4";
  const std::string expected = is_table ? "I64 or I32"
                               : may_have_scales
                                   ? fmt::format("F32, F16, BF16, F8_E4M3, FP4 (I8) or {}", blocks)
                               : is_matrix ? fmt::format("F32, F16, BF16 or {}", blocks)
                                           : "F32, F16 or BF16";
  if (!weight.dtype) return wrong_type(weight, expected);
  switch (*weight.dtype) {
    case DType::f32:
    case DType::f16:
    case DType::bf16:
      if (is_table) return wrong_type(weight, expected);
      break;
    case DType::i32:
    case DType::i64:
      if (!is_table) return wrong_type(weight, expected);
      break;
    case DType::f8_e4m3:
      if (!may_have_scales) return wrong_type(weight, expected);
      return fp8_view(spec, weight, scale);
    case DType::i8:
    case DType::u8:
      if (!may_have_scales) return wrong_type(weight, expected);
      return fp4_view(spec, weight, scale);
    case DType::fp4:
    case DType::f8_e8m0:
      return wrong_type(weight, expected);
    default:  // ggml blocks
      if (!is_matrix || !is_ggml_block(*weight.dtype)) return wrong_type(weight, expected);
      return ggml_block_view(spec, weight);
  }
  HADAL_TRY(expect_shape(weight, spec.shape));
  return plain_view(spec, weight);
}

template <typename T>
std::optional<std::int64_t> first_id_outside(const MatrixView& table, std::size_t n_experts) {
  for (std::size_t i = 0; i < table.rows * table.cols; ++i) {
    T id;
    std::memcpy(&id, table.data + i * sizeof(T), sizeof(T));
    if (static_cast<std::uint64_t>(id) >= n_experts) return id;  // negative ids become huge
  }
  return std::nullopt;
}

}  // namespace

StoredTensor slice_slowest(const StoredTensor& tensor, std::size_t i) {
  StoredTensor slice = tensor;
  slice.shape.erase(slice.shape.begin());
  const std::size_t n_bytes = tensor.data.size() / tensor.shape[0];
  slice.data = tensor.data.subspan(i * n_bytes, n_bytes);
  return slice;
}

Result<CheckpointTensor> assemble(const TensorSpec& spec, const StoredTensor& weight,
                                  const StoredTensor* scale) {
  HADAL_ASSIGN(const MatrixView view, view_of(spec, weight, scale));
  return CheckpointTensor{.name = spec.name, .view = view, .shape = spec.shape};
}

Result<void> narrow_rows(CheckpointTensor& tensor, std::size_t begin, std::size_t count,
                         const StoredTensor& where) {
  MatrixView& view = tensor.view;
  HADAL_CHECK(begin + count <= view.rows, "rows to keep must exist");
  view.data += begin * view.row_stride;
  if (view.scale_layout == ScaleLayout::group32) view.scale += begin * view.scale_stride;
  if (view.scale_layout == ScaleLayout::block128) {
    if (begin % kScaleBlock != 0)
      return error(ErrorCode::unsupported,
                   "{}: tensor {}: its two halves share a scale block, because {} rows are not a "
                   "multiple of {}; "
                   "store the experts one by one",
                   where.file, quote(where.name), begin, kScaleBlock);
    view.scale += begin / kScaleBlock * view.scale_stride * bytes_of(view.scale_dtype, 1);
  }
  view.rows = count;
  tensor.shape = {count, view.cols};
  return {};
}

Result<void> narrow_columns(CheckpointTensor& tensor, std::size_t begin, std::size_t count,
                            const StoredTensor& where) {
  MatrixView& view = tensor.view;
  HADAL_CHECK(begin + count <= view.cols, "columns to keep must exist");
  HADAL_CHECK(view.scale_layout == ScaleLayout::none, "columns of ggml types only");
  const std::size_t block = info(view.dtype).block_elements;
  if (begin % block != 0 || count % block != 0)
    return error(ErrorCode::unsupported,
                 "{}: tensor {}: its two halves share a block of {}, because {} columns are not a "
                 "multiple of {}",
                 where.file, quote(where.name), where.type_name, count, block);
  view.data += bytes_of(view.dtype, begin);
  view.cols = count;
  tensor.shape = {view.rows, count};
  return {};
}

Result<void> check_token_table(const CheckpointTensor& table, std::size_t n_experts,
                               std::string_view file) {
  const auto bad = table.view.dtype == DType::i64
                       ? first_id_outside<std::int64_t>(table.view, n_experts)
                       : first_id_outside<std::int32_t>(table.view, n_experts);
  if (!bad) return {};
  return error(ErrorCode::bad_format,
               "{}: tensor {}: expected experts below n_routed_experts ({}), found {}", file,
               quote(table.name), n_experts, *bad);
}

Result<void> Checkpoint::Impl::load_tensors(const TensorStore& store) {
  config.num_nextn_predict_layers = 0;
  std::vector<std::string> missing;
  std::size_t n_missing = 0;
  for (const TensorSpec& spec : expected_tensors(config)) {
    HADAL_ASSIGN(auto tensor, store.load(spec));
    if (!tensor) {
      if (missing.size() < 4) missing.push_back(quote(spec.name));
      ++n_missing;
      continue;
    }
    if (spec.kind == TensorSpec::Kind::token_table)
      HADAL_TRY(check_token_table(*tensor, config.n_routed_experts, store.source()));
    tensors.push_back(std::move(*tensor));
  }
  if (n_missing != 0)
    return error(ErrorCode::not_found,
                 "{}: {} of the tensors that the config demands {} missing: {}{}; is the download "
                 "complete, and is this its config?",
                 store.source(), n_missing, n_missing == 1 ? "is" : "are", fmt::join(missing, ", "),
                 n_missing > missing.size() ? ", ..." : "");
  for (std::size_t block = 0; block < store.n_mtp_blocks(); ++block) {
    const std::size_t n_tensors = tensors.size();
    if (const auto loaded = load_mtp_block(store, block); !loaded) {
      tensors.resize(n_tensors);
      log_warning("model", "the MTP block {} is ignored: {}", block, loaded.error().message);
      break;
    }
    config.num_nextn_predict_layers = block + 1;
  }
  for (std::size_t i = 0; i < tensors.size(); ++i) by_name.emplace(tensors[i].name, i);
  return {};
}

Result<void> Checkpoint::Impl::load_mtp_block(const TensorStore& store, std::size_t block) {
  for (const TensorSpec& spec : mtp_tensors(config, block)) {
    HADAL_ASSIGN(auto tensor, store.load(spec));
    if (!tensor)
      return error(ErrorCode::not_found, "{}: tensor {} is missing", store.source(),
                   quote(spec.name));
    tensors.push_back(std::move(*tensor));
  }
  return {};
}

}  // namespace hadal
