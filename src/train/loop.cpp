#include "train/loop.h"

#include "base/log.h"
#include "train/kernels.h"
#include "train/latent_losses.h"
#include "train/model_files.h"
#include "train/optimizer.h"
#include "train/train_log.h"
#include "train/v4_model.h"
#include "train/weight_rounding.h"

#include <torch/csrc/autograd/autograd.h>

#include <chrono>
#include <cmath>
#include <future>
#include <optional>
#include <thread>
#include <utility>

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <malloc.h>

namespace hadal::train {
namespace {

using at::Tensor;
using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

/// Sums over the tokens of a batch.
struct Tally {
  double loss = 0.0;  ///< weighted
  double act_loss = 0.0, n_act = 0.0;
  double token_loss = 0.0, n_tokens = 0.0;  ///< of all tokens, whatever their weight
  double body_loss = 0.0, n_body = 0.0;     ///< of those of bodies
  double right = 0.0, n_decisions = 0.0;
  double mtp_right = 0.0, n_mtp = 0.0;
  double latent = 0.0, n_latent = 0.0;  ///< latent loss, times predicted events
  double latent_rank = 0.0, latent_log_std = 0.0, n_latent_parts = 0.0;  ///< sums over parts
  double counterfactual = 0.0, n_event_pairs = 0.0;  ///< counterfactual loss, times pairs of events
  std::vector<Tensor> load;                          ///< assignments per MoE block

