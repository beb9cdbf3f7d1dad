// Block decoders against the Python package gguf (tools/make_quant_goldens.py).
#include "base/ggml_blocks.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

namespace hadal {
namespace {

const std::filesystem::path kGolden =
    std::filesystem::path(HADAL_SOURCE_DIR) / "tests/golden/formats/ggml_blocks.golden";

constexpr DType kBlockTypes[] = {DType::q8_0,    DType::mxfp4, DType::q4_0, DType::q2_k,
                                 DType::q3_k,    DType::q4_k,  DType::q5_k, DType::q6_k,
                                 DType::iq2_xxs, DType::iq4_xs};

/// Blocks of one type and the values that the package decodes them to.
struct GoldenBlocks {
  DType dtype;
  std::vector<std::byte> blocks;
  std::vector<float> values;
};

DType dtype_named(const std::string& name) {
  for (const DType dtype : kBlockTypes)
    if (info(dtype).name == name) return dtype;
  ADD_FAILURE() << "no type " << name;
  return DType::u8;
}

template <typename T>
std::vector<T> take(std::istream& file, std::size_t n) {
  std::vector<T> values(n);
  file.read(reinterpret_cast<char*>(values.data()), static_cast<std::streamsize>(n * sizeof(T)));
  EXPECT_TRUE(file) << kGolden << " is shorter than its head says";
  return values;
}

std::vector<GoldenBlocks> read_goldens() {
  std::ifstream file(kGolden, std::ios::binary);
  EXPECT_TRUE(file) << kGolden;
  std::vector<std::pair<std::string, std::size_t>> head;
  for (std::string line; std::getline(file, line) && !line.empty();) {
    if (line.starts_with('#')) continue;
    std::istringstream words(line);
    auto& [name, n] = head.emplace_back();
    words >> name >> n;
  }
  std::vector<GoldenBlocks> goldens;
  for (const auto& [name, n] : head) {
    const DType dtype = dtype_named(name);
    auto blocks = take<std::byte>(file, n * info(dtype).block_bytes);
    auto values = take<float>(file, n * info(dtype).block_elements);
    goldens.push_back({dtype, std::move(blocks), std::move(values)});
  }
  return goldens;
}

TEST(GgmlBlocks, DecodeToTheValuesOfThePythonPackage) {
  const auto goldens = read_goldens();
  ASSERT_EQ(goldens.size(), std::size(kBlockTypes));
  for (const GoldenBlocks& golden : goldens) {
    const DTypeInfo& type = info(golden.dtype);
    std::vector<float> actual(type.block_elements);
    for (std::size_t b = 0; b < golden.values.size() / type.block_elements; ++b) {
      decode_block(golden.dtype, &golden.blocks[b * type.block_bytes], actual.data());
      for (std::size_t i = 0; i < actual.size(); ++i) {
        const float expected = golden.values[b * type.block_elements + i];
        // Exact, not near. MXFP4's code 8 is -0 here and 0 in the package, which compare equal.
        ASSERT_EQ(actual[i], expected) << type.name << " block " << b << " element " << i
                                       << ": expected " << expected << ", found " << actual[i];
      }
    }
  }
}

TEST(GgmlBlocks, AGroupDecodesAsItsPartOfTheBlock) {
  for (const GoldenBlocks& golden : read_goldens()) {
    const std::size_t n_groups = info(golden.dtype).block_elements / kGgmlGroup;
    for (std::size_t g = 0; g < n_groups; ++g) {
      std::vector<float> actual(kGgmlGroup + 1, 123.0f);
      decode_group(golden.dtype, golden.blocks.data(), g, actual.data());
      for (std::size_t l = 0; l < kGgmlGroup; ++l)
        EXPECT_EQ(actual[l], golden.values[g * kGgmlGroup + l])
            << info(golden.dtype).name << " group " << g << " element " << l;
      EXPECT_EQ(actual.back(), 123.0f) << info(golden.dtype).name;  // nothing beyond
    }
  }
}

TEST(GgmlBlocks, AreTheTypesWithWholeGroups) {
  for (const DType dtype : kBlockTypes) EXPECT_TRUE(is_ggml_block(dtype)) << info(dtype).name;
  for (const DType dtype : {DType::f32, DType::bf16, DType::fp4, DType::i8, DType::f8_e4m3})
    EXPECT_FALSE(is_ggml_block(dtype)) << info(dtype).name;
}

}  // namespace
}  // namespace hadal
