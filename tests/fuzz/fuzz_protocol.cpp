// Fuzzes the bodies of requests: the first byte chooses the path, the rest is its body. What is
// accepted can be answered, at once and as a stream.
#include "fuzz_target.h"
#include "protocol/answer.h"
#include "protocol/json_text.h"
#include "protocol/native.h"
#include "protocol/request.h"

#include <algorithm>
#include <array>
#include <span>
#include <string>
#include <string_view>

namespace {

using namespace hadal;

std::string fixed_id(std::string_view prefix) {
  return std::string(prefix) + "1";
}

void check_answers(const ApiRequest& request) {
  const AnswerHead head{.model = "m", .created_seconds = 1, .new_id = fixed_id};
  Answer answer;
  answer.choices.resize(std::max<std::size_t>(1, request.prompts.size()));
  answer.choices.front().message = {.role = Role::assistant, .content = "a"};
  const std::string body = answer_body(request, head, answer);
  fuzz::require(is_valid_utf8(body) && body.starts_with('{'), "an answer is a JSON object");
  const auto stream = make_answer_stream(request, head);
  std::string frames = stream->begin({});
  frames += stream->event(ContentDelta{"a"});
  frames += stream->end(answer);
  fuzz::require(is_valid_utf8(frames) && frames.ends_with("\n\n"), "a stream ends with its frame");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::string_view body(reinterpret_cast<const char*>(data) + 1, size - 1);
  constexpr std::array kProtocols = {Protocol::chat, Protocol::completions, Protocol::responses,
                                     Protocol::messages};
  const std::size_t path = data[0] % (kProtocols.size() + 2);
  if (path == kProtocols.size()) {
    if (const auto asked = parse_tokenize_request(body)) fuzz::touch(asked->content);
    return 0;
  }
  if (path > kProtocols.size()) {
    if (const auto ids = parse_detokenize_request(body))
      fuzz::touch(std::as_bytes(std::span(*ids)));
    return 0;
  }
  ParseOptions options;
  options.new_id = fixed_id;
  const auto request = parse_request(kProtocols[path], body, options);
  if (request) {
    check_answers(*request);
  } else {
    fuzz::require(is_valid_utf8(error_body(api_error(request.error()), kProtocols[path], "r")),
                  "an error can be told");
  }
  return 0;
}
