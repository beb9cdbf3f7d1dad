#include "world_session.h"

#include "agent/builtin_worlds.h"
#include "agent/fact_reader.h"
#include "agent/world_chat.h"
#include "worlds/generator.h"
#include "worlds/phrase.h"

#include <fmt/format.h>

#include <charconv>
#include <cstdio>
#include <iostream>
#include <memory>

namespace hadal {
namespace {

constexpr int kSessionDepth = 3;
constexpr const char* kSessionHelp =
    "Say what should come about, as \"get the old jar open\", or what should be done.\n"
    "/world           what this world knows, and how it is now\n"
    "/new [SEED]      another world\n"
    "/help            this text\n"
    "/exit, /quit, Ctrl-D   leave\n";

/// A world, and the conversation in it.
struct Place {
  Place(const worlds::WorldKey& key, LanguageModel& model)
      : world(worlds::generate_world(key, builtin_worlds().world)),
        chat(world, builtin_worlds().world, model) {}
  worlds::World world;
  WorldChat chat;
};

class WorldSession {
 public:
  WorldSession(LanguageModel& model, worlds::DomainChoice domains, std::uint64_t seed)
      : model_(model), domains_(std::move(domains)) {
    enter(seed);
  }

  void show_world() const {
    const worlds::World& world = place_->world;
    const worlds::State state = place_->chat.simulator().state();
    fmt::print("A {} world (seed {}). Now:\n", world.domain->name, seed_);
    for (std::size_t v = 0; v < world.variables.size(); ++v) {
      const worlds::Literal on{static_cast<std::uint8_t>(v), true};
      const bool value = worlds::holds(on, state);
      fmt::print("  {}\n", worlds::sentence(world, {on.variable, value}));
    }
    fmt::print("What can be done, and what follows by itself:\n");
    for (const worlds::Mechanism& mechanism : world.mechanisms)
      fmt::print("  {}\n", worlds::mechanism_text(world, mechanism));
  }

  Result<void> ask(const std::string& request) {
    n_steps_ = 0;
    const WorldChat::Listener listener{
        .on_goal =
            [&](const auto& goal) {
              fmt::print("Goal: {}.\n", worlds::sentences(place_->world, goal));
            },
        .on_step = [&](const EpisodeStep& step) { show(step); },
        .on_text = [](std::string_view text) { fmt::print("{}\n", text); }};
    HADAL_ASSIGN(const RequestEnd end, place_->chat.ask(request, listener));
    say(end);
    std::fflush(stdout);
    return {};
  }

  /// @return whether to go on
  bool command(std::string_view line) {
    if (line == "/exit" || line == "/quit" || line == "/bye") return false;
    if (line == "/world") {
      show_world();
    } else if (line == "/new" || line.starts_with("/new ")) {
      std::uint64_t seed = seed_ + 1;
      if (line.size() > 5) {
        const auto read = std::from_chars(line.data() + 5, line.data() + line.size(), seed);
        if (read.ec != std::errc() || read.ptr != line.data() + line.size()) {
          fmt::print("/new takes a number, found \"{}\"\n", line.substr(5));
          return true;
        }
      }
      enter(seed);
      show_world();
    } else {
      if (line != "/help") fmt::print("unknown command {}\n", line);
      fmt::print("{}", kSessionHelp);
    }
    std::fflush(stdout);
    return true;
  }

 private:
  void enter(std::uint64_t seed) {
    seed_ = seed;
    const worlds::WorldKey key{.split = worlds::Split::test,
                               .domain = domain_of_seed(domains_, seed),
                               .depth = kSessionDepth,
                               .seed = seed,
                               .index = 0};
    place_ = std::make_unique<Place>(key, model_);
  }

  void show(const EpisodeStep& step) {
    fmt::print("{:>2}. {}\n", ++n_steps_, step.call);
    for (const std::string& cause : step.because)
      if (!cause.empty()) fmt::print("      because: {}\n", cause);
    fmt::print("    {}\n", step.outcome.text);
    std::fflush(stdout);
  }

  void say(RequestEnd end) const {
    switch (end) {
      case RequestEnd::answered:
      case RequestEnd::reached:
        return;
      case RequestEnd::held_before:
        fmt::print("That is so already.\n");
        return;
      case RequestEnd::out_of_reach:
        fmt::print("Nothing that can be done here leads to that.\n");
        return;
      case RequestEnd::out_of_steps:
        fmt::print("Not reached.\n");
        return;
      case RequestEnd::not_understood:
        fmt::print(
            "The model took this for something that is not in this world, which knows "
            "whether\n{}\n",
            known_facts(place_->world));
        return;
    }
  }

  LanguageModel& model_;
  worlds::DomainChoice domains_;
  std::uint64_t seed_ = 0;
  std::unique_ptr<Place> place_;
  std::size_t n_steps_ = 0;
};

Result<WorldSession> open_session(LanguageModel& model, const WorldSessionOptions& options) {
  HADAL_ASSIGN(auto domains, worlds::parse_domain_choice(options.domain));
  return WorldSession(model, std::move(domains), options.seed);
}

}  // namespace

Result<void> answer_in_world(LanguageModel& model, const WorldSessionOptions& options,
                             const std::string& request) {
  HADAL_ASSIGN(WorldSession session, open_session(model, options));
  return session.ask(request);
}

Result<void> chat_in_world(LanguageModel& model, const WorldSessionOptions& options) {
  HADAL_ASSIGN(WorldSession session, open_session(model, options));
  session.show_world();
  fmt::print("\n{}", kSessionHelp);
  for (std::string line;;) {
    fmt::print("> ");
    std::fflush(stdout);
    if (!std::getline(std::cin, line)) break;
    if (line.empty()) continue;
    if (line.front() == '/') {
      if (!session.command(line)) return {};
    } else {
      const auto answered = session.ask(line);
      if (!answered) fmt::print(stderr, "hadal run: {}\n", answered.error().message);
    }
  }
  fmt::print("\n");
  return {};
}

}  // namespace hadal
