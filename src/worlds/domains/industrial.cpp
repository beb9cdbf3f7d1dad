// Industrial control: valves, pumps, interlocks, alarms.
#include "worlds/domains/adjectives.h"
#include "worlds/domains/tables.h"

namespace hadal::worlds {
namespace {

enum PropertyIndex : std::uint8_t {
  position,
  latching,
  drive,
  guarding,
  level,
  heat,
  alarm,
  power,
  locking
};

constexpr Property kProperties[] = {
    {{"shut", "throttled", "open"}, {"shut", "throttle", "open"}},
    {{"unlatched", "latched"}, {"unlatch", "latch"}},
    {{"stopped", "primed", "running"}, {"stop", "prime", "start"}},
    {{"bypassed", "guarded"}, {"bypass", "guard"}},
    {{"drained", "filled"}, {"drain", "fill"}},
    {{"cooled", "heated"}, {"cool", "heat"}},
    {{"armed", "tripped", "muted"}, {"arm", "trip", "mute"}},
    {{"isolated", "energized"}, {"isolate", "energize"}},
    {{"unlocked", "locked"}, {"unlock", "lock"}},
};

constexpr std::string_view kValves[] = {"valve", "hatch",   "damper", "gate",   "sluice", "vent",
                                        "tap",   "shutter", "flap",   "faucet", "nozzle", "hydrant",
                                        "inlet", "outlet",  "duct",   "door",   "lid",    "plug",
                                        "weir",  "chute",   "grate",  "baffle", "spout",  "louver"};
constexpr std::string_view kMachines[] = {
    "pump",     "motor",  "turbine",  "fan",       "compressor", "conveyor", "mixer",  "crusher",
    "mill",     "blower", "engine",   "generator", "hoist",      "winch",    "crane",  "grinder",
    "shredder", "press",  "elevator", "agitator",  "centrifuge", "chiller",  "feeder", "stirrer"};
constexpr std::string_view kVessels[] = {
    "tank",   "boiler",    "reactor", "vat",    "drum",   "silo",     "hopper",  "furnace",
    "kiln",   "oven",      "kettle",  "column", "cooler", "basin",    "cistern", "digester",
    "filter", "separator", "pit",     "tower",  "bunker", "cylinder", "barrel",  "pond"};
constexpr std::string_view kAlarms[] = {
    "alarm",  "siren",   "horn",    "bell",    "buzzer",  "beacon",      "detector",   "sensor",
    "gauge",  "meter",   "probe",   "monitor", "relay",   "transmitter", "thermostat", "indicator",
    "camera", "scanner", "counter", "timer",   "display", "signal",      "recorder",   "strobe"};
constexpr std::string_view kCircuits[] = {
    "panel",       "breaker",   "switch",  "fuse",       "cabinet",  "circuit",
    "console",     "board",     "battery", "charger",    "inverter", "rectifier",
    "transformer", "socket",    "cable",   "controller", "terminal", "contactor",
    "starter",     "regulator", "lever",   "button",     "dial",     "junction"};

constexpr std::uint8_t kValvesProperties[] = {position, latching};
constexpr std::uint8_t kMachinesProperties[] = {drive, guarding};
constexpr std::uint8_t kVesselsProperties[] = {level, heat};
constexpr std::uint8_t kAlarmsProperties[] = {alarm, power};
constexpr std::uint8_t kCircuitsProperties[] = {power, locking};

constexpr EntityType kTypes[] = {
    {kValves, kValvesProperties}, {kMachines, kMachinesProperties}, {kVessels, kVesselsProperties},
    {kAlarms, kAlarmsProperties}, {kCircuits, kCircuitsProperties},
};

}  // namespace

constinit const Domain kIndustrialDomain = {
    .name = "industrial",
    .parameter = "item",
    .adjectives = kThingAdjectives,
    .types = kTypes,
    .properties = kProperties,
    .action_phrasings = {"the permit to {tool} the {item} needs this: {pre}; the effect: {eff}.",
                         "the operator can {tool} the {item} if {pre}, so that {eff}.",
                         "{tool} the {item} only while {pre}; then {eff}."},
    .free_action_phrasings = {"the permit to {tool} the {item} needs nothing; the effect: {eff}.",
                              "the operator can {tool} the {item} at will, so that {eff}.",
                              "{tool} the {item} in any case; then {eff}."},
    .law_phrasings = {"interlock: if {pre}, {eff}.", "{eff} by interlock when {pre}.",
                      "the controls react when {pre}: {eff}."},
    .goal_phrasings = {"bring the plant to this state: {goal}.", "the target is that {goal}.",
                       "see to it that {goal}."},
    .literal = kClause,
};

}  // namespace hadal::worlds
