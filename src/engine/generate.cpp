#include "engine/generate.h"

#include "base/check.h"
#include "engine/sampling/draft_policy.h"

#include <algorithm>
#include <chrono>

namespace hadal {
namespace {

/// Seconds since the last call.
class Stopwatch {
 public:
  double lap() {
    const auto now = std::chrono::steady_clock::now();
    const std::chrono::duration<double> seconds = now - last_;
    last_ = now;
    return seconds.count();
  }

 private:
  std::chrono::steady_clock::time_point last_ = std::chrono::steady_clock::now();
};

/// State for this many tokens of an answer is taken at once, so that a step allocates nothing; what
/// lies beyond them comes page by page.
constexpr std::size_t kMostReservedTokens = 16 * 1024;

/// One request on its way through the passes.
struct Running {
  explicit Running(GenerationRequest& r) : request(&r), next(r.prompt), said(r.history) {
    const std::size_t n_answer = std::min(r.max_tokens, kMostReservedTokens);
    result.tokens.reserve(n_answer);
    said.reserve(r.history.size() + r.prompt.size());
    r.state->reserve(r.state->n_tokens() + r.prompt.size() + n_answer);
  }

  GenerationRequest* request;
  Generation result;
  /// Tokens to feed: what is left of the prompt, or the chosen but not yet processed token followed
  /// by drafts.
  std::vector<std::int32_t> next;
  std::vector<std::int32_t> said;  ///< history + prompt tokens fed so far, for penalties
  bool done = false;
  DraftPolicy policy;

  // Of the running pass:
  std::vector<std::int32_t> fed;
  std::size_t start = 0;  ///< position of the first token fed
  std::size_t n_kept =
      0;  ///< how many of the fed tokens stay in the state: all but rejected drafts

  bool in_prefill() const { return result.tokens.empty(); }
  bool speculates() const {
    return request->n_drafts > 0 && !(request->drafts_must_pay && policy.gave_up());
  }
  /// Drafts worth making now: none beyond max_tokens, none that a roll-back could not undo.
  std::size_t n_drafts() const {
    if (request->drafts_must_pay && !policy.wants_drafts()) return 0;
    const std::size_t left = request->max_tokens - result.tokens.size();
    return std::min({request->n_drafts, left - 1, SequenceState::kMaxRollback - 1});
  }

  LogitsFor logits_for(std::size_t n) const {
    if (!in_prefill()) return LogitsFor::all;
    return n == next.size() ? LogitsFor::last : LogitsFor::none;
  }

  void choose(std::span<const float> logits, std::uint64_t position) {
    TokenChoice choice = sample(logits, request->sampling, {said, result.tokens}, position);
    result.tokens.push_back(choice.token);
    const auto& stops = request->stop_tokens;
    if (std::find(stops.begin(), stops.end(), choice.token) != stops.end()) {
      finish(StopReason::stop_token);
    } else if (result.tokens.size() >= request->max_tokens) {
      finish(StopReason::length);
    }
    if (request->on_token && !request->on_token(choice) && !done) finish(StopReason::cancelled);
  }

  void finish(StopReason reason) {
    done = true;
    result.stop_reason = reason;
  }

  /// Chooses tokens from the rows of a verification pass: row i follows next[i]. A draft is kept
  /// when it is the token that the model itself chooses.
  void verify(const ForwardOutput& output, std::size_t first_row) {
    for (std::size_t i = 0; i < fed.size() && !done; ++i) {
      choose(output.row(first_row + i), start + i + 1);
      if (i + 1 < fed.size() && fed[i + 1] != result.tokens.back()) break;
      if (i + 1 < fed.size() && !done) ++result.n_accepted;
    }
  }

  /// Takes the outcome of the pass, whose logits for this request begin at `first_row`.
  void absorb(const ForwardOutput& output, std::size_t first_row) {
    n_kept = fed.size();
    if (!in_prefill()) {
      const std::size_t n_before = result.tokens.size();
      verify(output, first_row);
      n_kept = result.tokens.size() - n_before;
      next = {result.tokens.back()};
      return;
    }
    said.insert(said.end(), fed.begin(), fed.end());
    next.erase(next.begin(), next.begin() + static_cast<std::ptrdiff_t>(fed.size()));
    if (next.empty()) {
      choose(output.row(first_row), start + fed.size());
      next = {result.tokens.back()};
    }
  }

