#include "worlds/domain.h"

#include "base/random.h"

#include <array>

namespace hadal::worlds {
namespace {

using Words = std::string_view;

// Short common words, none of them a property word, a tool or a noun of the tables below.
constexpr std::array<Words, 60> kAdjectives = {
    "red",    "blue",   "green",  "black",  "white", "brown", "gray",  "pink",   "gold",  "silver",
    "old",    "new",    "big",    "small",  "tall",  "short", "long",  "wide",   "thin",  "thick",
    "round",  "square", "soft",   "hard",   "heavy", "plain", "fancy", "cheap",  "fine",  "rough",
    "smooth", "sharp",  "bright", "pale",   "deep",  "steel", "iron",  "wooden", "stone", "copper",
    "brass",  "paper",  "rubber", "cotton", "oak",   "pine",  "maple", "cedar",  "north", "south",
    "east",   "west",   "front",  "back",   "upper", "lower", "spare", "main",   "inner", "outer"};

enum HouseholdProperty : std::uint8_t { lit, open, full, hot, clean, dry, folded, on, locked };

constexpr std::array<Property, 9> kHouseholdProperties = {{
    {{"dark", "lit"}, {"dim", "light"}},
    {{"closed", "open"}, {"close", "open"}},
    {{"empty", "full"}, {"drain", "fill"}},
    {{"cold", "hot"}, {"cool", "heat"}},
    {{"dirty", "clean"}, {"stain", "wash"}},
    {{"wet", "dry"}, {"soak", "dry"}},
    {{"flat", "folded"}, {"spread", "fold"}},
    {{"off", "on"}, {"stop", "start"}},
    {{"free", "locked"}, {"release", "lock"}},
}};

constexpr std::array<Words, 24> kLights = {
    "lamp",    "lantern", "candle",    "torch",     "bulb",       "beacon", "hearth", "stove",
    "brazier", "burner",  "fireplace", "spotlight", "chandelier", "flare",  "strobe", "sconce",
    "oven",    "boiler",  "heater",    "signal",    "sign",       "globe",  "tube",   "headlamp"};
constexpr std::array<Words, 24> kContainers = {
    "box",    "chest", "drawer", "pantry", "crate",  "trunk",    "bin",    "barrel",
    "basket", "bag",   "sack",   "locker", "safe",   "cupboard", "closet", "cabinet",
    "jar",    "tin",   "case",   "tank",   "bucket", "casket",   "pouch",  "hamper"};
constexpr std::array<Words, 24> kVessels = {
    "pan",   "pot",   "cup",     "kettle",  "mug",    "plate",  "bowl",    "dish",
    "wok",   "tray",  "skillet", "flask",   "jug",    "goblet", "spoon",   "fork",
    "knife", "ladle", "vase",    "pitcher", "saucer", "beaker", "platter", "griddle"};
constexpr std::array<Words, 24> kCloths = {
    "towel",  "shirt", "rug",    "coat",  "sheet", "blanket", "scarf", "curtain",
    "carpet", "apron", "jacket", "quilt", "sock",  "dress",   "skirt", "robe",
    "cape",   "tent",  "flag",   "sail",  "mat",   "net",     "shawl", "napkin"};
constexpr std::array<Words, 24> kMachines = {
    "fan",   "radio",  "pump",    "mixer",   "clock",   "printer", "phone", "mower",
    "drill", "saw",    "toaster", "blender", "freezer", "washer",  "dryer", "vacuum",
    "motor", "engine", "robot",   "camera",  "scale",   "speaker", "modem", "sprinkler"};

constexpr std::array<std::uint8_t, 2> kLightProperties = {lit, clean};
constexpr std::array<std::uint8_t, 2> kContainerProperties = {open, full};
constexpr std::array<std::uint8_t, 2> kVesselProperties = {hot, clean};
constexpr std::array<std::uint8_t, 2> kClothProperties = {dry, folded};
constexpr std::array<std::uint8_t, 2> kMachineProperties = {on, locked};

constexpr std::array<EntityType, 5> kHouseholdTypes = {{{kLights, kLightProperties},
                                                        {kContainers, kContainerProperties},
                                                        {kVessels, kVesselProperties},
                                                        {kCloths, kClothProperties},
                                                        {kMachines, kMachineProperties}}};

constexpr std::array<Domain, 1> kDomains = {{
    {.name = "household",
     .parameter = "item",
     .adjectives = kAdjectives,
     .types = kHouseholdTypes,
     .properties = kHouseholdProperties,
     .action_phrasings = {"{tool} {item}: needs {pre}; makes {eff}.",
                          "with {pre}, {tool} {item} makes {eff}.",
                          "{tool} {item} makes {eff} if {pre}."},
     .free_action_phrasings = {"{tool} {item}: needs nothing; makes {eff}.",
                               "at any time, {tool} {item} makes {eff}.",
                               "{tool} {item} makes {eff}."},
     .law_phrasings = {"when {pre}, then {eff}.", "{pre} always gives {eff}.",
                       "{eff} follows from {pre}."},
     .goal_phrasings = {"make {goal}.", "get {goal}.", "we want {goal}."}},
}};

}  // namespace

std::span<const Domain> domains() {
  return kDomains;
}

bool is_held_out_name(std::string_view adjective, std::string_view noun) {
  return splitmix64_mix(fnv1a64(adjective) ^ (fnv1a64(noun) * 3)) % 5 == 0;
}

}  // namespace hadal::worlds
