#include "http/server.h"

#include "http/client_for_test.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <atomic>
#include <future>
#include <mutex>
#include <thread>

namespace hadal {
namespace {

using Handler = std::function<void(HttpRequest&&, std::shared_ptr<HttpResponder>)>;
using HeadCheck = std::function<std::optional<HttpResponse>(const HttpRequest&)>;

class TestSite final : public HttpSite {
 public:
  explicit TestSite(Handler handler, HeadCheck head_check = {})
      : handler_(std::move(handler)), head_check_(std::move(head_check)) {}

  void answer(HttpRequest&& request, std::shared_ptr<HttpResponder> responder) override {
    handler_(std::move(request), std::move(responder));
  }
  std::optional<HttpResponse> refuse_head(const HttpRequest& head) override {
    return head_check_ ? head_check_(head) : HttpSite::refuse_head(head);
  }
  HttpResponse error_page(const HttpError& error) override {
    return {error.status,
            {{"Asked-For", error.request.path}},
            fmt::format("{}: {}", error.status, error.message)};
  }

 private:
  Handler handler_;
  HeadCheck head_check_;
};

class HttpServerTest : public testing::Test {
 protected:
  void serve(Handler handler, HttpServerOptions options = {}, HeadCheck head_check = {}) {
    options.port = 0;
    server_.reset();
    site_ = std::make_unique<TestSite>(std::move(handler), std::move(head_check));
    auto server = HttpServer::start(options, *site_);
    ASSERT_TRUE(server) << server.error().message;
    server_ = std::move(*server);
  }
  std::string exchange(std::string_view request) {
    TestClient client(server_->port());
    client.send(request);
    return client.read_all();
  }

