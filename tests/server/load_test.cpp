// Many clients at the same time, some of which vanish or send garbage: the others notice nothing.
//
// `make test` runs it for some seconds. HADAL_LOAD_SECONDS and HADAL_LOAD_CLIENTS set more, as
// `make load` does; then it prints latencies, memory and where the time went.

#include "base/random.h"
#include "http/client_for_test.h"
#include "serve_builtin.h"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <mutex>
#include <sstream>
#include <thread>

#include <unistd.h>

namespace hadal {
namespace {

using Json = nlohmann::ordered_json;
using Clock = std::chrono::steady_clock;

constexpr std::size_t kPrompts = 24;
/// Of a hundred requests.
constexpr std::uint32_t kVanish = 10, kGarbage = 5;

std::size_t number_of(const char* variable, std::size_t otherwise) {
  const char* value = std::getenv(variable);
  return value == nullptr ? otherwise : std::stoul(value);
}

struct Request {
  std::string path;
  std::string body;
};

/// Streams of all protocols, short and long prompts, greedy and sampled, bound by a schema and not.
Request request(std::size_t i) {
  RandomStream random(i);
  std::string text = fmt::format("Question {}:", i);
  for (std::uint32_t n = random.below(i % 4 == 0 ? 400 : 30); n > 0; --n)
    text += fmt::format(" word{}", random.below(50));
  const std::size_t max_tokens = 8 + random.below(40);
  Json body = {{"model", "m"}, {"stream", true}, {"max_tokens", max_tokens}};
  if (i % 2 == 1) body["temperature"] = 0.8;
  if (i % 4 != 3) body["messages"] = {{{"role", "user"}, {"content", text}}};
  switch (i % 4) {
    case 0:
      body["seed"] = i;
      return {"/v1/chat/completions", body.dump()};
    case 1:
      body["seed"] = i;
      body["response_format"] = {
          {"type", "json_schema"},
          {"json_schema",
           {{"name", "s"}, {"schema", {{"type", "array"}, {"items", {{"enum", {"a", "bc"}}}}}}}}};
      return {"/v1/chat/completions", body.dump()};
    case 2:
      body["temperature"] = 0;
      return {"/v1/messages", body.dump()};
    default:
      body["seed"] = i;
      body["prompt"] = text;
      return {"/v1/completions", body.dump()};
  }
}

/// The answer's text in a stream of any of these protocols: all fields that a model's words come
/// in.
std::string said(const std::string& stream) {
  std::string all;
  for (std::size_t at = 0; (at = stream.find("data: ", at)) != std::string::npos;) {
    const std::size_t end = stream.find('\n', at);
    const Json json = Json::parse(stream.substr(at + 6, end - at - 6), nullptr, false);
    at = end;
    if (!json.is_object()) continue;
    if (json.contains("delta")) all += json["delta"].value("text", "");
    if (!json.contains("choices")) continue;
    for (const Json& choice : json["choices"]) {
      all += choice.value("text", "");
      if (choice.contains("delta")) all += choice["delta"].value("content", "");
      if (choice.contains("finish_reason") && choice["finish_reason"].is_string())
        all += fmt::format("|{}", choice["finish_reason"].get<std::string>());
    }
  }
  return all;
}

struct Timed {
  std::string body;
  std::vector<double> seconds;  ///< from the request to each event
};

/// Reads a stream to its end, or `n_events` events of it and then hangs up.
Timed stream(std::uint16_t port, const Request& asked, std::size_t n_events = SIZE_MAX) {
  TestClient client(port);
  const auto begin = Clock::now();
  client.send(http_text("POST", asked.path, asked.body));
  Timed timed;
  std::string text;
  while (timed.seconds.size() < n_events) {
    const std::string event = client.read_until("\n\n\r\n");  // an event ends, and its chunk
    if (event.empty()) break;
    text += event;
    timed.seconds.push_back(std::chrono::duration<double>(Clock::now() - begin).count());
    if (event.find("[DONE]") != std::string::npos ||
        event.find("event: message_stop") != std::string::npos)
      break;
  }
  if (n_events == SIZE_MAX) text += client.read_all();
  timed.body = parse_test_response(text).body;
  return timed;
}

void send_garbage(std::uint16_t port, RandomStream& random) {
  TestClient client(port);
  std::string bytes;
  switch (random.below(5)) {
    case 0:
      for (int i = 0; i < 300; ++i) bytes += static_cast<char>(random.below(256));
      break;
    case 1:
      bytes = http_text("POST", "/v1/chat/completions", R"({"messages": [{"role": "us)");
      break;
    case 2:
      bytes = http_text("POST", "/v1/messages", std::string(20000, '['));
      break;
    case 3:
      bytes = http_text("BREW", "/coffee", "\xff\xfe");
      break;
    default:
      bytes = "POST /v1/completions HTTP/1.1\r\nContent-Length: 99999999999999999999\r\n\r\n{}";
  }
  client.send(bytes);
  if (random.below(2) == 0) client.read_until("\r\n");
}

double resident_mib(const Json& monitor) {
  return monitor["process"]["rss_bytes"].get<double>() / (1 << 20);
}

double percentile(std::vector<float>& values, double share) {
  if (values.empty()) return 0;
  std::sort(values.begin(), values.end());
  return values[static_cast<std::size_t>(share * static_cast<double>(values.size() - 1))];
}

/// CPU seconds of this process's threads whose name begins so.
double cpu_seconds(const std::string& name) {
  double total = 0;
  for (const auto& task : std::filesystem::directory_iterator("/proc/self/task")) {
    std::ifstream file(task.path() / "stat");
    std::string text;
    std::getline(file, text);
    const std::size_t open = text.find('('), close = text.rfind(')');
    if (close == std::string::npos || text.compare(open + 1, name.size(), name) != 0) continue;
    std::istringstream rest(text.substr(close + 2));
    std::string skipped;
    for (int i = 0; i < 11; ++i) rest >> skipped;
    double user = 0, system = 0;
    rest >> user >> system;
    total += (user + system) / static_cast<double>(sysconf(_SC_CLK_TCK));
  }
  return total;
}

TEST(Load, ManyClientsGetTheAnswersOfOne) {
  const auto seconds = std::chrono::seconds(number_of("HADAL_LOAD_SECONDS", 4));
  const std::size_t n_clients = number_of("HADAL_LOAD_CLIENTS", 16);
  ApiServerOptions options;
  options.scheduler.n_slots = 16;
  const BuiltinServer server(options);
  const std::uint16_t port = server.port();
  std::vector<std::string> expected;
  for (std::size_t i = 0; i < kPrompts; ++i)
    expected.push_back(said(stream(port, request(i)).body));
  const Json before = monitor(port);
  const double worker_before = cpu_seconds("worker"), engine_before = cpu_seconds("engine"),
               http_before = cpu_seconds("http");

  std::mutex mutex;
  // Clients and server are one process: what is noted must not look like a growing server.
  std::vector<float> first, gaps;
  first.resize(2000 * static_cast<std::size_t>(seconds.count()));
  gaps.resize(10 * first.size());
  first.clear();
  gaps.clear();
  std::size_t n_whole = 0, n_vanished = 0, n_garbage = 0, n_wrong = 0, n_tokens = 0;
  const auto end = Clock::now() + seconds;
  std::vector<std::thread> clients;
  for (std::size_t c = 0; c < n_clients; ++c) {
    clients.emplace_back([&, c] {
      RandomStream random(1000 + c);
      while (Clock::now() < end) {
        const std::size_t i = random.below(kPrompts);
        const std::uint32_t fate = random.below(100);
        if (fate < kGarbage) {
          send_garbage(port, random);
          const std::lock_guard lock(mutex);
          ++n_garbage;
        } else if (fate < kGarbage + kVanish) {
          stream(port, request(i), 1 + random.below(6));
          const std::lock_guard lock(mutex);
          ++n_vanished;
        } else {
          const Timed timed = stream(port, request(i));
          const std::string text = said(timed.body);
          const std::lock_guard lock(mutex);
          ++n_whole;
          n_wrong += text != expected[i];
          EXPECT_EQ(text, expected[i]) << "request " << i;
          n_tokens += timed.seconds.size();
          if (timed.seconds.size() > 1) first.push_back(static_cast<float>(timed.seconds[1]));
          for (std::size_t k = 2; k < timed.seconds.size(); ++k)
            gaps.push_back(static_cast<float>(timed.seconds[k] - timed.seconds[k - 1]));
        }
      }
    });
  }
  std::this_thread::sleep_for(seconds / 10);
  const double resident_early = resident_mib(monitor(port));
  for (auto& client : clients) client.join();

  const Json after = when_idle(port);
  EXPECT_GT(n_whole, 0u);
  EXPECT_EQ(n_wrong, 0u);
  ASSERT_TRUE(is_idle(after)) << "slots of vanished clients: " << after;
  const double busy = after["totals"]["busy_seconds"].get<double>() -
                      before["totals"]["busy_seconds"].get<double>();
  const double worker = cpu_seconds("worker") - worker_before,
               engine = cpu_seconds("engine") - engine_before,
               http = cpu_seconds("http") - http_before;
  fmt::print(
      "{} clients, {} s: {} whole answers, {} vanished, {} garbage, {} events/s\n"
      "first event after {:.1f} / {:.1f} ms (p50 / p99), between events {:.2f} / {:.2f} ms\n"
      "resident {:.1f} MiB at the start, {:.1f} after a tenth of the time, {:.1f} at the end\n"
      "CPU: workers {:.1f} s, engine thread {:.1f} s of which {:.1f} s in passes, HTTP {:.1f} s: "
      "{:.1f} % beside the model\n",
      n_clients, seconds.count(), n_whole, n_vanished, n_garbage,
      n_tokens / static_cast<std::size_t>(seconds.count()), 1e3 * percentile(first, .5),
      1e3 * percentile(first, .99), 1e3 * percentile(gaps, .5), 1e3 * percentile(gaps, .99),
      resident_mib(before), resident_early, resident_mib(after), worker, engine, busy, http,
      100 * (http + std::max(0.0, engine - busy)) / std::max(1e-9, worker + engine + http));
}

}  // namespace
}  // namespace hadal
