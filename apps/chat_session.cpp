#include "chat_session.h"

#include <fmt/format.h>

#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iostream>
#include <iterator>
#include <optional>
#include <utility>

#include <signal.h>
#include <unistd.h>

namespace hadal {
namespace {

constexpr const char* kChatHelp =
    "/help            this text\n"
    "/new, /clear     start a new conversation\n"
    "/undo            forget the last request and its answer\n"
    "/regen           answer the last request again\n"
    "/system TEXT     set the system text and start anew\n"
    "/think MODE      off, high or max\n"
    "/read FILE       use a file's text as the request\n"
    "/stats           tokens and speed of the last answer\n"
    "/exit, /quit, /bye, Ctrl-D   leave;   Ctrl-C stops an answer\n"
    "\"\"\"              begins and ends a request of several lines; so does \\ at the end of a "
    "line\n";

std::atomic<bool> interrupted{false};

void on_interrupt(int) {
  interrupted = true;
}

bool use_colour() {
  return ::isatty(STDERR_FILENO) != 0 && std::getenv("NO_COLOR") == nullptr;
}

/// One request; may span lines. Nothing at the end of input or after Ctrl-C.
std::optional<std::string> read_request() {
  fmt::print(stderr, "> ");
  std::string line;
  if (!std::getline(std::cin, line)) return std::nullopt;
  constexpr std::string_view kQuotes = "\"\"\"";
  if (line.starts_with(kQuotes)) {
    std::string text = line.substr(kQuotes.size());
    while (std::getline(std::cin, line)) {
      const bool ends = line.ends_with(kQuotes);
      if (ends) line.resize(line.size() - kQuotes.size());
      text.append(1, '\n').append(line);
      if (ends) break;
    }
    return text;
  }
  std::string text = line;
  while (text.ends_with('\\') && std::getline(std::cin, line)) {
    text.back() = '\n';
    text.append(line);
  }
  return text;
}

class Chat {
 public:
  Chat(LanguageModel& model, ChatOptions options) : model_(model), options_(std::move(options)) {
    start_anew();
  }

  void run() {
    fmt::print(stderr, "Type a request, or /help.\n");
    while (!leave_) {
      interrupted = false;
      const auto request = read_request();
      if (!request) {
        if (interrupted && !std::exchange(interrupted_before_,
                                          true)) {  // first Ctrl-C at the prompt: only a warning
          std::cin.clear();
          fmt::print(stderr, "\n(once more, or Ctrl-D, to leave)\n");
          continue;
        }
        break;
      }
      interrupted_before_ = false;
      if (request->empty()) continue;
      request->front() == '/' ? command(*request) : ask(*request);
    }
  }

 private:
  void start_anew() {
    conversation_.messages.clear();
    if (!options_.system.empty())
      conversation_.messages.push_back({.role = Role::system, .content = options_.system});
  }

  void command(const std::string& line) {
    const std::size_t space = line.find(' ');
    const std::string name = line.substr(0, space);
    const std::string argument = space == std::string::npos ? "" : line.substr(space + 1);
    if (name == "/help") {
      fmt::print(stderr, "{}", kChatHelp);
    } else if (name == "/exit" || name == "/quit" || name == "/bye") {
      leave_ = true;
    } else if (name == "/new" || name == "/clear") {
      start_anew();
    } else if (name == "/undo") {
      forget_last_turn();
    } else if (name == "/regen") {
      if (const auto request = forget_last_turn()) ask(*request);
    } else if (name == "/system") {
      options_.system = argument;
      start_anew();
    } else if (name == "/think") {
      set_think(argument);
    } else if (name == "/read") {
      ask_file(argument);
    } else if (name == "/stats") {
      fmt::print(stderr, "{} prompt tokens, {} written, {:.2f} s reading, {:.2f} s writing\n",
                 last_.n_prompt_tokens, last_.n_completion_tokens, last_.prefill_seconds,
                 last_.decode_seconds);
    } else {
      fmt::print(stderr, "unknown command {}; /help lists them\n", name);
    }
  }

  void set_think(const std::string& mode) {
    if (mode == "off") {
      options_.think = ThinkMode::off;
    } else if (mode == "high") {
      options_.think = ThinkMode::high;
    } else if (mode == "max") {
      options_.think = ThinkMode::max;
    } else {
      fmt::print(stderr, "/think {}: expected off, high or max\n", mode);
    }
  }

  void ask_file(const std::string& path) {
    std::ifstream file(path);
    if (!file) {
      fmt::print(stderr, "/read {}: cannot open\n", path);
      return;
    }
    ask({std::istreambuf_iterator<char>(file), {}});
  }

  /// Removes the last request and what followed; returns the request.
  std::optional<std::string> forget_last_turn() {
    auto& messages = conversation_.messages;
    while (!messages.empty() && messages.back().role == Role::assistant) messages.pop_back();
    if (messages.empty() || messages.back().role != Role::user) {
      fmt::print(stderr, "there is no request yet\n");
      return std::nullopt;
    }
    std::string request = std::move(messages.back().content);
    messages.pop_back();
    return request;
  }

  void ask(const std::string& request) {
    conversation_.messages.push_back({.role = Role::user, .content = request});
    EventPrinter printer;
    auto completion = model_.complete({.prompt = conversation_,
                                       .prompt_options = {.think = options_.think},
                                       .options = options_.sampling},
                                      [&](const ChatEvent& event) { return printer.print(event); });
    printer.finish();
    if (!completion) {
      fmt::print(stderr, "hadal run: {}\n", completion.error().message);
      conversation_.messages.pop_back();
      return;
    }
    last_ = *completion;
    conversation_.messages.push_back(std::move(completion->message));
  }

  LanguageModel& model_;
  ChatOptions options_;
  Conversation conversation_;
  Completion last_{};
  bool leave_ = false;
  bool interrupted_before_ = false;
};

}  // namespace

bool EventPrinter::print(const ChatEvent& event) {
  if (const auto* reasoning = std::get_if<ReasoningDelta>(&event)) {
    if (!std::exchange(in_reasoning_, true) && use_colour()) fmt::print(stderr, "\033[2m");
    fmt::print(stderr, "{}", reasoning->text);
    return !interrupted;
  }
  finish();
  if (const auto* content = std::get_if<ContentDelta>(&event)) {
    fmt::print("{}", content->text);
  } else if (const auto* call = std::get_if<ToolCallBegin>(&event)) {
    fmt::print("\n[tool call] {} ", call->name);
  } else if (const auto* arguments = std::get_if<ToolCallArgumentsDelta>(&event)) {
    fmt::print("{}", arguments->text);
  }
  std::fflush(stdout);
  return !interrupted;
}

void EventPrinter::finish() {
  if (std::exchange(in_reasoning_, false))
    fmt::print(stderr, "{}\n", use_colour() ? "\033[0m" : "");
  std::fflush(stdout);
}

void show_prefill(std::size_t done, std::size_t total) {
  constexpr std::size_t kWorthShowing = 256;
  if (total < kWorthShowing) return;
  fmt::print(stderr, "\rreading the prompt: {} of {} tokens", done, total);
  if (done == total) fmt::print(stderr, "\r\033[K");
}

Result<void> chat(LanguageModel& model, ChatOptions options) {
  struct sigaction action {};
  action.sa_handler = on_interrupt;  // without SA_RESTART: Ctrl-C also ends a blocking read
  ::sigaction(SIGINT, &action, nullptr);
  Chat(model, std::move(options)).run();
  fmt::print(stderr, "\n");
  return {};
}

}  // namespace hadal
