#include "grammar/matcher.h"

#include <utility>

namespace hadal::grammar {

Matcher::Matcher(std::shared_ptr<Constraint> constraint)
    : constraint_(std::move(constraint)),
      state_(std::make_shared<const MatcherState>(MatcherState{constraint_->start(), false})) {}

bool Matcher::accept_token(std::int32_t id) {
  const TokenVocabulary& vocabulary = constraint_->vocabulary();
  if (state_->is_ended || id < 0 || static_cast<std::size_t>(id) >= vocabulary.vocab_size())
    return false;
  if (vocabulary.is_end(id)) return is_complete() && enter({{}, true});
  const std::string_view bytes = vocabulary.spelled(id);
  if (bytes.empty()) return false;
  ConfigSet next = constraint_->advance(state_->configs, bytes);
  return !next.empty() && enter({std::move(next), false});
}

bool Matcher::accept_bytes(std::string_view bytes) {
  if (state_->is_ended) return false;
  ConfigSet next = constraint_->advance(state_->configs, bytes);
  return !next.empty() && enter({std::move(next), false});
}

bool Matcher::is_complete() const {
  return !state_->configs.empty() && state_->configs.front().state == kAccept;
}

const TokenMask& Matcher::mask() {
  return constraint_->mask(state_->configs);
}

bool Matcher::rollback(std::size_t n_steps) {
  if (n_steps > history_.size()) return false;
  if (n_steps == 0) return true;
  state_ = history_[history_.size() - n_steps];
  history_.resize(history_.size() - n_steps);
  return true;
}

void Matcher::restore(MatcherState state) {
  state_ = std::make_shared<const MatcherState>(std::move(state));
  history_.clear();
}

bool Matcher::enter(MatcherState next) {
  if (history_.size() == kMaxRollback) history_.erase(history_.begin());
  history_.push_back(std::exchange(state_, std::make_shared<const MatcherState>(std::move(next))));
  return true;
}

}  // namespace hadal::grammar