  /// The token after each kept one: what the MTP block takes beside their streams.
  std::vector<std::int32_t> next_of_kept() const {
    std::vector<std::int32_t> tokens(fed.begin() + 1,
                                     fed.begin() + static_cast<std::ptrdiff_t>(n_kept));
    tokens.push_back(next.front());
    return tokens;
  }
};

Result<void> check(const Model& model, std::span<const GenerationRequest> requests) {
  for (const GenerationRequest& request : requests) {
    HADAL_CHECK(request.state != nullptr, "a request has a state");
    if (request.prompt.empty())
      return error(ErrorCode::invalid_argument, "the prompt has no tokens");
    if (request.max_tokens == 0)
      return error(ErrorCode::invalid_argument, "max_tokens is 0: nothing to generate");
    for (const auto* ids : {&request.prompt, &request.history}) {
      for (std::int32_t id : *ids) {
        if (id < 0 || static_cast<std::size_t>(id) >= model.config().vocab_size) {
          return error(ErrorCode::invalid_argument,
                       "token id {} is outside of the vocabulary (0..{})", id,
                       model.config().vocab_size - 1);
        }
      }
    }
    if (request.n_drafts > 0 && !model.has_mtp()) {
      return error(ErrorCode::invalid_argument,
                   "speculation needs an MTP block, and this model has none");
    }
  }
  return {};
}

class Batch {
 public:
  Batch(Model& model, std::span<GenerationRequest> requests, const GenerateOptions& options)
      : model_(model), options_(options), requests_(requests), ended_(requests.size(), false) {
    for (GenerationRequest& request : requests) {
      running_.emplace_back(request);
      n_prompt_ += request.prompt.size();
    }
  }

  Result<std::vector<Generation>> run() {
    double drafting_seconds = 0;  // of the drafts that the next pass verifies
    for (Stopwatch watch; pick_inputs();) {
      const bool want_streams = std::any_of(picked_.begin(), picked_.end(),
                                            [](const Running* r) { return r->speculates(); });
      model_.forward(inputs_, output_, want_streams);
      take(output_);
      record(watch.lap(), drafting_seconds);
      if (want_streams) draft(output_.streams);
      if (options_.on_end) HADAL_TRY(refill());
      drafting_seconds = watch.lap();
    }
    std::vector<Generation> results;
    for (Running& r : running_) results.push_back(std::move(r.result));
    return results;
  }

 private:
  /// Hands out what has ended, and gives the slot to what comes next.
  Result<void> refill() {
    for (std::size_t slot = 0; slot < running_.size(); ++slot) {
      if (!running_[slot].done || ended_[slot]) continue;
      auto next = options_.on_end(slot, std::move(running_[slot].result));
      ended_[slot] = !next.has_value();
      if (!next) continue;
      requests_[slot] = std::move(*next);
      HADAL_TRY(check(model_, requests_.subspan(slot, 1)));
      running_[slot] = Running(requests_[slot]);
      n_prompt_ += requests_[slot].prompt.size();
    }
    return {};
  }

  /// Decoding requests first, then prompts in order, up to the token budget.
  bool pick_inputs() {
    picked_.clear();
    inputs_.clear();
    std::size_t budget = options_.max_batch_tokens;
    for (const bool prefill : {false, true}) {
      for (Running& r : running_) {
        if (r.done || r.in_prefill() != prefill || budget == 0) continue;
        if (!prefill && r.next.size() > budget) continue;
        const std::size_t n = std::min(budget, r.next.size());
        r.fed.assign(r.next.begin(), r.next.begin() + static_cast<std::ptrdiff_t>(n));
        r.start = r.request->state->n_tokens();
        budget -= n;
        if (prefill) n_prompt_done_ += n;
        picked_.push_back(&r);
        const bool ends_prompt = prefill && n == r.next.size();
        inputs_.push_back({.state = r.request->state,
                           .tokens = r.fed,
                           .logits = r.logits_for(n),
                           .attended = ends_prompt ? r.request->attended : nullptr});
      }
    }
    return !picked_.empty();
  }

  void take(const ForwardOutput& output) {
    std::size_t row = 0;
    for (std::size_t i = 0; i < picked_.size(); ++i) {
      Running& r = *picked_[i];
      r.absorb(output, row);
      if (inputs_[i].logits == LogitsFor::all) row += r.fed.size();
      if (inputs_[i].logits == LogitsFor::last) row += 1;
      const auto rolled_back = r.request->state->roll_back(r.start + r.n_kept);
      HADAL_CHECK(rolled_back.has_value(), "drafts are fewer than the roll-back limit");
    }
    if (options_.on_prefill && n_prompt_done_ != n_prompt_shown_) {
      n_prompt_shown_ = n_prompt_done_;
      options_.on_prefill(n_prompt_done_, n_prompt_);
    }
  }

