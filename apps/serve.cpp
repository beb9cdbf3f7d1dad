// hadal serve: the HTTP server.

#include "chat/local_model.h"
#include "common.h"
#include "serve/api_server.h"
#include "serve/loading_site.h"
#include "verbs.h"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <csignal>
#include <cstdlib>
#include <ctime>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <memory>
#include <optional>
#include <string>
#include <thread>

#include <pthread.h>

namespace hadal {
namespace {

struct ServeFlags {
  EngineFlags engine;
  ApiServerOptions server;
  std::string think = "off";
  std::string release = "preview";
  std::size_t state_mib = 1024;
  std::string script;
  bool temperature_given = false;
};

/// What clients call the model: the last part of its path.
std::string name_of(const std::string& model) {
  const std::filesystem::path path(model);
  const std::string last =
      path.filename().empty() ? path.parent_path().filename().string() : path.filename().string();
  return last.empty() ? model : last;
}

bool is_loopback(const std::string& host) {
  return host == "localhost" || host.rfind("127.", 0) == 0 || host == "::1";
}

void show_address(const ApiServerOptions& options, std::uint16_t port) {
  const char* scheme = options.http.tls_certificate.empty() ? "http" : "https";
  const std::string host = options.http.host.find(':') == std::string::npos
                               ? options.http.host
                               : fmt::format("[{}]", options.http.host);
  const std::string base = fmt::format("{}://{}:{}", scheme, host, port);
  fmt::print(stderr,
             "{} is served at {}\n"
             "  OpenAI:    base URL {}/v1, model {}\n"
             "  Anthropic: base URL {}\n"
             "  try:       curl {}/v1/chat/completions -H 'Content-Type: application/json' -d "
             "'{{\"messages\":[{{\"role\":\"user\",\"content\":\"Hello\"}}]}}'\n"
             "Ctrl-C ends it.\n",
             options.model_name, base, base, options.model_name, base, base);
}

/// The signals that end a server, blocked in this thread and all that it starts.
sigset_t block_end_signals() {
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGINT);
  sigaddset(&signals, SIGTERM);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  return signals;
}

/// Waits for the first of them.
void wait_for_end(const sigset_t& signals) {
  int signal = 0;
  sigwait(&signals, &signal);
}

/// While it lives such a signal ends the program at once: nothing has begun that could be finished.
class EndsAtOnce {
 public:
  explicit EndsAtOnce(const sigset_t& signals) : thread_([this, signals] { watch(signals); }) {}
  ~EndsAtOnce() {
    is_over_ = true;
    thread_.join();
  }
  EndsAtOnce(const EndsAtOnce&) = delete;
  EndsAtOnce& operator=(const EndsAtOnce&) = delete;

 private:
  void watch(const sigset_t& signals) const {
    constexpr timespec kLook{.tv_sec = 0, .tv_nsec = 20'000'000};
    while (!is_over_) {
      const int signal = sigtimedwait(&signals, nullptr, &kLook);
      if (signal <= 0) continue;
      fmt::print(stderr, "\nserve: ended while the model was being loaded\n");
      std::_Exit(128 + signal);
    }
  }

  std::atomic<bool> is_over_{false};
  std::thread thread_;
};

Result<void> serve(ServeFlags flags) {
  ApiServerOptions& options = flags.server;
  if (!is_loopback(options.http.host) && options.api_keys.empty()) {
    fmt::print(stderr,
               "serve: warning: {} can be reached from other machines, and no --api-key is set\n",
               options.http.host);
  }
  if (!options.trace.empty()) {
    fmt::print(stderr, "serve: warning: prompts and answers are written to {}\n", options.trace);
  }
  const sigset_t signals = block_end_signals();  // before any thread starts
  std::signal(SIGPIPE, SIG_IGN);
  // An address that is taken shows before minutes of loading; whoever asks meanwhile hears why.
  LoadingSite loading(options.cors_origin);
  HADAL_ASSIGN(auto http, HttpServer::start(options.http, loading));
  std::optional<EndsAtOnce> ends_at_once(signals);

  flags.engine.counts_experts = true;
  HADAL_ASSIGN(auto engine, open_engine(flags.engine));
  HADAL_ASSIGN(const Tokenizer tokenizer, open_tokenizer(engine->checkpoint()));
  if (options.model_name.empty()) options.model_name = name_of(flags.engine.model);
  options.think = think_mode(flags.think);
  options.release = flags.release == "0731" ? ModelRelease::flash_0731 : ModelRelease::preview;
  if (!flags.temperature_given && flags.engine.model == "builtin") options.defaults.temperature = 0;
  options.scheduler.state_bytes = flags.state_mib << 20;
  options.version = HADAL_VERSION;
  if (!flags.script.empty()) {
    std::ifstream file(flags.script, std::ios::binary);
    if (!file) return error(ErrorCode::not_found, "{}: cannot be opened for reading", flags.script);
    const std::string text{std::istreambuf_iterator<char>(file), {}};
    HADAL_ASSIGN(options.script, AnswerScript::parse(text, flags.script));
  }
  HADAL_ASSIGN(auto server, ApiServer::take_over(std::move(http), *engine, tokenizer, options));
  ends_at_once.reset();
  show_address(options, server->port());
  wait_for_end(signals);
  fmt::print(stderr, "serve: finishing what runs (at most {:.0f} s)\n", options.drain_seconds);
  server->drain();
  return {};
}

}  // namespace

