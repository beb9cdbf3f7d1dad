// Which handler a method and path belong to.
#pragma once

#include "serve/exchange.h"

#include <string>
#include <string_view>
#include <vector>

namespace hadal {

class Router {
 public:
  /// `pattern`: a path in which "{}" stands for one segment, and a last "{*}" for the rest, slashes
  /// included. Patterns without holes go first, then those that were added first.
  void add(std::string_view method, std::string_view pattern, RouteHandler handler);

  template <typename Routes>
  void add(std::string_view method, std::string_view pattern, Routes* routes,
           void (Routes::*handler)(Exchange&)) {
    add(method, pattern, [routes, handler](Exchange& exchange) { (routes->*handler)(exchange); });
  }

  struct Match {
    const RouteHandler* handler = nullptr;  ///< null: see `allowed`
    std::vector<std::string> parameters;    ///< what stands in the holes
    std::string allowed;  ///< methods that the path takes, "GET, POST"; empty: an unknown path
  };
  /// HEAD is answered as GET. Valid until the next add.
  Match find(std::string_view method, std::string_view path) const;

 private:
  struct Route {
    std::string method;
    std::vector<std::string> segments;
    bool has_holes;
    RouteHandler handler;
  };

  std::vector<Route> routes_;
};

}  // namespace hadal
