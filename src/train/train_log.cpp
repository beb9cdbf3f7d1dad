#include "train/train_log.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <fstream>
#include <iterator>
#include <sstream>

namespace hadal::train {
namespace {

constexpr const char* kHeader =
    "step,tokens,seconds,tokens_per_second,learning_rate,loss,act_loss,next_action_accuracy,mtp_"
    "accuracy,"
    "gradient_norm,max_load,heldout_loss,heldout_act_loss,heldout_accuracy,"
    "latent_loss,latent_rank,latent_log_std,counterfactual_loss,heldout_token_loss,heldout_body_"
    "loss";

std::string optional_text(const std::optional<double>& value) {
  return value ? fmt::format("{:.5f}", *value) : "";
}

std::vector<std::string> cells_of(const std::string& line) {
  std::vector<std::string> cells;
  std::stringstream in(line);
  for (std::string cell; std::getline(in, cell, ',');) cells.push_back(cell);
  return cells;
}

std::optional<double> number(const std::string& text) {
  try {
    return text.empty() ? std::nullopt : std::optional<double>(std::stod(text));
  } catch (const std::exception&) {
    return std::nullopt;
  }
}

Result<void> write_text(const std::filesystem::path& path, const std::string& text,
                        std::ios::openmode mode) {
  std::ofstream file(path, mode);
  file << text;
  file.flush();
  if (file) return {};
  return error(ErrorCode::io_error, "{}: cannot be written", path.string());
}

}  // namespace

Result<CsvLog> CsvLog::open(const std::filesystem::path& path, std::uint64_t resume_step) {
  std::string kept = std::string(kHeader) + "\n";
  std::ifstream old(path);
  std::string line;
  std::getline(old, line);
  if (line == kHeader)
    while (std::getline(old, line)) {
      const auto cells = cells_of(line);
      const auto step = cells.empty() ? std::nullopt : number(cells[0]);
      if (step && *step <= static_cast<double>(resume_step)) kept += line + "\n";
    }
  HADAL_TRY(write_text(path, kept, std::ios::trunc));
  return CsvLog(path);
}

Result<void> CsvLog::append(const LogRow& r) const {
  return write_text(
      path_,
      fmt::format("{},{},{:.1f},{:.0f},{:.3e},{:.5f},{:.5f},{:.4f},{:.4f},{:.4f},{:.3f},{},{},{},{}"
                  ",{},{},{},{},{}\n",
                  r.step, r.tokens, r.seconds, r.tokens_per_second, r.learning_rate, r.loss,
                  r.act_loss, r.next_action_accuracy, r.mtp_accuracy, r.gradient_norm, r.max_load,
                  optional_text(r.heldout_loss), optional_text(r.heldout_act_loss),
                  optional_text(r.heldout_accuracy), optional_text(r.latent_loss),
                  optional_text(r.latent_rank), optional_text(r.latent_log_std),
                  optional_text(r.counterfactual_loss), optional_text(r.heldout_token_loss),
                  optional_text(r.heldout_body_loss)),
      std::ios::app);
}

std::string plot_svg(const std::string& title, const std::vector<Curve>& curves, double top,
                     const std::string& x_label) {
  constexpr double kWidth = 720, kHeight = 360, kLeft = 50, kRight = 150, kTop = 30, kBottom = 40;
  const double w = kWidth - kLeft - kRight, h = kHeight - kTop - kBottom;
  double end = 0.0;
  for (const Curve& c : curves)
    if (!c.x.empty()) end = std::max(end, *std::max_element(c.x.begin(), c.x.end()));
  end = end > 0.0 ? end : 1.0;
  std::string svg = fmt::format(
      "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {0} {1}\" "
      "font-family=\"sans-serif\" font-size=\"12\">\n"
      "<rect width=\"{0}\" height=\"{1}\" fill=\"white\"/>\n<text x=\"{2}\" y=\"18\">{3}</text>\n",
      kWidth, kHeight, kLeft, title);
  const auto out = std::back_inserter(svg);
  for (int i = 0; i <= 5; ++i) {
    const double share = i / 5.0, y = kTop + h * (1.0 - share), x = kLeft + w * share;
    fmt::format_to(out,
                   "<path d=\"M{0} {1:.1f}H{2}\" stroke=\"#ddd\"/><text x=\"{3}\" y=\"{4:.1f}\" "
                   "text-anchor=\"end\">{5:.2g}</text>\n",
                   kLeft, y, kLeft + w, kLeft - 6, y + 4, top * share);
    fmt::format_to(out, "<text x=\"{:.1f}\" y=\"{}\" text-anchor=\"middle\">{:.3g}</text>\n", x,
                   kTop + h + 16, end * share);
  }
  fmt::format_to(out, "<text x=\"{}\" y=\"{}\" text-anchor=\"middle\">{}</text>\n", kLeft + w / 2,
                 kHeight - 8, x_label);
  double label_y = kTop + 10;
  for (const Curve& c : curves) {
    std::string points;
    for (std::size_t i = 0; i < c.x.size(); ++i)
      fmt::format_to(std::back_inserter(points), "{:.1f},{:.1f} ", kLeft + w * c.x[i] / end,
                     kTop + h * (1.0 - std::clamp(c.y[i] / top, 0.0, 1.0)));
    fmt::format_to(out,
                   "<polyline fill=\"none\" stroke=\"{0}\" points=\"{1}\"/><text x=\"{2}\" "
                   "y=\"{3}\" fill=\"{0}\">{4}</text>\n",
                   c.color, points, kLeft + w + 8, label_y, c.label);
    label_y += 18;
  }
  return svg + "</svg>\n";
}

Result<void> plot_log(const std::filesystem::path& csv, const std::filesystem::path& svg) {
  std::vector<Curve> curves = {{"loss", "#1f77b4", {}, {}},
                               {"loss of actions", "#ff7f0e", {}, {}},
                               {"next action right", "#2ca02c", {}, {}},
                               {"held out: loss", "#9467bd", {}, {}},
                               {"held out: right", "#d62728", {}, {}}};
  constexpr std::size_t kColumns[] = {5, 6, 7, 11, 13};
  std::ifstream file(csv);
  std::string line;
  std::getline(file, line);
  while (std::getline(file, line)) {
    const auto cells = cells_of(line);
    if (cells.size() < 11) continue;
    const auto tokens = number(cells[1]);
    for (std::size_t i = 0; tokens && i < curves.size(); ++i) {
      const auto y = kColumns[i] < cells.size() ? number(cells[kColumns[i]]) : std::nullopt;
      if (!y || !std::isfinite(*y)) continue;
      curves[i].x.push_back(*tokens / 1e6);
      curves[i].y.push_back(*y);
    }
  }
  return write_text(svg, plot_svg("Training", curves, 2.5, "million tokens"), std::ios::trunc);
}

void ProgressLine::show(const LogRow& r, double share, double eta_seconds) {
  const auto now = std::chrono::steady_clock::now();
  if (open_ && now - last_ < std::chrono::milliseconds(terminal_ ? 200 : 15000)) return;
  last_ = now;
  const auto eta = static_cast<std::int64_t>(eta_seconds);
  std::string bar;
  if (terminal_)
    for (int i = 0; i < 20; ++i) bar += share * 20 > i ? "#" : ".";
  const std::string latent =
      r.latent_loss ? fmt::format(" latent {:.3f} rank {:.0f}", *r.latent_loss, *r.latent_rank)
                    : "";
  const std::string pairs =
      r.counterfactual_loss ? fmt::format(" pairs {:.3f}", *r.counterfactual_loss) : "";
  fmt::print(stderr,
             "{}{} {:5.1f} % step {} {:.2f}M tok {:.0f} tok/s ETA {}:{:02}:{:02} loss {:.3f} act "
             "{:.3f} next action "
             "{:.1f} % load {:.1f}{}{}{}",
             terminal_ ? "\r" : "", bar, 100.0 * share, r.step, static_cast<double>(r.tokens) / 1e6,
             r.tokens_per_second, eta / 3600, eta / 60 % 60, eta % 60, r.loss, r.act_loss,
             100.0 * r.next_action_accuracy, r.max_load, latent, pairs,
             terminal_ ? "\033[K" : "\n");
  std::fflush(stderr);
  open_ = true;
}

void ProgressLine::finish() {
  if (terminal_ && open_) fmt::print(stderr, "\n");
}

}  // namespace hadal::train
