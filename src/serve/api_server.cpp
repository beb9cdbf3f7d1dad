#include "serve/api_server.h"

#include "base/log.h"
#include "base/seconds.h"
#include "http/url.h"
#include "protocol/json_text.h"
#include "serve/answer_routes.h"
#include "serve/metrics.h"
#include "serve/monitor_routes.h"
#include "serve/native_routes.h"
#include "serve/numerics.h"
#include "serve/page_routes.h"
#include "serve/response_routes.h"
#include "serve/router.h"
#include "serve/snapshot_store.h"
#include "serve/world_routes.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <chrono>
#include <condition_variable>
#include <filesystem>
#include <mutex>
#include <optional>
#include <system_error>
#include <thread>

#include <sys/stat.h>

namespace hadal {
namespace {

/// Answers remembered token by token: 64 MB.
constexpr std::size_t kMostTurnTokens = 16u << 20;

/// Whether two strings are equal, in a time that tells nothing about where they differ.
bool equal_in_constant_time(std::string_view a, std::string_view b) {
  unsigned difference = a.size() == b.size() ? 0 : 1;
  for (std::size_t i = 0; i < a.size(); ++i)
    difference |=
        static_cast<unsigned char>(a[i]) ^
        static_cast<unsigned>(b.empty() ? 0 : static_cast<unsigned char>(b[i % b.size()]));
  return difference == 0;
}

/// KEY of "Bearer KEY", whose scheme has no case (RFC 9110 11.1); else empty.
std::string_view bearer_token(std::string_view authorization) {
  constexpr std::string_view kScheme = "bearer ";
  if (authorization.size() < kScheme.size()) return {};
  const bool is_bearer =
      std::equal(kScheme.begin(), kScheme.end(), authorization.begin(),
                 [](char a, char b) { return a == std::tolower(static_cast<unsigned char>(b)); });
  return is_bearer ? authorization.substr(kScheme.size()) : std::string_view{};
}

bool is_loopback_address(std::string_view host) {
  return host == "::1" || is_loopback_host(host);
}

/// What outlives a server, if it has a folder for that.
struct Stores {
  std::unique_ptr<ResponseStore> responses;
  std::unique_ptr<SnapshotStore> snapshots;  ///< null: in memory alone
  std::string turns_path;                    ///< empty: likewise
  std::unique_ptr<TraceLog> trace;           ///< null: none
  std::uint64_t numerics = 0;
};

/// For its owner alone if it is new; one that is there is as its owner wants it.
Result<void> make_private_folder(const std::filesystem::path& folder) {
  std::error_code failed;
  const bool is_new = std::filesystem::create_directories(folder, failed);
  if (failed) {
    return error(ErrorCode::io_error, "{}: cannot be made: {}", folder.string(), failed.message());
  }
  if (is_new) ::chmod(folder.c_str(), S_IRWXU);
  return {};
}

Result<Stores> open_stores(Engine& engine, const ApiServerOptions& options) {
  Stores stores;
  if (!options.trace.empty()) {
    HADAL_ASSIGN(stores.trace, TraceLog::open(options.trace));
  }
  if (options.store.empty()) {
    HADAL_ASSIGN(stores.responses, ResponseStore::open("", {}));
    return stores;
  }
  const std::filesystem::path folder(options.store);
  HADAL_TRY(make_private_folder(folder));
  HADAL_ASSIGN(stores.numerics, numerics_of(engine));
  HADAL_ASSIGN(stores.snapshots, SnapshotStore::open({.folder = folder / "snapshots",
                                                      .numerics = stores.numerics,
                                                      .max_bytes = options.store_bytes}));
  HADAL_ASSIGN(stores.responses, ResponseStore::open((folder / "responses.sqlite").string(), {}));
  stores.turns_path = (folder / "turns.sqlite").string();
  return stores;
}

/// What a server is made of, in the order in which its parts need each other.
class Server final : public ApiServer, private HttpSite {
 public:
  Server(Engine& engine, const Tokenizer& tokenizer, ApiServerOptions options,
         std::unique_ptr<AnswerGrammars> grammars, Stores stores)
      : options_(std::move(options)),
        metrics_(options_.model_name),
        grammars_(std::move(grammars)),
        stores_(std::move(stores)),
        turns_(tokenizer, kMostTurnTokens),
        scheduler_(engine.model(), scheduler_options()),
        context_(make_context(engine, tokenizer)),
        answers_(context_, *stores_.responses,
                 {.model_name = options_.model_name,
                  .defaults = options_.defaults,
                  .think = options_.think,
                  .release = options_.release,
                  .bos = engine.config().bos_token_id}),
        stored_(*stores_.responses, answers_),
        native_(context_, {.model_name = options_.model_name,
                           .model_path = engine.checkpoint().name(),
                           .started_seconds = started_,
                           .n_slots = options_.scheduler.n_slots,
                           .train_context = engine.config().max_position_embeddings,
                           .bos = engine.config().bos_token_id,
                           .defaults = options_.defaults,
                           .version = options_.version}),
        monitor_(context_, engine.expert_counter(), stores_.snapshots.get(),
                 {.model_name = options_.model_name, .started_seconds = started_}),
        worlds_(engine, tokenizer, scheduler_, 2 * options_.scheduler.n_slots) {
    answers_.add_to(router_);
    stored_.add_to(router_);
    native_.add_to(router_);
    monitor_.add_to(router_);
    worlds_.add_to(router_);
    add_page_routes(router_);
    ticker_ = std::thread([this] { tick(); });
  }

