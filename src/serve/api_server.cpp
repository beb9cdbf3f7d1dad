#include "serve/api_server.h"

#include "base/log.h"
#include "base/random.h"
#include "chat/prompt_encoder.h"
#include "http/url.h"
#include "protocol/api_error.h"
#include "protocol/models.h"
#include "protocol/native.h"
#include "serve/metrics.h"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <list>
#include <map>
#include <mutex>
#include <random>
#include <thread>

namespace hadal {
namespace {

using Responder = std::shared_ptr<HttpResponder>;

/// Answers remembered token by token: 64 MB.
constexpr std::size_t kMostTurnTokens = 16u << 20;

std::uint64_t now_seconds() {
  return static_cast<std::uint64_t>(std::chrono::duration_cast<std::chrono::seconds>(
                                        std::chrono::system_clock::now().time_since_epoch())
                                        .count());
}

/// Ids that differ between calls and between runs of the server.
std::string fresh_id(std::string_view prefix) {
  static std::atomic<std::uint64_t> counter{std::random_device{}() * 0x100000000ull +
                                            std::random_device{}()};
  const std::uint64_t n = counter++;
  return fmt::format("{}{:016x}{:08x}", prefix, splitmix64_at(n, 0),
                     splitmix64_at(n, 1) & 0xffffffffu);
}

/// Whether two strings are equal, in a time that tells nothing about where they differ.
bool equal_in_constant_time(std::string_view a, std::string_view b) {
  unsigned difference = a.size() == b.size() ? 0 : 1;
  for (std::size_t i = 0; i < a.size(); ++i)
    difference |=
        static_cast<unsigned char>(a[i]) ^
        static_cast<unsigned>(b.empty() ? 0 : static_cast<unsigned char>(b[i % b.size()]));
  return difference == 0;
}

Protocol protocol_of(std::string_view path) {
  if (path.rfind("/v1/messages", 0) == 0) return Protocol::messages;
  if (path.rfind("/v1/responses", 0) == 0) return Protocol::responses;
  if (path == "/v1/completions" || path == "/completions") return Protocol::completions;
  return Protocol::chat;
}

/// One request with what its handler needs at hand.
struct Exchange {
  HttpRequest request;
  Responder responder;
  std::string id;
  Protocol protocol;
};

class Server final : public ApiServer {
 public:
  Server(Engine& engine, const Tokenizer& tokenizer, ApiServerOptions options,
         std::unique_ptr<AnswerGrammars> grammars)
      : engine_(engine),
        options_(std::move(options)),
        metrics_(options_.model_name),
        grammars_(std::move(grammars)),
        turns_(tokenizer, kMostTurnTokens),
        scheduler_(engine.model(), options_.scheduler),
        context_{.scheduler = scheduler_,
                 .grammars = *grammars_,
                 .tokenizer = tokenizer,
                 .metrics = metrics_,
                 .turns = turns_,
                 .script = options_.script ? &*options_.script : nullptr,
                 .eos = engine.config().eos_token_id,
                 .vocab_size = engine.config().vocab_size,
                 .context = options_.context > 0 ? std::min(options_.context,
                                                            engine.config().max_position_embeddings)
                                                 : engine.config().max_position_embeddings,
                 .n_drafts = engine.model().has_mtp() ? options_.n_drafts : 0} {
    add_routes();
    ticker_ = std::thread([this] { tick(); });
  }

  ~Server() override {
    if (http_) http_->stop_accepting();
    scheduler_.drain(0);
    http_.reset();
    {
      const std::lock_guard lock(tasks_mutex_);
      stopping_ = true;
    }
    stopped_.notify_all();
    ticker_.join();
  }

