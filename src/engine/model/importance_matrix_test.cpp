#include "engine/model/importance_matrix.h"

#include "engine/model/checkpoint_test_util.h"
#include "formats/gguf_writer.h"

#include <gtest/gtest.h>

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

}  // namespace
}  // namespace hadal
