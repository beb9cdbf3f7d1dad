// Result<T>: a value or an Error, with std::expected's member names (it becomes an alias once both
// of our compilers have it; docs/decisions/0001-cpp20-and-result.md). Expected failures (files,
// formats, user input, memory) travel as Result; bugs stop at HADAL_CHECK (base/check.h).
#pragma once

#include <fmt/format.h>

#include <string>
#include <string_view>
#include <utility>
#include <variant>

namespace hadal {

/// What kind of failure. `phrase` gives words for people; the exit code and, later, the HTTP status
/// follow from it.
enum class ErrorCode {
  invalid_argument,  ///< the caller (user, client) asked for something that cannot be: exit 2
  not_found,         ///< file, model, tensor or key is missing
  io_error,          ///< the operating system refused
  bad_format,        ///< a file or text does not follow its format
  unsupported,       ///< valid, but not something this program can run
  out_of_memory,     ///< a limit on memory was reached; nothing changed
};

std::string_view phrase(ErrorCode code);

/// A failure in words: what, where, expected, found, what to try.
struct Error {
  ErrorCode code;
  std::string message;
};

/// Shorthand: `return error(ErrorCode::bad_format, "{}: expected {}, found {}", file, a, b);`
template <typename... Args>
[[nodiscard]] Error error(ErrorCode code, fmt::format_string<Args...> format, Args&&... args) {
  return Error{code, fmt::format(format, std::forward<Args>(args)...)};
}

template <typename T>
class [[nodiscard]] Result {
 public:
  using value_type = T;

  Result(T value)
      : state_(std::in_place_index<0>, std::move(value)) {}  // NOLINT: implicit like std::expected
  Result(Error error) : state_(std::in_place_index<1>, std::move(error)) {}  // NOLINT

  bool has_value() const noexcept { return state_.index() == 0; }
  explicit operator bool() const noexcept { return has_value(); }

  T& value() & { return std::get<0>(state_); }
  const T& value() const& { return std::get<0>(state_); }
  T&& value() && { return std::get<0>(std::move(state_)); }
  T& operator*() & { return value(); }
  const T& operator*() const& { return value(); }
  T&& operator*() && { return std::move(*this).value(); }
  T* operator->() { return &value(); }
  const T* operator->() const { return &value(); }

  const Error& error() const { return std::get<1>(state_); }

 private:
  std::variant<T, Error> state_;
};

template <>
class [[nodiscard]] Result<void> {
 public:
  using value_type = void;

  Result() = default;
  Result(Error error)
      : error_(std::move(error)), ok_(false) {}  // NOLINT: implicit like std::expected

  bool has_value() const noexcept { return ok_; }
  explicit operator bool() const noexcept { return ok_; }
  const Error& error() const { return error_; }

 private:
  Error error_{ErrorCode::invalid_argument, {}};
  bool ok_ = true;
};

}  // namespace hadal

#define HADAL_CONCAT_INNER(a, b) a##b
#define HADAL_CONCAT(a, b) HADAL_CONCAT_INNER(a, b)

/// Evaluates a Result<void> expression and returns its error from the enclosing function, if any.
#define HADAL_TRY(expression)                                                                     \
  do {                                                                                            \
    if (auto hadal_try_result = (expression); !hadal_try_result) return hadal_try_result.error(); \
  } while (false)

/// `HADAL_ASSIGN(auto x, f());` declares x from the value of a Result or returns its error.
#define HADAL_ASSIGN(declaration, expression)                \
  auto HADAL_CONCAT(hadal_result_, __LINE__) = (expression); \
  if (!HADAL_CONCAT(hadal_result_, __LINE__))                \
    return HADAL_CONCAT(hadal_result_, __LINE__).error();    \
  declaration = std::move(HADAL_CONCAT(hadal_result_, __LINE__)).value()
