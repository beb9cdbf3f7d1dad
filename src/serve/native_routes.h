// The small paths: what the server is and does, and the tokenizer (api.md 3.4, 3.7).
#pragma once

#include "chat/language_model.h"
#include "serve/answer_task.h"
#include "serve/exchange.h"
#include "serve/router.h"

#include <cstddef>
#include <cstdint>
#include <string>

namespace hadal {

struct NativeRouteOptions {
  std::string model_name;
  std::string model_path;
  std::uint64_t started_seconds = 0;  ///< Unix time
  std::size_t n_slots = 0;
  std::size_t train_context = 0;  ///< what the model allows
  std::int32_t bos = 0;
  CompletionOptions defaults{};
  std::string version;  ///< of the program
};

/// Any thread.
class NativeRoutes {
 public:
  /// `context` must outlive the routes.
  NativeRoutes(ServingContext& context, NativeRouteOptions options)
      : context_(context), options_(std::move(options)) {}

  void add_to(Router& router);

 private:
  void models(Exchange& exchange);
  void model(Exchange& exchange);
  void props(Exchange& exchange);
  void slots(Exchange& exchange);
  void metrics(Exchange& exchange);
  void load(Exchange& exchange);
  void tokenize(Exchange& exchange);
  void detokenize(Exchange& exchange);

  ServingContext& context_;
  NativeRouteOptions options_;
};

}  // namespace hadal
