// Training sequences about causal worlds: a story told by the narrator, and questions about it.
#pragma once

#include "worlds/narrator.h"
#include "worlds/story.h"

#include <vector>

namespace hadal::worlds {

/// The questions that training_narrative() ends with; none with question_share = 0.
std::vector<Question> draw_questions(const Story& story, const WorldOptions& options);

/// One whole training sequence: an episode by a teacher who now and then errs
/// (options.mistake_share) and recovers.
std::vector<Piece> training_narrative(const WorldKey& key, const WorldOptions& options);

}  // namespace hadal::worlds
