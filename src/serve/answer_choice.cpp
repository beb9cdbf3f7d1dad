#include "serve/answer_choice.h"

#include "base/seconds.h"
#include "chat/answer_reader.h"
#include "chat/prompt_template.h"
#include "protocol/json_text.h"
#include "serve/answer_logprobs.h"
#include "serve/loop_guard.h"

#include <chrono>
#include <optional>
#include <utility>

namespace hadal {
namespace {

using Clock = std::chrono::steady_clock;

constexpr auto kCallCut = static_cast<std::size_t>(Repair::call_cut);

class Choice final : public ChoiceListener {
 public:
  explicit Choice(ChoiceContext c)
      : index_(c.index),
        context_(c.context),
        request_(c.request),
        rules_(c.rules),
        prompt_(c.prompt),
        request_id_(c.request_id),
        responder_(std::move(c.responder)),
        teller_(std::move(c.teller)),
        tokenizer_(context_.tokenizer),
        think_end_(tokenizer_.find_special(kThinkEndToken)),
        budget_(request_.thinking.budget_tokens),
        is_raw_(request_.protocol == Protocol::completions),
        reader_(tokenizer_,
                {.start = prompt_.opens_reasoning ? AnswerStart::reasoning : AnswerStart::content,
                 .is_raw = is_raw_,
                 .stop = request_.options.stop,
                 .call_id_prefix = std::move(c.call_id_prefix)}) {
    if (request_.echo) echo_ = prompt_.ids;
    if (context_.script != nullptr) script_ = context_.script->tokens_for(request_, tokenizer_);
    if (context_.guards_loops && !is_constrained()) loop_guard_.emplace();
  }

  bool is_constrained() const override {
    return rules_.grammar != nullptr || (budget_ && think_end_) || !script_.empty();
  }

  std::span<const std::uint64_t> allowed() override {
    if (!script_.empty()) return only(n_said_ < script_.size() ? script_[n_said_] : context_.eos);
    if (must_end_reasoning()) return only(*think_end_);
    return follows_rules() ? std::span<const std::uint64_t>(matcher_->mask().words())
                           : std::span<const std::uint64_t>();
  }

  void on_start(const PrefixUse& use) override {
    if (rules_.grammar) matcher_.emplace(context_.grammars.matcher(rules_.grammar));
    if (!echo_.empty()) {
      // The first token has nothing before it.
      if (request_.n_logprobs)
        prompt_logprobs_.push_back({.bytes = bytes_of(echo_.front()), .logprob = {}, .top = {}});
    }
    post([index = index_, n = use.n_restored](ChoiceTeller& teller) {
      teller.begin_choice(index, n);
    });
  }

  void on_prefill(std::size_t done, std::size_t total) override {
    post([done, total](ChoiceTeller& teller) { teller.show_progress(done, total); });
  }

  void on_prompt_token(const TokenChoice& choice) override {
    prompt_logprobs_.push_back(logprob_of(choice));
  }

  bool on_token(const TokenChoice& choice) override {
    show_echo();
    const auto now = Clock::now();
    if (last_token_) context_.metrics.observe_token_gap(seconds_between(*last_token_, now));
    last_token_ = now;
    const bool is_reasoning = reader_.in_reasoning();
    n_reasoning_ += is_reasoning;
    ++n_said_;
    if (follows_rules()) matcher_->accept_token(choice.token);
    const bool is_end = choice.token == context_.eos;
    // OpenAI's completions tell the token that ends the text too; harnesses count on it.
    if (request_.n_logprobs && !is_reasoning && (is_raw_ || !is_end))
      logprobs_.add(logprob_of(choice));
    if (is_end) return true;
    ids_.push_back(choice.token);
    is_loop_ = loop_guard_ && loop_guard_->take(choice.token);
    std::vector<ChatEvent> events;
    const bool goes_on = reader_.take(choice.token, events);
    tell(std::move(events));
    return goes_on && !is_loop_;
  }

  void on_end(const JobEnd& job) override {
    show_echo();
    // A call that was not written to its end must not be taken for one.
    const bool at_limit = job.outcome != JobOutcome::stopped || is_loop_;
    ParsedCompletion parsed = reader_.finish(at_limit ? GenerationEnd::limit : GenerationEnd::stop);
    tell(std::move(parsed.last_events));
    count(parsed);
    if (context_.trace != nullptr) {
      context_.trace->answer(request_id_, index_, tokenizer_.decode(prompt_.ids),
                             tokenizer_.decode(ids_));
    }
    post([index = index_, end = end_of(std::move(parsed), job)](ChoiceTeller& teller) mutable {
      teller.end_choice(index, std::move(end));
    });
    teller_.reset();
  }

