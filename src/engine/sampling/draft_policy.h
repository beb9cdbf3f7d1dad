// Whether drafts pay, found by trying: speculation that switches itself off.
#pragma once

#include <array>
#include <cstddef>

namespace hadal {

/// Compares tokens per second of one sequence with and without drafts. Each period of kPeriod
/// passes begins with a trial in which passes without and with drafts alternate; drafts that gave
/// fewer tokens per second than plain passes are given up for the rest of the answer. Never decides
/// what is said, only how fast: drafts are kept where the model chooses the same token.
class DraftPolicy {
 public:
  static constexpr std::size_t kTrial = 16;  ///< passes, half of them without drafts
  static constexpr std::size_t kPeriod = 512;

  bool gave_up() const { return gave_up_; }

  /// Whether the next pass shall have drafts.
  bool wants_drafts() const { return !gave_up_ && (n_passes_ >= kTrial || n_passes_ % 2 == 1); }

  /// After each pass: `seconds` it took, with the making of its drafts; the tokens it gave.
  void record(bool with_drafts, double seconds, std::size_t n_tokens) {
    if (n_passes_ < kTrial) {
      Rate& rate = rates_[with_drafts ? 1 : 0];
      rate.seconds += seconds;
      rate.tokens += static_cast<double>(n_tokens);
    }
    ++n_passes_;
    if (n_passes_ == kTrial) gave_up_ = drafts_are_slower();
    if (n_passes_ == kPeriod) {
      n_passes_ = 0;
      rates_ = {};
    }
  }

 private:
  struct Rate {
    double seconds = 0;
    double tokens = 0;
  };

  bool drafts_are_slower() const {
    const auto& [plain, drafted] = rates_;
    return drafted.tokens * plain.seconds < plain.tokens * drafted.seconds;
  }

  std::size_t n_passes_ = 0;     ///< of the running period
  std::array<Rate, 2> rates_{};  ///< of the running trial: plain, with drafts
  bool gave_up_ = false;
};

}  // namespace hadal
