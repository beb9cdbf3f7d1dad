// Observations by upper bounds, as Prometheus reads them.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace hadal {

/// The lines that name a metric and its type ("counter", "gauge", "histogram").
void write_metric_head(std::string& out, std::string_view name, std::string_view help,
                       std::string_view type);

/// One thread, or under its owner's lock.
class Histogram {
 public:
  /// @param bounds  rising; what is above the last one counts too
  explicit Histogram(std::vector<double> bounds)
      : bounds_(std::move(bounds)), counts_(bounds_.size() + 1, 0) {}
  void observe(double value);
  /// Lines NAME_bucket, NAME_sum, NAME_count, with the type.
  void write(std::string& out, std::string_view name, std::string_view help,
             std::string_view labels) const;

 private:
  std::vector<double> bounds_;
  std::vector<std::uint64_t> counts_;  ///< one more than bounds
  double sum_ = 0;
};

}  // namespace hadal
