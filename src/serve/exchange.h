// One request on its way through the server, with what every handler needs: how to answer it.
#pragma once

#include "http/server.h"
#include "protocol/api_error.h"
#include "serve/metrics.h"

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace hadal {

/// An id that nobody can guess: who knows a stored response's id may read it, and goes on from it.
/// 128 random bits behind the prefix. Any thread.
std::string fresh_id(std::string_view prefix);

/// Whose forms an answer has. Paths that two protocols share tell by the client's version header.
Protocol protocol_of(const HttpRequest& request);

/// Headers that every response has.
HttpHeaders response_headers(std::string_view request_id, std::string_view cors_origin,
                             std::string_view content_type);

/// The answer to a browser's question whether pages of that origin may ask.
HttpResponse preflight_response(std::string_view cors_origin);

/// What never became an exchange, in the form that the client expects.
HttpResponse error_response(const HttpError& error, std::string_view cors_origin);

/// Lives as long as its handler runs; the responder and copies of the rest may outlive it.
struct Exchange {
  HttpRequest request;
  std::shared_ptr<HttpResponder> responder;
  std::string id;  ///< as the client may quote it
  Protocol protocol = Protocol::chat;
  std::vector<std::string> parameters{};  ///< what stood in the route's holes
  ServerMetrics& metrics;
  std::string_view cors_origin;  ///< empty: no header

  HttpHeaders headers(std::string_view content_type) const {
    return response_headers(id, cors_origin, content_type);
  }
  void reply(std::string body, std::string_view content_type = "application/json");
  void refuse(const ApiError& error);
  /// What refuse() responds with; counted and logged. Needs no responder.
  HttpResponse refusal(const ApiError& error);
  void refuse(const Error& error) { refuse(api_error(error)); }
};

using RouteHandler = std::function<void(Exchange&)>;

}  // namespace hadal
