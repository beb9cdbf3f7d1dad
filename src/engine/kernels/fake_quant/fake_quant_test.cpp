#include "engine/kernels/fake_quant/fake_quant.h"

#include <gtest/gtest.h>

#include <cmath>
#include <map>
#include <vector>

namespace hadal {
namespace {

// Expected values: deepseek-v4.md appendix A.3.

TEST(FakeQuant, E4m3GivesTheValuesOfAppendixA3) {
  std::vector<float> x(64);
  for (int i = 0; i < 64; ++i) x[static_cast<std::size_t>(i)] = static_cast<float>(i - 32) * 0.37f;
  fake_quant_e4m3(dense_rows(x.data(), 1, 64), 64);
  const std::map<std::size_t, float> expected = {{0, -12},     {1, -11}, {10, -8}, {31, -0.375f},
                                                 {33, 0.375f}, {40, 3},  {63, 11}};
  for (const auto& [i, value] : expected) EXPECT_EQ(x[i], value) << i;
}

TEST(FakeQuant, E2m1GivesTheValuesOfAppendixA3) {
  std::vector<float> x(32);
  for (int i = 0; i < 32; ++i) x[static_cast<std::size_t>(i)] = 0.1f * static_cast<float>(i - 16);
  fake_quant_e2m1(dense_rows(x.data(), 1, 32));
  const std::vector<float> expected = {-1.5f,  -1.5f,  -1.5f, -1.5f, -1,    -1,     -1,     -1,
                                       -0.75f, -0.75f, -0.5f, -0.5f, -0.5f, -0.25f, -0.25f, 0,
                                       0,      0,      0.25f, 0.25f, 0.5f,  0.5f,   0.5f,   0.75f,
                                       0.75f,  1,      1,     1,     1,     1.5f,   1.5f,   1.5f};
  for (std::size_t i = 0; i < 32; ++i) EXPECT_EQ(x[i], expected[i]) << i;
}

TEST(FakeQuant, HadamardGivesTheValuesOfAppendixA3) {
  std::vector<float> x(128);
  for (std::size_t i = 0; i < 128; ++i) x[i] = static_cast<float>(i) / 10.0f;
  hadamard(dense_rows(x.data(), 1, 128));
  const double bound = 7 * 0x1p-24 * 813 / std::sqrt(128.0);  // 7 stages of sums up to 812.8
  EXPECT_NEAR(x[0], 71.842049, bound);
  EXPECT_NEAR(x[1], -0.565685, bound);
  EXPECT_NEAR(x[2], -1.131371, bound);
  EXPECT_NEAR(x[3], 0.0, bound);
  EXPECT_NEAR(x[64], -36.203867, bound);
  EXPECT_NEAR(x[127], 0.0, bound);
}

TEST(FakeQuant, HadamardIsItsOwnInverse) {
  std::vector<float> x(2 * 16);
  for (std::size_t i = 0; i < x.size(); ++i) x[i] = static_cast<float>(i * i % 23) - 11.0f;
  auto y = x;
  hadamard(dense_rows(y.data(), 2, 16));
  hadamard(dense_rows(y.data(), 2, 16));
  for (std::size_t i = 0; i < x.size(); ++i) EXPECT_FLOAT_EQ(y[i], x[i]);
}

TEST(FakeQuant, ScalesEveryBlockAlone) {
  std::vector<float> x = {448, 1, 1, 0.001f, 0, 0, 449, 1};  // blocks of 3, the last of 2
  fake_quant_e4m3(dense_rows(x.data(), 1, 8), 3);
  EXPECT_EQ(x[0], 448.0f);    // scale 1
  EXPECT_EQ(x[3], 0x1p-10f);  // scale 2^-18: 262.1 -> 256
  EXPECT_EQ(x[6], 448.0f);    // scale 2: 224.5 -> 224
  EXPECT_EQ(x[7], 1.0f);
}

TEST(FakeQuant, ZeroStaysZero) {
  std::vector<float> x(40, 0.0f);
  fake_quant_e4m3(dense_rows(x.data(), 1, 40), 128);
  fake_quant_e2m1(dense_rows(x.data(), 1, 40));
  for (const float v : x) EXPECT_EQ(v, 0.0f);
}

}  // namespace
}  // namespace hadal
