#include "base/float_formats.h"
#include "base/ggml_blocks.h"
#include "engine/kernels/linear/int8_layout.h"
#include "engine/kernels/linear/panel_order.h"
#include "engine/kernels/testing/kernel_testing.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <memory>

namespace hadal {
namespace {

using namespace testing;

/// Activations of a row as int8_layout.h says, in plain C++.
struct Rounded {
  std::vector<int> q;
  std::vector<float> scale;  ///< per block
};

Rounded rounded(const float* x, std::size_t cols) {
  Rounded r;
  for (std::size_t c = 0; c < cols; c += kInt8Block) {
    float largest = 0.0f;
    for (std::size_t i = 0; i < kInt8Block; ++i) largest = std::max(largest, std::abs(x[c + i]));
    r.scale.push_back(largest / 127.0f);
    const float factor = 127.0f / largest;
    for (std::size_t i = 0; i < kInt8Block; ++i)
      r.q.push_back(static_cast<int>(std::nearbyint(x[c + i] * factor)));
  }
  return r;
}

/// One block of stored weights: element c = scale[c / 16] * values[c] - min.
struct Block {
  int values[kInt8Block];
  float scale[2];
  float min = 0.0f;
};

float half_at(const std::byte* p) {
  std::uint16_t bits;
  std::memcpy(&bits, p, sizeof(bits));
  return float_from_f16(bits);
}

/// Scale and minimum of group `g` of a block, as base/ggml_blocks.h describes them.
void set_scales(const MatrixView& w, std::size_t row, std::size_t block, Block& out) {
  const std::size_t per_block = info(w.dtype).block_elements / kInt8Block;
  const std::byte* at = w.data + row * w.row_stride +
                        block / std::max<std::size_t>(per_block, 1) * info(w.dtype).block_bytes;
  const std::size_t g = per_block == 0 ? 0 : block % per_block;
  switch (w.dtype) {
    case DType::q8_0:
    case DType::q4_0:
      out.scale[0] = out.scale[1] = half_at(at);
      return;
    case DType::q4_k:
    case DType::q5_k:
      out.scale[0] = out.scale[1] = half_at(at) * static_cast<float>(q4_k_scale(at + 4, g));
      out.min = half_at(at + 2) * static_cast<float>(q4_k_min(at + 4, g));
      return;
    case DType::q6_k:
      for (std::size_t h = 0; h < 2; ++h)
        out.scale[h] =
            half_at(at + 208) * static_cast<float>(static_cast<std::int8_t>(at[192 + 2 * g + h]));
      return;
    case DType::mxfp4:
      out.scale[0] = out.scale[1] = 0.5f * float_from_e8m0(static_cast<std::uint8_t>(*at));
      return;
    default:  // fp4, scales apart
      out.scale[0] = out.scale[1] =
          0.5f * float_from_e8m0(static_cast<std::uint8_t>(w.scale[row * w.scale_stride + block]));
  }
}

Block block_of(const MatrixView& w, std::size_t row, std::size_t block) {
  float values[kInt8Block];
  decode_row(w, row, block * kInt8Block, (block + 1) * kInt8Block, values);
  Block out{};
  set_scales(w, row, block, out);
  for (std::size_t i = 0; i < kInt8Block; ++i) {
    const double scale = double{out.scale[i / 16]};
    if (scale != 0.0)
      out.values[i] = static_cast<int>(std::lround((double{values[i]} + double{out.min}) / scale));
  }
  return out;
}

float int8_dot(const MatrixView& w, std::size_t row, const Rounded& x) {
  float y = 0.0f;
  for (std::size_t b = 0; b < w.cols / kInt8Block; ++b) {
    const Block block = block_of(w, row, b);
    const int* q = &x.q[b * kInt8Block];
    const std::size_t n_parts = w.dtype == DType::q6_k ? 2 : 1;
    const std::size_t width = kInt8Block / n_parts;
    for (std::size_t part = 0; part < n_parts; ++part) {
      int sum = 0;
      for (std::size_t i = part * width; i < (part + 1) * width; ++i) sum += block.values[i] * q[i];
      y = std::fma(static_cast<float>(sum), block.scale[part] * x.scale[b], y);
    }
    if (w.dtype == DType::q4_k || w.dtype == DType::q5_k) {
      int sum = 0;
      for (std::size_t i = 0; i < kInt8Block; ++i) sum += q[i];
      y = std::fma(-block.min, x.scale[b] * static_cast<float>(sum), y);
    }
  }
  return y;
}

std::vector<Storage> int8_storages() {
  std::vector<Storage> storages;
  for (const Storage& storage : all_storages()) {
    if (has_int8_product(random_matrix(storage, 1, 256, 1).view)) storages.push_back(storage);
  }
  return storages;
}

class Int8Linear : public VariantTest {
 protected:
  std::vector<float> product(const MatrixView& w, Rows<const float> x, std::size_t row_begin,
                             std::size_t row_end) const {
    const LinearKernels& k = *kernels().int8_linear;
    std::vector<const float*> rows(x.n);
    for (std::size_t t = 0; t < x.n; ++t) rows[t] = x[t];
    std::vector<float> packed(x.n * k.packed_floats(w.cols), NAN);
    k.pack_tokens(rows.data(), x.n, w.cols, packed.data());
    std::vector<float> y(x.n * w.rows, 123.0f);
    k.packed({.weight = &w,
              .row_begin = row_begin,
              .row_end = row_end,
              .packed = packed.data(),
              .n_tokens = x.n,
              .y = y.data(),
              .y_stride = w.rows});
    return y;
  }
};

TEST(Int8Layout, CoversTheQuantisedTypesInWholeBlocks) {
  EXPECT_EQ(int8_storages().size(), 7u);
  for (const Storage& storage : int8_storages()) {
    MatrixView w = random_matrix(storage, 1, 64, 1).view;
    w.cols = 48;
    EXPECT_FALSE(has_int8_product(w)) << storage.name;
  }
}

TEST_P(Int8Linear, GivesTheBitsOfThePlainFormForAnyBatch) {
  for (const Storage& storage : int8_storages()) {
    for (const std::size_t cols : {32, 96, 256, 512, 544, 1280}) {
      if (cols % info(storage.dtype).block_elements != 0) continue;
      constexpr std::size_t kTokens = 27;
      const std::size_t rows = 37;
      const StoredMatrix m = random_matrix(storage, rows, cols, cols);
      const auto x = gaussian_with_outliers(kTokens * cols, 3);
      std::vector<float> expected(kTokens * rows);
      for (std::size_t t = 0; t < kTokens; ++t) {
        const Rounded q = rounded(&x[t * cols], cols);
        for (std::size_t r = 0; r < rows; ++r) expected[t * rows + r] = int8_dot(m.view, r, q);
      }
      for (std::size_t n = 1; n <= kTokens; ++n) {
        const auto actual = product(m.view, dense_rows(x.data(), n, cols), 0, rows);
        for (std::size_t i = 0; i < actual.size(); ++i) {
          ASSERT_TRUE(same_float(actual[i], expected[i]))
              << storage.name << " cols=" << cols << " n=" << n << " i=" << i << ": " << actual[i]
              << ", expected " << expected[i];
        }
      }
    }
  }
}

TEST_P(Int8Linear, GivesTheSameBitsInPanelOrder) {
  for (const Storage& storage : int8_storages()) {
    const std::size_t unit = stored_block(storage.dtype).unit_columns();
    for (const std::size_t cols : {unit, 3 * unit, 1024 + unit}) {
      constexpr std::size_t kTokens = 27;
      const std::size_t rows = 96;
      const StoredMatrix m = random_matrix(storage, rows, cols, cols);
      ASSERT_TRUE(can_arrange(m.view));
      const std::size_t n_bytes = arranged_bytes(m.view);
      const std::unique_ptr<std::byte, void (*)(void*)> bytes(
          static_cast<std::byte*>(std::aligned_alloc(64, (n_bytes + 63) / 64 * 64)), std::free);
      arrange_panels(m.view, 0, rows / kPanelRows, bytes.get());
      const MatrixView arranged = arranged_view(m.view, bytes.get());
      const auto x = gaussian_with_outliers(kTokens * cols, 3);
      for (const std::size_t n : {1, 2, 3, 4, 5, 12, 13, 27}) {
        const auto stored = product(m.view, dense_rows(x.data(), n, cols), 16, rows);
        const auto actual = product(arranged, dense_rows(x.data(), n, cols), 16, rows);
        for (std::size_t i = 0; i < actual.size(); ++i) {
          ASSERT_TRUE(same_float(actual[i], stored[i]))
              << storage.name << " cols=" << cols << " n=" << n << " i=" << i;
        }
      }
    }
  }
}

TEST_P(Int8Linear, StaysWithinTheRoundingOfTheActivations) {
  for (const Storage& storage : int8_storages()) {
    constexpr std::size_t kCols = 1280;
    const StoredMatrix m = random_matrix(storage, 20, kCols, 5);
    const auto x = gaussian_with_outliers(kCols, 3);
    const auto w = decoded(m.view);
    const Rounded q = rounded(x.data(), kCols);
    const auto actual = product(m.view, dense_rows(x.data(), 1, kCols), 0, 20);
    for (std::size_t r = 0; r < 20; ++r) {
      double exact = 0.0;
      double bound = 0.0;  // half a step of each activation, and the float sums
      for (std::size_t c = 0; c < kCols; ++c) {
        exact += double{x[c]} * double{w[r * kCols + c]};
        bound += 0.5001 * double{q.scale[c / kInt8Block]} * std::abs(double{w[r * kCols + c]});
      }
      ASSERT_NEAR(actual[r], exact,
                  bound + 50 * kEps * absolute_dot(x.data(), &w[r * kCols], kCols))
          << storage.name << " row " << r;
    }
  }
}

TEST_P(Int8Linear, ComputesAnyRangeOfRowsAndNoOther) {
  const StoredMatrix m = random_matrix(int8_storages().front(), 100, 64, 1);
  const auto x = gaussian_with_outliers(3 * 64, 3);
  const auto all = product(m.view, dense_rows(x.data(), 3, 64), 0, 100);
  for (const auto& [begin, end] :
       {std::pair<std::size_t, std::size_t>{0, 1}, {13, 31}, {16, 100}}) {
    const auto some = product(m.view, dense_rows(x.data(), 3, 64), begin, end);
    for (std::size_t t = 0; t < 3; ++t) {
      for (std::size_t r = 0; r < 100; ++r) {
        const float expected = r >= begin && r < end ? all[t * 100 + r] : 123.0f;
        ASSERT_EQ(some[t * 100 + r], expected) << t << ", " << r;
      }
    }
  }
}

TEST_P(Int8Linear, TreatsBlocksOfZerosAndTinyValuesAsZero) {
  const StoredMatrix m = random_matrix(int8_storages().front(), 5, 64, 1);
  std::vector<float> x(64, 0.0f);
  for (std::size_t i = 32; i < 64; ++i) x[i] = 0x1p-130f;
  for (const float y : product(m.view, dense_rows(x.data(), 1, 64), 0, 5)) EXPECT_EQ(y, 0.0f);
}

HADAL_INSTANTIATE_VARIANTS(Int8Linear);

}  // namespace
}  // namespace hadal
