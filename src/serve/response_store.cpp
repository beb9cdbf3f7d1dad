#include "serve/response_store.h"

#include "base/seconds.h"
#include "serve/sqlite.h"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <mutex>
#include <utility>

namespace hadal {
namespace {

using Json = nlohmann::ordered_json;

/// PRAGMA user_version of the tables below.
constexpr int kResponsesVersion = 1;
/// Longest chain of previous responses that is followed.
constexpr std::size_t kMaxChain = 10000;
/// Responses that go at a time when the file is too large.
constexpr int kErasedAtOnce = 64;

constexpr const char* kResponsesTables = R"(
  CREATE TABLE responses (
    id TEXT PRIMARY KEY, previous_id TEXT NOT NULL, created INTEGER NOT NULL, body TEXT NOT NULL
  ) WITHOUT ROWID;
  CREATE INDEX responses_by_age ON responses (created);
  CREATE TABLE items (
    response_id TEXT NOT NULL REFERENCES responses (id) ON DELETE CASCADE,
    position INTEGER NOT NULL, is_input INTEGER NOT NULL, id TEXT NOT NULL, body TEXT NOT NULL,
    PRIMARY KEY (response_id, position)
  ) WITHOUT ROWID;
  CREATE INDEX items_by_id ON items (id);
)";

Error not_found(std::string_view what, std::string_view id) {
  return error(ErrorCode::not_found, "{} with id '{}' not found", what, id);
}

std::string id_of(const Json& item) {
  const auto id = item.find("id");
  return id != item.end() && id->is_string() ? id->get<std::string>() : std::string();
}

class SqliteStore final : public ResponseStore {
 public:
  SqliteStore(std::unique_ptr<SqliteDatabase> database, Limits limits)
      : database_(std::move(database)), limits_(limits) {}

  Result<void> put(const StoredResponse& response) override {
    const Json body = Json::parse(response.body, nullptr, false);
    if (!body.is_object() || !body.contains("output") || !body["output"].is_array())
      return error(ErrorCode::bad_format, "a response object with its output was expected");
    const std::lock_guard lock(mutex_);
    HADAL_TRY(database_->execute("BEGIN IMMEDIATE"));
    auto written = write(response, body["output"]);
    if (written) written = database_->execute("COMMIT");
    if (!written) {  // a COMMIT that fails may leave the transaction open, and all later ones shut
                     // out
      (void)database_->execute("ROLLBACK");
      return written.error();
    }
    return forget();
  }

  Result<std::string> body(std::string_view id) override {
    const std::lock_guard lock(mutex_);
    return find("SELECT body FROM responses WHERE id = ?", "Response", id);
  }

  Result<std::vector<std::string>> input_items(std::string_view id) override {
    const std::lock_guard lock(mutex_);
    HADAL_TRY(previous_of(id));
    return items_of(id,
                    "SELECT body FROM items WHERE response_id = ? AND is_input ORDER BY position");
  }

  Result<std::string> conversation(std::string_view id) override {
    const std::lock_guard lock(mutex_);
    std::vector<std::string> chain;
    for (std::string at(id); !at.empty();) {
      HADAL_ASSIGN(std::string previous, previous_of(at));
      chain.push_back(std::move(at));
      at = std::move(previous);
      if (chain.size() > kMaxChain)
        return error(ErrorCode::not_found, "more than {} responses lie before it", kMaxChain);
    }
    std::reverse(chain.begin(), chain.end());
    std::string list = "[";
    for (const std::string& response : chain) {
      HADAL_ASSIGN(
          const auto items,
          items_of(response, "SELECT body FROM items WHERE response_id = ? ORDER BY position"));
      for (const std::string& item : items) {
        if (list.size() > 1) list += ',';
        list += item;
      }
    }
    list += ']';
    return list;
  }

  Result<std::string> item(std::string_view item_id) override {
    const std::lock_guard lock(mutex_);
    return find("SELECT body FROM items WHERE id = ? LIMIT 1", "Item", item_id);
  }

  Result<void> erase(std::string_view id) override {
    const std::lock_guard lock(mutex_);
    HADAL_ASSIGN(sqlite3_stmt* const statement,
                 database_->statement("DELETE FROM responses WHERE id = ?"));
    HADAL_TRY(SqliteQuery(statement).bind(1, id).run());
    if (database_->n_changes() == 0) return not_found("Response", id);
    return {};
  }