  Result<void> listen() {
    HttpServerOptions http = options_.http;
    http.error_body = [](int status, std::string_view message) {
      const auto kind = status == 413   ? ApiError::Kind::too_large
                        : status >= 500 ? ApiError::Kind::server_error
                                        : ApiError::Kind::invalid_request;
      return error_body({.kind = kind, .message = std::string(message)}, Protocol::chat, "");
    };
    HADAL_ASSIGN(http_, HttpServer::start(std::move(http),
                                          [this](HttpRequest&& request, Responder responder) {
                                            handle(std::move(request), std::move(responder));
                                          }));
    return {};
  }

  std::uint16_t port() const override { return http_->port(); }

  void drain() override {
    http_->stop_accepting();
    scheduler_.drain(options_.drain_seconds);
    // The last bytes of answers are on their way to the clients.
    for (int i = 0; i < 50 && http_->n_connections() > 0 && n_tasks() > 0; ++i)
      std::this_thread::sleep_for(std::chrono::milliseconds(20));
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
  }

 private:
  using Handler = void (Server::*)(Exchange&);

  void add_routes() {
    const auto get = [this](std::string path, Handler handler) {
      routes_[std::move(path)]["GET"] = handler;
    };
    const auto post = [this](std::string path, Handler handler) {
      routes_[std::move(path)]["POST"] = handler;
    };
    for (const char* path : {"/health", "/v1/health"}) get(path, &Server::health);
    get("/v1/models", &Server::models);
    get("/props", &Server::props);
    get("/slots", &Server::slots);
    get("/metrics", &Server::show_metrics);
    post("/v1/chat/completions", &Server::generate);
    post("/v1/completions", &Server::generate);
    post("/v1/responses", &Server::generate);
    post("/v1/messages", &Server::generate);
    post("/v1/messages/count_tokens", &Server::count_tokens);
    post("/v1/responses/input_tokens", &Server::count_tokens);
    post("/v1/embeddings", &Server::embeddings);
    post("/tokenize", &Server::tokenize);
    post("/detokenize", &Server::detokenize);
    post("/apply-template", &Server::apply_template);
  }

  void handle(HttpRequest&& request, Responder responder) {
    Exchange exchange{.request = std::move(request),
                      .responder = std::move(responder),
                      .id = fresh_id("req_"),
                      .protocol = Protocol::chat};
    exchange.protocol = protocol_of(exchange.request.path);
    if (exchange.request.method == "OPTIONS" && !options_.cors_origin.empty())
      return preflight(exchange);
    const std::string& path = exchange.request.path;
    const bool is_open = path == "/health" || path == "/v1/health";
    if (!is_open && !is_authorised(exchange.request)) {
      return refuse(exchange, {.kind = ApiError::Kind::authentication,
                               .message = "a valid API key is needed, as \"Authorization: Bearer "
                                          "KEY\" or \"x-api-key: KEY\""});
    }
    constexpr std::string_view kModelPath = "/v1/models/";
    if (exchange.request.method == "GET" && path.rfind(kModelPath, 0) == 0)
      return model(exchange, path.substr(kModelPath.size()));
    const auto route = routes_.find(path);
    if (route == routes_.end())
      return refuse(exchange, unknown_path(exchange.request.method, path));
    const std::string method = exchange.request.method == "HEAD" ? "GET" : exchange.request.method;
    const auto handler = route->second.find(method);
    if (handler == route->second.end()) {
      return refuse(exchange,
                    {.kind = ApiError::Kind::method_not_allowed,
                     .message = fmt::format("{} takes {}", path, route->second.begin()->first)});
    }
    (this->*handler->second)(exchange);
  }

  bool is_authorised(const HttpRequest& request) const {
    if (options_.api_keys.empty()) return true;
    std::string_view key = request.header("x-api-key");
    constexpr std::string_view kBearer = "Bearer ";
    const std::string_view authorization = request.header("authorization");
    if (authorization.rfind(kBearer, 0) == 0) key = authorization.substr(kBearer.size());
    bool found = false;
    for (const std::string& valid : options_.api_keys) found |= equal_in_constant_time(key, valid);
    return found;
  }

