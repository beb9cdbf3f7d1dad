// What was generated, and how each protocol tells it: as one object, or as a stream of events.
#pragma once

#include "base/result.h"
#include "chat/chat_event.h"
#include "chat/language_model.h"
#include "protocol/api_error.h"
#include "protocol/request.h"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace hadal {

struct TokenText {
  std::string bytes;  ///< any bytes: a token may be a part of a character
  float logprob = 0;  ///< natural logarithm, <= 0; what JSON cannot say becomes -9999
};

/// One token of the answer with its log-probability.
struct TokenLogprob {
  std::string bytes;
  std::optional<float> logprob;  ///< absent: the first token of an echoed prompt
  std::vector<TokenText> top;    ///< the most likely tokens, best first
};

struct Usage {
  std::size_t n_prompt_tokens = 0;
  std::size_t n_cached_tokens = 0;  ///< of the prompt, not computed again
  std::size_t n_completion_tokens = 0;
  std::size_t n_reasoning_tokens = 0;  ///< of the completion
};

/// What llama.cpp's `timings` tell.
struct Timings {
  double prefill_seconds = 0;
  double decode_seconds = 0;
  std::size_t n_drafted = 0;   ///< tokens of speculation
  std::size_t n_accepted = 0;  ///< of these, kept
};

struct AnswerChoice {
  Message message;  ///< completions: all of the text is its content, an echoed prompt included
  FinishReason finish_reason = FinishReason::stop;
  std::optional<std::string> stop_sequence;  ///< the stop string that ended it
  std::vector<TokenLogprob> logprobs;        ///< of the content; completions: of the whole text
  /// The last of them, if no event showed their text: streams tell them with the end.
  std::vector<TokenLogprob> last_logprobs{};
  bool has_cut_call = false;  ///< it ended inside of a call, which is not in the message
};

/// Each prompt has ApiRequest::n_choices choices, one prompt behind the other.
struct Answer {
  std::vector<AnswerChoice> choices;
  Usage usage;  ///< of all choices; each prompt counts once
  std::optional<Timings> timings;
  std::string warning{};      ///< for the client's user; empty: none. told by Protocol::chat
  bool is_cancelled = false;  ///< ended by a request; told by Protocol::responses
};

Answer make_answer(const Completion& completion, const Usage& usage);

/// What the server knows of an answer before it is generated.
struct AnswerHead {
  std::string model;                  ///< as told to the client
  std::uint64_t created_seconds = 0;  ///< Unix time
  NewId new_id;                       ///< called for the answer first, then for each item in order
  std::string system_fingerprint = "hadal";
};

/// The whole answer as JSON text. Pure but for the ids.
std::string answer_body(const ApiRequest& request, const AnswerHead& head, const Answer& answer);

struct EventDetails {
  std::size_t choice = 0;                    ///< chat, completions: its index
  std::span<const TokenLogprob> logprobs{};  ///< of the tokens that a ContentDelta shows
};

/// Tells an answer as server-sent events. Call begin, then event for each ChatEvent, then end or
/// fail; between begin and the end, keep_alive and progress at any time. Each call returns frames
/// to send, possibly none. One thread.
class AnswerStream {
 public:
  virtual ~AnswerStream() = default;

  /// `usage`: of the prompt, as far as it is known (Anthropic tells it first).
  virtual std::string begin(const Usage& usage) = 0;
  virtual std::string event(const ChatEvent& event, const EventDetails& details = {}) = 0;
  /// Messages and other logprobs than the last ones are not looked at: they were told already.
  virtual std::string end(const Answer& answer) = 0;
  /// Instead of end, at any time after begin.
  virtual std::string fail(const ApiError& error) = 0;
  /// A sign of life while a prompt is read: a comment, ping or keepalive event.
  virtual std::string keep_alive() = 0;
  /// Prompt tokens read so far (cached ones included) and in all; `seconds` since the start. Where
  /// the client did not ask for it, or the protocol has no such event, a sign of life.
  virtual std::string progress(std::size_t n_done, std::size_t n_total, std::size_t n_cached,
                               double seconds);

  /// The id of the answer, for logs and stores.
  virtual std::string_view id() const = 0;
  /// Responses: the JSON text of the final object once end or fail was called; else empty.
  virtual std::string final_object() const { return {}; }
};

/// `request` may be dropped afterwards; `head` is copied.
std::unique_ptr<AnswerStream> make_answer_stream(const ApiRequest& request, AnswerHead head);

}  // namespace hadal
