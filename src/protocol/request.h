// What a client asked for, whichever protocol it speaks.
#pragma once

#include "base/result.h"
#include "chat/language_model.h"
#include "chat/message.h"

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

namespace hadal {

enum class Protocol : std::uint8_t {
  chat,         ///< OpenAI POST /v1/chat/completions (api.md 3.1)
  completions,  ///< OpenAI POST /v1/completions (3.2)
  responses,    ///< OpenAI POST /v1/responses (3.3)
  messages,     ///< Anthropic POST /v1/messages (3.6)
};

/// A tool that the model may call. A custom tool takes free text: the model sees a function with
/// one string parameter `input`, the client sees the text (custom_tool.h).
struct ApiTool {
  enum class Kind : std::uint8_t { function, custom };

  Kind kind = Kind::function;
  std::string name;            ///< as the model sees it: NAMESPACE.NAME inside of a namespace
  std::string wire_name;       ///< as the client knows it
  std::string name_space;      ///< Responses: the namespace; else empty
  std::string definition;      ///< JSON text of the `function` object that the prompt shows
  std::string parameters;      ///< JSON text of the schema of the arguments; empty: none given
  bool strict = false;         ///< the client insists on the schema
  std::string grammar_syntax;  ///< custom: "lark" or "regex" if the input follows a grammar
  std::string grammar;

  bool operator==(const ApiTool&) const = default;
};

/// Which tools may or must be called. With `none` no tool is in the conversation.
struct ToolChoice {
  enum class Mode : std::uint8_t { automatic, none, required, named };

  Mode mode = Mode::automatic;
  std::string name;  ///< named: the `name` of one of the tools

  bool operator==(const ToolChoice&) const = default;
};

/// The form that the answer's content must have. The text is for the grammar library; the parser of
/// the request does not look into it.
struct OutputFormat {
  enum class Kind : std::uint8_t { text, json_object, json_schema, grammar, regex };

  Kind kind = Kind::text;
  std::string text;    ///< JSON text of the schema, GBNF-like grammar, or regular expression
  std::string field;   ///< the request's field it came from, for errors
  bool strict = true;  ///< json_schema: what the client said; Hadal always enforces it

  bool operator==(const OutputFormat&) const = default;
};

/// What the request says about reasoning (product.md section 2).
struct Thinking {
  std::optional<ThinkMode> mode;   ///< absent: the server's default
  std::optional<ThinkMode> level;  ///< an effort without a switch: used if the default thinks
  std::optional<std::size_t> budget_tokens;  ///< most tokens of reasoning
  bool is_shown = true;  ///< false: the text of the reasoning is left out of the answer (Anthropic)
  bool as_summary = false;  ///< Responses: reasoning is told as summary parts
  bool encrypted = false;   ///< Responses: items carry encrypted_content for stateless clients

  bool operator==(const Thinking&) const = default;

  ThinkMode resolve(ThinkMode server_default) const {
    if (mode) return *mode;
    return server_default != ThinkMode::off && level ? *level : server_default;
  }
};

/// Wishes that change no token of the answer.
struct ClientHints {
  bool stream = false;
  bool include_usage = false;           ///< chat, completions: one more chunk with the usage
  bool cache_prompt = true;             ///< llama.cpp: may reuse a cached prefix
  std::optional<std::int64_t> id_slot;  ///< llama.cpp
  bool return_progress = false;         ///< llama.cpp: chunks with prompt_progress
  bool timings_per_token = false;       ///< llama.cpp: timings in the last chunk
  std::optional<std::int64_t> sse_ping_seconds;  ///< llama.cpp sse_ping_interval; <= 0: none
  std::optional<bool> store;         ///< Responses: keep it (default true); chat: ignored
  std::string previous_response_id;  ///< Responses
  std::string prompt_cache_key;
  std::string user;             ///< `user`, `safety_identifier` or metadata.user_id
  std::string metadata = "{}";  ///< JSON text of an object

