#include "serve/sqlite.h"

#include <fmt/format.h>

#include <utility>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

namespace hadal {
namespace {

/// SQLite makes files by the umask; private texts get a mode of their own, old files too. (Its
/// files beside this one take over the mode.)
Result<void> make_private(const std::string& path) {
  const int file = ::open(path.c_str(), O_CREAT | O_RDWR | O_CLOEXEC, S_IRUSR | S_IWUSR);
  if (file < 0) return error(ErrorCode::io_error, "{}: cannot be opened for writing", path);
  ::fchmod(file, S_IRUSR | S_IWUSR);  // fails for a file of another owner: it is as they want it
  ::close(file);
  return {};
}

}  // namespace

SqliteQuery::~SqliteQuery() {
  sqlite3_reset(statement_);
  sqlite3_clear_bindings(statement_);
}

SqliteQuery& SqliteQuery::bind(int i, std::string_view text) {
  sqlite3_bind_text64(statement_, i, text.data(), text.size(), SQLITE_TRANSIENT, SQLITE_UTF8);
  return *this;
}

SqliteQuery& SqliteQuery::bind(int i, std::uint64_t number) {
  sqlite3_bind_int64(statement_, i, static_cast<sqlite3_int64>(number));
  return *this;
}

SqliteQuery& SqliteQuery::bind(int i, std::span<const std::byte> bytes) {
  sqlite3_bind_blob64(statement_, i, bytes.data(), bytes.size(), SQLITE_TRANSIENT);
  return *this;
}

Result<bool> SqliteQuery::row() {
  const int code = sqlite3_step(statement_);
  if (code == SQLITE_ROW) return true;
  if (code == SQLITE_DONE) return false;
  sqlite3* database = sqlite3_db_handle(statement_);
  const char* name = sqlite3_db_filename(database, "main");
  return error(ErrorCode::io_error, "{}: {}", name == nullptr || *name == '\0' ? "memory" : name,
               sqlite3_errmsg(database));
}

Result<void> SqliteQuery::run() {
  HADAL_TRY(row());
  return {};
}

std::string SqliteQuery::text(int column) const {
  const auto* chars = reinterpret_cast<const char*>(sqlite3_column_text(statement_, column));
  const auto n = static_cast<std::size_t>(sqlite3_column_bytes(statement_, column));
  return chars == nullptr ? std::string() : std::string(chars, n);
}

std::uint64_t SqliteQuery::number(int column) const {
  return static_cast<std::uint64_t>(sqlite3_column_int64(statement_, column));
}

std::span<const std::byte> SqliteQuery::bytes(int column) const {
  const auto* blob = static_cast<const std::byte*>(sqlite3_column_blob(statement_, column));
  return {blob, static_cast<std::size_t>(sqlite3_column_bytes(statement_, column))};
}

Result<std::unique_ptr<SqliteDatabase>> SqliteDatabase::open(const std::string& path, int version,
                                                             const char* tables) {
  if (!path.empty()) HADAL_TRY(make_private(path));
  sqlite3* handle = nullptr;
  const int opened = sqlite3_open_v2(path.empty() ? ":memory:" : path.c_str(), &handle,
                                     SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, nullptr);
  std::unique_ptr<SqliteDatabase> database(
      new SqliteDatabase(handle, path.empty() ? "memory" : path));
  if (opened != SQLITE_OK) return database->failure();
  HADAL_TRY(database->prepare(version, tables));
  return database;
}

SqliteDatabase::~SqliteDatabase() {
  for (auto& [text, statement] : statements_) sqlite3_finalize(statement);
  sqlite3_close_v2(handle_);
}

Error SqliteDatabase::failure() const {
  const int code = handle_ == nullptr ? SQLITE_NOMEM : sqlite3_errcode(handle_);
  const bool is_other_kind = code == SQLITE_NOTADB || code == SQLITE_CORRUPT;
  return error(is_other_kind ? ErrorCode::bad_format : ErrorCode::io_error, "{}: {}", name_,
               handle_ == nullptr ? "out of memory" : sqlite3_errmsg(handle_));
}

Result<void> SqliteDatabase::prepare(int version, const char* tables) {
  sqlite3_busy_timeout(handle_, 5000);
  // NORMAL in WAL mode: a power cut may lose what was written last, never the file.
  HADAL_TRY(
      execute("PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; "
              "PRAGMA foreign_keys = ON"));
  HADAL_ASSIGN(const std::uint64_t found, number("PRAGMA user_version"));
  if (found > static_cast<std::uint64_t>(version)) {
    return error(ErrorCode::unsupported, "{}: made by a later version of Hadal (format {}, not {})",
                 name_, found, version);
  }
  if (found == static_cast<std::uint64_t>(version)) return {};
  // A script is one transaction: no other process sees half of the tables.
  const std::string script =
      fmt::format("BEGIN IMMEDIATE; {} PRAGMA user_version = {}; COMMIT", tables, version);
  const auto made = execute(script.c_str());
  if (!made) (void)execute("ROLLBACK");
  return made;
}

Result<void> SqliteDatabase::execute(const char* statements) {
  if (sqlite3_exec(handle_, statements, nullptr, nullptr, nullptr) == SQLITE_OK) return {};
  return failure();
}

Result<sqlite3_stmt*> SqliteDatabase::statement(const char* text) {
  sqlite3_stmt*& statement = statements_[text];
  if (statement == nullptr && sqlite3_prepare_v3(handle_, text, -1, SQLITE_PREPARE_PERSISTENT,
                                                 &statement, nullptr) != SQLITE_OK)
    return failure();
  return statement;
}

Result<std::uint64_t> SqliteDatabase::number(const char* text) {
  HADAL_ASSIGN(sqlite3_stmt* const compiled, statement(text));
  SqliteQuery query(compiled);
  HADAL_TRY(query.row());
  return query.number(0);
}

Result<std::uint64_t> SqliteDatabase::n_bytes() {
  HADAL_ASSIGN(const std::uint64_t n_pages, number("PRAGMA page_count"));
  HADAL_ASSIGN(const std::uint64_t n_free, number("PRAGMA freelist_count"));
  HADAL_ASSIGN(const std::uint64_t page_bytes, number("PRAGMA page_size"));
  return (n_pages - n_free) * page_bytes;
}

}  // namespace hadal