  HttpHeaders headers(const Exchange& exchange, std::string_view type) const {
    HttpHeaders all{{"Content-Type", std::string(type)}, {"X-Request-Id", exchange.id}};
    if (!options_.cors_origin.empty())
      all.emplace_back("Access-Control-Allow-Origin", options_.cors_origin);
    return all;
  }

  void reply(const Exchange& exchange, std::string body,
             std::string_view type = "application/json") {
    metrics_.count_http(200);
    exchange.responder->respond(200, headers(exchange, type), std::move(body));
  }

  void refuse(const Exchange& exchange, const ApiError& error) {
    const int status = http_status(error, exchange.protocol);
    metrics_.count_http(status);
    log_info("request", "id={} path={} status={} error=\"{}\"", exchange.id, exchange.request.path,
             status, openai_error_code(error));
    HttpHeaders all = headers(exchange, "application/json");
    for (auto& header : error_headers(error)) all.push_back(std::move(header));
    exchange.responder->respond(status, std::move(all),
                                error_body(error, exchange.protocol, exchange.id));
  }
  void refuse(const Exchange& exchange, const Error& error) { refuse(exchange, api_error(error)); }

  void preflight(const Exchange& exchange) {
    HttpHeaders all = headers(exchange, "text/plain");
    all.emplace_back("Access-Control-Allow-Methods", "GET, POST, DELETE");
    all.emplace_back("Access-Control-Allow-Headers", "*, Authorization");
    all.emplace_back("Access-Control-Max-Age", "600");
    exchange.responder->respond(204, std::move(all), "");
  }

  // --- Small paths

  void health(Exchange& exchange) { reply(exchange, health_body()); }

  ModelCard card() const {
    return {.id = options_.model_name,
            .created_seconds = started_,
            .context = context_.context,
            .train_context = engine_.config().max_position_embeddings};
  }
  void models(Exchange& exchange) { reply(exchange, models_body({card()})); }
  void model(Exchange& exchange, const std::string& name) {
    if (name != options_.model_name) return refuse(exchange, unknown_model(name));
    reply(exchange, model_body(card()));
  }

  void props(Exchange& exchange) {
    reply(exchange, props_body({.model_path = engine_.checkpoint().name(),
                                .chat_template = "deepseek-v4 (built in)",
                                .build_info = "hadal",
                                .n_slots = options_.scheduler.n_slots,
                                .context = context_.context}));
  }

  void slots(Exchange& exchange) {
    const SchedulerState state = scheduler_.state();
    std::vector<SlotState> told;
    for (std::size_t i = 0; i < state.slots.size(); ++i) {
      const auto& slot = state.slots[i];
      const bool busy = slot.job != 0;
      told.push_back({.id = i,
                      .task = busy ? static_cast<std::int64_t>(slot.job) : -1,
                      .context = context_.context,
                      .n_prompt = slot.n_prompt,
                      .n_decoded = slot.n_decoded,
                      .n_remain = slot.max_tokens - std::min(slot.max_tokens, slot.n_decoded),
                      .is_processing = busy,
                      .is_speculative = context_.n_drafts > 0});
    }
    const bool must_have_one =
        query_value(exchange.request.query, "fail_on_no_slot").value_or("0") == "1";
    const bool all_busy = std::all_of(told.begin(), told.end(),
                                      [](const SlotState& slot) { return slot.is_processing; });
    if (must_have_one && all_busy)
      return refuse(exchange, {.kind = ApiError::Kind::overloaded, .message = "no slot is free"});
    reply(exchange, slots_body(told));
  }

  void show_metrics(Exchange& exchange) {
    reply(exchange, metrics_.text(scheduler_.state(), scheduler_.totals()),
          "text/plain; version=0.0.4; charset=utf-8");
  }

  void embeddings(Exchange& exchange) { refuse(exchange, embeddings_refusal()); }

