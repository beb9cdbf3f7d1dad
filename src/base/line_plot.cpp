#include "base/line_plot.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <iterator>
#include <limits>
#include <string_view>

namespace hadal {
namespace {

constexpr double kWidth = 760, kHeight = 400;
constexpr double kLeft = 64, kRight = 170, kTop = 36, kBottom = 52;
constexpr std::size_t kColours = 8;

constexpr std::string_view kStyle = R"(<style>
  .page { fill: #ffffff } text { fill: #24292f } .grid { stroke: #d8dee4 } .axis { stroke: #57606a }
  .c0 { --c: #0072b2 } .c1 { --c: #d55e00 } .c2 { --c: #009e73 } .c3 { --c: #b2568c }
  .c4 { --c: #b07d00 } .c5 { --c: #3a9bd9 } .c6 { --c: #8a8100 } .c7 { --c: #57606a }
  .line { stroke: var(--c); fill: none; stroke-width: 2 } .dot { fill: var(--c) }
  .band { fill: var(--c); opacity: 0.16 }
  @media (prefers-color-scheme: dark) {
    .page { fill: #0d1117 } text { fill: #e6edf3 } .grid { stroke: #30363d } .axis { stroke: #8b949e }
    .c0 { --c: #4aa8e8 } .c1 { --c: #ff8c42 } .c2 { --c: #2fd0a0 } .c3 { --c: #e08fc0 }
    .c4 { --c: #f0b429 } .c5 { --c: #8fd0ff } .c6 { --c: #f0e442 } .c7 { --c: #b1bac4 }
    .band { opacity: 0.22 }
  }
</style>
)";

std::string escaped(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (c == '&') {
      out += "&amp;";
    } else if (c == '<') {
      out += "&lt;";
    } else if (c == '>') {
      out += "&gt;";
    } else {
      out += c;
    }
  }
  return out;
}

struct Range {
  double low = std::numeric_limits<double>::infinity();
  double high = -std::numeric_limits<double>::infinity();

  void take(double value) {
    if (!std::isfinite(value)) return;
    low = std::min(low, value);
    high = std::max(high, value);
  }
};

/// Ticks at 1, 2 or 5 times a power of ten, about five of them.
struct Axis {
  double low, high, step;

  static Axis over(Range range, std::optional<double> low, std::optional<double> high) {
    if (!(range.low <= range.high)) range = {0.0, 1.0};
    if (range.low == range.high) range.high += range.low == 0.0 ? 1.0 : std::abs(range.low);
    const double from = low.value_or(range.low), to = std::max(high.value_or(range.high), from);
    const double raw = std::max(to - from, 1e-12) / 5.0;
    const double power = std::pow(10.0, std::floor(std::log10(raw)));
    double step = power * 10.0;
    for (const double factor : {5.0, 2.0, 1.0})
      if (factor * power >= raw * 0.999) step = factor * power;
    return {low.value_or(std::floor(from / step) * step),
            high.value_or(std::ceil(to / step) * step), step};
  }
  double share(double value) const { return std::clamp((value - low) / (high - low), 0.0, 1.0); }
};

class Figure {
 public:
  Figure(const PlotOptions& options, const std::vector<PlotSeries>& series)
      : options_(options), series_(series) {
    Range x, y;
    for (const PlotSeries& s : series) {
      for (const double value : s.x) x.take(value);
      for (const auto* values : {&s.y, &s.low, &s.high})
        for (const double value : *values) y.take(value);
    }
    x_ = Axis::over(x, {}, {});
    y_ = Axis::over(y, options.y_low, options.y_high);
  }

  std::string draw() {
    put("<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {0} {1}\" "
        "font-family=\"sans-serif\" font-size=\"13\" role=\"img\">\n<title>{2}</title>\n",
        kWidth, kHeight, escaped(options_.title));
    svg_ += kStyle;
    put("<rect class=\"page\" width=\"{}\" height=\"{}\"/>\n"
        "<text x=\"{}\" y=\"22\" font-size=\"15\" font-weight=\"bold\">{}</text>\n",
        kWidth, kHeight, kLeft, escaped(options_.title));
    draw_axes();
    for (std::size_t i = 0; i < series_.size(); ++i) draw_band(series_[i], i);
    for (std::size_t i = 0; i < series_.size(); ++i) draw_line(series_[i], i);
    return svg_ + "</svg>\n";
  }

 private:
  template <typename... Args>
  void put(fmt::format_string<Args...> format, Args&&... args) {
    fmt::format_to(std::back_inserter(svg_), format, std::forward<Args>(args)...);
  }
  double px(double x) const { return kLeft + (kWidth - kLeft - kRight) * x_.share(x); }
  double py(double y) const { return kHeight - kBottom - (kHeight - kTop - kBottom) * y_.share(y); }

  void draw_axes() {
    const double right = kWidth - kRight, bottom = kHeight - kBottom;
    for (double y = y_.low; y <= y_.high + y_.step * 1e-6; y += y_.step)
      put("<path class=\"grid\" d=\"M{} {:.1f}H{}\"/><text x=\"{}\" y=\"{:.1f}\" "
          "text-anchor=\"end\">{:.4g}</text>\n",
          kLeft, py(y), right, kLeft - 8, py(y) + 4, std::abs(y) < y_.step * 1e-6 ? 0.0 : y);
    for (double x = x_.low; x <= x_.high + x_.step * 1e-6; x += x_.step)
      put("<path class=\"axis\" d=\"M{:.1f} {}v5\"/><text x=\"{:.1f}\" y=\"{}\" "
          "text-anchor=\"middle\">{:.4g}</text>\n",
          px(x), bottom, px(x), bottom + 19, std::abs(x) < x_.step * 1e-6 ? 0.0 : x);
    put("<path class=\"axis\" fill=\"none\" d=\"M{} {}V{}H{}\"/>\n", kLeft, kTop, bottom, right);
    put("<text x=\"{}\" y=\"{}\" text-anchor=\"middle\">{}</text>\n", (kLeft + right) / 2,
        kHeight - 12, escaped(options_.x_label));
    put("<text transform=\"translate(16 {}) rotate(-90)\" text-anchor=\"middle\">{}</text>\n",
        (kTop + bottom) / 2, escaped(options_.y_label));
  }

  void draw_band(const PlotSeries& s, std::size_t i) {
    if (s.low.size() != s.y.size() || s.high.size() != s.y.size() || s.y.empty()) return;
    std::string points;
    for (std::size_t k = 0; k < s.y.size(); ++k)
      if (std::isfinite(s.high[k]))
        points += fmt::format("{:.1f},{:.1f} ", px(s.x[k]), py(s.high[k]));
    for (std::size_t k = s.y.size(); k > 0; --k)
      if (std::isfinite(s.low[k - 1]))
        points += fmt::format("{:.1f},{:.1f} ", px(s.x[k - 1]), py(s.low[k - 1]));
    put("<polygon class=\"band c{}\" points=\"{}\"/>\n", i % kColours, points);
  }

  void draw_line(const PlotSeries& s, std::size_t i) {
    constexpr const char* kDashes[] = {"", " stroke-dasharray=\"7 4\"",
                                       " stroke-dasharray=\"2 3\""};
    const char* dash = kDashes[i / kColours % 3];
    std::string points, dots;
    for (std::size_t k = 0; k < s.y.size(); ++k) {
      if (!std::isfinite(s.x[k]) || !std::isfinite(s.y[k])) continue;
      points += fmt::format("{:.1f},{:.1f} ", px(s.x[k]), py(s.y[k]));
      if (options_.markers)
        dots += fmt::format("<circle class=\"dot\" cx=\"{:.1f}\" cy=\"{:.1f}\" r=\"3\"/>",
                            px(s.x[k]), py(s.y[k]));
    }
    const double x = kWidth - kRight + 14, y = kTop + 10 + 20 * static_cast<double>(i);
    put("<g class=\"c{0}\"><polyline class=\"line\"{1} points=\"{2}\"/>{3}"
        "<path class=\"line\"{1} d=\"M{4} {5}h22\"/></g>"
        "<text x=\"{6}\" y=\"{7}\">{8}</text>\n",
        i % kColours, dash, points, dots, x, y, x + 28, y + 4, escaped(s.label));
  }

  const PlotOptions& options_;
  const std::vector<PlotSeries>& series_;
  Axis x_{0, 1, 1}, y_{0, 1, 1};
  std::string svg_;
};

}  // namespace

std::string line_plot_svg(const PlotOptions& options, const std::vector<PlotSeries>& series) {
  return Figure(options, series).draw();
}

}  // namespace hadal
