#include "http/url.h"

#include <algorithm>
#include <cctype>

namespace hadal {
namespace {

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

}  // namespace

bool equal_ignoring_case(std::string_view a, std::string_view b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](char x, char y) {
    return std::tolower(static_cast<unsigned char>(x)) ==
           std::tolower(static_cast<unsigned char>(y));
  });
}

std::string_view origin_form(std::string_view target) {
  for (const std::string_view scheme : {"http://", "https://"}) {
    if (target.substr(0, scheme.size()) != scheme) continue;
    const std::size_t path = target.find_first_of("/?", scheme.size());
    if (path == std::string_view::npos) return "/";
    target.remove_prefix(path);
    break;
  }
  return target.empty() || target.front() != '/' ? std::string_view() : target;
}

std::string percent_decoded(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const int high = text[i] == '%' && i + 2 < text.size() ? hex_digit(text[i + 1]) : -1;
    const int low = high >= 0 ? hex_digit(text[i + 2]) : -1;
    if (low < 0) {
      out += text[i];
      continue;
    }
    out += static_cast<char>(high * 16 + low);
    i += 2;
  }
  return out;
}

bool is_loopback_host(std::string_view host) {
  constexpr std::string_view kDigits = "0123456789";
  const std::size_t colon = host.find(':', host.substr(0, 1) == "[" ? host.find(']') : 0);
  const std::string_view name = host.substr(0, colon);
  const std::string_view port = colon == std::string_view::npos ? "" : host.substr(colon + 1);
  if (port.find_first_not_of(kDigits) != std::string_view::npos) return false;
  // Not "127.0.0.1.example.com", which somebody else owns.
  const bool is_address = name.substr(0, 4) == "127." &&
                          name.find_first_not_of("0123456789.") == std::string_view::npos;
  return is_address || name == "[::1]" || equal_ignoring_case(name, "localhost");
}

std::optional<std::string> query_value(std::string_view query, std::string_view key) {
  while (!query.empty()) {
    const std::size_t end = std::min(query.find('&'), query.size());
    const std::string_view pair = query.substr(0, end);
    const std::size_t equals = std::min(pair.find('='), pair.size());
    if (percent_decoded(pair.substr(0, equals)) == key) {
      std::string value(equals < pair.size() ? pair.substr(equals + 1) : std::string_view{});
      std::replace(value.begin(), value.end(), '+', ' ');
      return percent_decoded(value);
    }
    query.remove_prefix(std::min(end + 1, query.size()));
  }
  return std::nullopt;
}

}  // namespace hadal