  /// Tells the policies of decoding requests what the pass cost and gave. The making of drafts
  /// counts for those that had some.
  void record(double pass_seconds, double drafting_seconds) {
    for (std::size_t i = 0; i < picked_.size(); ++i) {
      Running& r = *picked_[i];
      if (inputs_[i].logits != LogitsFor::all) continue;  // a part of a prompt
      const bool drafted = r.fed.size() > 1;
      r.policy.record(drafted, pass_seconds + (drafted ? drafting_seconds : 0.0), r.n_kept);
    }
  }

  /// Feeds the MTP block with what the pass has fixed (streams at p, token p + 1) and lets it
  /// draft.
  void draft(std::span<const float> streams) {
    const std::size_t width = model_.config().hc_mult * model_.config().hidden_size;
    std::vector<MtpInput> inputs;
    std::vector<std::vector<std::int32_t>> next_tokens(picked_.size());
    std::vector<Running*> drafting;  // those whose newest logits give a draft
    std::size_t begin = 0;           // row of the request's first streams
    for (std::size_t i = 0; i < picked_.size(); begin += picked_[i]->fed.size(), ++i) {
      Running& r = *picked_[i];
      if (!r.speculates() || r.done) continue;
      next_tokens[i] = r.next_of_kept();
      r.request->state->seek_mtp(r.start);
      const bool drafts = !r.in_prefill() && r.n_drafts() > 0;
      inputs.push_back({.state = r.request->state,
                        .streams = streams.subspan(begin * width, r.n_kept * width),
                        .next_tokens = next_tokens[i],
                        .logits = drafts ? LogitsFor::last : LogitsFor::none});
      if (drafts) drafting.push_back(&r);
    }
    if (inputs.empty()) return;
    ForwardOutput output = model_.forward_mtp(inputs);
    chain(drafting, inputs, std::move(output), width);
  }

  /// Appends the first draft of each and goes on from the MTP block's own streams.
  void chain(std::vector<Running*> drafting, std::vector<MtpInput> inputs, ForwardOutput output,
             std::size_t width) {
    std::vector<float> last_streams;  // of the drafting sequences, in order
    std::size_t offset = 0;
    for (const MtpInput& input : inputs) {
      offset += input.next_tokens.size();
      if (input.logits == LogitsFor::last) {
        const float* at = output.streams.data() + (offset - 1) * width;
        last_streams.insert(last_streams.end(), at, at + width);
      }
    }
    while (!drafting.empty()) {
      for (std::size_t i = 0; i < drafting.size(); ++i) {
        drafting[i]->next.push_back(argmax(output.row(i)));
        ++drafting[i]->result.n_drafted;
      }
      inputs.clear();
      std::vector<Running*> going_on;
      std::vector<float> streams;
      for (std::size_t i = 0; i < drafting.size(); ++i) {
        if (drafting[i]->next.size() - 1 >= drafting[i]->n_drafts()) continue;
        going_on.push_back(drafting[i]);
        streams.insert(streams.end(), last_streams.begin() + static_cast<std::ptrdiff_t>(i * width),
                       last_streams.begin() + static_cast<std::ptrdiff_t>((i + 1) * width));
      }
      for (std::size_t i = 0; i < going_on.size(); ++i) {
        inputs.push_back({.state = going_on[i]->request->state,
                          .streams = std::span<const float>(streams).subspan(i * width, width),
                          .next_tokens = std::span<const std::int32_t>(going_on[i]->next).last(1)});
      }
      drafting = std::move(going_on);
      if (drafting.empty()) return;
      output = model_.forward_mtp(inputs);
      last_streams = output.streams;
    }
  }

  Model& model_;
  const GenerateOptions& options_;
  std::span<GenerationRequest> requests_;
  std::vector<bool> ended_;  ///< [n_requests], with on_end: nothing took the slot
  std::vector<Running> running_;
  std::vector<Running*> picked_;
  std::vector<ForwardInput> inputs_;
  ForwardOutput output_;  ///< of the running pass; keeps its memory
  std::size_t n_prompt_ = 0;
  std::size_t n_prompt_done_ = 0;
  std::size_t n_prompt_shown_ = 0;
};

}  // namespace

Result<std::vector<Generation>> generate(Model& model, std::span<GenerationRequest> requests,
                                         const GenerateOptions& options) {
  HADAL_TRY(check(model, requests));
  return Batch(model, requests, options).run();
}

}  // namespace hadal
