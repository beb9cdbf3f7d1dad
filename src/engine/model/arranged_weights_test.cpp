#include "engine/model/arranged_weights.h"

#include "engine/kernels/linear/panel_order.h"
#include "engine/model/checkpoint_test_util.h"
#include "engine/model/checkpoint_writer.h"

#include <gtest/gtest.h>

#include <cstring>
#include <filesystem>
#include <fstream>

namespace hadal {
namespace {

namespace fs = std::filesystem;

/// Wide enough for whole units of MXFP4 (128 columns) and Q8_0 (64).
ModelConfig wide_config() {
  ModelConfig config = tiny_config();
  config.hidden_size = 128;
  config.moe_intermediate_size = 128;
  config.q_lora_rank = 64;
  config.head_dim = 64;  // 128 columns in each of the two groups of wo_a
  config.o_lora_rank = 32;
  return config;
}

class ArrangedWeightsTest : public testing::Test {
 protected:
  fs::path directory() const { return temporary_.path() / "cache"; }
  fs::path model_path() const { return temporary_.path() / "model.gguf"; }

  Checkpoint write_model(const ModelConfig& config) {
    const auto report = write_gguf_model(config, SyntheticSource(config), model_path(),
                                         {.types = WeightTypes::native}, pool_);
    EXPECT_TRUE(report) << report.error().message;
    auto checkpoint = Checkpoint::open(model_path().string());
    EXPECT_TRUE(checkpoint) << checkpoint.error().message;
    return std::move(*checkpoint);
  }

  fs::path arrange(const Checkpoint& checkpoint) {
    const auto path = write_arranged(checkpoint, pool_, {}, directory());
    EXPECT_TRUE(path) << path.error().message;
    return *path;
  }

