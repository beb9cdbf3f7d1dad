#include "base/check.h"

#include <cstdio>
#include <cstdlib>

namespace hadal {

void check_failed(const char* condition, const char* why, const char* file, int line) noexcept {
  std::fprintf(
      stderr,
      "hadal: internal error at %s:%d: %s (%s)\nThis is a bug in Hadal; please report it.\n", file,
      line, why, condition);
  std::abort();
}

}  // namespace hadal
