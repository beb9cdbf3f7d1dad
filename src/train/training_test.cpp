// The loop, the optimiser and what they leave on disk, on a toy stream: no worlds, no tokenizer.
#include "base/random.h"
#include "engine/model/checkpoint.h"
#include "formats/safetensors.h"
#include "train/golden_config.h"
#include "train/loop.h"
#include "train/model_files.h"
#include "train/optimizer.h"
#include "train/pair_stream.h"
#include "train/train_log.h"
#include "train/weight_rounding.h"
#include "train/world_model_for_test.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <filesystem>
#include <fstream>

#include <ATen/ATen.h>
#include <unistd.h>

namespace hadal::train {
namespace {

using at::Tensor;

/// Sequences in which each token is the one before plus 3 (mod 40), from a random start: learnable
/// at once.
class CountingStream final : public TokenStream {
 public:
  explicit CountingStream(std::uint64_t stop_at = ~0ull) : stop_at_(stop_at) {}
  Sample at(std::uint64_t index, int) const override {
    if (index >= stop_at_) stop.store(true);
    Sample sample;
    RandomStream random(splitmix64_at(5, index));
    const std::uint32_t length = 12 + random.below(9);
    auto id = static_cast<std::int32_t>(random.below(40));
    for (std::uint32_t i = 0; i < length; ++i, id = (id + 3) % 40) sample.ids.push_back(id);
    sample.weights.assign(sample.ids.size(), 1.0f);
    sample.decisions = {4};
    sample.optimal = {{sample.ids[4], 45}};
    sample.act_tokens = {4, 5};
    sample.body_tokens = sample.act_tokens;
    return sample;
  }
  mutable std::atomic<bool> stop{false};

 private:
  std::uint64_t stop_at_;
};

/// Sequences of events, for runs with a world model.
class EventStream final : public TokenStream {
 public:
  explicit EventStream(std::uint64_t stop_at = ~0ull) : stop_at_(stop_at) {}
  Sample at(std::uint64_t index, int) const override {
    if (index >= stop_at_) stop.store(true);
    Sample sample;
    sample.ids = random_events(index, 4);
    sample.weights.assign(sample.ids.size(), 1.0f);
    return sample;
  }
  mutable std::atomic<bool> stop{false};

 private:
  std::uint64_t stop_at_;
};

/// Three pairs in turn, and an index without one. The second event is told differently, and a later
/// one because of it.
class EventPairStream final : public PairStream {
 public:
  std::optional<SamplePair> at(std::uint64_t index, int) const override {
    if (index % 4 == 3) return std::nullopt;
    SamplePair pair;
    pair.ids = random_events(index % 4, 6);
    const StructureTokens t = test_structure_tokens();
    std::size_t n_closed = 0;
    for (const std::int32_t id : pair.ids) {
      const bool flips = n_closed == 1 || n_closed == 4;
      const bool is_cause = n_closed == 1 && (id == t.by || id == t.ids[0]);
      if (!is_cause) pair.twin_ids.push_back(flips && id < 40 ? (id + 20) % 40 : id);
      n_closed += id == t.close ? 1 : 0;
    }
    const std::vector<worlds::PairEvent> events = {{0, false, false}, {1, false, true},
                                                   {2, false, false}, {3, true, false},
                                                   {4, true, true},   {5, false, false}};
    pair.events = align_events(events, closers(pair.ids), closers(pair.twin_ids));
    return pair;
  }

 private:
  static std::vector<std::int64_t> closers(const std::vector<std::int32_t>& ids) {
    std::vector<std::int64_t> rows;
    for (std::size_t i = 0; i < ids.size(); ++i)
      if (ids[i] == test_structure_tokens().close) rows.push_back(static_cast<std::int64_t>(i));
    return rows;
  }
};

class TrainingTest : public testing::Test {
 protected:
  TrainingTest()
      : directory_(std::filesystem::temp_directory_path() /
                   ("hadal_training_test_" + std::to_string(::getpid()))) {
    std::filesystem::remove_all(directory_);
  }
  ~TrainingTest() override { std::filesystem::remove_all(directory_); }

  TrainRun run_of(const TokenStream& stream, const std::string& name, std::uint64_t steps) const {
    TrainRun run;
    run.config.model = golden_config();
    run.config.model.index_topk = 64;
    run.config.steps = steps;
    run.config.sequences_per_step = 4;
    run.config.max_micro_tokens = 40;
    run.config.eval_every = 1000;
    run.config.eval_sequences = 4;
    run.config.warmup_steps = 5;
    run.train = run.heldout = &stream;
    run.out = directory_ / name;
    return run;
  }