 private:
  Result<void> write(const StoredResponse& response, const Json& output) {
    HADAL_ASSIGN(sqlite3_stmt* const into_responses,
                 database_->statement(
                     "INSERT INTO responses (id, previous_id, created, body) VALUES (?, ?, ?, ?)"));
    HADAL_TRY(SqliteQuery(into_responses)
                  .bind(1, response.id)
                  .bind(2, response.previous_id)
                  .bind(3, response.created_seconds)
                  .bind(4, response.body)
                  .run());
    std::uint64_t position = 0;
    for (const std::string& text : response.input) {
      const Json item = Json::parse(text, nullptr, false);
      if (!item.is_object()) return error(ErrorCode::bad_format, "an input item is no JSON object");
      HADAL_TRY(write_item(response.id, position++, true, id_of(item), text));
    }
    for (const Json& item : output)
      HADAL_TRY(write_item(response.id, position++, false, id_of(item), item.dump()));
    return {};
  }

  Result<void> write_item(std::string_view response_id, std::uint64_t position, bool is_input,
                          std::string_view id, std::string_view text) {
    HADAL_ASSIGN(
        sqlite3_stmt* const into_items,
        database_->statement("INSERT INTO items (response_id, position, is_input, id, body) "
                             "VALUES (?, ?, ?, ?, ?)"));
    return SqliteQuery(into_items)
        .bind(1, response_id)
        .bind(2, position)
        .bind(3, std::uint64_t{is_input})
        .bind(4, id)
        .bind(5, text)
        .run();
  }

  /// The id of the response before it; empty: there is none.
  Result<std::string> previous_of(std::string_view id) {
    return find("SELECT previous_id FROM responses WHERE id = ?", "Response", id);
  }

  /// The text that `statement`, a literal, finds for an id.
  Result<std::string> find(const char* statement, std::string_view what, std::string_view id) {
    HADAL_ASSIGN(sqlite3_stmt* const compiled, database_->statement(statement));
    SqliteQuery query(compiled);
    HADAL_ASSIGN(const bool found, query.bind(1, id).row());
    if (!found) return not_found(what, id);
    return query.text(0);
  }

  Result<std::vector<std::string>> items_of(std::string_view id, const char* text) {
    HADAL_ASSIGN(sqlite3_stmt* const statement, database_->statement(text));
    SqliteQuery query(statement);
    query.bind(1, id);
    std::vector<std::string> items;
    while (true) {
      HADAL_ASSIGN(const bool found, query.row());
      if (!found) return items;
      items.push_back(query.text(0));
    }
  }

  /// What is too old, and the oldest while the file is too large.
  Result<void> forget() {
    HADAL_ASSIGN(sqlite3_stmt* const too_old,
                 database_->statement("DELETE FROM responses WHERE created < ?"));
    const std::uint64_t now = unix_seconds();
    HADAL_TRY(SqliteQuery(too_old).bind(1, now - std::min(now, limits_.max_age_seconds)).run());
    while (true) {
      HADAL_ASSIGN(const std::uint64_t n_bytes, database_->n_bytes());
      if (n_bytes <= limits_.max_bytes) return {};
      HADAL_ASSIGN(sqlite3_stmt* const oldest,
                   database_->statement("DELETE FROM responses WHERE id IN "
                                        "(SELECT id FROM responses ORDER BY created LIMIT ?)"));
      HADAL_TRY(SqliteQuery(oldest).bind(1, std::uint64_t{kErasedAtOnce}).run());
      if (database_->n_changes() == 0) return {};
    }
  }

  std::mutex mutex_;
  std::unique_ptr<SqliteDatabase> database_;
  Limits limits_;
};

}  // namespace

Result<std::unique_ptr<ResponseStore>> ResponseStore::open(const std::string& path, Limits limits) {
  HADAL_ASSIGN(auto database, SqliteDatabase::open(path, kResponsesVersion, kResponsesTables));
  return std::unique_ptr<ResponseStore>(std::make_unique<SqliteStore>(std::move(database), limits));
}

}  // namespace hadal
