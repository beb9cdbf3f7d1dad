#include "serve/page_routes.h"

#include "base/embedded_file.h"
#include "base/random.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <string>
#include <string_view>

#ifdef HADAL_PAGE_DIR
HADAL_EMBED(page_html, HADAL_PAGE_DIR "/index.html")
HADAL_EMBED(page_script, HADAL_PAGE_DIR "/app.js")
HADAL_EMBED(page_style, HADAL_PAGE_DIR "/app.css")
HADAL_EMBED(page_icon, HADAL_PAGE_DIR "/icon.svg")
#endif

namespace hadal {
namespace {

/// The page loads its own files and asks its own server; nothing else, and nobody frames it.
constexpr std::string_view kPolicy =
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

struct PageFile {
  std::string_view path;
  std::string_view type;
  std::string_view bytes;
};

#ifdef HADAL_PAGE_DIR

std::string_view between(const std::byte* begin, const std::byte* end) {
  return {reinterpret_cast<const char*>(begin), static_cast<std::size_t>(end - begin)};
}

const auto& page_files() {
  static const std::array files = {
      PageFile{"/", "text/html; charset=utf-8",
               between(hadal_page_html_begin, hadal_page_html_end)},
      PageFile{"/app.js", "text/javascript; charset=utf-8",
               between(hadal_page_script_begin, hadal_page_script_end)},
      PageFile{"/app.css", "text/css; charset=utf-8",
               between(hadal_page_style_begin, hadal_page_style_end)},
      PageFile{"/icon.svg", "image/svg+xml", between(hadal_page_icon_begin, hadal_page_icon_end)}};
  return files;
}

#else

const auto& page_files() {
  static const std::array files = {
      PageFile{"/", "text/plain; charset=utf-8",
               "This server was built without its page; the paths under /v1 work.\n"}};
  return files;
}

#endif

/// Tells versions of a file apart, no more.
std::string etag_of(std::string_view bytes) {
  return fmt::format("\"{:016x}\"", fnv1a64(bytes));
}

void send(Exchange& exchange, const PageFile& file, const std::string& etag) {
  HttpHeaders headers = exchange.headers(file.type);
  headers.emplace_back("ETag", etag);
  headers.emplace_back("Cache-Control", "no-cache");
  headers.emplace_back("Content-Security-Policy", kPolicy);
  headers.emplace_back("Referrer-Policy", "no-referrer");
  const bool is_known = exchange.request.header("if-none-match") == etag;
  const int status = is_known ? 304 : 200;
  exchange.metrics.count_http(status);
  exchange.responder->respond(status, std::move(headers), is_known ? "" : std::string(file.bytes));
}

}  // namespace

void add_page_routes(Router& router) {
  for (const PageFile& file : page_files()) {
    router.add("GET", file.path, [&file, etag = etag_of(file.bytes)](Exchange& exchange) {
      send(exchange, file, etag);
    });
  }
}

bool is_page_path(std::string_view path) {
  return std::any_of(page_files().begin(), page_files().end(),
                     [&](const PageFile& file) { return file.path == path; });
}

}  // namespace hadal
