// The answer in the form of Protocol::chat: see answer.h for what the parts mean.
#pragma once

#include "protocol/answer.h"

#include <memory>
#include <string>

namespace hadal {

std::string chat_answer_body(const ApiRequest& request, const AnswerHead& head,
                             const Answer& answer);
std::unique_ptr<AnswerStream> make_chat_stream(const ApiRequest& request, AnswerHead head);

}  // namespace hadal
