#include "engine/model/importance_matrix.h"

#include "formats/gguf_writer.h"
#include "formats/quote.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <utility>

namespace hadal {
namespace {

constexpr std::string_view kType = "imatrix";
constexpr std::string_view kSums = ".in_sum2";
constexpr std::string_view kCounts = ".counts";

Result<void> check_type(const GgufFile& file) {
  const auto type = file.find_string("general.type");
  if (type == kType) return {};
  return error(
      ErrorCode::bad_format,
      "{}: expected an importance matrix (general.type \"{}\"), found {}; give a GGUF file "
      "that hadal imatrix or llama-imatrix writes",
      file.source(), kType, type ? quote(*type) : "no such key");
}

Result<void> check_tensor(const GgufFile& file, const GgufTensor& tensor) {
  const std::string_view name = tensor.name;
  if (!name.ends_with(kSums) && !name.ends_with(kCounts)) return {};
  const bool is_aligned =
      reinterpret_cast<std::uintptr_t>(tensor.data.data()) % alignof(float) == 0;
  if (tensor.dtype == DType::f32 && tensor.dims.size() <= 2 && is_aligned) return {};
  return error(ErrorCode::bad_format, "{}: tensor {}: expected a matrix of F32, found {} [{}]",
               file.source(), quote(name), tensor.type_name, fmt::join(tensor.dims, ", "));
}

std::span<const float> floats_of(const GgufTensor& tensor) {
  return {reinterpret_cast<const float*>(tensor.data.data()), tensor.data.size() / sizeof(float)};
}

Result<void> check_sums(const WeightImportance& weight) {
  for (const double sum : weight.sums) {
    if (std::isfinite(static_cast<float>(sum))) continue;
    return error(ErrorCode::bad_format,
                 "{}: expected finite sums of squared inputs, found {}; are the weights of the "
                 "model sound?",
                 quote(weight.name), sum);
  }
  return {};
}

/// ggml drops the dimensions of size 1 at the end.
std::vector<std::uint64_t> dims_of(std::size_t n_columns, std::size_t n_matrices) {
  if (n_matrices == 1) return {n_columns};
  return {n_columns, n_matrices};
}

template <typename T>
Result<void> write_floats(std::span<const T> values, TensorSink& sink) {
  std::vector<float> floats(values.size());
  std::transform(values.begin(), values.end(), floats.begin(),
                 [](T value) { return static_cast<float>(value); });
  return sink.write(std::as_bytes(std::span(floats)));
}

}  // namespace

Result<ImportanceMatrix> ImportanceMatrix::open(const std::filesystem::path& path) {
  HADAL_ASSIGN(GgufFile file, GgufFile::open(path));
  HADAL_TRY(check_type(file));
  for (const GgufTensor& tensor : file.tensors()) HADAL_TRY(check_tensor(file, tensor));
  return ImportanceMatrix(std::move(file));
}

Result<std::span<const float>> ImportanceMatrix::find(std::string_view name, std::size_t matrix,
                                                      std::size_t n_matrices, std::size_t n_columns,
                                                      std::size_t n_groups) const {
  const GgufTensor* sums = file_.find_tensor(fmt::format("{}{}", name, kSums));
  if (sums == nullptr) return std::span<const float>();
  const std::span<const float> values = floats_of(*sums);
  const std::size_t width = sums->dims[0];
  const bool has_groups = n_matrices == 1 && width == n_columns * n_groups;
  if ((!has_groups && width != n_columns) || values.size() != width * n_matrices)
    return error(ErrorCode::bad_format,
                 "{}: tensor {}: expected {} matrices of {} columns, found [{}]; was it made with "
                 "another model?",
                 file_.source(), quote(sums->name), n_matrices, n_columns,
                 fmt::join(sums->dims, ", "));
  if (const GgufTensor* counts = file_.find_tensor(fmt::format("{}{}", name, kCounts))) {
    const std::span<const float> n = floats_of(*counts);
    if (n.size() == n_matrices && !(n[matrix] > 0.0f)) return std::span<const float>();
  }
  return values.subspan(matrix * width, width);
}

Result<void> write_importance_matrix(const std::filesystem::path& path,
                                     std::span<const WeightImportance> weights,
                                     const ImportanceText& text) {
  GgufWriter writer;
  writer.add_string("general.type", kType);
  writer.add_string_array("imatrix.datasets", {&text.dataset, 1});
  writer.add_u32("imatrix.chunk_count", text.n_chunks);
  writer.add_u32("imatrix.chunk_size", text.chunk_size);
  for (const WeightImportance& weight : weights) {
    HADAL_TRY(check_sums(weight));
    HADAL_TRY(writer.declare(fmt::format("{}{}", weight.name, kSums), DType::f32,
                             dims_of(weight.n_columns, weight.counts.size())));
    HADAL_TRY(writer.declare(fmt::format("{}{}", weight.name, kCounts), DType::f32,
                             dims_of(1, weight.counts.size())));
  }
  return writer.write(path, [&](std::size_t tensor, TensorSink& sink) {
    const WeightImportance& weight = weights[tensor / 2];
    return tensor % 2 == 0 ? write_floats(std::span(weight.sums), sink)
                           : write_floats(std::span(weight.counts), sink);
  });
}

}  // namespace hadal
