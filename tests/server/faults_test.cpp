// What clients and disks do wrong: the server refuses clearly, stays up, and nobody else is harmed
// (product.md section 3, promise 5). Damaged and killed stores: src/serve/snapshot_store_test.cpp.

#include "base/random.h"
#include "base/temporary_directory_for_test.h"
#include "http/client_for_test.h"
#include "serve/router.h"
#include "serve/world_routes.h"
#include "serve_builtin.h"

#include <nlohmann/json.hpp>

#include <filesystem>
#include <fstream>
#include <functional>
#include <future>
#include <memory>
#include <thread>

namespace hadal {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;

Json chat(std::string_view text, std::size_t max_tokens = 8) {
  return {{"model", "m"},
          {"max_tokens", max_tokens},
          {"messages", {{{"role", "user"}, {"content", text}}}}};
}

std::string answer(std::uint16_t port, std::string_view text = "What are you?") {
  const auto response = exchange(port, "POST", "/v1/chat/completions", chat(text).dump());
  EXPECT_EQ(response.status, 200) << response.body;
  const Json json = Json::parse(response.body, nullptr, false);
  return json.is_object() ? json["choices"][0]["message"]["content"].get<std::string>() : "";
}

int status_of(TestClient& client) {
  return parse_test_response(client.read_until("\r\n\r\n")).status;
}

/// Answers as it did before whatever the test has done to it.
class FaultsTest : public testing::Test {
 protected:
  void SetUp() override { before_ = answer(port()); }
  void TearDown() override { EXPECT_EQ(answer(port()), before_); }
  std::uint16_t port() const { return server_.port(); }

