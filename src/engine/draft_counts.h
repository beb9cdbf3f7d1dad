// What became of drafted tokens (speculation: deepseek-v4.md section 6).
#pragma once

#include <array>
#include <cstddef>

namespace hadal {

struct DraftCounts {
  static constexpr std::size_t kMaxDrafts = 31;  ///< of one step: what a roll-back can undo

  std::size_t n_steps = 0;  ///< that had drafts
  std::size_t n_drafted = 0;
  std::size_t n_accepted = 0;
  std::array<std::size_t, kMaxDrafts> n_accepted_at{};  ///< by place among the drafts of a step

  DraftCounts& operator+=(const DraftCounts& other) {
    n_steps += other.n_steps;
    n_drafted += other.n_drafted;
    n_accepted += other.n_accepted;
    for (std::size_t i = 0; i < kMaxDrafts; ++i) n_accepted_at[i] += other.n_accepted_at[i];
    return *this;
  }
};

}  // namespace hadal
