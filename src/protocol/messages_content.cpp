#include "protocol/messages_content.h"

#include "protocol/json_text.h"
#include "protocol/opaque.h"

#include <algorithm>
#include <cctype>
#include <utility>

namespace hadal {

namespace {

void join(std::string& text, std::string_view more) {
  if (!text.empty() && !more.empty()) text += "\n\n";
  text += more;
}

/// A document whose source is text or a list of text blocks.
Result<std::string> read_document(const Field& document) {
  if (!document.has("source")) return missing(document, "source", "an object with a type");
  const Field source = document.member("source");
  HADAL_ASSIGN(const std::string type, type_of(source, "a source"));
  std::string text;
  HADAL_ASSIGN(const auto title, optional_string(document, "title"));
  HADAL_ASSIGN(const auto context, optional_string(document, "context"));
  join(text, title.value_or(""));
  join(text, context.value_or(""));
  if (type == "text") {
    HADAL_ASSIGN(const std::string data, required_string(source, "data"));
    join(text, data);
    return text;
  }
  if (type != "content")
    return refused(source.member("type"), "the model reads text only; send a source of type text");
  if (!source.has("content")) return missing(source, "content", "text");
  HADAL_ASSIGN(const std::string content, read_text_blocks(source.member("content")));
  join(text, content);
  return text;
}

Result<std::string> read_search_result(const Field& result) {
  std::string text;
  HADAL_ASSIGN(const auto title, optional_string(result, "title"));
  HADAL_ASSIGN(const auto source, optional_string(result, "source"));
  join(text, title.value_or(""));
  join(text, source.value_or(""));
  if (!result.has("content")) return text;
  HADAL_ASSIGN(const std::string content, read_text_blocks(result.member("content")));
  join(text, content);
  return text;
}

Result<std::string> read_text_block(const Field& block, const std::string& type) {
  if (type == "text") return required_string(block, "text");
  if (type == "document") return read_document(block);
  if (type == "search_result") return read_search_result(block);
  return refused(block.member("type"), "the model reads text only; send a block of type text");
}

bool begins_with_error(std::string_view text) {
  constexpr std::string_view kWord = "error";
  return text.size() >= kWord.size() &&
         std::equal(kWord.begin(), kWord.end(), text.begin(), [](char a, char b) {
           return a == std::tolower(static_cast<unsigned char>(b));
         });
}

/// V4 has no mark for failed calls, so the text says it.
Result<Message> read_tool_result(const Field& block) {
  Message message{.role = Role::tool, .content = {}};
  HADAL_ASSIGN(message.tool_call_id, required_string(block, "tool_use_id"));
  HADAL_ASSIGN(const auto is_error, optional_bool(block, "is_error"));
  if (block.has("content")) {
    HADAL_ASSIGN(message.content, read_text_blocks(block.member("content")));
  }
  if (is_error.value_or(false) && !begins_with_error(message.content))
    message.content = message.content.empty() ? "Error" : "Error: " + message.content;
  return message;
}

/// The reasoning of a block; where the client was not shown it, the signature carries it.
Result<std::string> read_thinking(const Field& block) {
  HADAL_ASSIGN(std::string thinking, required_string(block, "thinking"));
  HADAL_ASSIGN(const auto signature, optional_string(block, "signature"));
  if (!thinking.empty() || !signature) return thinking;
  return unseal_reasoning(*signature).value_or("");
}

Result<ToolCall> read_tool_use(const Field& block) {
  ToolCall call;
  HADAL_ASSIGN(call.id, required_string(block, "id"));
  HADAL_ASSIGN(call.name, required_string(block, "name"));
  call.arguments = "{}";
  if (!block.has("input")) return call;
  const Field input = block.member("input");
  HADAL_TRY(check_object(input, "an object"));
  call.arguments = json_text(input.json);
  return call;
}

Result<void> add_assistant_block(const Field& block, Message& message) {
  HADAL_ASSIGN(const std::string type, type_of(block, "a content block"));
  if (type == "thinking") {
    HADAL_ASSIGN(const std::string thinking, read_thinking(block));
    join(message.reasoning_content, thinking);
    return {};
  }
  if (type == "redacted_thinking") return {};
  if (type == "tool_use") {
    HADAL_ASSIGN(ToolCall call, read_tool_use(block));
    message.tool_calls.push_back(std::move(call));
    return {};
  }
  // Blocks of one answer are pieces of one text: nothing is put between them.
  HADAL_ASSIGN(const std::string text, read_text_block(block, type));
  message.content += text;
  return {};
}

Result<std::vector<Message>> read_user_blocks(const Field& content) {
  std::vector<Message> messages;
  for (std::size_t i = 0; i < content.json.size(); ++i) {
    const Field block = content.element(i);
    HADAL_ASSIGN(const std::string type, type_of(block, "a content block"));
    if (type == "tool_result") {
      HADAL_ASSIGN(Message result, read_tool_result(block));
      messages.push_back(std::move(result));
    } else {
      HADAL_ASSIGN(std::string text, read_text_block(block, type));
      messages.push_back({.role = Role::user, .content = std::move(text)});
    }
  }
  return messages;
}

}  // namespace

Result<std::string> read_text_blocks(const Field& content) {
  if (content.json.is_string()) return content.json.get<std::string>();
  if (!content.json.is_array()) return unexpected(content, "a string or a list of blocks");
  std::string text;
  for (std::size_t i = 0; i < content.json.size(); ++i) {
    const Field block = content.element(i);
    HADAL_ASSIGN(const std::string type, type_of(block, "a content block"));
    HADAL_ASSIGN(const std::string more, read_text_block(block, type));
    join(text, more);
  }
  return text;
}

Result<std::vector<Message>> read_anthropic_message(const Field& field) {
  HADAL_TRY(check_object(field, "an object with role and content"));
  HADAL_ASSIGN(const auto role, optional_name(field, "role", {"user", "assistant", "system"}));
  if (!role) return missing(field, "role", "user or assistant");
  if (!field.has("content")) return missing(field, "content", "a string or a list of blocks");
  const Field content = field.member("content");
  constexpr Role kRoles[] = {Role::user, Role::assistant, Role::system};
  Message message{.role = kRoles[*role], .content = {}};
  if (!content.json.is_array() || message.role == Role::system) {
    HADAL_ASSIGN(message.content, read_text_blocks(content));
    return std::vector{std::move(message)};
  }
  if (message.role == Role::user) return read_user_blocks(content);
  for (std::size_t i = 0; i < content.json.size(); ++i)
    HADAL_TRY(add_assistant_block(content.element(i), message));
  return std::vector{std::move(message)};
}

}  // namespace hadal
