#include "settings.h"

#include "base/temporary_directory_for_test.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

namespace hadal {
namespace {

namespace fs = std::filesystem;

/// A program with two verbs, in a folder of its own, with an environment of its own.
class SettingsTest : public testing::Test {
 protected:
  void SetUp() override {
    fs::create_directories(folder_ / "home" / ".config" / "hadal");
    before_ = fs::current_path();
    fs::current_path(folder_);
    setenv("HOME", (folder_ / "home").c_str(), 1);
    for (const char* name :
         {"XDG_CONFIG_HOME", "HADAL_SETTINGS", "HADAL_PORT", "HADAL_API_KEY", "HADAL_EPISODES"})
      unsetenv(name);
  }
  void TearDown() override {
    fs::current_path(before_);
    for (const char* name : {"HADAL_SETTINGS", "HADAL_PORT", "HADAL_API_KEY", "HADAL_EPISODES"})
      unsetenv(name);
  }

  void project(const std::string& text) const { std::ofstream("hadal.toml") << text; }
  void user(const std::string& text) const {
    std::ofstream(folder_ / "home" / ".config" / "hadal" / "config.toml") << text;
  }

  /// Parses a command line; the error of the settings if there is one.
  Result<void> parse(std::vector<std::string> words) {
    CLI::App app;
    CLI::App* serve = app.add_subcommand("serve");
    serve->add_option("-p,--port", port);
    serve->add_option("--api-key", keys);
    serve->add_flag("--quiet", quiet);
    app.add_subcommand("run")->add_option("--seed", seed);
    app.add_subcommand("eval")->add_subcommand("worlds")->add_option("--episodes", episodes);
    read_environment(app);
    std::vector<char*> pointers;
    for (std::string& word : words) pointers.push_back(word.data());
    HADAL_ASSIGN(auto arguments, with_settings(app, pointers));
    std::reverse(arguments.begin(), arguments.end());
    app.parse(std::move(arguments));
    return {};
  }

  int port = 1;
  std::vector<std::string> keys;
  bool quiet = false;
  int seed = 0;
  int episodes = 0;
  const TemporaryDirectory directory_;
  const fs::path folder_ = directory_.path();
  fs::path before_;
};

TEST_F(SettingsTest, TheFlagIsStrongerThanTheEnvironmentThanTheProjectThanTheUser) {
  user("[serve]\nport = 2\n");
  ASSERT_TRUE(parse({"serve"}));
  EXPECT_EQ(port, 2);

  project("[serve]\nport = 3\n");
  ASSERT_TRUE(parse({"serve"}));
  EXPECT_EQ(port, 3);

  setenv("HADAL_PORT", "4", 1);
  ASSERT_TRUE(parse({"serve"}));
  EXPECT_EQ(port, 4);

  for (const char* typed : {"--port=5", "-p5"}) {
    port = 1;
    ASSERT_TRUE(parse({"serve", typed}));
    EXPECT_EQ(port, 5) << typed;
  }
}

TEST_F(SettingsTest, ListsAndFlagsComeFromFiles) {
  project("[serve]\napi-key = [\"a\", \"b\"]\nquiet = true\n[run]\nseed = 9\n");

  ASSERT_TRUE(parse({"serve"}));

  EXPECT_EQ(keys, (std::vector<std::string>{"a", "b"}));
  EXPECT_TRUE(quiet);
  EXPECT_EQ(seed, 0) << "another verb's";
}

TEST_F(SettingsTest, TasksOfAVerbHaveSectionsOfTheirOwn) {
  project("[serve]\nport = 3\n[eval.worlds]\nepisodes = 5\n");
  ASSERT_TRUE(parse({"eval", "worlds"}));
  EXPECT_EQ(episodes, 5);
  EXPECT_EQ(port, 1) << "another verb's";

  setenv("HADAL_EPISODES", "7", 1);
  ASSERT_TRUE(parse({"eval", "worlds"}));
  EXPECT_EQ(episodes, 7);
  ASSERT_TRUE(parse({"eval", "worlds", "--episodes=9"}));
  EXPECT_EQ(episodes, 9);

  for (const char* text : {"[eval]\nepisodes = 5\n", "[eval.wrlds]\nepisodes = 5\n"}) {
    project(text);
    EXPECT_FALSE(parse({"eval", "worlds"})) << text;
  }
}

TEST_F(SettingsTest, AFlagCanBeSetToFalse) {
  user("[serve]\nquiet = true\n");
  project("[serve]\nquiet = false\n");

  ASSERT_TRUE(parse({"serve"}));

  EXPECT_FALSE(quiet);
}

TEST_F(SettingsTest, AnotherFileOrNoneMayBeNamed) {
  project("[serve]\nport = 3\n");
  std::ofstream("other.toml") << "[serve]\nport = 7\n";
  setenv("HADAL_SETTINGS", "other.toml", 1);
  ASSERT_TRUE(parse({"serve"}));
  EXPECT_EQ(port, 7);

  port = 1;
  setenv("HADAL_SETTINGS", "none", 1);
  ASSERT_TRUE(parse({"serve"}));
  EXPECT_EQ(port, 1);

  setenv("HADAL_SETTINGS", "missing.toml", 1);
  EXPECT_FALSE(parse({"serve"}));
}

TEST_F(SettingsTest, UnknownKeysAreErrorsThatNameTheFile) {
  for (const char* text : {"[serve]\nprot = 3\n", "[sevre]\nport = 3\n", "port = 3\n"}) {
    project(text);
    const auto parsed = parse({"serve"});
    ASSERT_FALSE(parsed) << text;
    EXPECT_NE(parsed.error().message.find("hadal.toml"), std::string::npos)
        << parsed.error().message;
  }
}

}  // namespace
}  // namespace hadal
