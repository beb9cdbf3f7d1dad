#include "formats/hub_cache.h"

#include "formats/test_bytes.h"

#include <gtest/gtest.h>

#include <cstdlib>

namespace hadal {
namespace {

class HubCache : public testing::Test {
 protected:
  std::filesystem::path model() const { return scratch_.path() / "models--deepseek-ai--V4"; }
  std::filesystem::path snapshot(const std::string& commit) const {
    return model() / "snapshots" / commit;
  }
  void add_snapshot(const std::string& commit) {
    std::filesystem::create_directories(snapshot(commit));
  }
  void add_ref(const std::string& revision, const std::string& commit) {
    test::write_file(model() / "refs" / revision, commit);
  }
  Result<std::filesystem::path> find(std::string_view id) const {
    return find_in_hub_cache(id, scratch_.path());
  }

  TemporaryDirectory scratch_;
};

TEST_F(HubCache, follows_refs_to_snapshots) {
  add_snapshot("c1");
  add_snapshot("c2");
  add_ref("main", "c2\n");
  add_ref("v1", "c1");
  add_ref("refs/pr/3", "c1");
  EXPECT_EQ(*find("deepseek-ai/V4"), snapshot("c2"));
  EXPECT_EQ(*find("deepseek-ai/V4@v1"), snapshot("c1"));
  EXPECT_EQ(*find("deepseek-ai/V4@refs/pr/3"), snapshot("c1"));
  EXPECT_EQ(*find("deepseek-ai/V4@c1"), snapshot("c1"));
}

TEST_F(HubCache, a_single_snapshot_serves_when_there_is_no_ref) {
  add_snapshot("c1");
  EXPECT_EQ(*find("deepseek-ai/V4"), snapshot("c1"));
  EXPECT_FALSE(find("deepseek-ai/V4@main"));
  add_snapshot("c2");
  EXPECT_FALSE(find("deepseek-ai/V4"));
}

TEST_F(HubCache, absence_tells_where_it_looked) {
  add_ref("main", "c9");
  const auto found = find("deepseek-ai/V4");
  ASSERT_FALSE(found);
  EXPECT_EQ(found.error().code, ErrorCode::not_found);
  EXPECT_NE(found.error().message.find((model() / "refs/main").string()), std::string::npos)
      << found.error().message;
  EXPECT_NE(found.error().message.find(snapshot("c9").string()), std::string::npos)
      << found.error().message;
}

TEST_F(HubCache, hostile_refs_cannot_leave_the_cache) {
  add_snapshot("c1");
  for (const char* commit : {"../../..", "/etc", "", "a/b", "c1\nx", "\x1b[31m"}) {
    add_ref("main", commit);
    const auto found = find("deepseek-ai/V4");
    ASSERT_FALSE(found) << commit;
    EXPECT_EQ(found.error().code, ErrorCode::bad_format);
  }
}

TEST(HubId, only_plain_ids_are_ids) {
  for (const char* id : {"deepseek-ai/DeepSeek-V4-Flash", "a/b.c_d", "a/b@main", "a/b@refs/pr/1"})
    EXPECT_TRUE(looks_like_hub_id(id)) << id;
  for (const char* id : {"", "model", "a/b/c", "/abs", "../x", "a/..", "./x", "a/b@", "a/b@../x",
                         "a/b@/x", "a b/c", "a/", "~/x", "a/.b"}) {
    EXPECT_FALSE(looks_like_hub_id(id)) << id;
    const auto found = find_in_hub_cache(id, "/nonexistent");
    EXPECT_EQ(found.error().code, ErrorCode::invalid_argument) << id;
  }
}

TEST(HubCacheRoot, environment_precedence) {
  ::setenv("HOME", "/home/u", 1);
  for (const char* name : {"HF_HUB_CACHE", "HF_HOME", "XDG_CACHE_HOME"}) ::unsetenv(name);
  EXPECT_EQ(hub_cache_root(), "/home/u/.cache/huggingface/hub");
  ::setenv("XDG_CACHE_HOME", "/xdg", 1);
  EXPECT_EQ(hub_cache_root(), "/xdg/huggingface/hub");
  ::setenv("HF_HOME", "/hf", 1);
  EXPECT_EQ(hub_cache_root(), "/hf/hub");
  ::setenv("HF_HUB_CACHE", "/hub", 1);
  EXPECT_EQ(hub_cache_root(), "/hub");
}

}  // namespace
}  // namespace hadal
