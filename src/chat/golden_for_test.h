// Golden files of the chat layer (tests/golden/chat/README.md), for tests.
#pragma once

#include "chat/python_json.h"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <fstream>
#include <iterator>
#include <string>

namespace hadal {

/// The list `cases` of a golden file; empty, with a failed check, if it cannot be read.
inline nlohmann::ordered_json golden_cases(const std::string& name) {
  const std::string path = HADAL_SOURCE_DIR "/tests/golden/chat/" + name;
  std::ifstream file(path, std::ios::binary);
  const std::string text{std::istreambuf_iterator<char>(file), {}};
  auto parsed = parse_exact_json(text, path);
  if (!parsed) {
    ADD_FAILURE() << parsed.error().message;
    return nlohmann::ordered_json::array();
  }
  return parsed->at("cases");
}

}  // namespace hadal