  /// First what calls answers (the ticker), then what makes them (the engine's thread), then the
  /// connections that these hold: no one may find the next one gone.
  ~Server() override {
    {
      const std::lock_guard lock(mutex_);
      stopping_ = true;
    }
    stopped_.notify_all();
    ticker_.join();
    if (http_) http_->stop_accepting();
    scheduler_.stop();
    http_.reset();
  }

  /// Errors: those of opening the file of turns.
  Result<void> open_turns() {
    if (stores_.turns_path.empty()) return {};
    return turns_.keep_in(stores_.turns_path, stores_.numerics);
  }
  /// Errors: of HttpServer::start.
  Result<void> listen() {
    HADAL_ASSIGN(http_, HttpServer::start(options_.http, *this));
    return {};
  }
  void take_over(std::unique_ptr<HttpServer> http) {
    http_ = std::move(http);
    http_->show(*this);
  }

  std::uint16_t port() const override { return http_->port(); }

  void drain() override {
    http_->stop_accepting();
    scheduler_.drain(options_.drain_seconds);
    // The last bytes of answers are on their way to the clients.
    for (int i = 0; i < 50 && http_->n_connections() > 0 && answers_.n_running() > 0; ++i)
      std::this_thread::sleep_for(std::chrono::milliseconds(20));
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
  }

 private:
  SchedulerOptions scheduler_options() const {
    SchedulerOptions options = options_.scheduler;
    options.snapshots = stores_.snapshots.get();
    return options;
  }

  ServingContext make_context(const Engine& engine, const Tokenizer& tokenizer) {
    const std::size_t most = engine.config().max_position_embeddings;
    return {.scheduler = scheduler_,
            .grammars = *grammars_,
            .tokenizer = tokenizer,
            .metrics = metrics_,
            .turns = turns_,
            .script = options_.script ? &*options_.script : nullptr,
            .eos = engine.config().eos_token_id,
            .vocab_size = engine.config().vocab_size,
            .context = options_.context > 0 ? std::min(options_.context, most) : most,
            .n_drafts = engine.config().num_nextn_predict_layers > 0 ? options_.n_drafts : 0,
            .cors_origin = options_.cors_origin,
            .guards_loops = options_.guards_loops,
            .trace = stores_.trace.get()};
  }

  HttpResponse error_page(const HttpError& error) override {
    metrics_.count_http(error.status);
    return error_response(error, options_.cors_origin);
  }

  void answer(HttpRequest&& request, std::shared_ptr<HttpResponder> client) override {
    const Protocol protocol = protocol_of(request);
    Exchange exchange{.request = std::move(request),
                      .responder = std::move(client),
                      .id = fresh_id("req_"),
                      .protocol = protocol,
                      .metrics = metrics_,
                      .cors_origin = options_.cors_origin};
    const std::string& path = exchange.request.path;
    if (is_preflight(exchange.request)) {
      HttpResponse allowed = preflight_response(options_.cors_origin);
      return exchange.responder->respond(allowed.status, std::move(allowed.headers), "");
    }
    Router::Match match = router_.find(exchange.request.method, path);
    if (match.handler != nullptr) {
      exchange.parameters = std::move(match.parameters);
      if (stores_.trace && !exchange.request.body.empty())
        stores_.trace->request(exchange.id, path, exchange.request.body);
      return (*match.handler)(exchange);
    }
    if (match.allowed.empty()) return exchange.refuse(unknown_path(exchange.request.method, path));
    exchange.refuse({.kind = ApiError::Kind::method_not_allowed,
                     .message = fmt::format("{} takes {}", path, match.allowed),
                     .allowed_methods = match.allowed});
  }

  bool is_preflight(const HttpRequest& request) const {
    return request.method == "OPTIONS" && !options_.cors_origin.empty();
  }