  const BuiltinServer server_;
  std::string before_;
};

TEST_F(FaultsTest, AGigabyteIsRefusedBeforeItIsRead) {
  TestClient client(port());

  client.send(
      "POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nContent-Length: "
      "1073741824\r\n\r\n");
  client.send(std::string(1 << 20, 'x'));

  EXPECT_EQ(status_of(client), 413);
}

TEST_F(FaultsTest, AnEndlessChunkedBodyIsCut) {
  TestClient client(port());
  client.send(
      "POST /v1/messages HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n");
  const std::string chunk = fmt::format("100000\r\n{}\r\n", std::string(1 << 20, 'x'));

  for (int i = 0; i < 80; ++i) client.send(chunk);  // more than the limit of 64 MiB

  EXPECT_EQ(status_of(client), 413);
}

TEST_F(FaultsTest, AHundredThousandHeadersAreRefused) {
  TestClient client(port());
  std::string head = "GET /health HTTP/1.1\r\nHost: localhost\r\n";
  for (int i = 0; i < 100000; ++i) head += fmt::format("X-{}: y\r\n", i);

  client.send(head.append("\r\n"));

  EXPECT_EQ(status_of(client), 431);
}

TEST_F(FaultsTest, WhoHasNoKeySendsNoBody) {
  ApiServerOptions options;
  options.api_keys = {"secret"};
  const BuiltinServer closed(options);
  TestClient client(closed.port());

  client.send("POST /v1/messages HTTP/1.1\r\nHost: h\r\nContent-Length: 60000000\r\n\r\n");

  EXPECT_EQ(status_of(client), 401) << "and waits for nothing";
}

// A page in a browser on this machine may have its own name lead here (DNS rebinding).
TEST_F(FaultsTest, WithoutAKeyItAnswersToItsOwnNamesAlone) {
  const auto with_host = [&](const BuiltinServer& server, std::string_view host) {
    TestClient client(server.port());
    client.send(
        fmt::format("GET /v1/models HTTP/1.1\r\nHost: {}\r\nx-api-key: secret\r\n\r\n", host));
    return status_of(client);
  };

  for (const char* own : {"localhost", "localhost:1234", "127.0.0.1:80", "[::1]:8080"})
    EXPECT_EQ(with_host(server_, own), 200) << own;
  for (const char* other : {"evil.example:8080", "127.0.0.1.evil.example", "0.0.0.0"})
    EXPECT_EQ(with_host(server_, other), 403) << other;
  ApiServerOptions options;
  options.api_keys = {"secret"};
  EXPECT_EQ(with_host(BuiltinServer(options), "hadal.example"), 200) << "a key keeps others out";
}

TEST_F(FaultsTest, InvalidUtf8IsRefusedByNameOfTheField) {
  for (const char* bytes : {"\xff", "\xc0\xaf", "\xed\xa0\x80", "\xf5\x80\x80\x80", "caf\xe9"}) {
    const std::string body =
        fmt::format(R"({{"messages":[{{"role":"user","content":"{}"}}]}})", bytes);
    const auto response = exchange(port(), "POST", "/v1/chat/completions", body);
    EXPECT_EQ(response.status, 400) << response.body;
    EXPECT_TRUE(Json::parse(response.body, nullptr, false).is_object()) << response.body;
  }
}

TEST_F(FaultsTest, DeeplyNestedJsonIsRefused) {
  for (const std::size_t depth : {1000u, 100000u, 10000000u}) {
    for (const std::string& opener : {std::string("["), std::string(R"({"a":)")}) {
      std::string body = R"({"messages":)";
      for (std::size_t i = 0; i < depth / opener.size(); ++i) body += opener;
      const auto response = exchange(port(), "POST", "/v1/chat/completions", body);
      EXPECT_EQ(response.status, 400) << depth;
    }
  }
}

TEST_F(FaultsTest, DeeplyNestedSchemasAreRefusedOrFollowed) {
  std::string schema = R"({"type":"string"})";
  for (int i = 0; i < 400; ++i) schema = fmt::format(R"({{"type":"array","items":{}}})", schema);
  Json body = chat("a");
  body["response_format"] = {{"type", "json_schema"},
                             {"json_schema", {{"name", "s"}, {"schema", Json::parse(schema)}}}};

  const auto response = exchange(port(), "POST", "/v1/chat/completions", body.dump());

  EXPECT_TRUE(response.status == 200 || response.status == 400) << response.status;
}

TEST_F(FaultsTest, ASlowReaderHoldsUpNobody) {
  std::vector<std::unique_ptr<TestClient>> slow;
  Json body = chat("tell me everything", 2000);
  body["stream"] = true;
  for (int i = 0; i < 3; ++i) {  // and they never read
    slow.push_back(std::make_unique<TestClient>(port()));
    slow.back()->send(http_text("POST", "/v1/chat/completions", body.dump()));
  }

  for (int i = 0; i < 5; ++i) EXPECT_EQ(answer(port()), before_);
}

TEST_F(FaultsTest, HeadersThatNeverEndTakeNoSlot) {
  std::vector<std::unique_ptr<TestClient>> idle;
  for (int i = 0; i < 100; ++i) {
    idle.push_back(std::make_unique<TestClient>(port()));
    idle.back()->send("POST /v1/chat/completions HTTP/1.1\r\nContent-Le");
  }

  EXPECT_EQ(answer(port()), before_);
}

TEST_F(FaultsTest, EverybodyHangsUpAtOnce) {
  Json body = chat("tell me everything", 500);
  body["stream"] = true;
  {
    std::vector<std::unique_ptr<TestClient>> all;
    for (int i = 0; i < 40; ++i) {
      body["messages"][0]["content"] = fmt::format("tell me about {}", i);
      all.push_back(std::make_unique<TestClient>(port()));
      all.back()->send(http_text("POST", "/v1/chat/completions", body.dump()));
    }
    all.front()->read_until("data: ");
  }

  EXPECT_EQ(answer(port()), before_);
  const Json state = when_idle(port());
  EXPECT_TRUE(is_idle(state)) << "jobs of clients that are gone: " << state["slots"];
}

TEST_F(FaultsTest, RandomBytesAreNeverTakenForARequest) {
  RandomStream random(11);
  for (int i = 0; i < 200; ++i) {
    TestClient client(port());
    std::string bytes;
    for (std::uint32_t n = 1 + random.below(500); n > 0; --n)
      bytes += static_cast<char>(random.below(256));
    client.send(bytes.append("\r\n\r\n"));
    const std::string line = client.read_until("\r\n");
    EXPECT_TRUE(line.empty() || line.rfind("HTTP/1.1 4", 0) == 0) << line;
  }
}

TEST_F(FaultsTest, MutatedRequestsGetAnAnswerInJson) {
  const std::string valid = chat("What are you?", 2).dump();
  RandomStream random(12);
  for (int i = 0; i < 300; ++i) {
    std::string body = valid;
    for (std::uint32_t n = 1 + random.below(3); n > 0; --n) {
      const std::size_t at = random.below(static_cast<std::uint32_t>(body.size()));
      switch (random.below(3)) {
        case 0:
          body[at] = static_cast<char>(random.below(256));
          break;
        case 1:
          body.erase(at, 1 + random.below(6));
          break;
        default:
          body.insert(at, body.substr(at / 2, 1 + random.below(8)));
      }
      if (body.empty()) body.assign(1, 'x');
    }
    const auto response = exchange(port(), "POST", "/v1/chat/completions", body);
    EXPECT_TRUE(response.status == 200 || (response.status >= 400 && response.status < 500))
        << response.status << " for " << body;
    EXPECT_TRUE(Json::parse(response.body, nullptr, false).is_object()) << response.body;
  }
}

// --- Worlds

/// Keeps the status; for handlers without a connection.
class StatusResponder final : public HttpResponder {
 public:
  void respond(int status, HttpHeaders, std::string) override { told.set_value(status); }
  void start(int, HttpHeaders) override {}
  void write(std::string) override {}
  void end() override {}
  void on_gone(std::function<void()>) override {}
  void post(std::function<void()> work) override { work(); }