  void add(const Tally& other) {
    loss += other.loss;
    act_loss += other.act_loss;
    n_act += other.n_act;
    token_loss += other.token_loss;
    n_tokens += other.n_tokens;
    body_loss += other.body_loss;
    n_body += other.n_body;
    right += other.right;
    n_decisions += other.n_decisions;
    mtp_right += other.mtp_right;
    n_mtp += other.n_mtp;
    latent += other.latent;
    n_latent += other.n_latent;
    latent_rank += other.latent_rank;
    latent_log_std += other.latent_log_std;
    n_latent_parts += other.n_latent_parts;
    counterfactual += other.counterfactual;
    n_event_pairs += other.n_event_pairs;
    if (load.size() < other.load.size()) load.resize(other.load.size());
    for (std::size_t i = 0; i < other.load.size(); ++i)
      if (other.load[i].defined())
        load[i] = load[i].defined() ? load[i] + other.load[i] : other.load[i];
  }
};

double share(double part, double whole) {
  return whole > 0.0 ? part / whole : 0.0;
}

/// Columns [first, first + S) of a micro-batch as tensors.
struct Targets {
  Tensor ids, weights;
};

Tensor columns(const MicroBatch& part, std::size_t first) {
  const auto rows = static_cast<std::int64_t>(part.batch),
             width = static_cast<std::int64_t>(part.sequence + 2);
  const Tensor all =
      at::from_blob(const_cast<std::int32_t*>(part.ids.data()), {rows, width}, at::kInt);
  return all
      .slice(1, static_cast<std::int64_t>(first), static_cast<std::int64_t>(first + part.sequence))
      .contiguous();
}

Targets targets(const MicroBatch& part, std::size_t first) {
  const auto rows = static_cast<std::int64_t>(part.batch),
             width = static_cast<std::int64_t>(part.sequence + 2);
  const Tensor all =
      at::from_blob(const_cast<float*>(part.weights.data()), {rows, width}, at::kFloat);
  const Tensor weights = all.slice(1, static_cast<std::int64_t>(first),
                                   static_cast<std::int64_t>(first + part.sequence))
                             .reshape({-1});
  return {columns(part, first).reshape({-1}), weights.contiguous()};
}

void tally_main(const MicroBatch& part, const Tensor& losses, const Tensor& best, Tally& tally) {
  const float* loss = losses.data_ptr<float>();
  const std::int32_t* choice = best.data_ptr<std::int32_t>();
  for (std::size_t i = 0; i < part.batch; ++i)
    for (std::size_t j = 0; j < part.sequence; ++j) {
      const std::size_t row = i * part.sequence + j, target = i * (part.sequence + 2) + j + 1;
      tally.loss += static_cast<double>(part.weights[target]) * static_cast<double>(loss[row]);
      if ((part.marks[target] & 1) != 0)
        tally.act_loss += static_cast<double>(loss[row]), tally.n_act += 1.0;
      if ((part.marks[target] & 4) != 0)
        tally.body_loss += static_cast<double>(loss[row]), tally.n_body += 1.0;
      if ((part.marks[target] & 8) != 0)
        tally.token_loss += static_cast<double>(loss[row]), tally.n_tokens += 1.0;
      if ((part.marks[target] & 2) != 0) {
        tally.n_decisions += 1.0;
        tally.right += part.is_right(target, choice[row]) ? 1.0 : 0.0;
      }
    }
}

void tally_mtp(const Targets& t, const Tensor& best, Tally& tally) {
  const float* weight = t.weights.data_ptr<float>();
  for (std::int64_t i = 0; i < best.numel(); ++i) {
    if (weight[i] <= 0.0f) continue;
    tally.n_mtp += 1.0;
    tally.mtp_right +=
        best.data_ptr<std::int32_t>()[i] == t.ids.data_ptr<std::int32_t>()[i] ? 1.0 : 0.0;
  }
}

void tally_latent(const LatentLoss& latent, Tally& tally) {
  if (!latent.loss.defined()) return;
  const auto n = static_cast<double>(latent.n_events);
  tally.latent += latent.loss.item<double>() * n;
  tally.n_latent += n;
  tally.latent_rank += latent.effective_rank;
  tally.latent_log_std += latent.log_std;
  tally.n_latent_parts += 1.0;
}

struct LossOptions {
  double total_weight;      ///< of the whole step
  double mtp_weight;        ///< 0: the block is not run
  double balance;           ///< weight of the balance loss of this micro-batch
  double latent;            ///< weight of the latent loss of this micro-batch; 0: not formed
  std::uint64_t seed;       ///< of the world model's mask dropout
  double event_pair = 0.0;  ///< weight of one pair of events
};

/// What the world model's attention sees; mask dropout in training only.
EventMasks masks_of(const WorldModelConfig& config, const MicroBatch& part, const Tensor& ids,
                    std::uint64_t seed) {
  std::vector<SequenceMask> rows;
  for (const std::uint64_t index : part.indices)
    rows.push_back(at::GradMode::is_enabled() ? training_mask(config, seed, index)
                                              : evaluation_mask(config, index));
  return make_event_masks(config, ids, rows);
}

/// Forward pass of one micro-batch; with gradients enabled also the backward pass into the model's
/// leaves.
Tally run_part(const V4Model& model, const MicroBatch& part, const LossOptions& options) {
  Tally tally;
  RouterTrace trace;
  WorldModelTrace world_model;
  const Tensor ids = columns(part, 0).to(at::kLong);
  if (model.world_model())
    world_model.masks = masks_of(*model.config().world_model, part, ids, options.seed);
  const Tensor h = model.streams(ids, &trace, &world_model);
  const Targets next = targets(part, 1);
  auto [loss, losses, best] =
      cross_entropy_loss(model.collapse(h), model.head(), next.ids, next.weights);
  tally_main(part, losses, best, tally);
  Tensor total = loss / options.total_weight;
  if (options.mtp_weight > 0.0) {
    const Tensor z = model.mtp(0, h, columns(part, 1).to(at::kLong), &trace);
    const Targets after = targets(part, 2);
    auto [mtp_loss, mtp_losses, mtp_best] =
        cross_entropy_loss(z, model.head(), after.ids, after.weights);
    tally_mtp(after, mtp_best, tally);
    total = total + mtp_loss * (options.mtp_weight / options.total_weight);
  }
  if (trace.balance.defined()) total = total + trace.balance * options.balance;
  if (options.latent > 0.0) {
    const LatentLoss latent =
        latent_loss(*model.world_model()->predictor(), world_model.latents, world_model.masks, ids,
                    *model.config().world_model->structure_tokens);
    tally_latent(latent, tally);
    if (latent.loss.defined()) total = total + latent.loss * options.latent;
  }
  tally.load = std::move(trace.load);
  if (at::GradMode::is_enabled()) torch::autograd::backward({total}, {});
  return tally;
}

/// The counterfactual loss of some pairs, both texts of a pair under the same mask: forward and
/// backward.
Tally run_pairs(const V4Model& model, const PairBatch& part, const LossOptions& options) {
  WorldModelTrace trace;
  trace.is_end = true;
  const WorldModelConfig& config = *model.config().world_model;
  const Tensor ids = columns(part.text, 0).to(at::kLong);
  std::vector<SequenceMask> rows;
  for (const std::uint64_t index : part.text.indices)
    rows.push_back(evaluation_mask(config, index));
  trace.masks = make_event_masks(config, ids, rows);
  model.streams(ids, nullptr, &trace);
  Tally tally;
  tally.n_event_pairs = static_cast<double>(part.events.size());
  const Tensor sum = counterfactual_loss(trace.latents.last, part.events) * tally.n_event_pairs;
  tally.counterfactual = sum.item<double>();
  torch::autograd::backward({sum * options.event_pair}, {});
  return tally;
}

/// What one step reads.
struct StepInput {
  StepBatch text;
  std::vector<PairBatch> pairs;
};

/// The model, and one copy per worker that shares its storage (or, in the last part of the run, the
/// storage of its rounded twin) but has gradients of its own.
class Workers {
 public:
  Workers(const V4Model& model, std::size_t n) : model_(model), n_(n) { share_storage_of(model_); }

