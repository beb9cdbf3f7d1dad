#include "base/line_plot.h"

#include <gtest/gtest.h>

#include <limits>

namespace hadal {
namespace {

std::size_t count(const std::string& text, const std::string& what) {
  std::size_t n = 0;
  for (std::size_t at = text.find(what); at != std::string::npos; at = text.find(what, at + 1)) ++n;
  return n;
}

TEST(LinePlot, DrawsEachSeriesWithItsBandAndLabel) {
  const std::string svg = line_plot_svg(
      {.title = "A & B", .x_label = "depth", .y_label = "success", .y_low = 0.0, .y_high = 1.0},
      {{.label = "B <control>", .x = {1, 2, 3}, .y = {1, 0.5, 0}, .low = {}, .high = {}},
       {.label = "C", .x = {1, 2}, .y = {1, 1}, .low = {0.9, 0.8}, .high = {1, 1}}});

  EXPECT_EQ(count(svg, "<polyline"), 2u);
  EXPECT_EQ(count(svg, "<polygon"), 1u);
  EXPECT_NE(svg.find("B &lt;control&gt;"), std::string::npos);
  EXPECT_NE(svg.find("A &amp; B"), std::string::npos);
  EXPECT_NE(svg.find(">depth<"), std::string::npos);
  EXPECT_NE(svg.find(">success<"), std::string::npos);
  EXPECT_NE(svg.find("prefers-color-scheme: dark"), std::string::npos);
}

TEST(LinePlot, PutsValuesWhereTheAxesSay) {
  const std::string svg =
      line_plot_svg({.title = "t", .x_label = "x", .y_label = "y", .y_low = 0.0, .y_high = 1.0},
                    {{.label = "l", .x = {0, 10}, .y = {0, 1}, .low = {}, .high = {}}});

  // Corners of the plot area: 64 .. 760 - 170 across, 400 - 52 up to 36.
  EXPECT_NE(svg.find("points=\"64.0,348.0 590.0,36.0 \""), std::string::npos) << svg;
}

TEST(LinePlot, LeavesOutWhatIsNotFinite) {
  constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
  const std::string svg =
      line_plot_svg({.title = "t", .x_label = "x", .y_label = "y"},
                    {{.label = "l", .x = {0, 1, 2}, .y = {1, kNan, 2}, .low = {}, .high = {}}});

  EXPECT_EQ(svg.find("nan"), std::string::npos);
  EXPECT_EQ(svg.find("inf"), std::string::npos);
}

TEST(LinePlot, SurvivesEmptyAndConstantSeries) {
  const std::string svg =
      line_plot_svg({.title = "t", .x_label = "x", .y_label = "y"},
                    {{.label = "none", .x = {}, .y = {}, .low = {}, .high = {}},
                     {.label = "flat", .x = {3, 3}, .y = {2, 2}, .low = {}, .high = {}}});

  EXPECT_EQ(count(svg, "</svg>"), 1u);
  EXPECT_EQ(svg.find("nan"), std::string::npos);
}

}  // namespace
}  // namespace hadal
