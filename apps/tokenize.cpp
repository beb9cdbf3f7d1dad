// hadal tokenize: the token ids of the text on stdin, as a JSON list.
#include "base/mapped_file.h"
#include "chat/local_model.h"
#include "common.h"
#include "verbs.h"

#include <fmt/format.h>

#include <cstdio>
#include <memory>
#include <string>

namespace hadal {
namespace {

struct TokenizeFlags {
  std::string model = "builtin";
  bool parse_specials = false;
};

Result<std::string> read_stdin() {
  constexpr std::size_t kMaxBytes = std::size_t{1} << 30;
  std::string text;
  char buffer[1 << 16];
  while (const std::size_t n = std::fread(buffer, 1, sizeof(buffer), stdin)) {
    text.append(buffer, n);
    if (text.size() > kMaxBytes) {
      return error(ErrorCode::invalid_argument,
                   "stdin: expected at most {} bytes of text, found more; split it", kMaxBytes);
    }
  }
  if (std::ferror(stdin) != 0) return error(ErrorCode::io_error, "stdin: reading failed");
  return text;
}

Result<Tokenizer> open_any_tokenizer(const std::string& model) {
  if (model.ends_with(".json")) {
    HADAL_ASSIGN(const MappedFile file, MappedFile::open(model));
    const auto bytes = file.bytes();
    return Tokenizer::from_json({reinterpret_cast<const char*>(bytes.data()), bytes.size()}, model);
  }
  HADAL_ASSIGN(const Checkpoint checkpoint, Checkpoint::open(model));
  return open_tokenizer(checkpoint);
}

Result<void> tokenize(const TokenizeFlags& flags) {
  HADAL_ASSIGN(const Tokenizer tokenizer, open_any_tokenizer(flags.model));
  if (!tokenizer.can_encode()) {
    return error(ErrorCode::unsupported,
                 "{}: expected a vocabulary with all 256 byte tokens, found some missing among {} "
                 "tokens; text cannot be encoded, give token ids instead",
                 flags.model, tokenizer.vocab_size());
  }
  HADAL_ASSIGN(const std::string text, read_stdin());
  const auto ids =
      tokenizer.encode(text, flags.parse_specials ? SpecialTokens::parse : SpecialTokens::as_text);
  const std::string json = fmt::format("[{}]\n", fmt::join(ids, ", "));
  const bool written = std::fwrite(json.data(), 1, json.size(), stdout) == json.size();
  if (written && std::fflush(stdout) == 0) return {};
  return error(ErrorCode::io_error, "stdout: writing the ids failed");
}

}  // namespace

void add_tokenize(CLI::App& app, int& exit_code) {
  auto flags = std::make_shared<TokenizeFlags>();
  CLI::App* verb = app.add_subcommand(
      "tokenize", "Token ids of the text on stdin, as a JSON list; a final newline is encoded too");
  verb->add_option("-m,--model", flags->model,
                   "directory with config.json, .gguf file, tokenizer.json, Hub id in the local "
                   "cache, or builtin")
      ->capture_default_str();
  verb->add_flag("--special", flags->parse_specials,
                 "map special tokens such as <think> to their ids (default: plain text)");
  verb->callback([flags, &exit_code] {
    if (const auto done = tokenize(*flags); !done) exit_code = report("tokenize", done.error());
  });
}

}  // namespace hadal