 private:
  void count(const ParsedCompletion& parsed) {
    std::size_t n_repairs = 0;
    for (const std::size_t n : parsed.repairs) n_repairs += n;
    if (n_repairs > 0) context_.metrics.count_repairs(n_repairs);
    if (is_loop_) context_.metrics.count_loop();
  }

  ChoiceEnd end_of(ParsedCompletion parsed, const JobEnd& job) {
    const bool has_cut_call = parsed.repairs[kCallCut] > 0;
    ChoiceEnd end{.answer = {.message = std::move(parsed.message),
                             .finish_reason = parsed.finish_reason,
                             .stop_sequence = reader_.stopped_by(),
                             .logprobs = {},
                             .last_logprobs = logprobs_.take_rest(),
                             .has_cut_call = has_cut_call},
                  .job = job,
                  .n_reasoning_tokens = n_reasoning_,
                  .is_loop = is_loop_,
                  .turn = {}};
    AnswerChoice& answer = end.answer;
    answer.logprobs = logprobs_.told();
    if (!echoed_text_.empty()) {
      answer.message.content.insert(0, echoed_text_);
      answer.logprobs.insert(answer.logprobs.begin(), prompt_logprobs_.begin(),
                             prompt_logprobs_.end());
    }
    // What a stop string or the limit cut is not what the client will send back.
    if (!reader_.stopped_by() && !has_cut_call && !is_raw_) end.turn = std::move(ids_);
    return end;
  }

  bool must_end_reasoning() const {
    return budget_ && think_end_ && reader_.in_reasoning() && n_reasoning_ >= *budget_;
  }
  /// A mask of one token.
  std::span<const std::uint64_t> only(std::int32_t token) {
    const auto id = static_cast<std::size_t>(token);
    one_token_.assign((context_.vocab_size + 63) / 64, 0);
    one_token_[id / 64] = std::uint64_t{1} << (id % 64);
    return one_token_;
  }
  bool follows_rules() const {
    return matcher_ && !(rules_.begins_after_reasoning && reader_.in_reasoning());
  }

  std::string bytes_of(std::int32_t token) const {
    return std::string(tokenizer_.token_bytes(token));
  }
  TokenLogprob logprob_of(const TokenChoice& choice) const {
    TokenLogprob told{.bytes = bytes_of(choice.token), .logprob = choice.logprob, .top = {}};
    for (const auto& [id, logprob] : choice.top_logprobs)
      told.top.push_back({.bytes = bytes_of(id), .logprob = logprob});
    return told;
  }

  void show_echo() {
    if (echo_.empty()) return;
    echoed_text_ = valid_utf8(tokenizer_.decode(std::exchange(echo_, {})));
    tell({ContentDelta{echoed_text_}}, prompt_logprobs_);
  }

  void tell(std::vector<ChatEvent> events) {
    if (events.empty()) return;
    std::vector<TokenLogprob> logprobs = logprobs_.take(events);
    tell(std::move(events), std::move(logprobs));
  }
  void tell(std::vector<ChatEvent> events, std::vector<TokenLogprob> logprobs) {
    post([index = index_, events = std::move(events),
          logprobs = std::move(logprobs)](ChoiceTeller& teller) mutable {
      teller.show(index, std::move(events), std::move(logprobs));
    });
  }

  /// Work for the strand, in order.
  template <typename Work>
  void post(Work work) {
    responder_->post([teller = teller_, work = std::move(work)]() mutable { work(*teller); });
  }

  std::size_t index_;
  ServingContext& context_;
  const ApiRequest& request_;
  const AnswerRules& rules_;
  const PromptTokens& prompt_;
  const std::string& request_id_;
  std::shared_ptr<HttpResponder> responder_;
  std::shared_ptr<ChoiceTeller> teller_;  ///< until the end
  const Tokenizer& tokenizer_;
  std::optional<std::int32_t> think_end_;
  std::optional<std::size_t> budget_;
  bool is_raw_;
  AnswerReader reader_;
  std::optional<grammar::Matcher> matcher_;
  std::vector<std::uint64_t> one_token_;
  std::vector<std::int32_t> script_;  ///< not empty: what is to be said
  std::size_t n_said_ = 0;
  std::size_t n_reasoning_ = 0;
  std::optional<LoopGuard> loop_guard_;
  bool is_loop_ = false;
  std::vector<std::int32_t> ids_;   ///< as sampled, without the end token
  std::vector<std::int32_t> echo_;  ///< prompt that is still to be told
  std::string echoed_text_;
  std::vector<TokenLogprob> prompt_logprobs_;
  AnswerLogprobs logprobs_;
  std::optional<Clock::time_point> last_token_;
};

}  // namespace

std::shared_ptr<ChoiceListener> listen_to_choice(ChoiceContext context) {
  return std::make_shared<Choice>(std::move(context));
}

}  // namespace hadal
