#include "serve/loading_site.h"

#include "protocol/api_error.h"
#include "serve/exchange.h"

#include <string_view>
#include <utility>

namespace hadal {
namespace {

constexpr std::uint32_t kComeBackSeconds = 2;
constexpr std::string_view kPage =
    "<!doctype html><meta charset=utf-8><meta http-equiv=refresh content=2><title>Hadal</title>"
    "<p>The model is being loaded; this page looks again every two seconds.\n";

}  // namespace

HttpResponse LoadingSite::refusal_of(const HttpRequest& head) const {
  if (head.method == "OPTIONS" && !cors_origin_.empty()) return preflight_response(cors_origin_);
  const std::string id = fresh_id("req_");
  // llama.cpp's words, which its clients compare.
  const ApiError error{.kind = ApiError::Kind::loading,
                       .message = "Loading model",
                       .retry_after_seconds = kComeBackSeconds};
  const Protocol protocol = protocol_of(head);
  const bool is_page = head.path == "/";
  HttpHeaders headers =
      response_headers(id, cors_origin_, is_page ? "text/html; charset=utf-8" : "application/json");
  for (auto& header : error_headers(error)) headers.push_back(std::move(header));
  headers.emplace_back("Cache-Control", "no-store");
  return {http_status(error, protocol), std::move(headers),
          is_page ? std::string(kPage) : error_body(error, protocol, id)};
}

std::optional<HttpResponse> LoadingSite::refuse_head(const HttpRequest& head) {
  return refusal_of(head);
}

HttpResponse LoadingSite::error_page(const HttpError& error) {
  return error_response(error, cors_origin_);
}

void LoadingSite::answer(HttpRequest&& request, std::shared_ptr<HttpResponder> responder) {
  HttpResponse refusal = refusal_of(request);
  responder->respond(refusal.status, std::move(refusal.headers), std::move(refusal.body));
}

}  // namespace hadal
