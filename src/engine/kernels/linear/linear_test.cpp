#include "engine/kernels/linear/linear.h"

#include "engine/kernels/testing/kernel_testing.h"

namespace hadal {
namespace {

using namespace testing;

class Linear : public VariantTest {
 protected:
  /// All tokens by the packed form.
  std::vector<float> packed(const MatrixView& w, Rows<const float> x) const {
    const LinearKernels& k = *kernels().linear;
    std::vector<const float*> rows(x.n);
    for (std::size_t t = 0; t < x.n; ++t) rows[t] = x[t];
    std::vector<float> tiles(x.n * k.packed_floats(w.cols), NAN);
    k.pack_tokens(rows.data(), x.n, w.cols, tiles.data());
    std::vector<float> y(x.n * w.rows, NAN);
    k.packed({.weight = &w,
              .row_begin = 0,
              .row_end = w.rows,
              .packed = tiles.data(),
              .n_tokens = x.n,
              .y = y.data(),
              .y_stride = w.rows});
    return y;
  }

  std::vector<float> one_by_one(const MatrixView& w, Rows<const float> x) const {
    std::vector<float> y(x.n * w.rows, NAN);
    for (std::size_t t = 0; t < x.n; ++t) {
      kernels().linear->one(
          {.weight = &w, .row_begin = 0, .row_end = w.rows, .x = x[t], .y = y.data() + t * w.rows});
    }
    return y;
  }
};

TEST(LinearRef, MultipliesByTheTransposedWeight) {
  const std::vector<float> w = {1, 2, 3, 4, 5, 6};  // [2, 3]
  const std::vector<float> x = {1, 10, 100, -1, 0, 1};
  const MatrixView view = {
      .data = reinterpret_cast<const std::byte*>(w.data()), .rows = 2, .cols = 3, .row_stride = 12};
  std::vector<float> y(4, NAN);
  linear_ref({.x = dense_rows(x.data(), 2, 3), .weight = view, .y = dense_rows(y.data(), 2, 2)});
  EXPECT_EQ(y, (std::vector<float>{321, 654, 2, 2}));
}

TEST_P(Linear, MatchesReferenceForEveryStorageAndOddSize) {
  for (const Storage& storage : all_storages()) {
    for (const std::size_t cols : {1, 7, 16, 31, 64, 130, 512, 513, 1100}) {
      const std::size_t rows = cols % 2 == 0 ? 131 : 5;
      const std::size_t n = 7;
      const StoredMatrix m = random_matrix(storage, rows, cols, cols);
      const auto x = gaussian_with_outliers(n * cols, 3);
      const auto w = decoded(m.view);
      std::vector<float> expected(n * rows);
      linear_ref({.x = dense_rows(x.data(), n, cols),
                  .weight = m.view,
                  .y = dense_rows(expected.data(), n, rows)});

      const auto actual = packed(m.view, dense_rows(x.data(), n, cols));

      for (std::size_t t = 0; t < n; ++t) {
        for (std::size_t r = 0; r < rows; ++r) {
          const double bound =
              dot_error(cols) * absolute_dot(&x[t * cols], &w[r * cols], cols) + 0x1p-140;
          ASSERT_NEAR(actual[t * rows + r], expected[t * rows + r], bound)
              << storage.name << " cols=" << cols << " t=" << t << " r=" << r;
        }
      }
    }
  }
}

TEST_P(Linear, GivesTheSameBitsForAnyNumberOfTokens) {
  for (const Storage& storage : all_storages()) {
    for (const std::size_t cols : {1, 33, 512, 1100}) {
      const StoredMatrix m = random_matrix(storage, 9, cols, cols);
      const auto x = gaussian_with_outliers(14 * cols, 3);
      const auto expected = one_by_one(m.view, dense_rows(x.data(), 14, cols));
      for (std::size_t n = 1; n <= 14; ++n) {  // whole tiles of 6 and 12, and every part
        const auto actual = packed(m.view, dense_rows(x.data(), n, cols));
        for (std::size_t i = 0; i < actual.size(); ++i) {
          ASSERT_TRUE(same_float(actual[i], expected[i]))
              << storage.name << " cols=" << cols << " n=" << n << " i=" << i << ": " << expected[i]
              << " alone, " << actual[i] << " in a batch";
        }
      }
    }
  }
}

TEST_P(Linear, KeepsTheBitsWhenColumnsGoBlockByBlock) {
  // 160 tokens of 1100 columns exceed the size up to which rows are read from end to end, the
  // tokens of one pass over the weights, and 131 rows the rows of one.
  for (const std::size_t storage : {0, 2, 3, 7}) {
    const StoredMatrix m = random_matrix(all_storages()[storage], 131, 1100, 1);
    const auto x = gaussian_with_outliers(160 * 1100, 3);
    EXPECT_EQ(packed(m.view, dense_rows(x.data(), 160, 1100)),
              one_by_one(m.view, dense_rows(x.data(), 160, 1100)))
        << all_storages()[storage].name;
  }
}

TEST_P(Linear, NanInF8MakesItsRowNanAndNoOther) {
  for (const std::size_t column : {0, 100, 128, 290, 299}) {
    StoredMatrix m = random_matrix(all_storages()[3], 9, 300, 1);
    const auto x = gaussian_with_outliers(14 * 300, 3);
    const auto before = packed(m.view, dense_rows(x.data(), 14, 300));
    m.data[5 * 300 + column] = column % 2 == 0 ? std::byte{0x7F} : std::byte{0xFF};
    for (const std::size_t n : {1, 5, 14}) {
      const auto many = packed(m.view, dense_rows(x.data(), n, 300));
      const auto single = one_by_one(m.view, dense_rows(x.data(), n, 300));
      for (std::size_t i = 0; i < many.size(); ++i) {
        const float expected = i % 9 == 5 ? NAN : before[i];
        ASSERT_TRUE(same_float(many[i], expected) && same_float(single[i], expected))
            << "column " << column << " n=" << n << " i=" << i << ": expected " << expected
            << ", found " << many[i] << " and alone " << single[i];
      }
    }
  }
}

TEST_P(Linear, LargeScalesOfF8AreExact) {
  StoredMatrix m = random_matrix(all_storages()[3], 3, 256, 1);
  std::fill(m.data.begin(), m.data.end(), std::byte{1});            // 2^-9
  std::fill(m.scale.begin(), m.scale.end(), std::byte{127 + 125});  // 2^125
  std::vector<float> x(256);
  x[7] = 3.0f;
  for (const auto& y : {packed(m.view, dense_rows(x.data(), 1, 256)),
                        one_by_one(m.view, dense_rows(x.data(), 1, 256))})
    EXPECT_EQ(y, std::vector<float>(3, 3.0f * 0x1p116f));
}

TEST_P(Linear, ComputesAnyRangeOfRowsAndNoOther) {
  const StoredMatrix m = random_matrix(all_storages()[3], 300, 200, 1);  // scale blocks of 128 rows
  const auto x = gaussian_with_outliers(200, 3);
  const auto all = one_by_one(m.view, dense_rows(x.data(), 1, 200));
  for (const auto& [begin, end] :
       {std::pair<std::size_t, std::size_t>{0, 1}, {126, 131}, {255, 300}}) {
    std::vector<float> y(300, 123.0f);
    kernels().linear->one(
        {.weight = &m.view, .row_begin = begin, .row_end = end, .x = x.data(), .y = y.data()});
    for (std::size_t r = 0; r < 300; ++r) {
      ASSERT_EQ(y[r], r >= begin && r < end ? all[r] : 123.0f) << r;
    }
  }
}

HADAL_INSTANTIATE_VARIANTS(Linear);

}  // namespace
}  // namespace hadal
