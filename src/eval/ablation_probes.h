// The report's sections beside planning: probes, causal questions, perplexity.
#pragma once

#include "eval/arm_data.h"

#include <map>
#include <string>

namespace hadal::eval {

/// 0.123 -> "12.3"
std::string percent_text(double share);

/// Markdown with its heading; empty where no run has anything of it. One row for each run, since
/// the spread between seeds is larger than any interval of one model.
std::string probes_section(const std::map<std::string, ArmData>& arms);
std::string questions_section(const std::map<std::string, ArmData>& arms);
/// One row for each arm.
std::string texts_section(const std::map<std::string, ArmData>& arms);

}  // namespace hadal::eval
