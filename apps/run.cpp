// hadal run: one answer, or a chat on a terminal.

#include "chat/local_model.h"
#include "chat_session.h"
#include "common.h"
#include "verbs.h"
#include "world_session.h"

#include <fmt/format.h>

#include <cstdio>
#include <iostream>
#include <iterator>
#include <memory>

#include <unistd.h>

namespace hadal {
namespace {

struct RunFlags {
  EngineFlags engine;
  std::string prompt;
  std::string system;
  std::string think = "off";
  CompletionOptions sampling;
  std::size_t context = 0;
  std::size_t drafts = 0;
  bool raw = false;
  std::string domain;  ///< of a causal world to talk about; empty: none
};

constexpr const char* kAboutBuiltin =
    "This is Hadal's built-in model: a small DeepSeek-V4-architecture model trained on six "
    "kinds of toy worlds, nothing else.\n"
    "It plans and acts in one (hadal run --domain household, hadal play) and can say what it is; "
    "for real questions give a model with -m.\n";

void print_statistics(const Completion& completion) {
  const auto rate = [](std::size_t n, double seconds) {
    return seconds > 0 ? static_cast<double>(n) / seconds : 0.0;
  };
  fmt::print(stderr, "\n[{} prompt tokens, {:.0f} tokens/s; {} written, {:.1f} tokens/s; {}]\n",
             completion.n_prompt_tokens,
             rate(completion.n_prompt_tokens, completion.prefill_seconds),
             completion.n_completion_tokens,
             rate(completion.n_completion_tokens, completion.decode_seconds),
             finish_reason_name(completion.finish_reason));
}

Result<void> answer_once(const RunFlags& flags, const std::string& prompt, LocalModel& model,
                         const Tokenizer& tokenizer) {
  CompletionRequest request{.prompt = Conversation{},
                            .prompt_options = {.think = think_mode(flags.think)},
                            .options = flags.sampling};
  if (flags.raw) {
    if (!tokenizer.can_encode())
      return error(ErrorCode::unsupported,
                   "this model's vocabulary lacks byte tokens: text cannot be encoded");
    request.prompt = tokenizer.encode(prompt, SpecialTokens::parse);
  } else {
    Conversation conversation;
    if (!flags.system.empty())
      conversation.messages.push_back({.role = Role::system, .content = flags.system});
    conversation.messages.push_back({.role = Role::user, .content = prompt});
    request.prompt = std::move(conversation);
  }
  EventPrinter printer;
  HADAL_ASSIGN(const Completion completion, model.complete(request, [&](const ChatEvent& event) {
    return printer.print(event);
  }));
  printer.finish();
  print_statistics(completion);
  return {};
}

/// Has the user asked for anything that a world does not have? Else the built-in model, which knows
/// worlds only, chats in one.
bool speaks_of_chat(const RunFlags& flags) {
  return flags.raw || !flags.system.empty() || flags.think != "off";
}

Result<void> run(RunFlags flags, bool prompt_given, bool temperature_given) {
  const bool builtin = flags.engine.model == "builtin";
  if (builtin) fmt::print(stderr, "{}", kAboutBuiltin);
  if (!temperature_given) flags.sampling.temperature = builtin ? 0.0f : 1.0f;
  HADAL_ASSIGN(auto engine, open_engine(flags.engine));
  HADAL_ASSIGN(const Tokenizer tokenizer, open_tokenizer(engine->checkpoint()));
  LocalModelOptions options{.context = flags.context, .n_drafts = flags.drafts, .on_prefill = {}};
  if (::isatty(STDERR_FILENO) != 0) options.on_prefill = show_prefill;
  LocalModel model(*engine, tokenizer, options);

  const auto answer = [&](const std::string& prompt) {
    return flags.domain.empty()
               ? answer_once(flags, prompt, model, tokenizer)
               : answer_in_world(model, {flags.domain, flags.sampling.seed}, prompt);
  };
  if (prompt_given) return answer(flags.prompt);
  if (::isatty(STDIN_FILENO) == 0) return answer({std::istreambuf_iterator<char>(std::cin), {}});
  if (builtin && flags.domain.empty() && !speaks_of_chat(flags)) flags.domain = "all";
  if (!flags.domain.empty()) return chat_in_world(model, {flags.domain, flags.sampling.seed});
  if (flags.raw)
    return error(ErrorCode::invalid_argument,
                 "--raw continues one text: give it with -p or on standard input");
  return chat(
      model,
      {.system = flags.system, .think = think_mode(flags.think), .sampling = flags.sampling});
}

}  // namespace

void add_run(CLI::App& app, int& exit_code) {
  auto flags = std::make_shared<RunFlags>();
  CLI::App* verb = app.add_subcommand(
      "run", "One answer to -p TEXT (or standard input); on a terminal without -p, a chat");
  add_engine_flags(*verb, flags->engine);
  CLI::Option* prompt = verb->add_option("-p,--prompt", flags->prompt, "the request");
  verb->add_option("--system", flags->system, "system text");
  verb->add_flag(
      "--raw", flags->raw,
      "continue the text as it is, without the chat template (special tokens in it count)");
  verb->add_option("-n,--predict", flags->sampling.max_tokens,
                   "most tokens to write (0: up to the context's end)")
      ->capture_default_str();
  verb->add_option("-c,--ctx-size", flags->context, "context in tokens (0: the model's)")
      ->capture_default_str();
  CLI::Option* temperature =
      verb->add_option("--temp", flags->sampling.temperature,
                       "temperature; 0: greedy (default: 1, built-in model 0)")
          ->check(CLI::Range(0.0, 100.0));
  verb->add_option("--top-k", flags->sampling.top_k, "keep the k most likely tokens (0: all)")
      ->check(CLI::NonNegativeNumber);
  verb->add_option("--top-p", flags->sampling.top_p,
                   "keep the most likely tokens up to this probability")
      ->check(CLI::Range(0.0, 1.0));
  verb->add_option("--min-p", flags->sampling.min_p,
                   "drop tokens below this share of the most likely one")
      ->check(CLI::Range(0.0, 1.0));
  verb->add_option("--repeat-penalty", flags->sampling.repetition_penalty, "1: off")
      ->check(CLI::PositiveNumber);
  verb->add_option("--presence-penalty", flags->sampling.presence_penalty, "0: off");
  verb->add_option("--frequency-penalty", flags->sampling.frequency_penalty, "0: off");
  verb->add_option("--seed", flags->sampling.seed, "same seed, same text")->capture_default_str();
  verb->add_option("--stop", flags->sampling.stop,
                   "end before this text (may be given several times)");
  verb->add_option(
      "--domain", flags->domain,
      "talk about a causal world of this domain (or of several, as a,b, or all), which "
      "--seed chooses: what is asked for is done there by tool calls (default on a terminal "
      "with the built-in model: all)");
  verb->add_option("--think", flags->think, "reasoning: off, high, max")
      ->check(CLI::IsMember({"off", "high", "max"}))
      ->capture_default_str();
  verb->add_option(
          "--draft", flags->drafts,
          "tokens drafted per step by the MTP block, if the model has one; given up when that "
          "is slower")
      ->check(CLI::Range(0, 8));
  verb->callback([flags, prompt, temperature, &exit_code] {
    if (const auto done = run(*flags, prompt->count() > 0, temperature->count() > 0); !done)
      exit_code = report("run", done.error());
  });
}

}  // namespace hadal
