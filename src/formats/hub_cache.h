// Finds models that other programs have downloaded into the local Hugging Face cache. Never uses
// the network. Layout: huggingface.co/docs/hub/local-cache; models--ORG--NAME/{refs/REVISION,
// snapshots/COMMIT/FILES}.
#pragma once

#include "base/result.h"

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

namespace hadal {

/// True for "ORG/NAME" or "ORG/NAME@REVISION" made of characters the Hub allows; says nothing about
/// existence.
bool looks_like_hub_id(std::string_view id);

/// Where caches may be, best first: $HF_HUB_CACHE, $HF_HOME/hub, $XDG_CACHE_HOME/huggingface/hub or
/// ~/.cache/huggingface/hub. The first one set is the only one used, as huggingface_hub does it.
/// Reads the environment: call it before threads change it.
std::filesystem::path hub_cache_root();

/// The snapshot directory of `id` below `cache_root`. REVISION is a branch or tag (refs/), or a
/// commit; default "main"; when refs/main is missing and there is exactly one snapshot, that one.
/// Errors: invalid_argument (not a Hub id), not_found (tells every place it looked and what to
/// try), bad_format (refs file).
Result<std::filesystem::path> find_in_hub_cache(std::string_view id,
                                                const std::filesystem::path& cache_root);

}  // namespace hadal