  void tokenize(Exchange& exchange) {
    const auto asked = parse_tokenize_request(exchange.request.body);
    if (!asked) return refuse(exchange, asked.error());
    std::vector<std::int32_t> ids;
    if (asked->add_special) ids.push_back(engine_.config().bos_token_id);
    const auto more = context_.tokenizer.encode(
        asked->content, asked->parse_special ? SpecialTokens::parse : SpecialTokens::as_text);
    ids.insert(ids.end(), more.begin(), more.end());
    std::vector<std::string> pieces;
    if (asked->with_pieces)
      for (const std::int32_t id : ids) pieces.emplace_back(context_.tokenizer.token_bytes(id));
    reply(exchange, tokenize_body(ids, pieces));
  }

  void detokenize(Exchange& exchange) {
    const auto ids = parse_detokenize_request(exchange.request.body);
    if (!ids) return refuse(exchange, ids.error());
    reply(exchange, detokenize_body(context_.tokenizer.decode(*ids)));
  }

  void apply_template(Exchange& exchange) {
    const auto request = parse_request(Protocol::chat, exchange.request.body, parse_options());
    if (!request) return refuse(exchange, request.error());
    const auto prompt = prompt_of(*request);
    if (!prompt) return refuse(exchange, prompt.error());
    reply(exchange, apply_template_body(prompt->text()));
  }

  void count_tokens(Exchange& exchange) {
    const auto request =
        exchange.protocol == Protocol::messages
            ? parse_messages_request(exchange.request.body, parse_options(),
                                     MessagesEndpoint::count_tokens)
            : parse_request(exchange.protocol, exchange.request.body, parse_options());
    if (!request) return refuse(exchange, request.error());
    const auto prompts = prompts_of(*request);
    if (!prompts) return refuse(exchange, prompts.error());
    const std::size_t n = prompts->front().ids.size();
    reply(exchange,
          exchange.protocol == Protocol::messages ? count_tokens_body(n) : input_tokens_body(n));
  }

  // --- Answers

  ParseOptions parse_options() const {
    ParseOptions options;
    options.defaults = options_.defaults;
    options.new_id = fresh_id;
    return options;
  }

  PromptOptions prompt_options(const ApiRequest& request) const {
    return {.think = request.thinking.resolve(options_.think), .release = options_.release};
  }
  Result<Prompt> prompt_of(const ApiRequest& request) {
    return encode_prompt(request.conversation, prompt_options(request),
                         [this](const Message& message, bool with_reasoning) {
                           return turns_.find(message, with_reasoning);
                         });
  }

  Result<std::vector<PromptTokens>> prompts_of(const ApiRequest& request) {
    std::vector<PromptTokens> prompts;
    if (request.protocol != Protocol::completions) {
      HADAL_ASSIGN(const Prompt prompt, prompt_of(request));
      PromptTokens tokens;
      tokens.ids = prompt.encode(context_.tokenizer, &tokens.turn_ends);
      tokens.opens_reasoning = prompt.opens_reasoning();
      prompts.push_back(std::move(tokens));
    }
    for (const TextPrompt& prompt : request.prompts) {
      const auto* text = std::get_if<std::string>(&prompt);
      prompts.push_back({.ids = text != nullptr
                                    ? context_.tokenizer.encode(*text, SpecialTokens::parse)
                                    : std::get<std::vector<std::int32_t>>(prompt),
                         .turn_ends = {}});
    }
    for (PromptTokens& prompt : prompts) {
      // An empty prompt: the model begins a text.
      if (prompt.ids.empty()) prompt.ids.push_back(engine_.config().bos_token_id);
      for (const std::int32_t id : prompt.ids) {
        if (id < 0 || static_cast<std::size_t>(id) >= context_.vocab_size) {
          return error(ErrorCode::invalid_argument, "prompt: token id {} is outside of 0..{}", id,
                       context_.vocab_size - 1);
        }
      }
    }
    return prompts;
  }