  std::promise<int> told;
};

TEST(WorldFaults, EpisodesBeyondTheirPlacesAreRefused) {
  Scheduler scheduler(BuiltinServer::engine().model(), {.state_bytes = 64u << 20});
  WorldRoutes worlds(BuiltinServer::engine(), BuiltinServer::tokenizer(), scheduler, 2);
  Router router;
  worlds.add_to(router);
  ServerMetrics metrics("m");
  const auto play = [&] {
    auto client = std::make_shared<StatusResponder>();
    Exchange exchange{.request = {.method = "POST",
                                  .path = "/worlds/play",
                                  .query = "",
                                  .headers = {},
                                  .body = R"({"seed": 1})",
                                  .client = ""},
                      .responder = client,
                      .id = "req",
                      .metrics = metrics,
                      .cors_origin = ""};
    (*router.find("POST", "/worlds/play").handler)(exchange);
    return client->told.get_future();
  };
  std::promise<void> go_on;
  scheduler.between_passes([&] { go_on.get_future().wait(); });  // no episode goes on meanwhile

  auto first = play(), second = play(), third = play();

  EXPECT_EQ(third.get(), 429);
  go_on.set_value();
  EXPECT_EQ(first.get(), 200);
  EXPECT_EQ(second.get(), 200);
  scheduler.drain(0);  // what has answered may still hold its place
}

// --- Disks

class StoreFaultsTest : public testing::Test {
 protected:
  ApiServerOptions with_store() const {
    ApiServerOptions options;
    options.store = folder_.string();
    return options;
  }
  static Result<std::unique_ptr<ApiServer>> start(ApiServerOptions options) {
    options.http.port = 0;
    options.scheduler.state_bytes = 256u << 20;
    return ApiServer::start(BuiltinServer::engine(), BuiltinServer::tokenizer(),
                            std::move(options));
  }

