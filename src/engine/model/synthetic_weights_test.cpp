#include "engine/model/synthetic_weights.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace hadal {
namespace {

struct PrintedValues {
  std::string name;
  std::size_t last_dim;
  float values[3];
};

// deepseek-v4.md A.1, config G1: seven digits are printed.
const PrintedValues kPrinted[] = {
    {"embed.weight", 32, {0.0154856f, 0.3931950f, 0.2913559f}},
    {"layers.0.attn.wq_a.weight", 32, {0.2527549f, 0.1276525f, -0.1640928f}},
    {"layers.1.attn.compressor.ape", 64, {-0.1637413f, 0.6774327f, -0.4299054f}},
    {"layers.0.hc_attn_scale", 3, {1.0964825f, 1.0448712f, 0.7694590f}},
    {"layers.3.ffn.gate.bias", 6, {-0.1313408f, -0.1289001f, 0.1625023f}},
};

TEST(SyntheticWeights, MatchValuesOfAppendixA1) {
  for (const PrintedValues& expected : kPrinted) {
    std::vector<float> actual(3);
    fill_synthetic(expected.name, expected.last_dim, 0, actual);
    for (int i = 0; i < 3; ++i)
      EXPECT_NEAR(actual[i], expected.values[i], 0.6e-7) << expected.name << "[" << i << "]";
  }
}

TEST(SyntheticWeights, TokenTableMatchesAppendixA1) {
  std::vector<std::int64_t> table(9);

  fill_synthetic_token_table("layers.0.ffn.gate.tid2eid", 6, 3, 0, table);

  EXPECT_EQ(table, (std::vector<std::int64_t>{5, 0, 1, 4, 5, 0, 5, 0, 1}));
}

TEST(SyntheticWeights, RangesAreCutFromOneStream) {
  std::vector<float> whole(100);
  fill_synthetic("head.weight", 10, 0, whole);
  std::vector<float> part(33);
  fill_synthetic("head.weight", 10, 41, part);
  EXPECT_EQ(part, std::vector<float>(whole.begin() + 41, whole.begin() + 74));

  std::vector<std::int64_t> table(30);
  fill_synthetic_token_table("layers.0.ffn.gate.tid2eid", 5, 3, 0, table);
  std::vector<std::int64_t> rows(9);
  fill_synthetic_token_table("layers.0.ffn.gate.tid2eid", 5, 3, 4, rows);
  EXPECT_EQ(rows, std::vector<std::int64_t>(table.begin() + 12, table.begin() + 21));
}

}  // namespace
}  // namespace hadal