  std::unique_ptr<HttpSite> site_;  ///< outlives the server
  std::unique_ptr<HttpServer> server_;
};

/// Tells what it has understood.
void echo(HttpRequest&& request, std::shared_ptr<HttpResponder> responder) {
  responder->respond(200, {{"Content-Type", "text/plain"}},
                     fmt::format("{} {} {} [{}] {}", request.method, request.path, request.query,
                                 request.header("x-TEST"), request.body));
}

}  // namespace

TEST_F(HttpServerTest, AnswersARequest) {
  serve(echo);

  const std::string answer = exchange(
      "POST /a%20b?c=d HTTP/1.1\r\nHost: x\r\nX-Test: yes\r\nContent-Length: 4\r\n"
      "Connection: close\r\n\r\nbody");

  EXPECT_EQ(answer.rfind("HTTP/1.1 200 OK\r\n", 0), 0u) << answer;
  EXPECT_NE(answer.find("\r\nContent-Length: 24\r\n"), std::string::npos) << answer;
  EXPECT_NE(answer.find("\r\nDate: "), std::string::npos);
  EXPECT_NE(answer.find("\r\n\r\nPOST /a b c=d [yes] body"), std::string::npos) << answer;
}

TEST_F(HttpServerTest, KeepsConnectionsAndTakesPipelinedRequests) {
  serve(echo);
  TestClient client(server_->port());

  client.send("GET /1 HTTP/1.1\r\n\r\nGET /2 HTTP/1.1\r\n\r\n");
  EXPECT_NE(client.read_until("GET /1  [] ").find("keep-alive"), std::string::npos);
  EXPECT_NE(client.read_until("GET /2  [] ").find("GET /2"), std::string::npos);
  client.send("HEAD /3 HTTP/1.1\r\nConnection: close\r\n\r\n");
  const std::string head = client.read_all();
  EXPECT_NE(head.find("Content-Length: 12"), std::string::npos) << head;
  EXPECT_EQ(head.substr(head.size() - 4), "\r\n\r\n") << "no body";
}

TEST_F(HttpServerTest, StreamsFromAnotherThread) {
  std::thread worker;
  serve([&](HttpRequest&&, std::shared_ptr<HttpResponder> responder) {
    worker = std::thread([responder] {
      responder->start(200, {{"Content-Type", "text/event-stream"}});
      for (int i = 0; i < 20; ++i) responder->write(fmt::format("piece {}\n", i));
      responder->end();
    });
  });

  const std::string answer = exchange("GET / HTTP/1.1\r\nConnection: close\r\n\r\n");

  worker.join();
  EXPECT_NE(answer.find("Transfer-Encoding: chunked"), std::string::npos);
  EXPECT_NE(answer.find("\r\n8\r\npiece 0\n\r\n8\r\npiece 1\n\r\n"), std::string::npos) << answer;
  EXPECT_EQ(answer.substr(answer.size() - 5), "0\r\n\r\n");
  const std::string old = exchange("GET / HTTP/1.0\r\n\r\n");
  worker.join();
  EXPECT_EQ(old.find("chunked"), std::string::npos) << "HTTP/1.0 has no chunks";
  EXPECT_NE(old.find("\r\n\r\npiece 0\npiece 1\n"), std::string::npos);
}

TEST_F(HttpServerTest, RefusesWhatIsTooLargeOrNoHttp) {
  serve(echo, {.max_body_bytes = 1000});

  const std::string big = exchange("POST /big?x HTTP/1.1\r\nContent-Length: 1000000000\r\n\r\n");
  EXPECT_EQ(big.rfind("HTTP/1.1 413", 0), 0u);
  EXPECT_NE(big.find("Asked-For: /big\r\n"), std::string::npos) << big;
  const std::string chunked = "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nfff\r\n" +
                              std::string(0xfff, 'x') + "\r\n0\r\n\r\n";
  EXPECT_EQ(exchange(chunked).rfind("HTTP/1.1 413", 0), 0u);
  std::string headers = "GET / HTTP/1.1\r\n";
  for (int i = 0; i < 100'000; ++i) headers += fmt::format("h{}: v\r\n", i);
  EXPECT_EQ(exchange(headers + "\r\n").rfind("HTTP/1.1 431", 0), 0u);
  EXPECT_EQ(exchange("\x16\x03\x01 hello\r\n\r\n").rfind("HTTP/1.1 400", 0), 0u);
  EXPECT_EQ(exchange("GET / HTTP/1.1\r\nContent-Length: no\r\n\r\n").rfind("HTTP/1.1 400", 0), 0u);
  EXPECT_NE(exchange("GET /still HTTP/1.1\r\nConnection: close\r\n\r\n").find("GET /still"),
            std::string::npos);
}

TEST_F(HttpServerTest, ContinuesBeforeTheBodyWhenAsked) {
  serve(echo);
  TestClient client(server_->port());

  client.send("POST / HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n");
  EXPECT_EQ(client.read_until("\r\n\r\n"), "HTTP/1.1 100 Continue\r\n\r\n");
  client.send("ok");
  EXPECT_NE(client.read_until("[] ok").find("200 OK"), std::string::npos);
}

TEST_F(HttpServerTest, RefusesByTheHeadersBeforeTheBodyIsSent) {
  std::atomic<int> n_handled{0};
  serve(
      [&](HttpRequest&& request, std::shared_ptr<HttpResponder> responder) {
        ++n_handled;
        echo(std::move(request), std::move(responder));
      },
      {},
      [](const HttpRequest& head) -> std::optional<HttpResponse> {
        if (head.path == "/throws") throw std::runtime_error("secret");
        if (head.header("x-key") == "good") return std::nullopt;
        return HttpResponse{401, {}, fmt::format("{} {} has no key", head.method, head.path)};
      });

  // None of these bodies is ever sent: an answer means that nobody waited for it.
  for (const char* expect : {"", "Expect: 100-continue\r\n"}) {
    const std::string refused =
        exchange(fmt::format("POST /a HTTP/1.1\r\n{}Content-Length: 1000000\r\n\r\n", expect));
    EXPECT_EQ(refused.rfind("HTTP/1.1 401", 0), 0u) << refused;
    EXPECT_NE(refused.find("POST /a has no key"), std::string::npos) << refused;
    EXPECT_NE(refused.find("Connection: close"), std::string::npos) << refused;
  }
  EXPECT_EQ(
      exchange("POST /throws HTTP/1.1\r\nContent-Length: 1000\r\n\r\n").rfind("HTTP/1.1 500", 0),
      0u);
  EXPECT_EQ(n_handled, 0);
  TestClient client(server_->port());
  client.send(
      "GET /b HTTP/1.1\r\n\r\nPOST /c HTTP/1.1\r\nX-Key: good\r\nContent-Length: 2\r\n\r\nok");
  EXPECT_EQ(client.read_until("GET /b has no key").rfind("HTTP/1.1 401", 0), 0u);
  EXPECT_NE(client.read_until("POST /c  [] ok").find("200 OK"), std::string::npos)
      << "a request without a body leaves the connection";
}

TEST_F(HttpServerTest, BodiesOfAllRequestsShareABudget) {
  std::promise<void> begun, go_on;
  const auto post = [](std::string_view path, std::size_t n) {
    return fmt::format("POST {} HTTP/1.1\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{}",
                       path, n, std::string(n, 'x'));
  };
  serve(
      [&](HttpRequest&& request, std::shared_ptr<HttpResponder> responder) {
        if (request.path == "/hold") {
          begun.set_value();
          go_on.get_future().wait();
        }
        responder->respond(204, {}, "");
      },
      {.n_threads = 3, .max_buffered_bytes = 1000});

  EXPECT_EQ(exchange(post("/", 5000)).rfind("HTTP/1.1 503", 0), 0u);
  EXPECT_EQ(
      exchange("POST / HTTP/1.1\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n500\r\n" +
               std::string(0x500, 'x') + "\r\n0\r\n\r\n")
          .rfind("HTTP/1.1 503", 0),
      0u);
  for (int i = 0; i < 5; ++i) EXPECT_EQ(exchange(post("/", 900)).rfind("HTTP/1.1 204", 0), 0u) << i;
  TestClient held(server_->port());
  held.send(post("/hold", 900));
  begun.get_future().wait();
  EXPECT_EQ(exchange(post("/", 900)).rfind("HTTP/1.1 503", 0), 0u) << "900 bytes are held";
  EXPECT_EQ(exchange(post("/", 90)).rfind("HTTP/1.1 204", 0), 0u);
  go_on.set_value();
  EXPECT_EQ(held.read_all().rfind("HTTP/1.1 204", 0), 0u);
  EXPECT_EQ(exchange(post("/", 900)).rfind("HTTP/1.1 204", 0), 0u);
}

TEST_F(HttpServerTest, RequestsWithBodiesLeaveAThreadToThoseWithout) {
  std::atomic<int> n_long{0}, n_most{0};
  std::promise<void> go_on;
  const std::shared_future<void> may_go_on = go_on.get_future().share();
  serve(
      [&](HttpRequest&& request, std::shared_ptr<HttpResponder> responder) {
        if (request.path == "/long") {
          n_most = std::max<int>(n_most, ++n_long);
          may_go_on.wait();
          --n_long;
        }
        responder->respond(200, {}, fmt::format("{} bytes", request.body.size()));
      },
      {.n_threads = 3});
  std::vector<std::unique_ptr<TestClient>> clients;
  for (int i = 0; i < 6; ++i) {
    clients.push_back(std::make_unique<TestClient>(server_->port()));
    clients.back()->send(
        "POST /long HTTP/1.1\r\nConnection: close\r\nContent-Length: 5\r\n\r\nxxxxx");
  }
  while (n_long < 2) std::this_thread::yield();

  for (int i = 0; i < 20; ++i)
    EXPECT_NE(exchange("GET /health HTTP/1.1\r\nConnection: close\r\n\r\n").find("0 bytes"),
              std::string::npos);
  clients.pop_back();  // hangs up while it waits for its turn
  go_on.set_value();

  for (const auto& client : clients)
    EXPECT_NE(client->read_all().find("5 bytes"), std::string::npos);
  EXPECT_EQ(n_most, 2) << "of three threads";
}

TEST_F(HttpServerTest, EndsWhileRequestsWaitForAThread) {
  std::promise<void> begun;
  serve(
      [&](HttpRequest&&, std::shared_ptr<HttpResponder>) {
        begun.set_value();
        std::this_thread::sleep_for(std::chrono::milliseconds(50));
      },
      {.n_threads = 2});
  std::vector<std::unique_ptr<TestClient>> clients;
  for (int i = 0; i < 3; ++i) {
    clients.push_back(std::make_unique<TestClient>(server_->port()));
    clients.back()->send("POST / HTTP/1.1\r\nContent-Length: 1\r\n\r\nx");
  }
  begun.get_future().wait();

  server_.reset();
}

TEST_F(HttpServerTest, ShowsAnotherSiteOnTheSameConnection) {
  serve(echo);
  TestClient client(server_->port());
  client.send("GET /1 HTTP/1.1\r\n\r\n");
  EXPECT_NE(client.read_until("GET /1  [] ").find("200 OK"), std::string::npos);
  TestSite other([](HttpRequest&&, std::shared_ptr<HttpResponder> responder) {
    responder->respond(200, {}, "another");
  });

  server_->show(other);

  client.send("GET /2 HTTP/1.1\r\n\r\n");
  EXPECT_NE(client.read_until("another").find("200 OK"), std::string::npos);
  server_.reset();
}

// A byte that nobody reads before the answer is done lies in front of the end.
TEST_F(HttpServerTest, TellsWhenAClientHangsUpBehindBytesOfItsNextRequest) {
  std::promise<void> begun, gone;
  std::shared_ptr<HttpResponder> responder;
  serve([&](HttpRequest&&, std::shared_ptr<HttpResponder> r) {
    responder = r;
    r->start(200, {});
    r->on_gone([&] { gone.set_value(); });
    begun.set_value();
  });
  TestClient client(server_->port());
  client.send("GET / HTTP/1.1\r\n\r\n");
  begun.get_future().wait();

  client.send("G");
  client.close();

  EXPECT_EQ(gone.get_future().wait_for(std::chrono::seconds(20)), std::future_status::ready);
}

TEST_F(HttpServerTest, WorkThatThrowsEndsItsConnectionAlone) {
  serve([](HttpRequest&& request, std::shared_ptr<HttpResponder> responder) {
    if (request.path != "/bad") return responder->respond(204, {}, "");
    responder->post([] { throw std::runtime_error("secret"); });
  });

  EXPECT_EQ(exchange("GET /bad HTTP/1.1\r\n\r\n"), "") << "closed, since nobody will answer it";
  EXPECT_EQ(exchange("GET / HTTP/1.1\r\nConnection: close\r\n\r\n").rfind("HTTP/1.1 204", 0), 0u);
}

TEST_F(HttpServerTest, TellsWhenTheClientHangsUp) {
  std::promise<void> begun, gone;
  std::shared_ptr<HttpResponder> responder;
  serve([&](HttpRequest&&, std::shared_ptr<HttpResponder> r) {
    responder = r;
    r->start(200, {});
    r->write("first");
    r->on_gone([&] { gone.set_value(); });
    begun.set_value();
  });
  TestClient client(server_->port());
  client.send("GET / HTTP/1.1\r\n\r\n");
  begun.get_future().wait();

  client.close();

  EXPECT_EQ(gone.get_future().wait_for(std::chrono::seconds(10)), std::future_status::ready);
  responder->write("nobody reads this");
  responder->end();
}

// The body arrives when the server already waits for it, and the answer takes a while: the wake-up
// for the body must not be taken for a client that hangs up.
TEST_F(HttpServerTest, KeepsAClientThatSendsInPieces) {
  serve([](HttpRequest&& request, std::shared_ptr<HttpResponder> responder) {
    std::thread([responder, body = request.body] {
      std::this_thread::sleep_for(std::chrono::milliseconds(2));
      responder->respond(200, {}, body);
    }).detach();
  });
  for (int i = 0; i < 200; ++i) {
    TestClient client(server_->port());
    client.send("POST / HTTP/1.1\r\nConnection: close\r\nContent-Length: 4\r\n\r\n");
    if (i % 2 == 0) std::this_thread::sleep_for(std::chrono::microseconds(200));
    client.send("bo");
    client.send("dy");
    const std::string answer = client.read_all();
    ASSERT_NE(answer.find("\r\n\r\nbody"), std::string::npos) << i << ": " << answer;
  }
}

TEST_F(HttpServerTest, ClosesOnAClientThatDoesNotRead) {
  std::promise<void> gone;
  std::atomic<bool> is_gone{false};
  serve(
      [&](HttpRequest&&, std::shared_ptr<HttpResponder> responder) {
        responder->start(200, {});
        responder->on_gone([&] {
          is_gone = true;
          gone.set_value();
        });
        std::thread([responder, &is_gone] {
          for (int i = 0; i < 2000 && !is_gone; ++i) responder->write(std::string(100'000, 'x'));
        }).join();
      },
      {.n_threads = 2, .max_unsent_bytes = 1 << 20});
  TestClient client(server_->port());

  client.send("GET / HTTP/1.1\r\n\r\n");

  EXPECT_EQ(gone.get_future().wait_for(std::chrono::seconds(20)), std::future_status::ready);
}

TEST_F(HttpServerTest, AFailingHandlerIsA500AndTheServerGoesOn) {
  serve([](HttpRequest&& request, std::shared_ptr<HttpResponder> responder) {
    if (request.path == "/bad") throw std::runtime_error("secret");
    responder->respond(204, {}, "");
  });

  const std::string failed = exchange("GET /bad HTTP/1.1\r\nConnection: close\r\n\r\n");
  EXPECT_EQ(failed.rfind("HTTP/1.1 500", 0), 0u);
  EXPECT_EQ(failed.find("secret"), std::string::npos);
  EXPECT_NE(failed.find("Asked-For: /bad\r\n"), std::string::npos) << failed;
  const std::string fine = exchange("GET / HTTP/1.1\r\nConnection: close\r\n\r\n");
  EXPECT_EQ(fine.rfind("HTTP/1.1 204 No Content", 0), 0u);
  EXPECT_EQ(fine.find("Content-Length"), std::string::npos);
}

TEST_F(HttpServerTest, SlowHeadersTimeOut) {
  serve(echo, {.header_timeout = std::chrono::seconds(1)});
  TestClient client(server_->port());
  client.send("GET / HTTP/1.1\r\nHost");

  EXPECT_EQ(client.read_all(), "") << "closed, as nobody may hold a connection for ever";
}

TEST_F(HttpServerTest, SaysWhyItCannotListen) {
  serve(echo);

  const auto second = HttpServer::start({.port = server_->port()}, *site_);
  ASSERT_FALSE(second);
  EXPECT_NE(second.error().message.find("listen"), std::string::npos) << second.error().message;
  EXPECT_FALSE(HttpServer::start({.host = "no.such.host"}, *site_));
}

}  // namespace hadal
