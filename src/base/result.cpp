#include "base/result.h"

namespace hadal {

std::string_view phrase(ErrorCode code) {
  switch (code) {
    case ErrorCode::invalid_argument:
      return "invalid argument";
    case ErrorCode::not_found:
      return "not found";
    case ErrorCode::io_error:
      return "input/output error";
    case ErrorCode::bad_format:
      return "bad format";
    case ErrorCode::unsupported:
      return "not supported";
    case ErrorCode::out_of_memory:
      return "out of memory";
  }
  return "unknown error";
}

}  // namespace hadal
