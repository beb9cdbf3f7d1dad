#include "engine/kernels/linear/panel_order.h"

#include "base/check.h"
#include "engine/kernels/linear/int8_layout.h"

#include <cstdint>
#include <cstring>

namespace hadal {
namespace {

/// The words of unit `unit` of row `row`, heads first. Sizes are constants: copies of a few bytes
/// must not be calls.
template <DType kType, std::size_t N>
void collect_unit(const MatrixView& m, std::size_t row, std::size_t unit,
                  std::uint32_t (&words)[N]) noexcept {
  constexpr StoredBlock kBlock = stored_block(kType);
  const std::size_t first = unit * kBlock.unit_blocks;
  const std::byte* blocks = m.data + row * m.row_stride + first * kBlock.bytes;
  const std::byte* heads = blocks + kBlock.head_at;
  std::size_t head_stride = kBlock.bytes;
  if constexpr (kType == DType::fp4) {
    heads = m.scale + row * m.scale_stride + first;
    head_stride = kBlock.head_bytes;
  }
  auto* out = reinterpret_cast<std::byte*>(words);
  for (std::size_t b = 0; b < kBlock.unit_blocks; ++b, out += kBlock.head_bytes)
    std::memcpy(out, heads + b * head_stride, kBlock.head_bytes);
  for (std::size_t b = 0; b < kBlock.unit_blocks; ++b, out += kBlock.body_bytes)
    std::memcpy(out, blocks + b * kBlock.bytes + kBlock.body_at, kBlock.body_bytes);
}

template <DType kType>
void arrange(const MatrixView& stored, std::size_t begin, std::size_t end,
             std::byte* out) noexcept {
  constexpr StoredBlock kBlock = stored_block(kType);
  constexpr std::size_t kWords = kBlock.unit_words();
  const std::size_t n_units = stored.cols / kBlock.unit_columns();
  std::uint32_t words[kPanelRows][kWords];
  std::uint32_t line[kPanelRows];
  for (std::size_t panel = begin; panel < end; ++panel) {
    for (std::size_t unit = 0; unit < n_units; ++unit) {
      for (std::size_t r = 0; r < kPanelRows; ++r)
        collect_unit<kType>(stored, panel * kPanelRows + r, unit, words[r]);
      for (std::size_t w = 0; w < kWords; ++w, out += sizeof(line)) {
        for (std::size_t r = 0; r < kPanelRows; ++r) line[r] = words[r][w];
        std::memcpy(out, line, sizeof(line));
      }
    }
  }
}

std::size_t panel_bytes(const MatrixView& stored) noexcept {
  const StoredBlock block = stored_block(stored.dtype);
  return stored.cols / block.unit_columns() * block.unit_words() * 4 * kPanelRows;
}

}  // namespace

bool can_arrange(const MatrixView& stored) noexcept {
  return stored.order == WeightOrder::rows && has_int8_product(stored) && stored.rows != 0 &&
         stored.rows % kPanelRows == 0 &&
         stored.cols % stored_block(stored.dtype).unit_columns() == 0;
}

std::size_t arranged_bytes(const MatrixView& stored) noexcept {
  return stored.rows / kPanelRows * panel_bytes(stored);
}

void arrange_panels(const MatrixView& stored, std::size_t begin, std::size_t end,
                    std::byte* out) noexcept {
  out += begin * panel_bytes(stored);
  switch (stored.dtype) {
    case DType::mxfp4:
      return arrange<DType::mxfp4>(stored, begin, end, out);
    case DType::fp4:
      return arrange<DType::fp4>(stored, begin, end, out);
    case DType::q8_0:
      return arrange<DType::q8_0>(stored, begin, end, out);
    case DType::q4_0:
      return arrange<DType::q4_0>(stored, begin, end, out);
    case DType::q4_k:
      return arrange<DType::q4_k>(stored, begin, end, out);
    case DType::q5_k:
      return arrange<DType::q5_k>(stored, begin, end, out);
    case DType::q6_k:
      return arrange<DType::q6_k>(stored, begin, end, out);
    default:
      HADAL_CHECK(false, "only what can_arrange says is arranged");
  }
}

MatrixView arranged_view(const MatrixView& stored, const std::byte* data) noexcept {
  MatrixView view = stored;
  view.order = WeightOrder::panels;
  view.scale_layout = ScaleLayout::none;
  view.data = data;
  view.scale = nullptr;
  view.scale_stride = 0;
  view.row_stride = panel_bytes(stored) / kPanelRows;
  return view;
}

}  // namespace hadal