  TemporaryDirectory temporary_;
  ThreadPool pool_{2};
};

}  // namespace

TEST_F(ArrangedWeightsTest, HoldsTheBytesOfEveryTensorOfTheLayoutAndLeavesTheOthers) {
  const Checkpoint checkpoint = write_model(wide_config());
  arrange(checkpoint);
  const auto found = ArrangedWeights::find(checkpoint, directory());
  ASSERT_TRUE(found);
  const ArrangedLayout layout = arranged_layout(checkpoint);
  EXPECT_TRUE(layout.offsets.contains("layers.1.ffn.experts.2.w2.weight"));
  EXPECT_TRUE(layout.offsets.contains("layers.1.attn.wq_a.weight"));
  EXPECT_TRUE(layout.offsets.contains("layers.1.attn.wo_a.weight"));
  EXPECT_FALSE(layout.offsets.contains("embed.weight")) << "its rows are looked up";
  EXPECT_FALSE(layout.offsets.contains("layers.1.attn_norm.weight"));
  for (const CheckpointTensor& tensor : checkpoint.tensors()) {
    SCOPED_TRACE(tensor.name);
    const MatrixView view = found->view(tensor);
    if (!layout.offsets.contains(tensor.name)) {
      EXPECT_EQ(view.data, tensor.view.data);
      EXPECT_EQ(view.order, WeightOrder::rows);
      continue;
    }
    EXPECT_EQ(view.order, WeightOrder::panels);
    EXPECT_EQ(reinterpret_cast<std::uintptr_t>(view.data) % 64, 0u);
    std::vector<std::byte> expected(arranged_bytes(tensor.view));
    arrange_panels(tensor.view, 0, tensor.view.rows / kPanelRows, expected.data());
    EXPECT_EQ(std::memcmp(view.data, expected.data(), expected.size()), 0);
  }
}

TEST_F(ArrangedWeightsTest, LeavesGroupsThatEndInsideOfAPanelAsStored) {
  ModelConfig config = wide_config();
  config.o_lora_rank = 24;
  const Checkpoint checkpoint = write_model(config);
  ASSERT_TRUE(can_arrange(checkpoint.find("layers.1.attn.wo_a.weight")->view));
  EXPECT_FALSE(arranged_layout(checkpoint).offsets.contains("layers.1.attn.wo_a.weight"));
}

TEST_F(ArrangedWeightsTest, ArrangesGateAndUpOfAnExpertTogetherOrNotAtAll) {
  const ModelConfig config = wide_config();
  StoredModel model = synthetic_model(config);
  store_as(model, "layers.0.ffn.experts.0.w1.weight", Encoding::fp4);
  for (const char* name : {"w1", "w2", "w3"})
    store_as(model, std::string("layers.0.ffn.experts.1.") + name + ".weight", Encoding::fp4);
  const OpenModel open = open_model(model, config);
  ASSERT_TRUE(open.checkpoint) << open.checkpoint.error().message;
  const ArrangedLayout layout = arranged_layout(*open.checkpoint);
  EXPECT_FALSE(layout.offsets.contains("layers.0.ffn.experts.0.w1.weight")) << "w3 is float32";
  EXPECT_TRUE(layout.offsets.contains("layers.0.ffn.experts.1.w1.weight"));
  EXPECT_TRUE(layout.offsets.contains("layers.0.ffn.experts.1.w2.weight"));
  EXPECT_TRUE(layout.offsets.contains("layers.0.ffn.experts.1.w3.weight"));
}

TEST_F(ArrangedWeightsTest, IsNotFoundBeforeItIsMade) {
  EXPECT_FALSE(ArrangedWeights::find(write_model(wide_config()), directory()));
}

TEST_F(ArrangedWeightsTest, IsLeftAloneWhenTheModelHasChangedSince) {
  {
    const Checkpoint checkpoint = write_model(wide_config());
    arrange(checkpoint);
    ASSERT_TRUE(ArrangedWeights::find(checkpoint, directory()));
  }
  fs::last_write_time(model_path(), fs::last_write_time(model_path()) + std::chrono::seconds(2));
  const auto changed = Checkpoint::open(model_path().string());
  ASSERT_TRUE(changed);
  EXPECT_FALSE(ArrangedWeights::find(*changed, directory()));
  arrange(*changed);
  EXPECT_TRUE(ArrangedWeights::find(*changed, directory()));
}

/// The file with other bytes at `offset`, or cut off there when `bytes` is empty.
struct Damage {
  const char* name;
  std::uint64_t offset;
  std::string_view bytes;
};

class DamagedArrangedWeights : public ArrangedWeightsTest,
                               public testing::WithParamInterface<Damage> {};

TEST_P(DamagedArrangedWeights, IsLeftAlone) {
  const Checkpoint checkpoint = write_model(wide_config());
  const fs::path path = arrange(checkpoint);
  const Damage& damage = GetParam();
  if (damage.bytes.empty()) {
    fs::resize_file(path, damage.offset != 0 ? damage.offset : fs::file_size(path) - 1);
  } else {
    std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(static_cast<std::streamoff>(damage.offset));
    file.write(damage.bytes.data(), static_cast<std::streamsize>(damage.bytes.size()));
  }
  EXPECT_FALSE(ArrangedWeights::find(checkpoint, directory()));
}

INSTANTIATE_TEST_SUITE_P(All, DamagedArrangedWeights,
                         testing::Values(Damage{"Magic", 0, "X"}, Damage{"Version", 8, "X"},
                                         Damage{"Fingerprint", 16, "XXXXXXXX"},
                                         Damage{"Size", 24, "X"}, Damage{"CutInTheHeader", 100, ""},
                                         Damage{"CutAtTheEnd", 0, ""}),
                         [](const auto& info) { return std::string(info.param.name); });

TEST_F(ArrangedWeightsTest, RefusesAModelInMemory) {
  const OpenModel open = open_model(synthetic_model(tiny_config()), tiny_config());
  ASSERT_TRUE(open.checkpoint);
  const auto path = write_arranged(*open.checkpoint, pool_, {}, directory());
  ASSERT_FALSE(path);
  EXPECT_EQ(path.error().code, ErrorCode::unsupported);
}

TEST_F(ArrangedWeightsTest, RefusesAModelWithoutQuantisedWeights) {
  const ModelConfig config = tiny_config();
  ASSERT_TRUE(write_gguf_model(config, SyntheticSource(config), model_path(),
                               {.types = WeightTypes::f32}, pool_));
  const auto checkpoint = Checkpoint::open(model_path().string());
  ASSERT_TRUE(checkpoint);
  const auto path = write_arranged(*checkpoint, pool_, {}, directory());
  ASSERT_FALSE(path);
  expect_contains(path.error().message, "nothing to arrange");
}

}  // namespace hadal