  /// Asked before a body is read: whoever has no key cannot make the server hold one.
  std::optional<HttpResponse> refuse_head(const HttpRequest& head) override {
    const auto error = objection_to(head);
    if (!error) return std::nullopt;
    Exchange exchange{.request = head,
                      .responder = nullptr,
                      .id = fresh_id("req_"),
                      .protocol = protocol_of(head),
                      .metrics = metrics_,
                      .cors_origin = options_.cors_origin};
    return exchange.refusal(*error);
  }

  std::optional<ApiError> objection_to(const HttpRequest& head) const {
    const std::string_view host = head.header("host");
    if (is_for_this_machine_alone_ && !host.empty() && !is_loopback_host(host)) {
      return ApiError{.kind = ApiError::Kind::permission,
                      .message = fmt::format(
                          "this server answers to its own machine alone, as localhost, 127.0.0.1 "
                          "or [::1]; the request is for {}. With --api-key it takes any name",
                          valid_utf8(host))};
    }
    if (is_preflight(head) || is_open(head.path) || is_authorised(head)) return std::nullopt;
    return ApiError{.kind = ApiError::Kind::authentication,
                    .message =
                        "a valid API key is needed, as \"Authorization: Bearer KEY\" or "
                        "\"x-api-key: KEY\""};
  }

  static bool is_open(std::string_view path) {
    return path == "/health" || path == "/v1/health" || path == "/ping" || is_page_path(path);
  }

  bool is_authorised(const HttpRequest& request) const {
    if (options_.api_keys.empty()) return true;
    bool found = false;
    for (const std::string_view key :
         {request.header("x-api-key"), bearer_token(request.header("authorization"))})
      for (const std::string& valid : options_.api_keys)
        found |= equal_in_constant_time(key, valid);
    return found;
  }

  /// Lets answers that take long show that they live.
  void tick() {
    std::unique_lock lock(mutex_);
    while (!stopped_.wait_for(lock, std::chrono::seconds(1), [this] { return stopping_; })) {
      lock.unlock();
      answers_.tick();
      lock.lock();
    }
  }

  ApiServerOptions options_;
  /// A page that a browser shows has names of its own resolve to 127.0.0.1, and then may read what
  /// it gets (DNS rebinding). Its requests carry that name; a key keeps it out anyway.
  const bool is_for_this_machine_alone_ =
      options_.api_keys.empty() && is_loopback_address(options_.http.host);
  std::uint64_t started_ = unix_seconds();
  ServerMetrics metrics_;
  std::unique_ptr<AnswerGrammars> grammars_;
  Stores stores_;
  TurnStore turns_;
  Scheduler scheduler_;
  ServingContext context_;
  AnswerRoutes answers_;
  ResponseRoutes stored_;
  NativeRoutes native_;
  MonitorRoutes monitor_;
  WorldRoutes worlds_;
  Router router_;

  std::mutex mutex_;
  std::condition_variable stopped_;
  bool stopping_ = false;
  std::thread ticker_;
  std::unique_ptr<HttpServer> http_;
};

Result<std::unique_ptr<Server>> make_server(Engine& engine, const Tokenizer& tokenizer,
                                            ApiServerOptions options) {
  if (!tokenizer.can_encode()) {
    return error(ErrorCode::unsupported,
                 "the vocabulary of {} lacks byte tokens: text cannot be encoded",
                 engine.checkpoint().name());
  }
  HADAL_ASSIGN(auto grammars, AnswerGrammars::create(tokenizer, engine.config().eos_token_id,
                                                     engine.config().vocab_size));
  HADAL_ASSIGN(Stores stores, open_stores(engine, options));
  auto server = std::make_unique<Server>(engine, tokenizer, std::move(options), std::move(grammars),
                                         std::move(stores));
  HADAL_TRY(server->open_turns());
  return server;
}

}  // namespace

Result<std::unique_ptr<ApiServer>> ApiServer::start(Engine& engine, const Tokenizer& tokenizer,
                                                    ApiServerOptions options) {
  HADAL_ASSIGN(auto server, make_server(engine, tokenizer, std::move(options)));
  HADAL_TRY(server->listen());
  return std::unique_ptr<ApiServer>(std::move(server));
}

Result<std::unique_ptr<ApiServer>> ApiServer::take_over(std::unique_ptr<HttpServer> http,
                                                        Engine& engine, const Tokenizer& tokenizer,
                                                        ApiServerOptions options) {
  HADAL_ASSIGN(auto server, make_server(engine, tokenizer, std::move(options)));
  server->take_over(std::move(http));
  return std::unique_ptr<ApiServer>(std::move(server));
}

}  // namespace hadal
