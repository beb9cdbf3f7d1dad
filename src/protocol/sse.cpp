#include "protocol/sse.h"

#include <fmt/format.h>

namespace hadal {

std::string sse_data(std::string_view data) {
  return fmt::format("data: {}\n\n", data);
}

std::string sse_event(std::string_view name, std::string_view data) {
  return fmt::format("event: {}\ndata: {}\n\n", name, data);
}

std::string sse_comment(std::string_view text) {
  return fmt::format(": {}\n\n", text);
}

std::string in_order(std::initializer_list<std::string> frames) {
  std::string all;
  for (const std::string& frame : frames) all += frame;
  return all;
}

}  // namespace hadal
