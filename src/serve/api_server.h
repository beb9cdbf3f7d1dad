// The paths of the HTTP server (api.md): which bytes mean what, and who answers.
#pragma once

#include "engine/engine.h"
#include "http/server.h"
#include "protocol/request.h"
#include "serve/answer_task.h"
#include "serve/scheduler.h"
#include "tokenizer/tokenizer.h"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace hadal {

struct ApiServerOptions {
  HttpServerOptions http;
  SchedulerOptions scheduler;
  std::vector<std::string> api_keys;  ///< empty: everybody may ask
  std::string cors_origin;            ///< empty: no header, so that no other site may ask
  std::string model_name;             ///< as clients see it
  std::size_t context = 0;            ///< most tokens of prompt and answer; 0: the model's limit
  std::size_t n_drafts = 0;
  ThinkMode think = ThinkMode::off;  ///< for requests that say nothing about it
  ModelRelease release = ModelRelease::preview;
  CompletionOptions defaults{};
  /// Folder for stored responses, snapshots and turns, which then outlive the server; empty: all is
  /// in memory. It holds what clients said.
  std::string store{};
  std::uint64_t store_bytes = std::uint64_t{16} << 30;  ///< most bytes of snapshots there
  bool guards_loops = true;
  std::string trace{};                   ///< file of prompts and answers; empty: none
  std::optional<AnswerScript> script{};  ///< for tests of clients
  double drain_seconds = 30;
  std::string version = "unknown";  ///< of the program
};

class ApiServer {
 public:
  /// Listens. `engine` and `tokenizer` must outlive the server; its thread alone uses the engine
  /// from now on. Errors: of HttpServer::start,
  /// SnapshotStore::open and ResponseStore::open; unsupported (a vocabulary that cannot encode
  /// text).
  static Result<std::unique_ptr<ApiServer>> start(Engine& engine, const Tokenizer& tokenizer,
                                                  ApiServerOptions options);
  /// The same with a server that listens already, by options.http, and has shown a LoadingSite. On
  /// an error `http` has ended.
  static Result<std::unique_ptr<ApiServer>> take_over(std::unique_ptr<HttpServer> http,
                                                      Engine& engine, const Tokenizer& tokenizer,
                                                      ApiServerOptions options);
  virtual ~ApiServer() = default;

  virtual std::uint16_t port() const = 0;
  /// No new requests; those that run may end within the time set, the rest is cut. Then returns.
  virtual void drain() = 0;
};

}  // namespace hadal
