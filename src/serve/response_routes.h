// What clients do with responses that were answered before (api.md 3.3).
#pragma once

#include "serve/answer_routes.h"
#include "serve/exchange.h"
#include "serve/response_store.h"
#include "serve/router.h"

namespace hadal {

/// GET and DELETE of /v1/responses/{id}, its input_items, and cancel. Any thread.
class ResponseRoutes {
 public:
  /// `responses` and `answers` must outlive the routes.
  ResponseRoutes(ResponseStore& responses, AnswerRoutes& answers)
      : responses_(responses), answers_(answers) {}

  void add_to(Router& router);

 private:
  void get_response(Exchange& exchange);
  void get_input_items(Exchange& exchange);
  void delete_response(Exchange& exchange);
  void cancel_response(Exchange& exchange);

  ResponseStore& responses_;
  AnswerRoutes& answers_;
};

}  // namespace hadal
