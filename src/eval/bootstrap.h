// How sure are we of a success rate, and of the gain of one training arm over another: a
// hierarchical bootstrap over seeds and episodes, and the verdict whose words were fixed before the
// experiment (world-model.md 4.3; docs/experiments/world-model.md section 6).
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <vector>

namespace hadal::eval {

/// One trained model: for each depth, whether episode i was solved (1) or not (0). Episode i is the
/// same world for every run.
struct RunOutcomes {
  std::map<int, std::vector<std::uint8_t>> solved;
};

/// The runs of one arm of the experiment, one per training seed.
struct Arm {
  std::string name;
  std::vector<RunOutcomes> runs;  ///< not empty
};

struct BootstrapOptions {
  std::size_t n_resamples = 10000;
  int first_depth =
      2;  ///< P is the mean over depths first_depth .. last_depth, each of equal weight
  int last_depth = 8;
  std::uint64_t seed = 0;
};

/// A number with its 95 % interval (percentiles 2.5 and 97.5 of the resamples).
struct Estimate {
  double value = 0.0;
  double low = 0.0;
  double high = 0.0;
};

/// Values over the resamples, beside the one of the data themselves.
struct Draws {
  double value = 0.0;
  std::vector<double> resampled;  ///< [n_resamples]

  Estimate estimate() const;
};

struct ArmDraws {
  std::string name;
  std::size_t n_runs = 0;
  std::map<int, Draws> by_depth;  ///< every depth that all runs of the arm have
  Draws p;                        ///< mean success over the depths of the endpoint
};

/// Does every run hold episodes of each depth of the endpoint? Says which is missing; empty: all
/// there.
std::string missing_depth(const Arm& arm, const BootstrapOptions& options);

/// A resample draws, for each arm by itself, as many runs as it has, with replacement, and for each
/// depth as many episodes as there are, with replacement. Episodes are the same worlds for every
/// run and arm (crossed, not nested), so one draw of episodes serves all runs and arms with that
/// number of episodes: their common difficulty cancels in differences, and counts fully in P. Seeds
/// are not paired between arms, since the same seed initialises different shapes; that can only
/// widen the interval. With one run the interval holds for that trained model alone. Deterministic:
/// counter-based random numbers (base/random.h), any thread. Requires missing_depth() empty for
/// each arm. Cost: O(resamples x episodes x runs).
std::vector<ArmDraws> resample(std::span<const Arm> arms, const BootstrapOptions& options);

/// (a - b) of P; times 100 these are percentage points.
Draws difference(const Draws& a, const Draws& b);
/// (a - b) / b. Where b is 0: 0 if a is 0 too, else infinite.
Draws relative_gain(const Draws& a, const Draws& b);
/// Resample by resample the larger one.
Draws larger(const Draws& a, const Draws& b);

enum class Verdict : std::uint8_t { reproduced, improves, no_effect };

struct Judgement {
  Verdict verdict = Verdict::no_effect;
  bool in_points = false;  ///< max(A, B) is below the floor: relative gains mean nothing
  Estimate gain;           ///< (C - max(A, B)) / max(A, B), or C - max(A, B) if in_points
  std::string text;        ///< one sentence with the fixed words
};

inline constexpr double kGainClaimed = 0.15;  ///< the article's +15 %
inline constexpr double kFloor = 0.2;         ///< of P of the controls

/// "reproduced at toy scale" if the interval of (C - max(A, B)) / max(A, B) lies at or above 15 %;
/// "improves, 15 % not established" if its lower end is above 0; "no effect found" otherwise. When
/// P of A and of B is below 0.2 the difference in percentage points takes the place of the relative
/// gain; the first verdict is then out of reach, and the text says why.
Judgement judge(const Draws& a, const Draws& b, const Draws& c);

}  // namespace hadal::eval