  void generate(Exchange& exchange) {
    auto parsed = parse_request(exchange.protocol, exchange.request.body, parse_options());
    if (!parsed) return refuse(exchange, parsed.error());
    ApiRequest& request = *parsed;
    for (const std::string& tool : request.unoffered_tools)
      log_info("request", "id={} tool {} is not offered to the model", exchange.id, tool);
    if (!request.seed) request.options.seed = std::random_device{}();
    auto prompts = prompts_of(request);
    if (!prompts) return refuse(exchange, prompts.error());
    for (const PromptTokens& prompt : *prompts) {
      if (prompt.ids.size() >= context_.context)
        return refuse(exchange, context_length_exceeded(prompt.ids.size(), context_.context));
    }
    auto rules = grammars_->rules_for(request, prompts->front().opens_reasoning);
    if (!rules) return refuse(exchange, rules.error());
    const AnswerHead head{
        .model = options_.model_name, .created_seconds = now_seconds(), .new_id = fresh_id};
    auto task =
        std::make_shared<AnswerTask>(context_, std::move(request), std::move(*prompts),
                                     std::move(*rules), head, exchange.id, exchange.responder);
    const auto started = task->start(exchange.request.client, {});
    if (!started) return refuse(exchange, submit_error(started.error()));
    const std::lock_guard lock(tasks_mutex_);
    tasks_.push_back(task);
  }

  static ApiError submit_error(const Error& error) {
    if (error.code == ErrorCode::out_of_memory) return too_many_requests(error.message, 2);
    if (error.code == ErrorCode::unsupported)
      return {.kind = ApiError::Kind::overloaded, .message = error.message};
    return api_error(error);
  }

  std::size_t n_tasks() {
    const std::lock_guard lock(tasks_mutex_);
    std::erase_if(tasks_, [](const auto& task) { return task.expired(); });
    return tasks_.size();
  }

  /// Lets answers that take long show that they live.
  void tick() {
    std::unique_lock lock(tasks_mutex_);
    while (!stopped_.wait_for(lock, std::chrono::seconds(1), [this] { return stopping_; })) {
      std::erase_if(tasks_, [](const auto& task) { return task.expired(); });
      const auto tasks = tasks_;
      lock.unlock();
      for (const auto& weak : tasks)
        if (const auto task = weak.lock()) task->tick();
      lock.lock();
    }
  }

  Engine& engine_;
  ApiServerOptions options_;
  ServerMetrics metrics_;
  std::unique_ptr<AnswerGrammars> grammars_;
  TurnStore turns_;
  Scheduler scheduler_;
  ServingContext context_;
  std::uint64_t started_ = now_seconds();
  std::map<std::string, std::map<std::string, Handler>, std::less<>> routes_;

  std::mutex tasks_mutex_;
  std::condition_variable stopped_;
  bool stopping_ = false;
  std::list<std::weak_ptr<AnswerTask>> tasks_;
  std::thread ticker_;
  std::unique_ptr<HttpServer> http_;
};

}  // namespace

Result<std::unique_ptr<ApiServer>> ApiServer::start(Engine& engine, const Tokenizer& tokenizer,
                                                    ApiServerOptions options) {
  if (!tokenizer.can_encode()) {
    return error(ErrorCode::unsupported,
                 "the vocabulary of {} lacks byte tokens: text cannot be encoded",
                 engine.checkpoint().name());
  }
  HADAL_ASSIGN(auto grammars, AnswerGrammars::create(tokenizer, engine.config().eos_token_id,
                                                     engine.config().vocab_size));
  auto server =
      std::make_unique<Server>(engine, tokenizer, std::move(options), std::move(grammars));
  HADAL_TRY(server->listen());
  return std::unique_ptr<ApiServer>(std::move(server));
}

}  // namespace hadal
