#include "formats/hub_cache.h"

#include "formats/quote.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <optional>
#include <system_error>

namespace hadal {
namespace {

namespace fs = std::filesystem;

struct HubId {
  std::string org;
  std::string name;
  std::string revision;  // empty: not given
};

// Letters, digits, '-', '_', '.'; no "..": such a part can never climb out of the cache.
bool is_plain(std::string_view part) {
  const auto allowed = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '_' || c == '.';
  };
  return !part.empty() && part.size() <= 96 && part.front() != '.' &&
         part.find("..") == std::string_view::npos &&
         std::all_of(part.begin(), part.end(), allowed);
}

// Revisions may have slashes: "refs/pr/1".
bool is_revision(std::string_view revision) {
  while (true) {
    const std::size_t slash = revision.find('/');
    if (!is_plain(revision.substr(0, slash))) return false;
    if (slash == std::string_view::npos) return true;
    revision.remove_prefix(slash + 1);
  }
}

std::optional<HubId> parse_id(std::string_view id) {
  HubId parts;
  const std::size_t at = id.find('@');
  if (at != std::string_view::npos) {
    parts.revision = id.substr(at + 1);
    if (!is_revision(parts.revision)) return std::nullopt;
    id = id.substr(0, at);
  }
  const std::size_t slash = id.find('/');
  if (slash == std::string_view::npos) return std::nullopt;
  parts.org = id.substr(0, slash);
  parts.name = id.substr(slash + 1);
  if (!is_plain(parts.org) || !is_plain(parts.name)) return std::nullopt;
  return parts;
}

bool is_existing_directory(const fs::path& path) {
  std::error_code ignored;
  return fs::is_directory(path, ignored);
}

// The commit that refs/REVISION holds; nothing when there is no such file.
Result<std::optional<std::string>> read_ref(const fs::path& path) {
  std::ifstream file(path);
  if (!file) return std::optional<std::string>();
  std::string commit(128, '\0');
  file.read(commit.data(), static_cast<std::streamsize>(commit.size()));
  commit.resize(static_cast<std::size_t>(file.gcount()));
  while (!commit.empty() &&
         (commit.back() == '\n' || commit.back() == '\r' || commit.back() == ' '))
    commit.pop_back();
  if (!is_plain(commit))
    return error(ErrorCode::bad_format, "{}: expected the name of a commit, found {}",
                 path.string(), quote(commit));
  return std::optional<std::string>(commit);
}

std::vector<fs::path> list_directories(const fs::path& directory) {
  std::vector<fs::path> found;
  std::error_code failure;
  for (fs::directory_iterator entry(directory, failure), end; !failure && entry != end;
       entry.increment(failure)) {
    if (is_existing_directory(entry->path())) found.push_back(entry->path());
  }
  return found;
}

std::optional<fs::path> environment(const char* name) {
  const char* value = std::getenv(name);
  if (value == nullptr || *value == '\0') return std::nullopt;
  return fs::path(value);
}

}  // namespace

bool looks_like_hub_id(std::string_view id) {
  return parse_id(id).has_value();
}

fs::path hub_cache_root() {
  if (const auto cache = environment("HF_HUB_CACHE")) return *cache;
  if (const auto home = environment("HF_HOME")) return *home / "hub";
  if (const auto xdg = environment("XDG_CACHE_HOME")) return *xdg / "huggingface" / "hub";
  return environment("HOME").value_or(fs::path("/")) / ".cache" / "huggingface" / "hub";
}

Result<fs::path> find_in_hub_cache(std::string_view id, const fs::path& cache_root) {
  const auto parts = parse_id(id);
  if (!parts)
    return error(ErrorCode::invalid_argument,
                 "{}: not a Hub id; expected ORG/NAME or ORG/NAME@REVISION", quote(id));
  const std::string revision = parts->revision.empty() ? "main" : parts->revision;
  const fs::path model = cache_root / fmt::format("models--{}--{}", parts->org, parts->name);
  const fs::path ref = model / "refs" / revision;

  std::vector<std::string> looked = {ref.string()};
  HADAL_ASSIGN(const auto commit, read_ref(ref));
  const fs::path snapshot = model / "snapshots" / commit.value_or(revision);
  looked.push_back(snapshot.string());
  if (is_existing_directory(snapshot)) return snapshot;
  if (!commit && parts->revision.empty()) {
    const auto snapshots = list_directories(model / "snapshots");
    if (snapshots.size() == 1) return snapshots.front();
  }
  return error(ErrorCode::not_found,
               "{}: not in the local Hub cache (looked at {}); download it with `huggingface-cli "
               "download {}`, or set HF_HUB_CACHE",
               id, fmt::join(looked, ", "), id);
}

}  // namespace hadal
