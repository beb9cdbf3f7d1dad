// Sleeping on a 32-bit word and waking a chosen number of sleepers: futex(2), private to this
// process. std::atomic::wait has no "wake two", and hides counters that all waiters share.
#pragma once

#include <climits>

#include <atomic>
#include <cstdint>

#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace hadal {

inline constexpr int kEverySleeper = INT_MAX;

/// Sleeps while `word` holds `value`. May return early: callers look again.
inline void futex_wait(std::atomic<std::uint32_t>& word, std::uint32_t value) noexcept {
  static_assert(sizeof(word) == sizeof(std::uint32_t) &&
                std::atomic<std::uint32_t>::is_always_lock_free);
  ::syscall(SYS_futex, &word, FUTEX_WAIT_PRIVATE, value, nullptr, nullptr, 0);
}

/// Wakes at most `n` threads that sleep on `word`. Change the word first.
inline void futex_wake(std::atomic<std::uint32_t>& word, int n) noexcept {
  ::syscall(SYS_futex, &word, FUTEX_WAKE_PRIVATE, n, nullptr, nullptr, 0);
}

}  // namespace hadal