  /// From now on the workers see rounded weights; gradients go to the exact ones
  /// (straight-through).
  void round() {
    if (!rounded_) {
      rounded_.emplace(
          model_.config(), [](std::string_view, ParameterKind kind, at::IntArrayRef shape) {
            return at::empty(shape, kind == ParameterKind::table ? at::kLong : at::kFloat);
          });
      share_storage_of(*rounded_);
    }
    round_weights(model_, *rounded_);
  }

  /// All parts of a step, taken by whichever worker is free.
  Tally run(const StepInput& step, const LossOptions& options, bool with_gradients) {
    std::atomic<std::size_t> next{0};
    std::vector<Tally> tallies(n_);
    const std::size_t n_texts = step.text.parts.size(), n_jobs = n_texts + step.pairs.size();
    const auto work = [&](std::size_t worker) {
      at::set_num_threads(1);
      const at::AutoGradMode mode(with_gradients);
      for (std::size_t i = next++; i < n_jobs; i = next++)
        tallies[worker].add(i < n_texts
                                ? run_part(replicas_[worker], step.text.parts[i], options)
                                : run_pairs(replicas_[worker], step.pairs[i - n_texts], options));
    };
    std::vector<std::thread> threads;
    for (std::size_t w = 1; w < n_; ++w) threads.emplace_back(work, w);
    work(0);
    for (std::thread& t : threads) t.join();
    for (std::size_t w = 1; w < n_; ++w) tallies[0].add(tallies[w]);
    return tallies[0];
  }

  /// Sum of the workers' gradients, in the order of V4Model::parameters(); clears them.
  std::vector<Tensor> take_gradients() {
    std::vector<Tensor> sums(model_.parameters().size());
    for (const V4Model& replica : replicas_)
      for (std::size_t i = 0; i < sums.size(); ++i) {
        Tensor leaf = replica.parameters()[i].value;
        Tensor gradient = leaf.mutable_grad();
        if (!gradient.defined()) continue;
        if (sums[i].defined())
          sums[i].add_(gradient);
        else
          sums[i] = gradient;
        leaf.mutable_grad() = Tensor();
      }
    return sums;
  }

