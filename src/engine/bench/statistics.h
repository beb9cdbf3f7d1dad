// Median and range of repeated measurements: what benchmarks print instead of a mean, because a
// busy neighbour makes outliers to one side.
#pragma once

#include <vector>

namespace hadal::bench {

struct Spread {
  double median = 0;  ///< mean of the middle two when their number is even
  double min = 0;
  double max = 0;
};

/// All zero for no samples.
Spread spread_of(std::vector<double> samples);

}  // namespace hadal::bench
