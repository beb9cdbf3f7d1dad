#include "serve/response_store.h"

#include "base/temporary_directory_for_test.h"

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <filesystem>
#include <fstream>
#include <thread>
#include <vector>

#include <sys/stat.h>

namespace hadal {
namespace {

using Json = nlohmann::ordered_json;

constexpr std::uint64_t kNow = 4000000000;  // 2096: never too old

StoredResponse response(const std::string& id, const std::string& previous = "",
                        std::uint64_t created = kNow) {
  const Json body = {
      {"id", id},
      {"output", {{{"id", fmt::format("out_{}", id)}, {"text", fmt::format("said by {}", id)}}}}};
  return {
      .id = id,
      .previous_id = previous,
      .created_seconds = created,
      .body = body.dump(),
      .input = {
          Json{{"id", fmt::format("in_{}", id)}, {"text", fmt::format("asked of {}", id)}}.dump()}};
}

std::unique_ptr<ResponseStore> in_memory(ResponseStore::Limits limits = {}) {
  auto store = ResponseStore::open("", limits);
  EXPECT_TRUE(store) << store.error().message;
  return std::move(*store);
}

class ResponseStoreFile : public testing::Test {
 protected:
  const TemporaryDirectory directory_;
  const std::filesystem::path folder_ = directory_.path();
  const std::string path_ = (folder_ / "responses.sqlite").string();
};

TEST(ResponseStore, GivesBackWhatWasPut) {
  const auto store = in_memory();
  ASSERT_TRUE(store->put(response("a")));

  EXPECT_EQ(*store->body("a"), response("a").body);
  EXPECT_EQ(*store->input_items("a"), response("a").input);
  EXPECT_EQ(Json::parse(*store->item("out_a"))["text"], "said by a");
  EXPECT_EQ(Json::parse(*store->item("in_a"))["text"], "asked of a");
}

TEST(ResponseStore, ConversationsBeginWithTheOldestResponse) {
  const auto store = in_memory();
  for (const auto& r : {response("a"), response("b", "a"), response("x"), response("c", "b")})
    ASSERT_TRUE(store->put(r));

  const Json items = Json::parse(*store->conversation("c"));

  std::vector<std::string> ids;
  for (const Json& item : items) ids.push_back(item["id"]);
  EXPECT_EQ(ids, (std::vector<std::string>{"in_a", "out_a", "in_b", "out_b", "in_c", "out_c"}));
}

TEST(ResponseStore, UnknownIdsAreNotFound) {
  const auto store = in_memory();
  ASSERT_TRUE(store->put(response("b", "gone")));

  EXPECT_EQ(store->body("a").error().code, ErrorCode::not_found);
  EXPECT_EQ(store->input_items("a").error().code, ErrorCode::not_found);
  EXPECT_EQ(store->conversation("b").error().code, ErrorCode::not_found);
  EXPECT_EQ(store->item("a").error().code, ErrorCode::not_found);
  EXPECT_EQ(store->erase("a").error().code, ErrorCode::not_found);
}

TEST(ResponseStore, ErasedResponsesTakeTheirItemsWithThem) {
  const auto store = in_memory();
  ASSERT_TRUE(store->put(response("a")));

  ASSERT_TRUE(store->erase("a"));

  EXPECT_FALSE(store->body("a"));
  EXPECT_FALSE(store->item("in_a"));
}

TEST(ResponseStore, ABrokenResponseChangesNothing) {
  const auto store = in_memory();
  StoredResponse no_item = response("a");
  no_item.input.push_back("no JSON");
  StoredResponse no_output = response("b");
  no_output.body = "{}";

  EXPECT_FALSE(store->put(no_item));
  EXPECT_FALSE(store->put(no_output));

  EXPECT_FALSE(store->body("a"));
  EXPECT_FALSE(store->item("in_a"));
  EXPECT_TRUE(store->put(response("a")));
}

TEST(ResponseStore, OldResponsesGo) {
  const auto store = in_memory({.max_bytes = 1u << 30, .max_age_seconds = 1000});
  ASSERT_TRUE(store->put(response("old", "", 1000)));

  ASSERT_TRUE(store->put(response("new")));

  EXPECT_FALSE(store->body("old"));
  EXPECT_TRUE(store->body("new"));
}

TEST(ResponseStore, TheOldestGoWhenTheFileIsTooLarge) {
  const auto store = in_memory({.max_bytes = 256u << 10});
  const std::string long_text(10000, 'x');

  for (std::uint64_t i = 0; i < 200; ++i) {
    StoredResponse r = response(fmt::format("r{}", i), "", kNow + i);
    r.input.push_back(Json{{"id", "long"}, {"text", long_text}}.dump());
    ASSERT_TRUE(store->put(r));
  }

  EXPECT_FALSE(store->body("r0"));
  EXPECT_TRUE(store->body("r199"));
}

TEST_F(ResponseStoreFile, OutlivesTheProcess) {
  ASSERT_TRUE((*ResponseStore::open(path_, {}))->put(response("a")));

  const auto again = ResponseStore::open(path_, {});

  ASSERT_TRUE(again) << again.error().message;
  EXPECT_TRUE((*again)->body("a"));
}

TEST_F(ResponseStoreFile, IsReadableByItsOwnerAlone) {
  ASSERT_TRUE((*ResponseStore::open(path_, {}))->put(response("a")));

  struct stat status {};
  ASSERT_EQ(stat(path_.c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777, 0600u);
}

TEST_F(ResponseStoreFile, OtherFilesAreRefused) {
  std::ofstream(path_) << std::string(5000, 'x');

  const auto store = ResponseStore::open(path_, {});

  ASSERT_FALSE(store);
  EXPECT_EQ(store.error().code, ErrorCode::bad_format) << store.error().message;
  EXPECT_FALSE(ResponseStore::open((folder_ / "no" / "such" / "folder").string(), {}));
}

TEST_F(ResponseStoreFile, ManyThreadsMayUseIt) {
  auto opened = ResponseStore::open(path_, {});
  ASSERT_TRUE(opened) << opened.error().message;
  ResponseStore& store = **opened;
  std::vector<std::thread> threads;

  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&store, t] {
      for (int i = 0; i < 25; ++i) {
        const std::string id = fmt::format("{}_{}", t, i);
        EXPECT_TRUE(store.put(response(id)));
        EXPECT_TRUE(store.body(id));
      }
    });
  }
  for (auto& thread : threads) thread.join();

  EXPECT_TRUE(store.body("3_24"));
}

}  // namespace
}  // namespace hadal
