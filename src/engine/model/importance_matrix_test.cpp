#include "engine/model/importance_matrix.h"

#include "engine/model/checkpoint_test_util.h"
#include "formats/gguf_writer.h"

#include <gtest/gtest.h>

#include <cmath>
#include <fstream>

namespace hadal {
namespace {

class ImportanceFile : public testing::Test {
 protected:
  /// One weight "w" of 2 matrices with 4 columns; the second was never met.
  void write(DType type = DType::f32, std::string_view kind = "imatrix") {
    GgufWriter writer;
    writer.add_string("general.type", kind);
    ASSERT_TRUE(writer.declare("w.in_sum2", type, {4, 2}));
    ASSERT_TRUE(writer.declare("w.counts", DType::f32, {1, 2}));
    const std::vector<float> sums = {1, 2, 3, 4, 5, 6, 7, 8}, counts = {9, 0};
    const auto written = writer.write(path_, [&](std::size_t i, TensorSink& sink) {
      std::span<const std::byte> bytes = std::as_bytes(std::span(i == 0 ? sums : counts));
      return sink.write(i == 0 ? bytes.first(8 * bytes_of(type, 1)) : bytes);
    });
    ASSERT_TRUE(written) << written.error().message;
  }

  TemporaryDirectory directory_;
  std::filesystem::path path_ = directory_.path() / "imatrix.gguf";
};

TEST_F(ImportanceFile, HasOneSumPerColumnOfEachMatrix) {
  write();
  const auto file = ImportanceMatrix::open(path_);
  ASSERT_TRUE(file) << file.error().message;

  const auto first = file->find("w", 0, 2, 4);

  ASSERT_TRUE(first) << first.error().message;
  EXPECT_EQ(std::vector<float>(first->begin(), first->end()), (std::vector<float>{1, 2, 3, 4}));
  EXPECT_TRUE(file->find("w", 1, 2, 4)->empty());  // no token met it
  EXPECT_TRUE(file->find("v", 0, 2, 4)->empty());
}

TEST_F(ImportanceFile, OfAnotherModelIsNamed) {
  write();
  const auto file = ImportanceMatrix::open(path_);

  for (const auto& [matrices, columns] :
       {std::pair<std::size_t, std::size_t>{2, 5}, {3, 4}, {1, 8}}) {
    const auto found = file->find("w", 0, matrices, columns);
    ASSERT_FALSE(found);
    EXPECT_EQ(found.error().code, ErrorCode::bad_format);
    expect_contains(found.error().message, "w.in_sum2");
    expect_contains(found.error().message, "another model");
  }
}

TEST_F(ImportanceFile, OtherFilesAreRefused) {
  write(DType::f32, "model");
  expect_contains(ImportanceMatrix::open(path_).error().message, "llama-imatrix");
  write(DType::f16);
  expect_contains(ImportanceMatrix::open(path_).error().message, "expected a matrix of F32");
  std::ofstream(path_, std::ios::trunc) << "no GGUF";
  EXPECT_FALSE(ImportanceMatrix::open(path_));
  EXPECT_EQ(ImportanceMatrix::open(directory_.path() / "none").error().code, ErrorCode::not_found);
}

TEST_F(ImportanceFile, IsReadAsItWasWritten) {
  const std::vector<WeightImportance> weights = {
      {.name = "a", .n_columns = 3, .sums = {1, 2, 3.5}, .counts = {7}},
      {.name = "b", .n_columns = 2, .sums = {4, 5, 0, 0, 6, 1e30}, .counts = {1, 0, 16777216}},
  };
  const auto written = write_importance_matrix(
      path_, weights, {.dataset = "text.txt", .n_chunks = 5, .chunk_size = 512});
  ASSERT_TRUE(written) << written.error().message;
  const auto file = ImportanceMatrix::open(path_);
  ASSERT_TRUE(file) << file.error().message;

  const auto found = [&](std::string_view name, std::size_t matrix, std::size_t n_matrices,
                         std::size_t n_columns) {
    const auto sums = file->find(name, matrix, n_matrices, n_columns);
    EXPECT_TRUE(sums) << sums.error().message;
    return std::vector<float>(sums->begin(), sums->end());
  };
  EXPECT_EQ(found("a", 0, 1, 3), (std::vector<float>{1, 2, 3.5f}));
  EXPECT_EQ(found("b", 0, 3, 2), (std::vector<float>{4, 5}));
  EXPECT_EQ(found("b", 1, 3, 2), std::vector<float>());
  EXPECT_EQ(found("b", 2, 3, 2), (std::vector<float>{6, 1e30f}));
}

/// As llama-imatrix (llama.cpp v0.5.0) writes attn_output_a, whose groups of rows have inputs of
/// their own.
TEST_F(ImportanceFile, GroupsOfRowsMayHaveSumsOfTheirOwn) {
  const WeightImportance weight = {
      .name = "w", .n_columns = 6, .sums = {1, 2, 3, 4, 5, 6}, .counts = {7}};
  ASSERT_TRUE(write_importance_matrix(path_, {&weight, 1}, {}));
  const auto file = ImportanceMatrix::open(path_);
  ASSERT_TRUE(file) << file.error().message;

  EXPECT_EQ(file->find("w", 0, 1, 3, 2)->size(), 6u);
  EXPECT_EQ(file->find("w", 0, 1, 6, 2)->size(), 6u);  // one for all groups
  EXPECT_FALSE(file->find("w", 0, 1, 3));
  EXPECT_FALSE(file->find("w", 0, 1, 2, 2));
  EXPECT_FALSE(file->find("w", 0, 2, 3, 2));
}

/// What llama-quantize looks for (tools/quantize and common/imatrix-loader.cpp of llama.cpp).
TEST_F(ImportanceFile, HasTheKeysAndShapesOfLlamaCpp) {
  const WeightImportance weight = {
      .name = "blk.0.ffn_down_exps.weight", .n_columns = 2, .sums = {4, 5, 0, 0}, .counts = {3, 0}};
  ASSERT_TRUE(write_importance_matrix(path_, {&weight, 1},
                                      {.dataset = "text.txt", .n_chunks = 5, .chunk_size = 512}));

  const auto file = GgufFile::open(path_);

  ASSERT_TRUE(file) << file.error().message;
  EXPECT_EQ(file->find_string("general.type"), "imatrix");
  EXPECT_EQ(file->find_u64("imatrix.chunk_count"), 5u);
  EXPECT_EQ(file->find_u64("imatrix.chunk_size"), 512u);
  ASSERT_EQ(file->tensors().size(), 2u);
  const GgufTensor* sums = file->find_tensor("blk.0.ffn_down_exps.weight.in_sum2");
  const GgufTensor* counts = file->find_tensor("blk.0.ffn_down_exps.weight.counts");
  ASSERT_TRUE(sums != nullptr && counts != nullptr);
  EXPECT_EQ(sums->dtype, DType::f32);
  EXPECT_EQ(sums->dims, (std::vector<std::uint64_t>{2, 2}));
  EXPECT_EQ(counts->dtype, DType::f32);
  EXPECT_EQ(counts->dims, (std::vector<std::uint64_t>{1, 2}));
}

TEST_F(ImportanceFile, SumsThatAreNoFloatsAreRefused) {
  for (const double bad : {std::nan(""), 1e40}) {
    const WeightImportance weight = {.name = "w", .n_columns = 1, .sums = {bad}, .counts = {1}};
    const auto written = write_importance_matrix(path_, {&weight, 1}, {});
    ASSERT_FALSE(written);
    expect_contains(written.error().message, "'w'");
    EXPECT_FALSE(std::filesystem::exists(path_));
  }
}

}  // namespace
}  // namespace hadal