void add_serve(CLI::App& app, int& exit_code) {
  auto flags = std::make_shared<ServeFlags>();
  ApiServerOptions& o = flags->server;
  CLI::App* verb = app.add_subcommand(
      "serve",
      "HTTP server with the OpenAI and Anthropic protocols; on this machine only unless "
      "--host says otherwise");
  add_engine_flags(*verb, flags->engine);
  verb->add_option("--host", o.http.host, "address to listen at; 0.0.0.0: all")
      ->capture_default_str();
  verb->add_option("--port", o.http.port, "0: any free one")->capture_default_str();
  verb->add_option("--api-key", o.api_keys,
                   "clients must send one of these (may be given several times)");
  verb->add_option("--parallel", o.scheduler.n_slots, "sequences computed at the same time")
      ->check(CLI::Range(1, 1024))
      ->capture_default_str();
  verb->add_option("-c,--ctx-size", o.context, "most tokens of prompt and answer (0: the model's)")
      ->capture_default_str();
  verb->add_option("--alias", o.model_name, "name of the model for clients");
  verb->add_option("--max-queue", o.scheduler.max_queue, "requests that may wait")
      ->capture_default_str();
  verb->add_option("--state-mib", flags->state_mib,
                   "memory for conversations and cached prefixes, in MiB")
      ->check(CLI::Range(std::size_t{1}, std::size_t{1} << 24))
      ->capture_default_str();
  verb->add_option("--batch-size", o.scheduler.max_batch_tokens, "most tokens of one pass")
      ->check(CLI::Range(1, 65536))
      ->capture_default_str();
  verb->add_option(
          "--max-stall-ms",
          [flags](const CLI::results_t& r) {
            flags->server.scheduler.max_stall_seconds = std::stod(r.front()) / 1000.0;
            return true;
          },
          "longest that a prompt may keep running answers waiting (200)")
      ->check(CLI::PositiveNumber);
  verb->add_option("--think", flags->think, "reasoning of requests that do not ask: off, high, max")
      ->check(CLI::IsMember({"off", "high", "max"}))
      ->capture_default_str();
  verb->add_option("--release", flags->release, "prompts for preview or 0731 models")
      ->check(CLI::IsMember({"preview", "0731"}))
      ->capture_default_str();
  CLI::Option* temperature =
      verb->add_option("--temp", o.defaults.temperature,
                       "temperature of requests that name none (1; built-in model 0)")
          ->check(CLI::Range(0.0, 100.0));
  verb->add_option("--draft", o.n_drafts, "tokens drafted per step by the MTP block")
      ->check(CLI::Range(0, 8));
  verb->add_option("--cors-origin", o.cors_origin,
                   "let pages of this origin ask (\"*\": all); default: none");
  verb->add_option("--tls-cert", o.http.tls_certificate, "PEM file: serve HTTPS");
  verb->add_option("--tls-key", o.http.tls_key, "PEM file of its private key");
  verb->add_option(
          "--max-body-mib",
          [flags](const CLI::results_t& r) {
            flags->server.http.max_body_bytes = std::stoul(r.front()) << 20;
            return true;
          },
          "longest request (64)")
      ->check(CLI::Range(1, 65536));
  verb->add_option("--max-connections", o.http.max_connections, "open at the same time")
      ->capture_default_str();
  verb->add_option("--store", o.store,
                   "folder in which conversations' states, stored responses and sampled answers "
                   "outlive the server (default: memory alone)");
  verb->add_option(
          "--store-gib",
          [flags](const CLI::results_t& r) {
            flags->server.store_bytes = std::stoull(r.front()) << 30;
            return true;
          },
          "most GiB of states there (16)")
      ->check(CLI::Range(1, 1 << 20));
  verb->add_flag("!--no-loop-guard", o.guards_loops,
                 "let answers go on that repeat themselves word for word");
  verb->add_option("--trace", o.trace,
                   "append all prompts and answers to this file (private text!)");
  verb->add_option("--script", flags->script, "JSON file of answers to give, for tests of clients")
      ->check(CLI::ExistingFile);
  verb->add_option("--drain-seconds", o.drain_seconds,
                   "time for running answers after SIGTERM or Ctrl-C")
      ->capture_default_str();
  verb->callback([flags, temperature, &exit_code] {
    flags->temperature_given = temperature->count() > 0;
    if (const auto done = serve(*flags); !done) exit_code = report("serve", done.error());
  });
}

}  // namespace hadal