  bool operator==(const ClientHints&) const = default;
};

/// A prompt of /v1/completions.
using TextPrompt = std::variant<std::string, std::vector<std::int32_t>>;

struct ApiRequest {
  Protocol protocol = Protocol::chat;
  std::string model;  ///< as the client wrote it; empty if absent

  Conversation conversation;        ///< chat, responses, messages: with the tools in it
  std::vector<TextPrompt> prompts;  ///< completions
  std::size_t n_choices = 1;        ///< chat, completions: of the answer, for each prompt

  CompletionOptions options;
  bool prefill_only = false;  ///< max_tokens was 0: no token is generated (options.max_tokens is 0)
  std::optional<std::uint64_t> seed;  ///< absent: the server chooses; if given, also in options
  std::map<std::int32_t, float> logit_bias;
  /// Log-probabilities of the tokens, and of that many alternatives each; absent: none wanted.
  std::optional<std::size_t> n_logprobs;
  bool echo = false;  ///< completions: the prompt is part of the answer

  Thinking thinking;
  std::vector<ApiTool> tools;
  ToolChoice tool_choice;
  bool parallel_tool_calls = true;  ///< false: at most one call
  OutputFormat output;
  ClientHints hints;

  /// Tools that the server would have to run itself and that are not offered to the model (types,
  /// for a warning in the log): those that clients send unasked.
  std::vector<std::string> unoffered_tools;
  /// Responses: JSON texts of this request's input items, each with an id, as a store keeps them.
  std::vector<std::string> input_items;
  /// Responses: JSON text of an object with the fields that the response repeats.
  std::string response_fields = "{}";
};

/// Makes ids: the argument is a prefix such as "chatcmpl-", which the result begins with. Results
/// must differ; in tests they are counted.
using NewId = std::function<std::string(std::string_view prefix)>;

struct ParseOptions {
  /// Values for what the request does not say.
  CompletionOptions defaults{};
  NewId new_id;  ///< Responses: ids of input items; may be empty for the other protocols
  /// Responses: JSON text of a list, the items (input and output) of a stored response and of all
  /// before it. Empty: the server stores nothing.
  std::function<Result<std::string>(std::string_view response_id)> find_response{};
  /// Responses: JSON text of one stored item, for item_reference.
  std::function<Result<std::string>(std::string_view item_id)> find_item{};
};

/// Reads the text of a request of any protocol. Fields that mean nothing here are accepted; a field
/// that would change the answer and cannot be honoured is an error. Errors: bad_format (no JSON),
/// invalid_argument, unsupported, not_found (a stored response or item); messages begin with the
/// field's place (field_of in field.h). Pure but for the callbacks; never throws; O(length).
Result<ApiRequest> parse_request(Protocol protocol, std::string_view body,
                                 const ParseOptions& options);

/// api.md 3.1. System messages and developer messages in front stay or become system messages.
/// Later ones become user turns: V4 renders a system text in the middle without reopening the
/// answer, and forgets developer turns. A last message of the assistant is continued.
Result<ApiRequest> parse_chat_request(std::string_view body, const ParseOptions& options);

/// api.md 3.2: max_tokens is 16 unless given, as OpenAI documents.
Result<ApiRequest> parse_completions_request(std::string_view body, const ParseOptions& options);

/// api.md 3.3. Reasoning items, calls and texts between two inputs become one assistant message.
Result<ApiRequest> parse_responses_request(std::string_view body, const ParseOptions& options);

enum class MessagesEndpoint : std::uint8_t { messages, count_tokens };
/// api.md 3.6. max_tokens is required but for /v1/messages/count_tokens. Images, PDF files and
/// tools that Anthropic defines are refused; redacted_thinking of other servers is left out.
Result<ApiRequest> parse_messages_request(std::string_view body, const ParseOptions& options,
                                          MessagesEndpoint endpoint = MessagesEndpoint::messages);

}  // namespace hadal
