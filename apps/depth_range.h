// --depths 1-8.
#pragma once

#include "base/result.h"

#include <string>

namespace hadal {

struct DepthRange {
  int first = 1;
  int last = 1;
};

/// "3" or "1-8", within 1 .. worlds::kMaxDepth. Errors: invalid_argument.
Result<DepthRange> parse_depths(const std::string& text);

}  // namespace hadal
