#include "serve/router.h"

#include <algorithm>
#include <optional>
#include <utility>

namespace hadal {
namespace {

constexpr std::string_view kSegment = "{}";
constexpr std::string_view kRest = "{*}";

/// "/a/b" -> "a", "b"; an empty segment stays one, so that "/a/" is not "/a".
std::vector<std::string> segments_of(std::string_view path) {
  std::vector<std::string> segments;
  if (!path.empty() && path.front() == '/') path.remove_prefix(1);
  while (true) {
    const std::size_t slash = path.find('/');
    segments.emplace_back(path.substr(0, slash));
    if (slash == std::string_view::npos) return segments;
    path.remove_prefix(slash + 1);
  }
}

/// What stands in the holes of `pattern`; nothing if the path is another one.
std::optional<std::vector<std::string>> holes_of(const std::vector<std::string>& pattern,
                                                 const std::vector<std::string>& path) {
  std::vector<std::string> holes;
  for (std::size_t i = 0; i < pattern.size(); ++i) {
    if (i >= path.size()) return std::nullopt;
    if (pattern[i] == kRest) {
      std::string rest = path[i];
      for (std::size_t j = i + 1; j < path.size(); ++j) rest.append("/").append(path[j]);
      if (rest.empty()) return std::nullopt;
      holes.push_back(std::move(rest));
      return holes;
    }
    if (pattern[i] == kSegment) {
      if (path[i].empty()) return std::nullopt;
      holes.push_back(path[i]);
    } else if (pattern[i] != path[i]) {
      return std::nullopt;
    }
  }
  return pattern.size() == path.size() ? std::optional(std::move(holes)) : std::nullopt;
}

}  // namespace

void Router::add(std::string_view method, std::string_view pattern, RouteHandler handler) {
  const bool has_holes = pattern.find('{') != std::string_view::npos;
  const auto at = has_holes ? routes_.end()
                            : std::find_if(routes_.begin(), routes_.end(),
                                           [](const Route& route) { return route.has_holes; });
  routes_.insert(at, {.method = std::string(method),
                      .segments = segments_of(pattern),
                      .has_holes = has_holes,
                      .handler = std::move(handler)});
}

Router::Match Router::find(std::string_view method, std::string_view path) const {
  if (method == "HEAD") method = "GET";
  const auto segments = segments_of(path);
  Match match;
  for (const Route& route : routes_) {
    auto holes = holes_of(route.segments, segments);
    if (!holes) continue;
    if (route.method == method) return {&route.handler, std::move(*holes), {}};
    if (match.allowed.find(route.method) != std::string::npos) continue;
    if (!match.allowed.empty()) match.allowed += ", ";
    match.allowed += route.method;
  }
  return match;
}

}  // namespace hadal
