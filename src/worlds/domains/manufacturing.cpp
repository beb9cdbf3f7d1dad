// Manufacturing: fixtures, tools, stations, quality control.
#include "worlds/domains/adjectives.h"
#include "worlds/domains/tables.h"

namespace hadal::worlds {
namespace {

enum PropertyIndex : std::uint8_t {
  quality,
  paint,
  grip,
  alignment,
  edge,
  issue,
  run,
  flow,
  approval
};

constexpr Property kProperties[] = {
    {{"quarantined", "inspected", "passed", "scrapped"},
     {"quarantine", "inspect", "pass", "scrap"}},
    {{"stripped", "painted"}, {"strip", "paint"}},
    {{"loose", "tight"}, {"loosen", "tighten"}},
    {{"shifted", "aligned"}, {"shift", "align"}},
    {{"dull", "honed"}, {"dull", "hone"}},
    {{"stored", "issued"}, {"store", "issue"}},
    {{"halted", "paused", "running"}, {"halt", "pause", "start"}},
    {{"jammed", "cleared"}, {"jam", "clear"}},
    {{"rejected", "approved"}, {"reject", "approve"}},
};

constexpr std::string_view kParts[] = {"part", "bracket", "gear",   "shaft",   "plate", "housing",
                                       "bolt", "bearing", "flange", "rod",     "ring",  "bar",
                                       "beam", "panel",   "hinge",  "spring",  "wheel", "blade",
                                       "pin",  "sleeve",  "collar", "bushing", "frame", "cover"};
constexpr std::string_view kFixtures[] = {
    "fixture", "clamp",  "vise",     "jig",    "chuck",   "mount",  "stand",  "cradle",
    "rack",    "pallet", "tray",     "holder", "mandrel", "collet", "table",  "carrier",
    "base",    "anvil",  "template", "mold",   "die",     "sled",   "saddle", "bench"};
constexpr std::string_view kTools[] = {
    "drill", "saw",    "reamer", "cutter", "file",    "chisel",   "scraper", "knife",
    "punch", "tap",    "router", "plane",  "axe",     "scissors", "razor",   "bit",
    "mill",  "lancet", "broach", "needle", "trimmer", "slicer",   "gouge",   "rasp"};
constexpr std::string_view kStations[] = {
    "station", "cell",    "lathe",   "press",     "robot",  "conveyor", "oven",     "booth",
    "furnace", "printer", "feeder",  "turntable", "loader", "stacker",  "sorter",   "packer",
    "washer",  "dryer",   "machine", "mixer",     "bender", "roller",   "shredder", "labeler"};
constexpr std::string_view kJobs[] = {
    "batch", "lot",   "job",    "order",  "drawing", "recipe", "program", "schedule",
    "sheet", "label", "tag",    "ticket", "card",    "kit",    "list",    "chart",
    "log",   "form",  "record", "report", "note",    "binder", "manual",  "sample"};

constexpr std::uint8_t kPartsProperties[] = {quality, paint};
constexpr std::uint8_t kFixturesProperties[] = {grip, alignment};
constexpr std::uint8_t kToolsProperties[] = {edge, issue};
constexpr std::uint8_t kStationsProperties[] = {run, flow};
constexpr std::uint8_t kJobsProperties[] = {approval, issue};

constexpr EntityType kTypes[] = {
    {kParts, kPartsProperties},       {kFixtures, kFixturesProperties}, {kTools, kToolsProperties},
    {kStations, kStationsProperties}, {kJobs, kJobsProperties},
};

}  // namespace

constinit const Domain kManufacturingDomain = {
    .name = "manufacturing",
    .parameter = "item",
    .adjectives = kThingAdjectives,
    .types = kTypes,
    .properties = kProperties,
    .action_phrasings = {"the crew can {tool} the {item} if {pre}, and then {eff}.",
                         "step: {tool} the {item} when {pre}; result: {eff}.",
                         "only if {pre} can you {tool} the {item}, and then {eff}."},
    .free_action_phrasings = {"the crew can always {tool} the {item}, and then {eff}.",
                              "step: {tool} the {item} at any point; result: {eff}.",
                              "{tool} the {item} whenever you like, and then {eff}."},
    .law_phrasings = {"when {pre}, the plant makes sure that {eff}.",
                      "{eff} from the moment that {pre}.", "once {pre}, {eff} without any step."},
    .goal_phrasings = {"finish the shift so that {goal}.", "the aim is that {goal}.",
                       "make sure that {goal}."},
    .literal = kClause,
};

}  // namespace hadal::worlds
