#include "base/float_formats.h"

#include <gtest/gtest.h>

#include <array>
#include <limits>

namespace hadal {

// The values are the formats' definitions (OCP OFP8 and MX specifications; IEEE 754 binary16).
TEST(E4m3, DecodesItsLandmarks) {
  EXPECT_EQ(float_from_e4m3(0x00), 0.0f);
  EXPECT_EQ(float_from_e4m3(0x01), 0x1p-9f);
  EXPECT_EQ(float_from_e4m3(0x07), 7 * 0x1p-9f);
  EXPECT_EQ(float_from_e4m3(0x08), 0x1p-6f);
  EXPECT_EQ(float_from_e4m3(0x38), 1.0f);
  EXPECT_EQ(float_from_e4m3(0x7E), 448.0f);
  EXPECT_EQ(float_from_e4m3(0xFE), -448.0f);
  EXPECT_TRUE(std::isnan(float_from_e4m3(0x7F)));
  EXPECT_TRUE(std::isnan(float_from_e4m3(0xFF)));
}

TEST(E4m3, RoundTripsEveryCodeAndRoundsTiesToEven) {
  for (int code = 0; code < 256; ++code) {
    if ((code & 0x7F) == 0x7F) continue;
    ASSERT_EQ(e4m3_from_float(float_from_e4m3(static_cast<std::uint8_t>(code))), code)
        << "code " << code;
  }
  for (int code = 0; code < 0x7E; ++code) {  // midpoints between neighbours go to the even code
    const float mid = 0.5f * (float_from_e4m3(static_cast<std::uint8_t>(code)) +
                              float_from_e4m3(static_cast<std::uint8_t>(code + 1)));
    ASSERT_EQ(e4m3_from_float(mid), code % 2 == 0 ? code : code + 1) << "above code " << code;
    ASSERT_EQ(e4m3_from_float(std::nextafter(mid, 0.0f)), code);
    ASSERT_EQ(e4m3_from_float(std::nextafter(mid, 1e9f)), code + 1);
  }
  EXPECT_EQ(e4m3_from_float(1e9f), 0x7E);
}

TEST(Fp4, RoundsToNearestTiesToEven) {
  for (int code = 0; code < 16; ++code) ASSERT_EQ(fp4_from_float(kFp4Values[code]), code);
  for (int code = 0; code < 7; ++code) {
    const float mid = 0.5f * (kFp4Values[code] + kFp4Values[code + 1]);
    ASSERT_EQ(fp4_from_float(mid), code % 2 == 0 ? code : code + 1) << "above code " << code;
    ASSERT_EQ(fp4_from_float(std::nextafter(mid, 0.0f)), code);
    ASSERT_EQ(fp4_from_float(std::nextafter(mid, 9.0f)), code + 1);
  }
  EXPECT_EQ(fp4_from_float(-100.0f), 15);
}

TEST(E8m0, ScaleIsTheSmallestPowerOfTwoThatFits) {
  EXPECT_EQ(float_from_e8m0(127), 1.0f);
  EXPECT_EQ(float_from_e8m0(0), 0x1p-127f);
  EXPECT_EQ(float_from_e8m0(254), 0x1p127f);
  EXPECT_TRUE(std::isnan(float_from_e8m0(255)));
  for (float amax : {448.0f, 447.9f, 448.1f, 1e-20f, 3e30f, 0.3f}) {
    const float scale = float_from_e8m0(e8m0_scale_for(amax, 448.0f));
    EXPECT_LE(amax / scale, 448.0f);
    EXPECT_GT(amax / (scale / 2), 448.0f);
  }
  EXPECT_EQ(e8m0_scale_for(0.0f, 6.0f), 0);
}

TEST(F16, RoundTripsEveryFiniteCode) {
  for (int code = 0; code < 0x10000; ++code) {
    if ((code & 0x7C00) == 0x7C00) continue;
    ASSERT_EQ(f16_from_float(float_from_f16(static_cast<std::uint16_t>(code))), code)
        << std::hex << code;
  }
  EXPECT_EQ(f16_from_float(1.0f), 0x3C00);
  EXPECT_EQ(f16_from_float(65519.0f), 0x7BFF);
  EXPECT_EQ(f16_from_float(65520.0f), 0x7C00);
  EXPECT_EQ(f16_from_float(1.0f + 0x1p-11f), 0x3C00);  // tie to even
  EXPECT_EQ(f16_from_float(1.0f + 3 * 0x1p-11f), 0x3C02);
}

TEST(Bf16, RoundsToNearestEvenAndKeepsNan) {
  EXPECT_EQ(bf16_from_float(1.0f), 0x3F80);
  EXPECT_EQ(bf16_from_float(1.0f + 0x1p-8f), 0x3F80);
  EXPECT_EQ(bf16_from_float(1.0f + 3 * 0x1p-8f), 0x3F82);
  EXPECT_TRUE(
      std::isnan(float_from_bf16(bf16_from_float(std::numeric_limits<float>::quiet_NaN()))));
}

}  // namespace hadal
