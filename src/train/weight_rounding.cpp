#include "train/weight_rounding.h"

#include "base/check.h"
#include "engine/kernels/matrix_view.h"
#include "engine/model/weight_encoding.h"

#include <algorithm>
#include <string_view>
#include <vector>

namespace hadal::train {
namespace {

bool ends_with_any(std::string_view name, std::initializer_list<std::string_view> endings) {
  return std::any_of(endings.begin(), endings.end(),
                     [&](std::string_view e) { return name.ends_with(e); });
}

/// deepseek-v4.md 8.2, column dtype.
Encoding encoding_of(const Parameter& p) {
  if (p.name.find("experts.*.") != std::string::npos) return Encoding::fp4;
  if (ends_with_any(p.name,
                    {"attn.wq_a.weight", "attn.wq_b.weight", "attn.wkv.weight", "wo_a.weight",
                     "wo_b.weight", "indexer.wq_b.weight", "e_proj.weight", "h_proj.weight"}) ||
      p.name.find("shared_experts.") != std::string::npos)
    return Encoding::fp8;
  return p.name.ends_with(".weight") ? Encoding::bf16 : Encoding::f32;
}

void round_matrix(Encoding encoding, const float* from, std::size_t rows, std::size_t cols,
                  float* to) {
  std::vector<std::byte> weight, scale;
  for (std::size_t first = 0; first < rows; first += kEncodingRows) {
    const std::size_t n = std::min(kEncodingRows, rows - first);
    weight.resize(encoded_row_bytes(encoding, cols) * n);
    scale.resize(n_scales(encoding, n, cols));
    encode_rows(encoding, {from + first * cols, n * cols}, cols, weight.data(), scale.data());
    MatrixView view;
    view.dtype = stored_dtype(encoding);
    view.scale_layout = encoding == Encoding::fp8   ? ScaleLayout::block128
                        : encoding == Encoding::fp4 ? ScaleLayout::group32
                                                    : ScaleLayout::none;
    view.data = weight.data();
    view.scale = scale.data();
    view.rows = n;
    view.cols = cols;
    view.row_stride = encoded_row_bytes(encoding, cols);
    view.scale_stride = encoding == Encoding::fp4 ? cols / 32 : (cols + 127) / 128;
    for (std::size_t r = 0; r < n; ++r) decode_row(view, r, 0, cols, to + (first + r) * cols);
  }
}

}  // namespace

void round_weights(const V4Model& from, const V4Model& to) {
  for (std::size_t i = 0; i < from.parameters().size(); ++i) {
    const Parameter &source = from.parameters()[i], &target = to.parameters()[i];
    HADAL_CHECK(source.name == target.name, "models of one shape");
    at::Tensor out = target.value.detach();
    const at::Tensor in = source.value.detach();
    const Encoding encoding = encoding_of(source);
    const auto cols = static_cast<std::size_t>(in.size(-1));
    if (!source.trainable() || encoding == Encoding::f32 || cols % block_columns(encoding) != 0) {
      out.copy_(in);
      continue;
    }
    // Blocks of 128 rows belong to one matrix, so stacks are rounded expert by expert.
    const std::size_t n_matrices = in.dim() == 3 ? static_cast<std::size_t>(in.size(0)) : 1;
    const std::size_t rows = static_cast<std::size_t>(in.numel()) / n_matrices / cols;
    for (std::size_t m = 0; m < n_matrices; ++m)
      round_matrix(encoding, in.data_ptr<float>() + m * rows * cols, rows, cols,
                   out.data_ptr<float>() + m * rows * cols);
  }
}

}  // namespace hadal::train
