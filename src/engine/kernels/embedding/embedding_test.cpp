#include "engine/kernels/embedding/embedding.h"

#include "engine/kernels/testing/kernel_testing.h"

namespace hadal {
namespace {

using namespace testing;

TEST(EmbeddingRef, CopiesTheDecodedRowOfEachId) {
  const StoredMatrix table = random_matrix({"", DType::bf16}, 5, 11, 1);
  const auto all = decoded(table.view);
  const std::vector<std::int32_t> ids = {4, 0, 4};
  std::vector<float> out(3 * 11, NAN);

  embedding_ref({.ids = ids, .table = table.view, .out = dense_rows(out.data(), 3, 11)});

  for (std::size_t i = 0; i < out.size(); ++i) {
    EXPECT_EQ(out[i], all[static_cast<std::size_t>(ids[i / 11]) * 11 + i % 11]);
  }
}

}  // namespace
}  // namespace hadal
