#include "serve/response_routes.h"

#include "chat/python_json.h"
#include "http/url.h"
#include "protocol/json_text.h"
#include "protocol/native.h"
#include "protocol/responses_items.h"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <charconv>
#include <utility>

namespace hadal {
namespace {

/// Items of GET /v1/responses/{id}/input_items unless `limit` says otherwise, and at most.
constexpr std::size_t kItemsPerPage = 20;
constexpr std::size_t kMostItemsPerPage = 100;

std::string text_of(const nlohmann::ordered_json& object, std::string_view key) {
  const auto member = object.find(key);
  return member != object.end() && member->is_string() ? member->get<std::string>() : "";
}

}  // namespace

void ResponseRoutes::add_to(Router& router) {
  router.add("GET", "/v1/responses/{}", this, &ResponseRoutes::get_response);
  router.add("DELETE", "/v1/responses/{}", this, &ResponseRoutes::delete_response);
  router.add("GET", "/v1/responses/{}/input_items", this, &ResponseRoutes::get_input_items);
  router.add("POST", "/v1/responses/{}/cancel", this, &ResponseRoutes::cancel_response);
}

void ResponseRoutes::get_response(Exchange& exchange) {
  if (query_value(exchange.request.query, "stream").value_or("false") == "true") {
    return exchange.refuse({.kind = ApiError::Kind::invalid_request,
                            .message = "stored responses are not streamed again",
                            .field = "stream"});
  }
  auto body = responses_.body(exchange.parameters.front());
  if (!body) return exchange.refuse(body.error());
  exchange.reply(std::move(*body));
}

void ResponseRoutes::get_input_items(Exchange& exchange) {
  auto items = responses_.input_items(exchange.parameters.front());
  if (!items) return exchange.refuse(items.error());
  const std::string_view query = exchange.request.query;
  std::size_t limit = kItemsPerPage;
  if (const auto wish = query_value(query, "limit")) {
    const auto read = std::from_chars(wish->data(), wish->data() + wish->size(), limit);
    if (read.ec != std::errc() || read.ptr != wish->data() + wish->size() || limit < 1 ||
        limit > kMostItemsPerPage) {
      return exchange.refuse({.kind = ApiError::Kind::invalid_request,
                              .message = "limit: expected a number from 1 to 100",
                              .field = "limit"});
    }
  }
  // The newest first, unless asked otherwise (as OpenAI documents).
  if (query_value(query, "order").value_or("desc") != "asc")
    std::reverse(items->begin(), items->end());
  if (const auto after = query_value(query, "after")) {
    const auto at = std::find_if(items->begin(), items->end(), [&](const std::string& item) {
      return text_of(nlohmann::ordered_json::parse(item, nullptr, false), "id") == *after;
    });
    items->erase(items->begin(), at == items->end() ? at : at + 1);
  }
  const bool has_more = items->size() > limit;
  if (has_more) items->resize(limit);
  exchange.reply(input_items_body(*items, has_more));
}

void ResponseRoutes::delete_response(Exchange& exchange) {
  const std::string& id = exchange.parameters.front();
  const auto erased = responses_.erase(id);
  if (!erased) return exchange.refuse(erased.error());
  exchange.reply(deleted_response_body(id));
}

/// Ends a response that streams to somebody; one that is complete is told as it is.
void ResponseRoutes::cancel_response(Exchange& exchange) {
  const std::string& id = exchange.parameters.front();
  // Answers of other protocols run under ids of their own.
  const bool is_response = id.starts_with("resp_");
  if (const auto task = is_response ? answers_.find_running(id) : nullptr) {
    task->cancel();
    const auto fields = parse_exact_json(task->request().response_fields, "response_fields");
    return exchange.reply(json_text(response_object(
        id, task->head(), fields ? *fields : ResponseJson::object(), {.status = "cancelled"})));
  }
  auto body = responses_.body(id);
  if (!body) return exchange.refuse(body.error());
  exchange.reply(std::move(*body));
}

}  // namespace hadal
