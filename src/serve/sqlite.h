// SQLite behind Result: a database, and statements that are compiled once.
#pragma once

#include "base/result.h"

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include <sqlite3.h>

namespace hadal {

/// A statement at work; reset when this ends. Parameters are numbered from 1, columns from 0.
class SqliteQuery {
 public:
  explicit SqliteQuery(sqlite3_stmt* statement) : statement_(statement) {}
  ~SqliteQuery();
  SqliteQuery(const SqliteQuery&) = delete;
  SqliteQuery& operator=(const SqliteQuery&) = delete;

  SqliteQuery& bind(int i, std::string_view text);
  SqliteQuery& bind(int i, std::uint64_t number);
  SqliteQuery& bind(int i, std::span<const std::byte> bytes);

  /// The next row; false: there is none. Errors: io_error.
  Result<bool> row();
  /// Runs a statement without rows. Errors: io_error.
  Result<void> run();

  std::string text(int column) const;
  std::uint64_t number(int column) const;
  /// Valid until the next row.
  std::span<const std::byte> bytes(int column) const;

 private:
  sqlite3_stmt* statement_;
};

/// One thread at a time.
class SqliteDatabase {
 public:
  /// @param path  a file that need not exist, readable by its owner alone; empty: in memory
  /// @param tables  made when the file is new; its format is then `version`
  /// Errors: io_error, bad_format (another kind of file), unsupported (of a later version).
  static Result<std::unique_ptr<SqliteDatabase>> open(const std::string& path, int version,
                                                      const char* tables);
  ~SqliteDatabase();

  /// Statements without parameters and results. Errors: io_error, bad_format.
  Result<void> execute(const char* statements);
  /// Compiled at its first use. `text` must be a literal. Errors: io_error.
  Result<sqlite3_stmt*> statement(const char* text);
  /// The number that a statement without parameters gives.
  Result<std::uint64_t> number(const char* text);
  /// Rows that the last statement changed.
  int n_changes() const { return sqlite3_changes(handle_); }
  /// Of the pages in use.
  Result<std::uint64_t> n_bytes();

 private:
  SqliteDatabase(sqlite3* handle, std::string name) : handle_(handle), name_(std::move(name)) {}
  Result<void> prepare(int version, const char* tables);
  Error failure() const;

  sqlite3* handle_;
  std::string name_;
  std::map<const char*, sqlite3_stmt*> statements_;  ///< by the address of their literals
};

}  // namespace hadal
