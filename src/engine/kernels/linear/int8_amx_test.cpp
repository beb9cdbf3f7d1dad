// The AMX form of integer products gives the bits of the AVX-512 form; the tile instructions are
// emulated, so that any CPU with AVX-512 VNNI runs this.

#include "engine/kernels/cpu_kernels.h"
#include "engine/kernels/linear/int8_emulated_amx.h"
#include "engine/kernels/linear/int8_layout.h"
#include "engine/kernels/testing/kernel_testing.h"

#include <algorithm>
#include <cmath>
#include <cstring>

namespace hadal {
namespace {

using namespace testing;

bool runs_avx512() {
  const auto variants = cpu_kernels();
  return std::any_of(variants.begin(), variants.end(),
                     [](const CpuKernels& k) { return k.name == "avx512" && k.runs_here(); });
}

std::vector<float> product(const LinearKernels& kernels, const MatrixView& w,
                           const std::vector<float>& x, std::size_t n) {
  std::vector<const float*> rows(n);
  for (std::size_t t = 0; t < n; ++t) rows[t] = x.data() + t * w.cols;
  std::vector<float> packed(n * kernels.packed_floats(w.cols));
  kernels.pack_tokens(rows.data(), n, w.cols, packed.data());
  std::vector<float> y(n * w.rows, NAN);
  kernels.packed({.weight = &w,
                  .row_begin = 0,
                  .row_end = w.rows,
                  .packed = packed.data(),
                  .n_tokens = n,
                  .y = y.data(),
                  .y_stride = w.rows});
  return y;
}

}  // namespace

TEST(Int8Amx, GivesTheBitsOfAvx512) {
  if (!runs_avx512()) GTEST_SKIP() << "this CPU lacks avx512";
  for (const Storage& storage : all_storages()) {
    for (const std::size_t cols : {256, 768}) {
      const StoredMatrix m = random_matrix(storage, 85, cols, cols);
      if (!has_int8_product(m.view)) continue;
      const auto x = gaussian_with_outliers(200 * cols, 3);
      for (const std::size_t n : {5, 12, 13, 24, 40, 150}) {
        const auto expected = product(kInt8Avx512, m.view, x, n);
        const auto actual = product(kInt8EmulatedAmx, m.view, x, n);
        ASSERT_EQ(std::memcmp(actual.data(), expected.data(), actual.size() * sizeof(float)), 0)
            << storage.name << " cols=" << cols << " n=" << n;
      }
    }
  }
}

}  // namespace hadal
