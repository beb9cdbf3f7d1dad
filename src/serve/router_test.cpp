#include "serve/router.h"

#include <gtest/gtest.h>

namespace hadal {
namespace {

Router example() {
  Router router;
  const auto nothing = [](Exchange&) {};
  router.add("GET", "/v1/models", nothing);
  router.add("GET", "/v1/models/{*}", nothing);
  router.add("GET", "/v1/responses/{}", nothing);
  router.add("DELETE", "/v1/responses/{}", nothing);
  router.add("POST", "/v1/responses/{}/cancel", nothing);
  router.add("POST", "/v1/responses/input_tokens", nothing);
  router.add("POST", "/v1/responses", nothing);
  return router;
}

TEST(Router, FindsPathsAndWhatStandsInTheirHoles) {
  const Router router = example();

  EXPECT_NE(router.find("GET", "/v1/models").handler, nullptr);
  EXPECT_NE(router.find("HEAD", "/v1/models").handler, nullptr);
  EXPECT_EQ(router.find("GET", "/v1/responses/resp_1").parameters,
            std::vector<std::string>{"resp_1"});
  EXPECT_EQ(router.find("POST", "/v1/responses/resp_1/cancel").parameters,
            std::vector<std::string>{"resp_1"});
  EXPECT_EQ(router.find("GET", "/v1/models/deepseek-ai/DeepSeek-V4").parameters,
            std::vector<std::string>{"deepseek-ai/DeepSeek-V4"});
}

TEST(Router, PathsWithoutHolesGoFirst) {
  Router router;
  router.add("GET", "/v1/responses/{}", [](Exchange&) {});
  router.add("GET", "/v1/responses/all", [](Exchange&) {});

  EXPECT_TRUE(router.find("GET", "/v1/responses/all").parameters.empty());
  EXPECT_EQ(router.find("GET", "/v1/responses/one").parameters.size(), 1u);
}

TEST(Router, TellsWhichMethodsAPathTakes) {
  const Router router = example();

  EXPECT_EQ(router.find("PUT", "/v1/responses/resp_1").allowed, "GET, DELETE");
  EXPECT_EQ(router.find("GET", "/v1/responses").allowed, "POST");
}

TEST(Router, OtherPathsAreUnknown) {
  const Router router = example();

  for (const char* path : {"", "/", "/v1", "/v1/models/", "/v1/responses/", "/v1/responses/a/b",
                           "/v1/responses//cancel", "/v1/models2"}) {
    const auto match = router.find("GET", path);
    EXPECT_EQ(match.handler, nullptr) << path;
    EXPECT_EQ(match.allowed, "") << path;
  }
}

}  // namespace
}  // namespace hadal