  std::filesystem::path directory_;
};

std::vector<std::byte> weights_of(const std::filesystem::path& directory) {
  const auto file = SafetensorsFile::open(directory / "model.safetensors");
  EXPECT_TRUE(file.has_value());
  std::vector<std::byte> bytes;
  for (const SafetensorsTensor& t : file->view().tensors())
    bytes.insert(bytes.end(), t.data.begin(), t.data.end());
  return bytes;
}

/// The cells of one column of a run's log.
std::vector<std::string> log_column(const std::filesystem::path& directory,
                                    const std::string& name) {
  const auto cells = [](const std::string& line) {
    std::vector<std::string> out(1);
    for (const char c : line)
      if (c == ',')
        out.emplace_back();
      else
        out.back() += c;
    return out;
  };
  std::ifstream csv(directory / "train.csv");
  std::string line;
  std::getline(csv, line);
  const auto names = cells(line);
  const auto column =
      static_cast<std::size_t>(std::find(names.begin(), names.end(), name) - names.begin());
  std::vector<std::string> values;
  while (std::getline(csv, line)) {
    EXPECT_EQ(cells(line).size(), names.size()) << line;
    if (column < cells(line).size()) values.push_back(cells(line)[column]);
  }
  return values;
}

Tokenizer word_tokenizer() {
  const std::string path =
      std::string(HADAL_SOURCE_DIR) + "/experiments/world_model/tokenizer.json";
  std::ifstream file(path);
  auto tokenizer =
      Tokenizer::from_json(std::string(std::istreambuf_iterator<char>(file), {}), path);
  EXPECT_TRUE(tokenizer.has_value());
  return std::move(*tokenizer);
}

TEST_F(TrainingTest, LossFallsInThirtySteps) {
  const CountingStream stream;

  const auto start = run_training(run_of(stream, "zero", 1));
  const auto end = run_training(run_of(stream, "thirty", 30));

  ASSERT_TRUE(start.has_value() && end.has_value()) << (end ? "" : end.error().message);
  EXPECT_TRUE(end->complete);
  EXPECT_LT(end->heldout_loss, 0.7 * start->heldout_loss);
}

TEST_F(TrainingTest, HeldOutLossesAreAlsoLoggedWithoutWeights) {
  const CountingStream stream;
  TrainRun run = run_of(stream, "columns", 1);
  run.config.eval_every = 1;

  ASSERT_TRUE(run_training(run).has_value());

  const auto value = [&](const char* name) { return log_column(run.out, name).at(0); };
  EXPECT_FALSE(value("heldout_loss").empty());
  EXPECT_EQ(value("heldout_token_loss"), value("heldout_loss"));  // all weights are 1
  EXPECT_EQ(value("heldout_body_loss"), value("heldout_act_loss"));
  EXPECT_NE(value("heldout_body_loss"), value("heldout_token_loss"));
}

TEST_F(TrainingTest, OneExpertIsADenseModel) {
  const CountingStream stream;
  const auto dense = [&](const char* name, std::uint64_t steps) {
    TrainRun run = run_of(stream, name, steps);
    run.config.model.n_routed_experts = run.config.model.num_experts_per_tok = 1;
    run.config.eval_every = 10;
    return run;
  };

  const auto start = run_training(dense("dense_start", 1));
  const auto end = run_training(dense("dense", 30));

  ASSERT_TRUE(start.has_value() && end.has_value()) << (end ? "" : end.error().message);
  EXPECT_LT(end->heldout_loss, 0.7 * start->heldout_loss);
  for (const std::string& load : log_column(directory_ / "dense", "max_load"))
    EXPECT_EQ(load, "1.000");
  // The router chooses nothing, so it learns nothing.
  const auto before = SafetensorsFile::open(directory_ / "dense_start" / "model.safetensors"),
             after = SafetensorsFile::open(directory_ / "dense" / "model.safetensors");
  ASSERT_TRUE(before.has_value() && after.has_value());
  for (const char* name : {"layers.1.ffn.gate.weight", "layers.1.ffn.gate.bias"}) {
    const SafetensorsTensor *a = before->view().find(name), *b = after->view().find(name);
    ASSERT_TRUE(a != nullptr && b != nullptr) << name;
    EXPECT_TRUE(std::equal(a->data.begin(), a->data.end(), b->data.begin())) << name;
  }
}

TEST_F(TrainingTest, AResumedRunEndsWithTheSameBits) {
  const CountingStream whole, first_half(4 * 5), second_half;
  TrainRun interrupted = run_of(first_half, "resumed", 12);
  interrupted.stop = &first_half.stop;

  const auto straight = run_training(run_of(whole, "straight", 12));
  const auto stopped = run_training(interrupted);
  const auto resumed = run_training(run_of(second_half, "resumed", 12));

  ASSERT_TRUE(straight.has_value() && stopped.has_value() && resumed.has_value());
  EXPECT_FALSE(stopped->complete);
  EXPECT_LT(stopped->steps, 12u);
  EXPECT_EQ(resumed->steps, 12u);
  EXPECT_TRUE(weights_of(directory_ / "straight") == weights_of(directory_ / "resumed"));
}

/// With all that a world model can have: dropout of masks and the auxiliary losses.
TrainRun with_world_model(TrainRun run) {
  run.config.model = world_model_config();
  run.config.model.index_topk = 64;
  run.config.model.world_model->mask_dropout = 0.3;
  run.config.model.world_model->loss.latent = 0.3;
  run.config.model.world_model->loss.counterfactual = 0.1;
  static const EventPairStream pairs;
  run.pairs = &pairs;
  return run;
}

TEST_F(TrainingTest, AWorldModelLearnsAndIsWrittenWithoutItsTrainOnlyTensors) {
  const EventStream stream;

  const auto start = run_training(with_world_model(run_of(stream, "zero", 1)));
  const auto end = run_training(with_world_model(run_of(stream, "thirty", 30)));

  ASSERT_TRUE(start.has_value() && end.has_value()) << (end ? "" : end.error().message);
  EXPECT_LT(end->heldout_loss, 0.8 * start->heldout_loss);
  const auto before = SafetensorsFile::open(directory_ / "zero" / "model.safetensors"),
             after = SafetensorsFile::open(directory_ / "thirty" / "model.safetensors");
  ASSERT_TRUE(before.has_value() && after.has_value());
  const std::vector<std::string> names = {"read_weight",
                                          "write_weight",
                                          "in_norm.weight",
                                          "in_proj.weight",
                                          "step_embed",
                                          "layers.1.attn_norm.weight",
                                          "layers.1.q_proj.weight",
                                          "layers.1.k_proj.weight",
                                          "layers.1.v_proj.weight",
                                          "layers.1.o_proj.weight",
                                          "layers.1.attn_sink",
                                          "layers.1.ffn_norm.weight",
                                          "layers.1.w1.weight",
                                          "layers.0.w2.weight",
                                          "layers.0.w3.weight",
                                          "out_norm.weight",
                                          "out_proj.weight"};
  for (const std::string& name : names) {
    const SafetensorsTensor* a = before->view().find("world_model." + name);
    const SafetensorsTensor* b = after->view().find("world_model." + name);
    ASSERT_TRUE(a != nullptr && b != nullptr) << name;
    EXPECT_FALSE(std::equal(a->data.begin(), a->data.end(), b->data.begin())) << name;
  }
  std::size_t n = 0;
  for (const SafetensorsTensor& t : after->view().tensors()) {
    EXPECT_EQ(t.name.find("predictor"), std::string::npos) << t.name;
    n += t.name.find("world_model.") == 0 ? 1 : 0;
  }
  EXPECT_EQ(n, 7u + 2u * 10u);
  for (const char* name : {"latent_loss", "latent_rank", "latent_log_std", "counterfactual_loss"}) {
    const auto values = log_column(directory_ / "thirty", name);
    ASSERT_EQ(values.size(), 3u) << name;
    EXPECT_FALSE(values.front().empty()) << name;
  }
  const auto run = SafetensorsFile::open(directory_ / "thirty" / "trainer.safetensors");
  ASSERT_TRUE(run.has_value());
  EXPECT_NE(run->view().find("parameter.world_model.predictor.0.weight"), nullptr);
}

TEST_F(TrainingTest, AResumedRunWithAWorldModelEndsWithTheSameBits) {
  const EventStream whole, first_half(4 * 5), second_half;
  TrainRun interrupted = with_world_model(run_of(first_half, "resumed", 12));
  interrupted.stop = &first_half.stop;

  const auto straight = run_training(with_world_model(run_of(whole, "straight", 12)));
  const auto stopped = run_training(interrupted);
  const auto resumed = run_training(with_world_model(run_of(second_half, "resumed", 12)));

  ASSERT_TRUE(straight.has_value() && stopped.has_value() && resumed.has_value());
  EXPECT_LT(stopped->steps, 12u);
  EXPECT_EQ(resumed->steps, 12u);
  EXPECT_TRUE(weights_of(directory_ / "straight") == weights_of(directory_ / "resumed"));
}

TEST_F(TrainingTest, TheCounterfactualLossFallsWhereItHasAWeight) {
  const EventStream stream;
  const auto losses = [&](const std::string& name, double weight) {
    TrainRun run = with_world_model(run_of(stream, name, 30));
    run.config.model.world_model->loss = {.latent = 0.0, .counterfactual = weight, .edge = 0.0};
    run.config.counterfactual_every = 2;
    run.config.eval_every = 1;
    run.config.eval_sequences = 1;
    const auto done = run_training(run);
    EXPECT_TRUE(done.has_value()) << done.error().message;
    std::vector<double> values;
    for (const std::string& cell : log_column(directory_ / name, "counterfactual_loss"))
      values.push_back(std::stod(cell));
    return values;
  };

  const auto with = losses("with", 3.0), hardly = losses("hardly", 1e-9);

  ASSERT_EQ(with.size(), 30u);
  ASSERT_EQ(hardly.size(), 30u);
  EXPECT_EQ(with[0], hardly[0]);  // the same pairs and weights
  EXPECT_EQ(with[0], with[1]);    // every second step has pairs
  EXPECT_NE(with[1], with[2]);
  EXPECT_LT(with.back(), 0.5 * with.front());
  EXPECT_LT(with.back(), 0.7 * hardly.back());
}

TEST_F(TrainingTest, ACounterfactualLossWithoutPairsIsRefused) {
  const EventStream stream;
  TrainRun run = with_world_model(run_of(stream, "no_pairs", 1));
  run.pairs = nullptr;

  const auto refused = run_training(run);

  ASSERT_FALSE(refused.has_value());
  EXPECT_EQ(refused.error().code, ErrorCode::invalid_argument);
}

TEST(PairBatch, HoldsSequenceAndTwinInTurnAndTheirRows) {
  const EventPairStream stream;

  const auto batches = make_pair_batches(
      stream, 0, 6, 3,
      {.sequences_per_step = 4, .max_micro_tokens = 100, .workers = 2, .pad_token = 2});

  std::size_t n_pairs = 0, n_events = 0;
  for (const PairBatch& batch : batches) {
    ASSERT_EQ(batch.text.batch % 2, 0u);
    const auto width = static_cast<std::int64_t>(batch.text.sequence);
    const auto token = [&](std::int64_t row) {
      return batch.text.ids[static_cast<std::size_t>(row / width * (width + 2) + row % width)];
    };
    for (std::size_t i = 0; i < batch.text.batch; i += 2)
      EXPECT_EQ(batch.text.indices[i], batch.text.indices[i + 1]);
    for (const EventPair& e : batch.events) {
      EXPECT_EQ(token(e.row), test_structure_tokens().close);
      EXPECT_EQ(token(e.twin_row), test_structure_tokens().close);
      EXPECT_EQ(e.row / width % 2, 0);
      EXPECT_EQ(e.twin_row / width, e.row / width + 1);
      EXPECT_EQ(token(e.row - 1) == token(e.twin_row - 1), e.goal == EventPair::Goal::together);
    }
    n_pairs += batch.text.batch / 2;
    n_events += batch.events.size();
  }
  EXPECT_GE(batches.size(), 2u);
  EXPECT_EQ(n_pairs, 5u);  // pair 3 does not exist
  EXPECT_GE(n_events, 4u * n_pairs);
}

TEST(TextStream, BodiesStandBetweenHeaderAndCloser) {
  const Tokenizer tokenizer = word_tokenizer();
  const TextStream stream(
      tokenizer,
      [](std::uint64_t, int) {
        return std::vector<worlds::Piece>{{"start<|fact|><|e3|><|:|> a b<|/ev|> c", 1.0f},
                                          {"<|obs|><|e4|><|by|><|e3|><|:|> d<|/ev|>", 0.5f}};
      },
      512);

  const Sample sample = stream.at(0, 1);

  std::vector<std::int32_t> bodies, expected = tokenizer.encode(" a b", SpecialTokens::parse);
  const auto d = tokenizer.encode(" d", SpecialTokens::parse);
  expected.insert(expected.end(), d.begin(), d.end());
  for (const std::size_t i : sample.body_tokens) bodies.push_back(sample.ids[i]);
  EXPECT_EQ(bodies, expected);
}

TEST(TextStream, DecisionsWeighMore) {
  const Tokenizer tokenizer = word_tokenizer();
  const TextStream stream(
      tokenizer,
      [](std::uint64_t, int) {
        return std::vector<worlds::Piece>{{"<|mech|><|e3|><|:|> a<|/ev|>", 0.5f},
                                          {"<|act|><|e4|><|by|><|e3|><|:|> d<|/ev|>", 4.0f}};
      },
      512, 5.0f);

  const Sample sample = stream.at(0, 1);

  ASSERT_EQ(sample.decisions.size(), 1u);
  for (std::size_t i = 0; i < sample.ids.size(); ++i) {
    const float expected = i == sample.decisions[0]      ? 20.0f
                           : i < sample.decisions[0] - 3 ? 0.5f
                                                         : 4.0f;
    EXPECT_EQ(sample.weights[i], expected) << i;
  }
}

TEST(TextPairStream, TellsWhereTheEventsOfBothTextsEnd) {
  const Tokenizer tokenizer = word_tokenizer();
  worlds::WorldOptions options;
  options.text_form = worlds::TextForm::compact;
  options.nouns_per_type = 8;
  const auto source = [&](std::uint64_t index, int depth) {
    return worlds::counterfactual_pair(
        {.split = worlds::Split::train, .domain = 0, .depth = depth, .seed = 1, .index = index},
        options);
  };
  const TextPairStream whole(tokenizer, source, 512), cut(tokenizer, source, 60);
  const std::int32_t colon = *tokenizer.find_special("<|:|>");
  const auto body = [&](const std::vector<std::int32_t>& ids, std::int64_t close) {
    auto first = ids.begin() + close;
    while (*first != colon) --first;
    return std::vector<std::int32_t>(first, ids.begin() + close + 1);
  };

  std::size_t n[2] = {0, 0};
  for (std::uint64_t index = 0; index < 40; ++index) {
    const auto pair = whole.at(index, 3), short_pair = cut.at(index, 3);
    ASSERT_EQ(pair.has_value(), short_pair.has_value());
    if (!pair) continue;
    for (const EventPair& e : pair->events) {
      const bool same = body(pair->ids, e.row) == body(pair->twin_ids, e.twin_row);
      EXPECT_EQ(same, e.goal == EventPair::Goal::together) << index;
      ++n[same ? 0 : 1];
    }
    EXPECT_LT(short_pair->events.size(), pair->events.size());
    for (const EventPair& e : short_pair->events) EXPECT_LT(std::max(e.row, e.twin_row), 60);
  }
  EXPECT_GT(n[0], 250u);
  EXPECT_GT(n[1], 60u);
}

TEST_F(TrainingTest, AFurtherStageStartsFromTheWeightsOfAnEarlierOne) {
  const CountingStream stream;
  ASSERT_TRUE(run_training(run_of(stream, "stage1", 3)).has_value());
  std::atomic<bool> at_once{true};
  TrainRun further = run_of(stream, "stage2", 3);
  further.config.seed = 2;
  further.init = directory_ / "stage1";
  further.stop = &at_once;

  const auto stopped = run_training(further);

  ASSERT_TRUE(stopped.has_value()) << stopped.error().message;
  EXPECT_EQ(stopped->steps, 0u);
  EXPECT_TRUE(weights_of(directory_ / "stage1") == weights_of(directory_ / "stage2"));
  further.init = directory_ / "nowhere";
  further.out = directory_ / "stage3";
  EXPECT_FALSE(run_training(further).has_value());
}

/// Logits of a written model for some events.
Tensor logits_of(const std::filesystem::path& directory) {
  const at::NoGradGuard no_grad;
  const auto checkpoint = Checkpoint::open(directory.string());
  EXPECT_TRUE(checkpoint.has_value()) << (checkpoint ? "" : checkpoint.error().message);
  const auto model = model_from_checkpoint(*checkpoint);
  EXPECT_TRUE(model.has_value()) << (model ? "" : model.error().message);
  const auto ids = random_events(3, 8);
  Tensor tokens = at::empty({1, static_cast<std::int64_t>(ids.size())}, at::kLong);
  std::copy(ids.begin(), ids.end(), tokens.data_ptr<std::int64_t>());
  return at::linear(model->collapse(model->streams(tokens)), model->head());
}

TEST_F(TrainingTest, AWorldModelAddedToAnotherModelChangesNothingAtFirst) {
  const EventStream stream;
  std::atomic<bool> at_once{true};
  TrainRun base = with_world_model(run_of(stream, "base", 2));
  base.config.model.world_model.reset();
  ASSERT_TRUE(run_training(base).has_value());
  TrainRun grafted = with_world_model(run_of(stream, "grafted", 3));
  grafted.config.seed = 2;
  grafted.init = base.out;
  grafted.stop = &at_once;
  TrainRun trained = grafted, further = grafted;
  trained.out = directory_ / "trained";
  trained.stop = nullptr;
  further.out = directory_ / "further";
  further.init = trained.out;

  const auto added = run_training(grafted), three_steps = run_training(trained),
             next_stage = run_training(further);

  ASSERT_TRUE(added.has_value() && three_steps.has_value() && next_stage.has_value());
  EXPECT_EQ(added->steps, 0u);
  EXPECT_TRUE(logits_of(base.out).equal(logits_of(grafted.out)));
  EXPECT_FALSE(logits_of(base.out).equal(logits_of(trained.out)));
  EXPECT_TRUE(std::isfinite(three_steps->heldout_loss));
  const auto out_proj = [](const TrainRun& run) {
    const auto file = SafetensorsFile::open(run.out / "model.safetensors");
    const auto data = file->view().find("world_model.out_proj.weight")->data;
    return std::count(data.begin(), data.end(), std::byte{0}) ==
           static_cast<std::ptrdiff_t>(data.size());
  };
  EXPECT_TRUE(out_proj(grafted));
  EXPECT_FALSE(out_proj(trained));
  EXPECT_TRUE(weights_of(trained.out) == weights_of(further.out));
}

TEST_F(TrainingTest, ACheckpointOfAnotherShapeIsRefused) {
  const CountingStream stream;
  ASSERT_TRUE(run_training(run_of(stream, "shape", 1)).has_value());
  TrainRun other = run_of(stream, "shape", 1);
  other.config.model.moe_intermediate_size = 16;

  const auto refused = run_training(other);

  ASSERT_FALSE(refused.has_value());
  EXPECT_EQ(refused.error().code, ErrorCode::bad_format);
  EXPECT_NE(refused.error().message.find("another config"), std::string::npos)
      << refused.error().message;
}

TEST_F(TrainingTest, RoundedWeightsAreThoseOfTheWorkersInTheLastPart) {
  const CountingStream stream;
  TrainRun run = run_of(stream, "rounded", 6);
  run.config.quantize_share = 0.5;

  const auto done = run_training(run);

  ASSERT_TRUE(done.has_value())
      << done.error().message;  // the written weights stay exact: convert rounds them
  EXPECT_TRUE(std::isfinite(done->heldout_loss));
}

TEST(WeightRounding, KeepsWhatIsOnTheGridAndMovesTheRestByLittle) {
  ModelConfig config = golden_config();
  config.moe_intermediate_size = 32;  // hidden_size and this must be multiples of the FP4 group
  const V4Model model(config, appendix_weights(config)), once(config, appendix_weights(config)),
      twice(config, appendix_weights(config));

  round_weights(model, once);
  round_weights(once, twice);

  for (std::size_t i = 0; i < model.parameters().size(); ++i) {
    const Parameter& p = model.parameters()[i];
    if (!p.trainable()) continue;
    const Tensor exact = p.value.detach(), rounded = once.parameters()[i].value.detach();
    EXPECT_TRUE(rounded.equal(twice.parameters()[i].value.detach())) << p.name;
    // The coarsest rounding is that of FP4 between 4 and 6 (times the scale): 1 of a largest
    // element of at least 5.
    const float largest = exact.abs().max().item<float>();
    EXPECT_LE((rounded - exact).abs().max().item<float>(), 0.2001f * largest) << p.name;
    if (p.name.find("experts.*") != std::string::npos) {
      EXPECT_FALSE(rounded.equal(exact)) << p.name;
    }
  }
}

TEST(Optimizer, OrthogonaliseBringsSingularValuesNearOne) {
  at::manual_seed(1);
  for (const auto& shape : {std::vector<std::int64_t>{24, 40}, {40, 24}, {3, 16, 24}}) {
    const Tensor o = orthogonalise(at::randn(shape) * 7.0);
    const Tensor wide = o.size(-2) > o.size(-1) ? o.transpose(-1, -2) : o;
    const Tensor gram = at::matmul(wide, wide.transpose(-1, -2));
    const Tensor values = at::linalg_eigvalsh(gram).sqrt();  // singular values of o
    EXPECT_GT(values.min().item<float>(),
              0.3f);  // the polynomial maps [0.01, 1] into about [0.7, 1.2]; tiny ones less
    EXPECT_LT(values.max().item<float>(), 1.3f);
  }
}

std::vector<Tensor> gradients_like(const V4Model& model, double fill) {
  std::vector<Tensor> gradients;
  for (const Parameter& p : model.parameters())
    gradients.push_back(p.trainable() ? at::full_like(p.value.detach(), fill) : Tensor());
  return gradients;
}

TEST(Optimizer, ANonFiniteGradientChangesNothing) {
  const V4Model model(golden_config(), appendix_weights(golden_config()));
  Optimizer optimizer(model.parameters(), {}, 1);
  const Tensor before = model.head().detach().clone();

  const double norm = optimizer.step(gradients_like(model, NAN), 1.0);

  EXPECT_FALSE(std::isfinite(norm));
  EXPECT_EQ(optimizer.n_steps(), 0u);
  EXPECT_TRUE(before.equal(model.head().detach()));
}

TEST(Optimizer, FirstAdamStepMovesByTheLearningRate) {
  const V4Model model(golden_config(), appendix_weights(golden_config()));
  OptimizerOptions options;
  options.muon = false;
  options.learning_rate = 0.01;
  Optimizer optimizer(model.parameters(), options, 2);
  const Tensor before = model.head().detach().clone();

  optimizer.step(gradients_like(model, 0.5), 1.0);

  // m / (1 - beta1) = g and sqrt(v / (1 - beta2)) = |g|: the step is the learning rate, whatever
  // the gradient
  const Tensor moved = before - model.head().detach();
  EXPECT_NEAR(moved.min().item<float>(), 0.01f, 1e-6);
  EXPECT_NEAR(moved.max().item<float>(), 0.01f, 1e-6);
}

TEST(StepBatch, HoldsEverySampleOnceShiftedByNothing) {
  const CountingStream stream;

  const StepBatch step = make_step_batch(
      stream, 100, 3,
      {.sequences_per_step = 9, .max_micro_tokens = 30, .workers = 2, .pad_token = 49});

  std::size_t n_sequences = 0, n_tokens = 0, n_decisions = 0;
  for (const MicroBatch& part : step.parts) {
    n_sequences += part.batch;
    const std::size_t width = part.sequence + 2;
    for (std::size_t i = 0; i < part.batch; ++i)
      for (std::size_t j = 0; j < width; ++j) {
        const std::size_t at = i * width + j;
        n_decisions += (part.marks[at] & 2) != 0 ? 1 : 0;
        EXPECT_TRUE(part.is_right(at, part.ids[at]));
        EXPECT_EQ(part.is_right(at, 45), (part.marks[at] & 2) != 0);
        EXPECT_FALSE(part.is_right(at, 46));
        EXPECT_EQ(part.weights[at] > 0.0f, part.ids[at] != 49);
        if (part.weights[at] > 0.0f) ++n_tokens;
        if (j > 0 && part.weights[at] > 0.0f) {
          EXPECT_EQ(part.ids[at], (part.ids[at - 1] + 3) % 40);
        }
      }
  }
  std::vector<std::uint64_t> indices;
  for (const MicroBatch& part : step.parts) {
    ASSERT_EQ(part.indices.size(), part.batch);
    for (std::size_t i = 0; i < part.batch; ++i)
      EXPECT_EQ(part.ids[i * (part.sequence + 2)], stream.at(part.indices[i], 3).ids[0]);
    indices.insert(indices.end(), part.indices.begin(), part.indices.end());
  }
  std::sort(indices.begin(), indices.end());
  EXPECT_EQ(indices, (std::vector<std::uint64_t>{100, 101, 102, 103, 104, 105, 106, 107, 108}));
  EXPECT_EQ(n_sequences, 9u);
  EXPECT_EQ(n_decisions, 9u);
  EXPECT_EQ(n_tokens, step.n_tokens);
  EXPECT_DOUBLE_EQ(step.total_weight,
                   static_cast<double>(n_tokens - 9));  // first tokens are no targets
  EXPECT_GE(step.parts.size(), 2u);
}

TEST(Schedule, WarmsUpHoldsAndDecaysByStepsOrByTime) {
  TrainConfig config;
  config.steps = 1000;
  config.warmup_steps = 10;
  config.decay_share = 0.4;

  EXPECT_NEAR(learning_rate_factor(config, {.step = 0}), 0.1, 1e-12);
  EXPECT_NEAR(learning_rate_factor(config, {.step = 500}), 1.0, 1e-12);
  EXPECT_NEAR(learning_rate_factor(config, {.step = 800}), 0.5, 1e-12);
  config.budget_minutes = 1.0;
  EXPECT_NEAR(learning_rate_factor(config, {.step = 500, .seconds = 54.0}), 0.25, 1e-12);
  EXPECT_EQ(depth_limit(config, {.step = 10, .seconds = 1.0}), 2);
  EXPECT_EQ(depth_limit(config, {.step = 10, .seconds = 30.0}), 3);
}

TEST_F(TrainingTest, ConfigFilesAreMergedAndNameATokenizerFromTheirFolder) {
  std::filesystem::create_directories(directory_ / "arms");
  const auto write = [&](const std::string& name, const std::string& text) {
    std::ofstream(directory_ / name) << text;
    return (directory_ / name).string();
  };
  const std::string base = write("base.json", R"({"steps": 3, "seed": 1, "tokenizer": "t.json"})"),
                    arm = write("arms/b.json", R"({"seed": 2})"),
                    other = write("arms/c.json", R"({"tokenizer": "../u.json"})"),
                    absolute = write("d.json", R"({"tokenizer": "/t.json"})"),
                    wrong = write("e.json", R"({"model": {}, "tokenizer": 3})");

  const auto merged = read_config_files({base, arm}), overridden = read_config_files({base, other}),
             root = read_config_files({absolute}), bad = read_config_files({wrong});

  ASSERT_TRUE(merged.has_value() && overridden.has_value() && root.has_value() && bad.has_value());
  EXPECT_EQ(merged->source, base + " + " + arm);
  const auto quoted = [](const std::filesystem::path& p) {
    return "\"tokenizer\": \"" + p.string() + "\"";
  };
  EXPECT_NE(merged->json.find(quoted(directory_ / "t.json")), std::string::npos) << merged->json;
  EXPECT_NE(merged->json.find("\"seed\": 2"), std::string::npos);
  EXPECT_NE(merged->json.find("\"steps\": 3"), std::string::npos);
  EXPECT_NE(overridden->json.find(quoted(directory_ / "u.json")), std::string::npos)
      << overridden->json;
  EXPECT_NE(root->json.find(quoted("/t.json")), std::string::npos);
  EXPECT_FALSE(parse_train_config(bad->json, "e.json").has_value());
  EXPECT_EQ(read_config_files({"no such file"}).error().code, ErrorCode::not_found);
}

TEST(TrainConfig, NamesUnknownKeysAndWrongTypes) {
  const auto no_model = parse_train_config(R"({"steps": 3})", "a.json");
  const auto unknown = parse_train_config(R"({"model": {}, "stepz": 3})", "a.json");
  const auto wrong = parse_train_config(R"({"model": {}, "steps": -3})", "a.json");

  ASSERT_FALSE(no_model.has_value() || unknown.has_value() || wrong.has_value());
  EXPECT_NE(no_model.error().message.find("'model'"), std::string::npos)
      << no_model.error().message;
  EXPECT_NE(unknown.error().message.find("'stepz'"), std::string::npos) << unknown.error().message;
  EXPECT_NE(wrong.error().message.find("'steps'"), std::string::npos) << wrong.error().message;
}

TEST_F(TrainingTest, TheLogForgetsRowsAfterTheResumedStep) {
  std::filesystem::create_directories(directory_);
  const auto path = directory_ / "train.csv";
  const auto log = CsvLog::open(path, 0);
  ASSERT_TRUE(log.has_value());
  LogRow row;
  for (row.step = 10; row.step <= 30; row.step += 10) ASSERT_TRUE(log->append(row).has_value());

  ASSERT_TRUE(CsvLog::open(path, 20).has_value());

  std::ifstream file(path);
  const std::string text(std::istreambuf_iterator<char>(file), {});
  EXPECT_NE(text.find("\n20,"), std::string::npos);
  EXPECT_EQ(text.find("\n30,"), std::string::npos);
  ASSERT_TRUE(plot_log(path, directory_ / "train.svg").has_value());
  EXPECT_GT(std::filesystem::file_size(directory_ / "train.svg"), 500u);
}

}  // namespace
}  // namespace hadal::train
