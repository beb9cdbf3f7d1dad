// The grammar of an answer with DSML tool calls (deepseek-v4.md 11.5): free text, then perhaps one
// block of calls whose names and arguments follow the tools' schemas.
//
//   free text
//   <｜DSML｜tool_calls>
//   <｜DSML｜invoke name="get_weather">
//   <｜DSML｜parameter name="location" string="true">Beijing</｜DSML｜parameter>
//   <｜DSML｜parameter name="days" string="false">3</｜DSML｜parameter>
//   </｜DSML｜invoke>
//   </｜DSML｜tool_calls>
//
// Where an output format is asked for too, a JSON text that satisfies its schema stands instead of
// the free text: either that text, or calls.
//
// Parameters come in the order of `properties`, each at most once, and only those that the schema
// names. Behind the block only the end of the text may follow.
#pragma once

#include "base/result.h"
#include "grammar/grammar.h"

#include <nlohmann/json_fwd.hpp>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace hadal::grammar {

/// The special token in every tag; the vocabulary must have it as one.
inline constexpr std::string_view kDsmlToken = "｜DSML｜";
inline constexpr std::size_t kMaxDsmlTools = 1000;

/// Of a tool that takes one text; used during the call only.
struct InputGrammar {
  enum class Syntax : std::uint8_t { lark, regex };  ///< of lark.h, of regex_syntax.h
  Syntax syntax;
  std::string_view parameter;  ///< its name, as a tag can hold it
  std::string_view text;
};

struct DsmlTool {
  std::string name;                          ///< without quotes, line ends, '<' and '>'
  const nlohmann::ordered_json* parameters;  ///< a schema of objects, used during the call only;
                                             ///< nullptr: no parameters
  bool is_free = false;  ///< any parameters, of any names and types; `parameters` is not looked at
  std::optional<InputGrammar> input{};  ///< the one parameter, whatever `parameters` says
};

enum class ToolUse : std::uint8_t {
  possible,  ///< tool_choice auto: text alone is fine
  required,  ///< the block comes, and no text before it
};

struct DsmlOptions {
  ToolUse use = ToolUse::possible;
  bool one_call_only = false;  ///< parallel_tool_calls: false
  /// The schema of an answer without calls, used during the call only; nullptr: free text.
  const nlohmann::ordered_json* content = nullptr;
  std::string content_field = "response_format";  ///< names that schema in messages
  /// The text begins with reasoning that this special token ends ("</think>"); empty: it does not.
  std::string reasoning_end;
};

/// For tool_choice with a name: pass that tool alone, and ToolUse::required.
/// Errors: those of compile_json_schema, add_lark and add_regex; invalid_argument (no tool, a name
/// that a tag cannot hold); unsupported (anyOf, oneOf, enum or const for all arguments together).
Result<Grammar> compile_dsml(std::span<const DsmlTool> tools, const DsmlOptions& options);

}  // namespace hadal::grammar
