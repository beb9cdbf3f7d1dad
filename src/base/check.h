// HADAL_CHECK stops the process on a bug. It must never be reachable from user input: that is a
// Result.
#pragma once

namespace hadal {

[[noreturn]] void check_failed(const char* condition, const char* why, const char* file,
                               int line) noexcept;

}  // namespace hadal

#define HADAL_CHECK(condition, why) \
  ((condition) ? (void)0 : ::hadal::check_failed(#condition, why, __FILE__, __LINE__))

#ifdef HADAL_DEBUG_CHECKS
#define HADAL_DCHECK(condition, why) HADAL_CHECK(condition, why)
#else
#define HADAL_DCHECK(condition, why) ((void)0)
#endif
