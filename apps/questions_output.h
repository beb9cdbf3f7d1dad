// Answers to causal questions on the terminal and as JSON.
#pragma once

#include "eval/question_table.h"

#include <nlohmann/json.hpp>

#include <span>

namespace hadal {

/// A row per type, then the pairs.
void print_questions(std::span<const eval::QuestionRow> rows);
/// {"by_type": [{"type", "questions", "accuracy", "ci95", "majority", "context_free",
/// "causes_f1"}], "accuracy": mean over types, "pairs": {...}}
nlohmann::ordered_json questions_json(std::span<const eval::QuestionRow> rows);

}  // namespace hadal
