#include "worlds/written_event.h"

#include <fmt/format.h>

#include <charconv>
#include <string>

namespace hadal::worlds {
namespace {

constexpr std::string_view kActOpener = "<|act|>";
constexpr std::string_view kHeaderEnd = "<|:|>";
constexpr std::string_view kCloser = "<|/ev|>";

/// Takes what stands between `open` and `close` and moves `text` behind it; nothing if either is
/// missing.
std::optional<std::string_view> take_between(std::string_view& text, std::string_view open,
                                             std::string_view close) {
  const std::size_t begin = text.find(open);
  if (begin == std::string_view::npos) return std::nullopt;
  const std::size_t from = begin + open.size();
  const std::size_t to = text.find(close, from);
  if (to == std::string_view::npos) return std::nullopt;
  const auto inside = text.substr(from, to - from);
  text.remove_prefix(to + close.size());
  return inside;
}

std::vector<int> read_causes(std::string_view header) {
  std::vector<int> causes;
  while (auto number = take_between(header, "<|e", "|>")) {
    int id = -1;
    const auto [end, failure] =
        std::from_chars(number->data(), number->data() + number->size(), id);
    if (failure == std::errc() && end == number->data() + number->size() && id >= 0 &&
        id < kEventIds)
      causes.push_back(id);
  }
  return causes;
}

}  // namespace

std::optional<std::vector<int>> parse_causes(std::string_view text) {
  const std::size_t header_end = text.find(kHeaderEnd);
  if (header_end == std::string_view::npos) return std::nullopt;
  return read_causes(text.substr(0, header_end));
}

WrittenHeader parse_act_header(std::string_view text) {
  const std::size_t begin = text.find(kActOpener);
  if (begin == std::string_view::npos) return {};
  text.remove_prefix(begin + kActOpener.size());
  text = text.substr(0, text.find(kHeaderEnd));
  const std::size_t by = text.find("<|by|>");
  const auto ids = read_causes(text.substr(0, by));
  WrittenHeader header;
  if (!ids.empty()) header.id = ids.front();
  if (by != std::string_view::npos) header.causes = read_causes(text.substr(by));
  return header;
}

std::string with_act_id(std::string text, int id) {
  const std::optional<int> written = parse_act_header(text).id;
  if (!written) return text;
  const std::string old_token = fmt::format("<|e{}|>", *written);
  const std::size_t place = text.find(old_token, text.find(kActOpener));
  return text.replace(place, old_token.size(), fmt::format("<|e{}|>", id));
}

std::optional<WrittenAct> parse_act(std::string_view text) {
  const std::size_t header_end = text.find(kHeaderEnd);
  if (header_end == std::string_view::npos) return std::nullopt;
  WrittenAct act{.causes = read_causes(text.substr(0, header_end)), .tool = {}, .arguments = {}};
  std::string_view body = text.substr(header_end);
  body = body.substr(0, body.find(kCloser));
  auto call = take_between(body, "<｜DSML｜invoke", "</｜DSML｜invoke>");
  if (!call) return std::nullopt;
  const auto tool = take_between(*call, " name=\"", "\">");
  if (!tool) return std::nullopt;
  act.tool = *tool;
  while (auto parameter = take_between(*call, "<｜DSML｜parameter", "</｜DSML｜parameter>")) {
    const auto name = take_between(*parameter, " name=\"", "\"");
    const auto kind = take_between(*parameter, " string=\"", "\">");
    if (!name || !kind) return std::nullopt;
    act.arguments.push_back({std::string(*name), std::string(*parameter)});
  }
  return act;
}

std::optional<WrittenAct> parse_compact_act(std::string_view text, std::string_view parameter) {
  const std::size_t header_end = text.find(kHeaderEnd);
  if (header_end == std::string_view::npos) return std::nullopt;
  std::string_view body = text.substr(header_end + kHeaderEnd.size());
  body = body.substr(0, body.find(kCloser));
  if (body.starts_with(' ')) body.remove_prefix(1);
  const std::size_t space = body.find(' ');
  if (space == std::string_view::npos || space == 0 || body.ends_with(' ') ||
      body.find("  ") != std::string_view::npos)
    return std::nullopt;
  return WrittenAct{.causes = read_causes(text.substr(0, header_end)),
                    .tool = std::string(body.substr(0, space)),
                    .arguments = {{std::string(parameter), std::string(body.substr(space + 1))}}};
}

std::optional<WrittenAnswer> read_answer(std::string_view text) {
  const std::size_t header_end = text.find(kHeaderEnd);
  if (header_end == std::string_view::npos) return std::nullopt;
  std::string_view body = text.substr(header_end + kHeaderEnd.size());
  body = body.substr(0, body.find(kCloser));
  body = body.substr(0, body.find(" because"));
  if (body.starts_with(' ')) body.remove_prefix(1);
  if (body.ends_with(',')) body.remove_suffix(1);
  if (body.empty()) return std::nullopt;
  return WrittenAnswer{.causes = read_causes(text.substr(0, header_end)),
                       .answer = std::string(body)};
}

}  // namespace hadal::worlds
