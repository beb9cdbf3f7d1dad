#include "serve/exchange.h"

#include "base/check.h"
#include "base/log.h"

#include <fmt/format.h>

#include <cstdint>

#include <sys/random.h>

namespace hadal {

std::string fresh_id(std::string_view prefix) {
  std::uint64_t words[2];
  const ssize_t n = ::getrandom(words, sizeof words, 0);  // up to 256 bytes come whole
  HADAL_CHECK(n == sizeof words, "the kernel has random numbers");
  return fmt::format("{}{:016x}{:016x}", prefix, words[0], words[1]);
}

Protocol protocol_of(const HttpRequest& request) {
  const std::string_view path = request.path;
  if (path.rfind("/v1/messages", 0) == 0) return Protocol::messages;
  if (path.rfind("/v1/responses", 0) == 0) return Protocol::responses;
  if (path == "/v1/completions") return Protocol::completions;
  if (path == "/v1/chat/completions" || path == "/apply-template") return Protocol::chat;
  return request.header("anthropic-version").empty() ? Protocol::chat : Protocol::messages;
}

HttpHeaders response_headers(std::string_view request_id, std::string_view cors_origin,
                             std::string_view content_type) {
  HttpHeaders all{{"Content-Type", std::string(content_type)},
                  {"X-Request-Id", std::string(request_id)},  // OpenAI's clients
                  {"Request-Id", std::string(request_id)},    // Anthropic's
                  {"X-Content-Type-Options", "nosniff"}};
  if (cors_origin.empty()) return all;
  all.emplace_back("Access-Control-Allow-Origin", cors_origin);
  // Pages of other sites see few headers otherwise.
  all.emplace_back("Access-Control-Expose-Headers", "X-Request-Id, Request-Id, Retry-After");
  return all;
}

HttpResponse preflight_response(std::string_view cors_origin) {
  HttpHeaders all = response_headers(fresh_id("req_"), cors_origin, "text/plain");
  all.emplace_back("Access-Control-Allow-Methods", "GET, POST, DELETE");
  all.emplace_back("Access-Control-Allow-Headers", "*, Authorization");
  all.emplace_back("Access-Control-Max-Age", "600");
  return {204, std::move(all), ""};
}

HttpResponse error_response(const HttpError& error, std::string_view cors_origin) {
  const auto kind = error.status == 413   ? ApiError::Kind::too_large
                    : error.status >= 500 ? ApiError::Kind::server_error
                                          : ApiError::Kind::invalid_request;
  const std::string id = fresh_id("req_");
  return {error.status, response_headers(id, cors_origin, "application/json"),
          error_body({.kind = kind, .message = std::string(error.message)},
                     protocol_of(error.request), id)};
}

void Exchange::reply(std::string body, std::string_view content_type) {
  metrics.count_http(200);
  responder->respond(200, headers(content_type), std::move(body));
}

void Exchange::refuse(const ApiError& error) {
  HttpResponse response = refusal(error);
  responder->respond(response.status, std::move(response.headers), std::move(response.body));
}

HttpResponse Exchange::refusal(const ApiError& error) {
  const int status = http_status(error, protocol);
  metrics.count_http(status);
  log_info("request", "id={} path={:?} status={} error=\"{}\"", id, request.path, status,
           openai_error_code(error));
  HttpHeaders all = headers("application/json");
  for (auto& header : error_headers(error)) all.push_back(std::move(header));
  return {status, std::move(all), error_body(error, protocol, id)};
}

}  // namespace hadal
