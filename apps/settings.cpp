#include "settings.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string_view>

namespace hadal {
namespace {

namespace fs = std::filesystem;

constexpr const char* kPrefix = "HADAL_";

std::string variable_of(std::string name) {
  for (char& c : name)
    c = c == '-' ? '_' : static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  return kPrefix + name;
}

std::string environment(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? "" : value;
}

const CLI::App* find_verb(const CLI::App& app, std::string_view name) {
  for (const CLI::App* verb : app.get_subcommands([](const CLI::App*) { return true; }))
    if (verb->get_name() == name) return verb;
  return nullptr;
}

/// The verb that the words name, or the task of a verb: `serve`, `eval worlds`. Null: none.
const CLI::App* find_task(const CLI::App& app, std::span<const std::string> words) {
  const CLI::App* task = nullptr;
  for (const std::string& word : words) {
    const CLI::App* next = find_verb(task == nullptr ? app : *task, word);
    if (next == nullptr) break;
    task = next;
  }
  return task;
}

void name_variables(CLI::App& app) {
  for (CLI::App* verb : app.get_subcommands([](const CLI::App*) { return true; })) {
    for (CLI::Option* option : verb->get_options()) {
      const auto& names = option->get_lnames();
      if (!names.empty() && names.front() != "help") option->envname(variable_of(names.front()));
    }
    name_variables(*verb);
  }
}

/// Those that exist, the strongest first.
std::vector<fs::path> files() {
  const std::string chosen = environment("HADAL_SETTINGS");
  if (chosen == "none") return {};
  if (!chosen.empty()) return {chosen};
  const std::string config = environment("XDG_CONFIG_HOME");
  const std::string home = environment("HOME");
  std::vector<fs::path> all = {"hadal.toml"};
  if (!config.empty()) {
    all.push_back(fs::path(config) / "hadal" / "config.toml");
  } else if (!home.empty()) {
    all.push_back(fs::path(home) / ".config" / "hadal" / "config.toml");
  }
  std::erase_if(all, [](const fs::path& path) { return !fs::exists(path); });
  return all;
}

bool is_typed(const CLI::Option& option, std::span<const std::string> arguments) {
  return std::any_of(arguments.begin(), arguments.end(), [&](std::string_view argument) {
    if (argument.rfind("--", 0) == 0)
      return option.check_lname(std::string(argument.substr(2, argument.find('=') - 2)));
    return argument.size() >= 2 && argument[0] == '-' &&
           option.check_sname(std::string(argument.substr(1, 1)));
  });
}

Result<std::vector<CLI::ConfigItem>> read_file(const fs::path& path) {
  std::ifstream in(path);
  if (!in) return error(ErrorCode::not_found, "{}: cannot be opened for reading", path.string());
  try {
    return CLI::ConfigTOML().from_config(in);
  } catch (const CLI::Error& e) {
    return error(ErrorCode::bad_format, "{}: {}", path.string(), e.what());
  }
}

/// The option of the task that `item` sets; null: the item is about another one.
Result<const CLI::Option*> option_of(const CLI::App& app, const CLI::App* task,
                                     const CLI::ConfigItem& item, const fs::path& path) {
  if (item.parents.empty()) {
    return error(ErrorCode::invalid_argument,
                 "{}: '{}' stands in no section of a verb, such as [serve]", path.string(),
                 item.fullname());
  }
  const CLI::App* section = &app;
  for (const std::string& name : item.parents) {
    section = find_verb(*section, name);
    if (section == nullptr) {
      return error(ErrorCode::invalid_argument, "{}: [{}] is no verb of hadal", path.string(),
                   fmt::join(item.parents, "."));
    }
  }
  const CLI::Option* option = section->get_option_no_throw("--" + item.name);
  if (option == nullptr) {
    return error(ErrorCode::invalid_argument, "{}: hadal {} has no option --{}", path.string(),
                 fmt::join(item.parents, " "), item.name);
  }
  return section == task ? option : nullptr;
}

}  // namespace

void read_environment(CLI::App& app) {
  name_variables(app);
}

Result<std::vector<std::string>> with_settings(const CLI::App& app,
                                               std::span<char* const> arguments) {
  std::vector<std::string> all(arguments.begin(), arguments.end());
  const CLI::App* task = find_task(app, all);
  if (task == nullptr) return all;
  const std::vector<std::string> typed = all;
  std::vector<const CLI::Option*> set;
  for (const fs::path& path : files()) {
    HADAL_ASSIGN(const auto items, read_file(path));
    std::vector<const CLI::Option*> set_here;
    for (const CLI::ConfigItem& item : items) {
      if (item.name == "++" || item.name == "--") continue;  // CLI11's marks of a section's ends
      HADAL_ASSIGN(const CLI::Option* option, option_of(app, task, item, path));
      if (option == nullptr || is_typed(*option, typed) ||
          !environment(option->get_envname().c_str()).empty() ||
          std::find(set.begin(), set.end(), option) != set.end())
        continue;
      const bool is_flag = option->get_items_expected_max() == 0;
      for (const std::string& value : item.inputs) {
        if (is_flag && value == "false") continue;
        all.push_back(is_flag ? "--" + item.name : "--" + item.name + "=" + value);
      }
      set_here.push_back(option);
    }
    set.insert(set.end(), set_here.begin(), set_here.end());
  }
  return all;
}

}  // namespace hadal
