// What a server says while its model is still being loaded.
#pragma once

#include "http/server.h"

#include <memory>
#include <optional>
#include <string>

namespace hadal {

/// Refuses every request with a 503 and a time to come back, in the form of its protocol, before a
/// body is read; a browser gets a page that looks again by itself. Load balancers thereby see a
/// server that starts instead of one that is gone. Any thread.
class LoadingSite final : public HttpSite {
 public:
  /// `cors_origin`: as the server's, empty for none.
  explicit LoadingSite(std::string cors_origin) : cors_origin_(std::move(cors_origin)) {}

  std::optional<HttpResponse> refuse_head(const HttpRequest& head) override;
  HttpResponse error_page(const HttpError& error) override;
  void answer(HttpRequest&& request, std::shared_ptr<HttpResponder> responder) override;

 private:
  HttpResponse refusal_of(const HttpRequest& head) const;

  std::string cors_origin_;
};

}  // namespace hadal
