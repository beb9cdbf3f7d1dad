#include "serve/job.h"

namespace hadal {

std::string_view prefix_miss_name(PrefixMiss miss) {
  switch (miss) {
    case PrefixMiss::none:
      return "none";
    case PrefixMiss::cold:
      return "cold";
    case PrefixMiss::diverged:
      return "diverged";
    case PrefixMiss::evicted:
      return "evicted";
    default:
      return "disabled";
  }
}

}  // namespace hadal