 private:
  void share_storage_of(const V4Model& owner) {
    replicas_.clear();
    for (std::size_t w = 0; w < n_; ++w) replicas_.push_back(owner.replica());
  }

  const V4Model& model_;
  std::size_t n_;
  std::vector<V4Model> replicas_;
  std::optional<V4Model> rounded_;
};

/// b_e += rate * sign(mean load - load_e); returns the largest load / mean over all blocks.
double balance_routers(const V4Model& model, const std::vector<Tensor>& load, double rate) {
  const at::NoGradGuard no_grad;
  double worst = 0.0;
  std::vector<Tensor> biases = model.router_biases();
  for (std::size_t b = 0; b < load.size(); ++b) {
    if (!load[b].defined()) continue;
    const Tensor mean = load[b].mean();
    worst = std::max(worst, (load[b].max() / mean).item<double>());
    if (biases[b].defined()) biases[b].add_(at::sign(mean - load[b]), rate);
  }
  return worst;
}

void warn_if_blas_is_slow() {
  const Tensor a = at::rand({1024, 1024}), b = at::rand({1024, 1024});
  at::mm(a, b);
  const auto start = Clock::now();
  at::mm(a, b);
  const double gflops = 2.0 * std::pow(1024.0, 3) / seconds_since(start) * 1e-9;
  if (gflops < 20.0)
    log_warning(
        "train",
        "matrix products run at {:.0f} GFLOP/s on one thread; is libopenblas0-pthread installed?",
        gflops);
}

/// Large blocks stay in the process: giving them back to the kernel after every operation costs
/// page faults.
void keep_memory() {
  mallopt(M_ARENA_MAX, 1);
  mallopt(M_MMAP_THRESHOLD, 1 << 30);
  mallopt(M_TRIM_THRESHOLD, 2'000'000'000);
}

class Training {
 public:
  explicit Training(const TrainRun& run)
      : run_(run),
        config_(run.config),
        model_(config_.model, random_initialisation(config_.model, config_.seed)),
        optimizer_(model_.parameters(), config_.optimizer, config_.threads),
        workers_(model_, config_.threads),
        progress_line_(run.terminal) {}

  Result<TrainSummary> operator()() {
    HADAL_TRY(prepare());
    HADAL_ASSIGN(const CsvLog log, CsvLog::open(run_.out / "train.csv", state_.progress.step));
    std::future<StepInput> next = prefetch(state_.progress);
    while (!done()) {
      const auto start = Clock::now();
      const StepInput input = next.get();
      Progress following = state_.progress;
      ++following.step;
      next = prefetch(following);
      LogRow row = train_step(input);
      const double seconds = seconds_since(start);
      state_.progress.seconds += seconds;
      ++state_.progress.step;
      state_.tokens += input.text.n_tokens;
      smooth_speed(static_cast<double>(input.text.n_tokens) / seconds);
      row.step = state_.progress.step;
      row.tokens = state_.tokens;
      row.seconds = state_.progress.seconds;
      row.tokens_per_second = speed_;
      const bool evaluated = state_.progress.step % config_.eval_every == 0;
      if (evaluated) evaluate(row);
      if (evaluated || state_.progress.step % 10 == 0) HADAL_TRY(log.append(row));
      progress_line_.show(row, std::min(1.0, progress_share(config_, state_.progress)), eta());
      if (seconds_since(last_save_) > 60.0 * config_.checkpoint_minutes) HADAL_TRY(save());
    }
    next.wait();
    progress_line_.finish();
    LogRow last;
    evaluate(last);
    HADAL_TRY(save());
    return TrainSummary{
        state_.progress.step,          state_.tokens,
        state_.progress.seconds,       progress_share(config_, state_.progress) >= 1.0,
        last.heldout_loss.value_or(0), last.heldout_accuracy.value_or(0)};
  }

 private:
  Result<void> prepare() {
    if (has_counterfactual_loss() && run_.pairs == nullptr)
      return error(ErrorCode::invalid_argument,
                   "train: world_model.loss.counterfactual needs a stream of pairs");
    std::error_code failed;
    std::filesystem::create_directories(run_.out, failed);
    if (failed) return error(ErrorCode::io_error, "{}: {}", run_.out.string(), failed.message());
    HADAL_ASSIGN(const auto resumed, load_run(model_, optimizer_, run_.out));
    if (resumed) {
      state_ = *resumed;
      log_info("train", "resuming {} at step {}, {:.1f} minutes", run_.out.string(),
               state_.progress.step, state_.progress.seconds / 60.0);
    } else if (!run_.init.empty()) {
      HADAL_ASSIGN(const Checkpoint start, Checkpoint::open(run_.init.string()));
      HADAL_TRY(read_weights(start, model_));
      log_info("train", "starting from the weights of {}{}", run_.init.string(),
               is_grafted(start, model_) ? ", which has no world model: one is added to it" : "");
    }
    log_info("train", "{} parameters, {} workers, optimiser {}", model_.n_parameters(),
             config_.threads, config_.optimizer.muon ? "Muon and AdamW" : "AdamW");
    warn_if_blas_is_slow();
    BatchOptions options = batch_options();
    options.sequences_per_step = config_.eval_sequences;
    heldout_.text = make_step_batch(*run_.heldout, 0, config_.max_depth, options);
    return {};
  }

  BatchOptions batch_options() const {
    return {.sequences_per_step = config_.sequences_per_step,
            .max_micro_tokens = config_.max_micro_tokens,
            .workers = config_.threads,
            .pad_token = config_.model.pad_token_id};
  }

  std::future<StepInput> prefetch(const Progress& progress) const {
    return std::async(std::launch::async, [this, progress] {
      const std::uint64_t first = progress.step * config_.sequences_per_step;
      const int depth = depth_limit(config_, progress);
      StepInput input{make_step_batch(*run_.train, first, depth, batch_options()), {}};
      if (has_counterfactual_loss() && progress.step % config_.counterfactual_every == 0)
        input.pairs = make_pair_batches(*run_.pairs, first, config_.counterfactual_pairs, depth,
                                        batch_options());
      return input;
    });
  }

  bool done() const {
    if (progress_share(config_, state_.progress) >= 1.0) return true;
    if (run_.stop != nullptr && run_.stop->load()) return true;
    return run_.max_minutes > 0.0 && seconds_since(started_) > 60.0 * run_.max_minutes;
  }

  /// Without structure tokens there are no events to predict.
  bool has_latent_loss() const {
    const auto& world_model = config_.model.world_model;
    return world_model && world_model->loss.latent > 0.0 && world_model->structure_tokens;
  }

  bool has_counterfactual_loss() const {
    const auto& world_model = config_.model.world_model;
    return world_model && world_model->loss.counterfactual > 0.0 && world_model->structure_tokens;
  }

  double event_pair_weight(const std::vector<PairBatch>& pairs) const {
    std::size_t n = 0;
    for (const PairBatch& part : pairs) n += part.events.size();
    return n > 0 ? config_.model.world_model->loss.counterfactual / static_cast<double>(n) : 0.0;
  }

  bool is_rounding() const {
    return progress_share(config_, state_.progress) >= 1.0 - config_.quantize_share;
  }

  LogRow train_step(const StepInput& input) {
    const StepBatch& batch = input.text;
    if (is_rounding()) workers_.round();
    const bool with_mtp =
        config_.model.num_nextn_predict_layers > 0 && state_.progress.step % config_.mtp_every == 0;
    const double parts = static_cast<double>(batch.parts.size());
    const Tally tally = workers_.run(
        input,
        {.total_weight = batch.total_weight,
         .mtp_weight = with_mtp ? config_.mtp_weight : 0.0,
         .balance = config_.balance_loss / parts,
         .latent = has_latent_loss() ? config_.model.world_model->loss.latent / parts : 0.0,
         .seed = config_.seed,
         .event_pair = event_pair_weight(input.pairs)},
        true);
    std::vector<Tensor> gradients = workers_.take_gradients();
    const double factor = learning_rate_factor(config_, state_.progress);
    LogRow row;
    row.gradient_norm = optimizer_.step(gradients, factor);
    if (!std::isfinite(row.gradient_norm))
      log_warning("train", "step {}: gradient is not finite, step skipped", state_.progress.step);
    row.learning_rate = config_.optimizer.learning_rate * factor;
    row.max_load = balance_routers(model_, tally.load, config_.balance_rate);
    row.loss = tally.loss / batch.total_weight;
    row.act_loss = share(tally.act_loss, tally.n_act);
    row.next_action_accuracy = share(tally.right, tally.n_decisions);
    row.mtp_accuracy = share(tally.mtp_right, tally.n_mtp);
    if (tally.n_latent > 0.0) {
      row.latent_loss = tally.latent / tally.n_latent;
      row.latent_rank = tally.latent_rank / tally.n_latent_parts;
      row.latent_log_std = tally.latent_log_std / tally.n_latent_parts;
    }
    if (tally.n_event_pairs > 0.0)
      last_counterfactual_loss_ = tally.counterfactual / tally.n_event_pairs;
    row.counterfactual_loss = last_counterfactual_loss_;
    return row;
  }

  void evaluate(LogRow& row) {
    if (is_rounding()) workers_.round();
    const Tally tally = workers_.run(heldout_,
                                     {.total_weight = heldout_.text.total_weight,
                                      .mtp_weight = 0.0,
                                      .balance = 0.0,
                                      .latent = 0.0,
                                      .seed = config_.seed},
                                     false);
    row.heldout_loss = tally.loss / heldout_.text.total_weight;
    row.heldout_act_loss = share(tally.act_loss, tally.n_act);
    row.heldout_token_loss = share(tally.token_loss, tally.n_tokens);
    if (tally.n_body > 0.0) row.heldout_body_loss = tally.body_loss / tally.n_body;
    row.heldout_accuracy = share(tally.right, tally.n_decisions);
    log_info("train", "step {}: held out: loss {:.4f}, actions {:.4f}, next action right {:.1f} %",
             state_.progress.step, *row.heldout_loss, *row.heldout_act_loss,
             100.0 * *row.heldout_accuracy);
  }

  Result<void> save() {
    last_save_ = Clock::now();
    HADAL_TRY(save_run(model_, optimizer_, state_, config_, run_.out));
    HADAL_TRY(write_model(model_, run_.tokenizer_json, run_.out));
    return plot_log(run_.out / "train.csv", run_.out / "train.svg");
  }

  void smooth_speed(double now) { speed_ = speed_ > 0.0 ? 0.95 * speed_ + 0.05 * now : now; }

  double eta() const {
    const double done_share = progress_share(config_, state_.progress);
    return done_share > 0.0 ? state_.progress.seconds * (1.0 - done_share) / done_share : 0.0;
  }

  const TrainRun& run_;
  const TrainConfig& config_;
  V4Model model_;
  Optimizer optimizer_;
  Workers workers_;
  ProgressLine progress_line_;
  RunState state_;
  StepInput heldout_;
  std::optional<double> last_counterfactual_loss_;
  double speed_ = 0.0;
  Clock::time_point started_ = Clock::now(), last_save_ = started_;
};

}  // namespace

Result<TrainSummary> run_training(const TrainRun& run) {
  HADAL_TRY(check_trainable(run.config.model));
  keep_memory();
  at::set_num_threads(1);
  use_single_threaded_blas();
  try {
    return Training(run)();
  } catch (const std::exception& failure) {  // c10::Error, std::bad_alloc
    return error(ErrorCode::out_of_memory, "train: {}", failure.what());
  }
}

}  // namespace hadal::train
