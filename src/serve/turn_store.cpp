#include "serve/turn_store.h"

#include "base/log.h"
#include "chat/prompt_template.h"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <cstring>
#include <utility>

namespace hadal {
namespace {

/// Equal values give equal texts: keys sorted, no spaces. What is no JSON stays as it is.
std::string canonical_json(const std::string& text) {
  const auto json = nlohmann::json::parse(text, nullptr, false);
  return json.is_discarded() ? text
                             : json.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

std::string key_of(const Message& message) {
  nlohmann::json key = {message.content};
  for (const ToolCall& call : message.tool_calls)
    key.push_back({call.id, call.name, canonical_json(call.arguments)});
  return key.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

constexpr int kTurnsVersion = 1;
constexpr const char* kTurnsTables = R"(
  CREATE TABLE turns (
    key TEXT PRIMARY KEY, numerics INTEGER NOT NULL, reasoning TEXT NOT NULL,
    content_begin INTEGER NOT NULL, ids BLOB NOT NULL, added INTEGER NOT NULL
  ) WITHOUT ROWID;
)";

}  // namespace

Result<void> TurnStore::keep_in(const std::string& path, std::uint64_t numerics) {
  HADAL_ASSIGN(file_, SqliteDatabase::open(path, kTurnsVersion, kTurnsTables));
  numerics_ = numerics;
  return read_file();
}

Result<void> TurnStore::read_file() {
  HADAL_ASSIGN(sqlite3_stmt* const others,
               file_->statement("DELETE FROM turns WHERE numerics <> ?"));
  HADAL_TRY(SqliteQuery(others).bind(1, numerics_).run());
  HADAL_ASSIGN(sqlite3_stmt* const all,
               file_->statement("SELECT key, reasoning, content_begin, ids, added FROM turns "
                                "ORDER BY added"));
  std::vector<Turn> turns;
  {
    SqliteQuery query(all);
    while (true) {
      HADAL_ASSIGN(const bool found, query.row());
      if (!found) break;
      Turn turn{.key = query.text(0),
                .reasoning = query.text(1),
                .ids = {},
                .content_begin = query.number(2)};
      const auto bytes = query.bytes(3);
      turn.ids.resize(bytes.size() / sizeof(std::int32_t));
      std::memcpy(turn.ids.data(), bytes.data(), turn.ids.size() * sizeof(std::int32_t));
      n_added_ = query.number(4) + 1;
      if (turn.content_begin <= turn.ids.size()) turns.push_back(std::move(turn));
    }
  }
  const std::lock_guard lock(mutex_);
  for (Turn& turn : turns) insert(std::move(turn));
  return {};
}

Result<void> TurnStore::write_to_file(const Turn& turn) {
  HADAL_ASSIGN(sqlite3_stmt* const into,
               file_->statement("INSERT OR REPLACE INTO turns "
                                "(key, numerics, reasoning, content_begin, ids, added) "
                                "VALUES (?, ?, ?, ?, ?, ?)"));
  return SqliteQuery(into)
      .bind(1, turn.key)
      .bind(2, numerics_)
      .bind(3, turn.reasoning)
      .bind(4, std::uint64_t{turn.content_begin})
      .bind(5, std::as_bytes(std::span(turn.ids)))
      .bind(6, n_added_++)
      .run();
}

Result<void> TurnStore::erase_from_file(const std::string& key) {
  HADAL_ASSIGN(sqlite3_stmt* const from, file_->statement("DELETE FROM turns WHERE key = ?"));
  return SqliteQuery(from).bind(1, key).run();
}

void TurnStore::add(const Message& message, std::span<const std::int32_t> ids) {
  if (ids.empty()) return;
  Turn turn{.key = key_of(message),
            .reasoning = message.reasoning_content,
            .ids = {ids.begin(), ids.end()}};
  if (const auto think_end = tokenizer_.find_special(kThinkEndToken)) {
    const auto at = std::find(ids.begin(), ids.end(), *think_end);
    if (at != ids.end()) turn.content_begin = static_cast<std::size_t>(at - ids.begin()) + 1;
  }
  const std::lock_guard lock(mutex_);
  if (file_) {
    const auto written = write_to_file(turn);
    if (!written) log_warning("turns", "not kept: {}", written.error().message);
  }
  insert(std::move(turn));
}

void TurnStore::insert(Turn turn) {
  if (const auto known = by_key_.find(turn.key); known != by_key_.end()) {
    n_tokens_ -= known->second->ids.size();
    const auto at = known->second;
    by_key_.erase(known);
    turns_.erase(at);
  }
  n_tokens_ += turn.ids.size();
  turns_.push_front(std::move(turn));
  by_key_[turns_.front().key] = turns_.begin();
  while (n_tokens_ > max_tokens_ && !turns_.empty()) forget_oldest();
}

void TurnStore::forget_oldest() {
  n_tokens_ -= turns_.back().ids.size();
  if (file_) (void)erase_from_file(turns_.back().key);  // what stays there is read once more
  by_key_.erase(turns_.back().key);
  turns_.pop_back();
}

std::optional<WrittenTurn> TurnStore::find(const Message& message, bool with_reasoning) {
  const std::string key = key_of(message);
  const std::lock_guard lock(mutex_);
  const auto known = by_key_.find(key);
  if (known == by_key_.end()) return std::nullopt;
  turns_.splice(turns_.begin(), turns_, known->second);
  const Turn& turn = turns_.front();
  const bool has_reasoning = turn.content_begin > 0;
  if (with_reasoning && (!has_reasoning || turn.reasoning != message.reasoning_content))
    return std::nullopt;
  const auto ids = std::span(turn.ids).subspan(with_reasoning ? 0 : turn.content_begin);
  if (ids.empty()) return std::nullopt;
  return WrittenTurn{.ids = {ids.begin(), ids.end()}, .text = tokenizer_.decode(ids)};
}

std::size_t TurnStore::n_turns() const {
  const std::lock_guard lock(mutex_);
  return turns_.size();
}

}  // namespace hadal
