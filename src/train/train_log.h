// What a run leaves to read: a CSV row now and then, an SVG curve, progress on stderr.
#pragma once

#include "base/result.h"

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace hadal::train {

struct LogRow {
  std::uint64_t step = 0;
  std::uint64_t tokens = 0;
  double seconds = 0.0;
  double tokens_per_second = 0.0;
  double learning_rate = 0.0;
  double loss = 0.0;                  ///< weighted mean of the training batch
  double act_loss = 0.0;              ///< mean over tokens of actions
  double next_action_accuracy = 0.0;  ///< share of decisions whose argmax is a best next action
  double mtp_accuracy = 0.0;          ///< argmax of the MTP block == the token after next
  double gradient_norm = 0.0;
  double max_load = 0.0;  ///< busiest expert / mean, worst block
  std::optional<double> heldout_loss, heldout_act_loss, heldout_accuracy;
  /// Nats per token without loss weights: over all tokens, and over those between <|:|> and
  /// <|/ev|>.
  std::optional<double> heldout_token_loss, heldout_body_loss;
  /// Of runs with the latent loss (latent_losses.h): it, and what shows a collapse.
  std::optional<double> latent_loss, latent_rank, latent_log_std;
  /// Of runs with pairs: that of the last step that had some.
  std::optional<double> counterfactual_loss;
};

/// Appends rows to a CSV file; rows after `resume_step` of an interrupted run are dropped first.
class CsvLog {
 public:
  static Result<CsvLog> open(const std::filesystem::path& path, std::uint64_t resume_step);
  Result<void> append(const LogRow& row) const;

 private:
  explicit CsvLog(std::filesystem::path path) : path_(std::move(path)) {}
  std::filesystem::path path_;
};

/// One line of the curve: points (x, y), drawn against its own y axis range [low, high].
struct Curve {
  std::string label;
  std::string color;
  std::vector<double> x, y;
};

/// A small line plot. Curves share the x axis; `top` is the upper end of the y axis, 0 its lower
/// end.
std::string plot_svg(const std::string& title, const std::vector<Curve>& curves, double top,
                     const std::string& x_label);

/// Draws losses and accuracies of a CSV log beside it. Errors: io_error.
Result<void> plot_log(const std::filesystem::path& csv, const std::filesystem::path& svg);

/// Progress on stderr: redrawn in place on a terminal, else a line every 15 seconds.
class ProgressLine {
 public:
  explicit ProgressLine(bool terminal) : terminal_(terminal) {}
  /// `share` of the schedule done in [0, 1].
  void show(const LogRow& row, double share, double eta_seconds);
  void finish();

 private:
  bool terminal_;
  bool open_ = false;
  std::chrono::steady_clock::time_point last_{};
};

}  // namespace hadal::train
