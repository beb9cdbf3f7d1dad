// Responses that clients may come back to (api.md 3.3): GET and DELETE of /v1/responses/{id},
// previous_response_id, item_reference. One SQLite file, or memory alone.
#pragma once

#include "base/result.h"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace hadal {

struct StoredResponse {
  std::string id;
  std::string previous_id;         ///< empty: none
  std::uint64_t created_seconds;   ///< Unix time
  std::string body;                ///< JSON text of the response object
  std::vector<std::string> input;  ///< JSON texts of the items, each with an id
};

/// Any thread; calls wait for each other. Texts in the file are not encrypted: it is made readable
/// by its owner alone.
class ResponseStore {
 public:
  struct Limits {
    std::uint64_t max_bytes = 1u << 30;       ///< of the file; the oldest responses go
    std::uint64_t max_age_seconds = 2592000;  ///< 30 days, as OpenAI keeps them
  };

  /// @param path  a file that need not exist; empty: in memory, gone with the object.
  /// Errors: io_error, bad_format (a file that is no such store), unsupported (of a later version).
  static Result<std::unique_ptr<ResponseStore>> open(const std::string& path, Limits limits);
  virtual ~ResponseStore() = default;

  /// Errors: io_error (the disk is full: nothing changed), bad_format (`body` is no such object).
  virtual Result<void> put(const StoredResponse& response) = 0;
  /// The response object. Errors of all below: not_found, io_error.
  virtual Result<std::string> body(std::string_view id) = 0;
  /// JSON texts of the items of its own request, in order.
  virtual Result<std::vector<std::string>> input_items(std::string_view id) = 0;
  /// JSON text of a list: input and output of all responses before it and its own.
  virtual Result<std::string> conversation(std::string_view id) = 0;
  /// JSON text of an input or output item.
  virtual Result<std::string> item(std::string_view item_id) = 0;
  virtual Result<void> erase(std::string_view id) = 0;
};

}  // namespace hadal
