// What the handlers of a server have in common.
#pragma once

#include "serve/answer_grammar.h"
#include "serve/answer_script.h"
#include "serve/metrics.h"
#include "serve/scheduler.h"
#include "serve/trace_log.h"
#include "serve/turn_store.h"
#include "tokenizer/tokenizer.h"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

namespace hadal {

/// What all requests of a server share. Outlives them.
struct ServingContext {
  Scheduler& scheduler;
  AnswerGrammars& grammars;
  const Tokenizer& tokenizer;
  ServerMetrics& metrics;
  TurnStore& turns;
  const AnswerScript* script;  ///< null: none
  std::int32_t eos;
  std::size_t vocab_size;
  std::size_t context;  ///< most tokens of prompt and answer
  std::size_t n_drafts;
  std::string_view cors_origin;  ///< empty: no header
  bool guards_loops = true;      ///< of answers that no grammar binds
  TraceLog* trace = nullptr;     ///< null: none
  std::chrono::seconds keep_alive{15};
};

/// A prompt; the request says how many choices it has.
struct PromptTokens {
  std::vector<std::int32_t> ids;
  std::vector<std::size_t> turn_ends;
  bool opens_reasoning = false;
};

}  // namespace hadal
