// Shared by the tests of operators: data with outliers, weights in every stored type, the variants
// of this build.
#pragma once

#include "base/random.h"
#include "engine/kernels/cpu_kernels.h"
#include "engine/kernels/matrix_view.h"
#include "engine/kernels/rows.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstdint>
#include <string>
#include <vector>

namespace hadal::testing {

/// Unit roundoff of float: one operation is right within kEps * |result|.
inline constexpr double kEps = 0x1p-24;

/// Normal values; one in 50 is 30 times larger, one in 50 is subnormal.
std::vector<float> gaussian_with_outliers(std::size_t n, std::uint64_t seed);

/// Weights with owned storage; views follow its lifetime.
struct StoredMatrix {
  std::vector<std::byte> data;
  std::vector<std::byte> scale;
  MatrixView view;
};

/// One way to store a weight matrix.
struct Storage {
  std::string name;
  DType dtype;
  ScaleLayout scale_layout = ScaleLayout::none;
  DType scale_dtype = DType::f8_e8m0;
};

/// Every storage that checkpoints have.
const std::vector<Storage>& all_storages();

/// Random codes (no NaN) and scales near 1, so that elements are of order 1.
StoredMatrix random_matrix(const Storage& storage, std::size_t rows, std::size_t cols,
                           std::uint64_t seed);

/// The matrix as floats, by decode_row.
std::vector<float> decoded(const MatrixView& matrix);

/// True when both are the same float, bit for bit, or both NaN.
bool same_float(float a, float b);

/// Sum of |a_i b_i|: what errors of a dot product scale with.
double absolute_dot(const float* a, const float* b, std::size_t n);

/// Largest error of one float dot product of any variant against the exact value, divided by sum
/// |a_i b_i|: a lane adds at most 512 / 8 products per block, then 3-4 additions of lanes, then one
/// per block; 2 more for rounding the result and for the reference.
inline double dot_error(std::size_t cols) {
  return kEps * (64.0 + 4.0 + static_cast<double>(cols) / 512.0 + 2.0);
}

/// Parameter of suites that run over every variant of this build.
class VariantTest : public ::testing::TestWithParam<const CpuKernels*> {
 protected:
  void SetUp() override {
    if (!kernels().runs_here()) GTEST_SKIP() << "this CPU lacks " << kernels().name;
  }
  const CpuKernels& kernels() const { return *GetParam(); }
};

std::vector<const CpuKernels*> all_variants();

inline std::string variant_name(const ::testing::TestParamInfo<const CpuKernels*>& info) {
  return std::string(info.param->name);
}

}  // namespace hadal::testing

/// Runs a VariantTest suite over all variants.
#define HADAL_INSTANTIATE_VARIANTS(suite)                                                     \
  GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(suite);                                       \
  INSTANTIATE_TEST_SUITE_P(Isa, suite, ::testing::ValuesIn(::hadal::testing::all_variants()), \
                           ::hadal::testing::variant_name)
