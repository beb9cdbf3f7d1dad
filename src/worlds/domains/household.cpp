// A household: the domain of the first built-in model. Its stream was published: change no word and
// no order here (narrator_test.cpp, StreamIsTheOneThatWasPublished).
#include "worlds/domains/adjectives.h"
#include "worlds/domains/tables.h"

#include <array>

namespace hadal::worlds {
namespace {

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

constexpr std::array<std::string_view, 24> kLights = {
    "lamp",    "lantern", "candle",    "torch",     "bulb",       "beacon", "hearth", "stove",
    "brazier", "burner",  "fireplace", "spotlight", "chandelier", "flare",  "strobe", "sconce",
    "oven",    "boiler",  "heater",    "signal",    "sign",       "globe",  "tube",   "headlamp"};
constexpr std::array<std::string_view, 24> kContainers = {
    "box",    "chest", "drawer", "pantry", "crate",  "trunk",    "bin",    "barrel",
    "basket", "bag",   "sack",   "locker", "safe",   "cupboard", "closet", "cabinet",
    "jar",    "tin",   "case",   "tank",   "bucket", "casket",   "pouch",  "hamper"};
constexpr std::array<std::string_view, 24> kVessels = {
    "pan",   "pot",   "cup",     "kettle",  "mug",    "plate",  "bowl",    "dish",
    "wok",   "tray",  "skillet", "flask",   "jug",    "goblet", "spoon",   "fork",
    "knife", "ladle", "vase",    "pitcher", "saucer", "beaker", "platter", "griddle"};
constexpr std::array<std::string_view, 24> kCloths = {
    "towel",  "shirt", "rug",    "coat",  "sheet", "blanket", "scarf", "curtain",
    "carpet", "apron", "jacket", "quilt", "sock",  "dress",   "skirt", "robe",
    "cape",   "tent",  "flag",   "sail",  "mat",   "net",     "shawl", "napkin"};
constexpr std::array<std::string_view, 24> kMachines = {
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

}  // namespace

constinit const Domain kHouseholdDomain = {
    .name = "household",
    .parameter = "item",
    .adjectives = kThingAdjectives,
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
    .goal_phrasings = {"make {goal}.", "get {goal}.", "we want {goal}."},
    .literal = "{item} {word}",
};

}  // namespace hadal::worlds
