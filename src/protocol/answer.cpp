#include "protocol/answer.h"

#include "protocol/chat_answer.h"
#include "protocol/completions_answer.h"
#include "protocol/messages_answer.h"
#include "protocol/responses_answer.h"

#include <utility>

namespace hadal {

Answer make_answer(const Completion& completion, const Usage& usage) {
  return {.choices = {{.message = completion.message,
                       .finish_reason = completion.finish_reason,
                       .stop_sequence = {},
                       .logprobs = {}}},
          .usage = usage,
          .timings = Timings{completion.prefill_seconds, completion.decode_seconds}};
}

std::string AnswerStream::progress(std::size_t, std::size_t, std::size_t, double) {
  return keep_alive();
}

std::string answer_body(const ApiRequest& request, const AnswerHead& head, const Answer& answer) {
  switch (request.protocol) {
    case Protocol::chat:
      return chat_answer_body(request, head, answer);
    case Protocol::completions:
      return completions_answer_body(request, head, answer);
    case Protocol::responses:
      return responses_answer_body(request, head, answer);
    case Protocol::messages:
      return messages_answer_body(request, head, answer);
  }
  return {};
}

std::unique_ptr<AnswerStream> make_answer_stream(const ApiRequest& request, AnswerHead head) {
  switch (request.protocol) {
    case Protocol::chat:
      return make_chat_stream(request, std::move(head));
    case Protocol::completions:
      return make_completions_stream(request, std::move(head));
    case Protocol::responses:
      return make_responses_stream(request, std::move(head));
    case Protocol::messages:
      return make_messages_stream(request, std::move(head));
  }
  return nullptr;
}

}  // namespace hadal
