#include "engine/kernels/linear/panel_order.h"

#include "engine/kernels/testing/kernel_testing.h"

#include <algorithm>
#include <vector>

namespace hadal {
namespace {

using namespace testing;

const Storage& storage_of(DType dtype) {
  static const std::vector<Storage> storages = all_storages();
  return *std::find_if(storages.begin(), storages.end(),
                       [&](const Storage& s) { return s.dtype == dtype; });
}

std::vector<std::byte> arranged(const MatrixView& m) {
  std::vector<std::byte> bytes(arranged_bytes(m));
  arrange_panels(m, 0, m.rows / kPanelRows, bytes.data());
  return bytes;
}

// Places by hand: word i of row r stands at 64 i + 4 r; scales of the unit first.
TEST(PanelOrder, PutsTheWordsOfSixteenRowsSideBySide) {
  const StoredMatrix m = random_matrix(storage_of(DType::q8_0), 32, 128, 1);
  const auto bytes = arranged(m.view);
  const std::size_t panel = 16 * 4 * 34;  // four blocks of each of sixteen rows
  for (std::size_t row = 0; row < 32; ++row) {
    const std::byte* stored = m.view.data + row * m.view.row_stride;
    const std::byte* at = bytes.data() + row / 16 * panel + row % 16 * 4;
    for (std::size_t unit = 0; unit < 2; ++unit, at += 17 * 64, stored += 68) {
      EXPECT_TRUE(std::equal(stored, stored + 2, at)) << "scale of the first block";
      EXPECT_TRUE(std::equal(stored + 34, stored + 36, at + 2)) << "scale of the second block";
      for (std::size_t word = 0; word < 16; ++word) {
        const std::byte* from = stored + (word < 8 ? 2 : 4) + 4 * word;
        EXPECT_TRUE(std::equal(from, from + 4, at + 64 * (1 + word))) << row << " " << word;
      }
    }
  }
}

TEST(PanelOrder, KeepsEveryByteOnce) {
  for (const DType dtype : {DType::mxfp4, DType::q8_0, DType::q4_0, DType::q4_k, DType::q5_k,
                            DType::q6_k, DType::fp4}) {
    const StoredMatrix m = random_matrix(storage_of(dtype), 16, 1024, 1);
    ASSERT_TRUE(can_arrange(m.view));
    std::vector<std::byte> stored(m.data.begin(), m.data.end());
    if (dtype == DType::fp4) {
      for (std::size_t r = 0; r < 16; ++r) {
        const std::byte* scales = m.view.scale + r * m.view.scale_stride;
        stored.insert(stored.end(), scales, scales + 1024 / 32);
      }
    }
    auto bytes = arranged(m.view);
    std::sort(bytes.begin(), bytes.end());
    std::sort(stored.begin(), stored.end());
    EXPECT_EQ(bytes, stored) << storage_of(dtype).name;
  }
}

TEST(PanelOrder, IsDoneInAnyParts) {
  const StoredMatrix m = random_matrix(storage_of(DType::mxfp4), 64, 256, 1);
  const auto whole = arranged(m.view);
  std::vector<std::byte> parts(whole.size());
  arrange_panels(m.view, 1, 4, parts.data());
  arrange_panels(m.view, 0, 1, parts.data());
  EXPECT_EQ(parts, whole);
}

TEST(PanelOrder, IsForWholePanelsAndUnitsOfQuantisedTypes) {
  MatrixView m = random_matrix(storage_of(DType::mxfp4), 32, 256, 1).view;
  EXPECT_TRUE(can_arrange(m));
  m.rows = 40;
  EXPECT_FALSE(can_arrange(m));
  m.rows = 32;
  m.cols = 160;
  EXPECT_FALSE(can_arrange(m)) << "160 columns are five blocks; a unit has four";
  m.cols = 256;
  m.order = WeightOrder::panels;
  EXPECT_FALSE(can_arrange(m)) << "it is already";
  EXPECT_FALSE(can_arrange(random_matrix(storage_of(DType::bf16), 32, 256, 1).view));
}

}  // namespace
}  // namespace hadal
