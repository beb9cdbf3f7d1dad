// hadal render: the prompt text of a conversation, for tests and the curious. Needs no model.
#include "chat/message_json.h"
#include "chat/prompt_encoder.h"
#include "common.h"
#include "verbs.h"

#include <cstdio>
#include <fstream>
#include <map>
#include <memory>
#include <string>

namespace hadal {

namespace {

constexpr std::size_t kMaxFileBytes = std::size_t{256} << 20;

struct RenderFlags {
  std::string messages;
  PromptOptions options;
};

/// The whole file, which may be a pipe.
Result<std::string> read_file(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) return error(ErrorCode::not_found, "{}: cannot be opened for reading", path);
  std::string text;
  std::string piece(1 << 16, '\0');
  while (file) {
    file.read(piece.data(), static_cast<std::streamsize>(piece.size()));
    text.append(piece, 0, static_cast<std::size_t>(file.gcount()));
    if (text.size() > kMaxFileBytes)
      return error(ErrorCode::out_of_memory,
                   "{}: expected at most {} bytes of messages, found more", path, kMaxFileBytes);
  }
  if (file.bad()) return error(ErrorCode::io_error, "{}: reading failed", path);
  return text;
}

Result<std::string> render(const RenderFlags& flags) {
  HADAL_ASSIGN(const std::string json, read_file(flags.messages));
  HADAL_ASSIGN(const Conversation conversation, parse_conversation(json, flags.messages));
  HADAL_ASSIGN(const Prompt prompt, encode_prompt(conversation, flags.options));
  return prompt.text();
}

int run_render(const RenderFlags& flags) {
  const auto text = render(flags);
  if (!text) return report("render", text.error());
  const bool written = std::fwrite(text->data(), 1, text->size(), stdout) == text->size();
  if (written && std::fflush(stdout) == 0) return 0;
  return report("render", error(ErrorCode::io_error, "stdout: writing the prompt failed"));
}

}  // namespace

void add_render(CLI::App& app, int& exit_code) {
  static const std::map<std::string, ThinkMode> kThinkModes = {{"off", ThinkMode::off},
                                                               {"low", ThinkMode::low},
                                                               {"high", ThinkMode::high},
                                                               {"max", ThinkMode::max}};
  static const std::map<std::string, ModelRelease> kReleases = {{"preview", ModelRelease::preview},
                                                                {"0731", ModelRelease::flash_0731}};
  auto flags = std::make_shared<RenderFlags>();
  CLI::App* verb = app.add_subcommand(
      "render", "print the prompt that a conversation becomes (no newline is added)");
  verb->add_option(
          "--messages", flags->messages,
          "JSON file {\"messages\": [...]} in the OpenAI chat forms; a system or developer "
          "message may carry tools")
      ->required();
  verb->add_option("--think", flags->options.think,
                   "reasoning: off, low, high or max (default off)")
      ->transform(CLI::Transformer(kThinkModes))
      ->option_text("off|low|high|max");
  verb->add_option("--release", flags->options.release,
                   "effort prefixes of these models: preview or 0731 (default preview)")
      ->transform(CLI::Transformer(kReleases))
      ->option_text("preview|0731");
  verb->callback([flags, &exit_code] { exit_code = run_render(*flags); });
}

}  // namespace hadal
