// Line plots as SVG text, readable on light and dark pages: axes, legend, confidence bands. No
// dependency; the trainer's curves and the evaluation's figures.
#pragma once

#include <optional>
#include <string>
#include <vector>

namespace hadal {

struct PlotSeries {
  std::string label;
  std::vector<double> x, y;       ///< equal lengths; points that are not finite are left out
  std::vector<double> low, high;  ///< a band around y, of y's length; empty: none
};

struct PlotOptions {
  std::string title;
  std::string x_label, y_label;
  /// Ends of the y axis; absent: from the data, with round numbers.
  std::optional<double> y_low{}, y_high{};
  bool markers = false;  ///< a dot at each point (few points)
};

/// Colours follow the reader's colour scheme (prefers-color-scheme) and are those of Okabe and Ito
/// (2008), told apart by colour-blind people; beyond eight series lines are dashed as well. Texts
/// are escaped.
std::string line_plot_svg(const PlotOptions& options, const std::vector<PlotSeries>& series);

}  // namespace hadal