  const TemporaryDirectory directory_;
  const fs::path folder_ = directory_.path() / "store";
};

/// A conversation: its next prompt begins with what the server has said.
Json next_turn(std::uint16_t port, Json body) {
  const auto response = exchange(port, "POST", "/v1/chat/completions", body.dump());
  EXPECT_EQ(response.status, 200) << response.body;
  const Json json = Json::parse(response.body);
  body["messages"].push_back(json["choices"][0]["message"]);
  body["usage"] = json["usage"];
  return body;
}

TEST_F(StoreFaultsTest, ARestartedServerComputesOnlyWhatIsNew) {
  std::string text;
  for (int i = 0; i < 300; ++i) text += fmt::format(" word{}", i % 17);
  Json conversation = chat(fmt::format("Remember:{}", text), 20);
  {
    const BuiltinServer server(with_store());
    conversation = next_turn(server.port(), conversation);
  }
  conversation["messages"].push_back({{"role", "user"}, {"content", "And now?"}});
  Json again;
  {
    const BuiltinServer server(with_store());
    again = next_turn(server.port(), conversation);
  }
  const BuiltinServer cold;
  const Json expected = next_turn(cold.port(), conversation);

  EXPECT_EQ(again["messages"], expected["messages"]);
  EXPECT_EQ(expected["usage"]["prompt_tokens_details"]["cached_tokens"], 0);
  const std::size_t n_prompt = again["usage"]["prompt_tokens"],
                    n_cached = again["usage"]["prompt_tokens_details"]["cached_tokens"];
  EXPECT_GT(n_cached, n_prompt * 9 / 10) << "of " << n_prompt;
}

TEST_F(StoreFaultsTest, DamagedSnapshotsAreAColdStart) {
  Json conversation = chat("Remember this, word by word, and tell it again.", 20);
  {
    const BuiltinServer server(with_store());
    conversation = next_turn(server.port(), conversation);
  }
  for (const auto& file : fs::directory_iterator(folder_ / "snapshots")) {
    if (file.path().extension() == ".snapshot") fs::resize_file(file, file.file_size() / 2);
  }
  conversation["messages"].push_back({{"role", "user"}, {"content", "And now?"}});

  Json again;
  {
    const BuiltinServer server(with_store());
    again = next_turn(server.port(), conversation);
  }
  const BuiltinServer cold;
  EXPECT_EQ(again["messages"], next_turn(cold.port(), conversation)["messages"]);
}

TEST_F(StoreFaultsTest, WhatClientsSaidIsForTheOwnerAlone) {
  const auto others = [](const fs::path& path) {
    return fs::status(path).permissions() & (fs::perms::group_all | fs::perms::others_all);
  };
  ApiServerOptions options = with_store();
  options.trace = (directory_.path() / "trace").string();
  std::ofstream(options.trace) << "from before\n";
  fs::permissions(options.trace, fs::perms{0644});
  {
    const BuiltinServer server(options);
    EXPECT_EQ(others(folder_), fs::perms::none);
  }
  fs::permissions(folder_ / "responses.sqlite", fs::perms{0644});

  const BuiltinServer server(options);

  for (const fs::path& path : {fs::path(options.trace), folder_ / "responses.sqlite"})
    EXPECT_EQ(others(path), fs::perms::none) << path;
}

TEST_F(StoreFaultsTest, AnUnusableStoreIsSaidAtTheStart) {
  std::ofstream(folder_.string()) << "a file, no folder";

  const auto server = start(with_store());

  ASSERT_FALSE(server);
  EXPECT_NE(server.error().message.find(folder_.string()), std::string::npos)
      << server.error().message;
}

TEST_F(StoreFaultsTest, AnotherProgramsDatabaseIsNotTouched) {
  fs::create_directories(folder_);
  std::ofstream(folder_ / "responses.sqlite") << std::string(4096, 'x');

  const auto server = start(with_store());

  ASSERT_FALSE(server);
  EXPECT_EQ(fs::file_size(folder_ / "responses.sqlite"), 4096u);
}

TEST_F(StoreFaultsTest, AStoreThatVanishesCostsSnapshotsAlone) {
  const BuiltinServer server(with_store());
  const std::string before = answer(server.port());

  // Renamed, since a file may be written there at this moment.
  fs::rename(folder_ / "snapshots", folder_ / "elsewhere");

  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(answer(server.port()), before);
    answer(server.port(), fmt::format("Something else {}", i));
  }
}

TEST_F(StoreFaultsTest, StoredResponsesOutliveTheServer) {
  std::string id;
  {
    const BuiltinServer server(with_store());
    const Json body = {{"model", "m"}, {"input", "Hello"}, {"max_output_tokens", 8}};
    const auto response = exchange(server.port(), "POST", "/v1/responses", body.dump());
    ASSERT_EQ(response.status, 200) << response.body;
    id = Json::parse(response.body)["id"];
  }

  const BuiltinServer server(with_store());

  const auto found = exchange(server.port(), "GET", fmt::format("/v1/responses/{}", id));
  ASSERT_EQ(found.status, 200) << found.body;
  EXPECT_EQ(Json::parse(found.body)["id"], id);
  const Json next = {{"model", "m"},
                     {"input", "And you?"},
                     {"max_output_tokens", 8},
                     {"previous_response_id", id}};
  EXPECT_EQ(exchange(server.port(), "POST", "/v1/responses", next.dump()).status, 200);
  EXPECT_EQ(exchange(server.port(), "DELETE", fmt::format("/v1/responses/{}", id)).status, 200);
  EXPECT_EQ(exchange(server.port(), "GET", fmt::format("/v1/responses/{}", id)).status, 404);
  EXPECT_EQ(exchange(server.port(), "POST", "/v1/responses", next.dump()).status, 404);
}

}  // namespace
}  // namespace hadal
