#include "http/server.h"

#include "http/client_for_test.h"
#include "http/url.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <atomic>
#include <future>
#include <mutex>
#include <thread>

namespace hadal {
namespace {

class HttpServerTest : public testing::Test {
 protected:
  void serve(HttpHandler handler, HttpServerOptions options = {}) {
    options.port = 0;
    options.error_page = [](const HttpError& error) {
      return HttpPage{{{"Asked-For", error.request.path}},
                      fmt::format("{}: {}", error.status, error.message)};
    };
    auto server = HttpServer::start(options, std::move(handler));
    ASSERT_TRUE(server) << server.error().message;
    server_ = std::move(*server);
  }
  std::string exchange(std::string_view request) {
    TestClient client(server_->port());
    client.send(request);
    return client.read_all();
  }

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

  const auto second = HttpServer::start({.port = server_->port()}, echo);
  ASSERT_FALSE(second);
  EXPECT_NE(second.error().message.find("listen"), std::string::npos) << second.error().message;
  EXPECT_FALSE(HttpServer::start({.host = "no.such.host"}, echo));
}

TEST(Url, TakesThePathOfTheFormsThatATargetHas) {
  EXPECT_EQ(origin_form("/a?b"), "/a?b");
  EXPECT_EQ(origin_form("http://host:80/a?b"), "/a?b");
  EXPECT_EQ(origin_form("https://host"), "/");
  for (const char* none : {"", "*", "host:443", "http:/a", "a/b", "http://host?a"})
    EXPECT_EQ(origin_form(none), "") << none;
}

TEST(Url, DecodesPercentSequencesAndQueries) {
  EXPECT_EQ(percent_decoded("a%20b%2Fc%"), "a b/c%");
  EXPECT_EQ(percent_decoded("%zz%4"), "%zz%4");
  EXPECT_EQ(query_value("beta=true&x=a+b%26", "x"), "a b&");
  EXPECT_EQ(query_value("beta=true", "beta"), "true");
  EXPECT_EQ(query_value("betax=1&&flag", "flag"), "");
  EXPECT_FALSE(query_value("", "x"));
}

}  // namespace hadal
