// A supply chain: order, ship, clear customs, restock, reroute.
#include "worlds/domains/adjectives.h"
#include "worlds/domains/tables.h"

namespace hadal::worlds {
namespace {

enum PropertyIndex : std::uint8_t {
  transit,
  customs,
  stock,
  access,
  load,
  travel,
  contract,
  audit,
  use
};

constexpr Property kProperties[] = {
    {{"ordered", "shipped", "delivered"}, {"order", "ship", "deliver"}},
    {{"held", "cleared"}, {"hold", "clear"}},
    {{"depleted", "restocked"}, {"deplete", "restock"}},
    {{"closed", "open"}, {"close", "open"}},
    {{"unloaded", "loaded"}, {"unload", "load"}},
    {{"parked", "dispatched", "rerouted"}, {"park", "dispatch", "reroute"}},
    {{"cancelled", "signed"}, {"cancel", "sign"}},
    {{"disputed", "verified"}, {"dispute", "verify"}},
    {{"reserved", "released"}, {"reserve", "release"}},
};

constexpr std::string_view kGoods[] = {"parcel", "crate",  "pallet", "barrel", "box",     "sack",
                                       "drum",   "carton", "bale",   "bundle", "package", "keg",
                                       "chest",  "case",   "basket", "trunk",  "bag",     "roll",
                                       "spool",  "reel",   "cask",   "tub",    "bucket",  "jug"};
constexpr std::string_view kStores[] = {
    "warehouse", "depot",  "store", "shed",  "shelf",  "rack",   "bay",    "cellar",
    "hall",      "hangar", "barn",  "silo",  "kiosk",  "shop",   "market", "garage",
    "loft",      "vault",  "stand", "stall", "locker", "pantry", "bakery", "pharmacy"};
constexpr std::string_view kVehicles[] = {
    "truck",   "van",  "boat",  "barge",  "ferry",   "train",     "plane", "wagon",
    "trailer", "cart", "lorry", "tanker", "tractor", "tram",      "bus",   "car",
    "bike",    "sled", "raft",  "canoe",  "jeep",    "freighter", "drone", "coach"};
constexpr std::string_view kPapers[] = {
    "agreement", "invoice", "tender", "booking", "manifest", "permit",   "waybill",     "receipt",
    "docket",    "voucher", "form",   "license", "quota",    "deal",     "lease",       "bid",
    "claim",     "notice",  "letter", "memo",    "listing",  "purchase", "certificate", "quote"};
constexpr std::string_view kRoutes[] = {
    "route",   "lane",     "road",    "port", "harbor",  "canal", "bridge",   "tunnel",
    "border",  "terminal", "station", "gate", "airport", "pier",  "crossing", "junction",
    "channel", "highway",  "railway", "pass", "quay",    "track", "trail",    "dock"};

constexpr std::uint8_t kGoodsProperties[] = {transit, customs};
constexpr std::uint8_t kStoresProperties[] = {stock, access};
constexpr std::uint8_t kVehiclesProperties[] = {load, travel};
constexpr std::uint8_t kPapersProperties[] = {contract, audit};
constexpr std::uint8_t kRoutesProperties[] = {access, use};

constexpr EntityType kTypes[] = {
    {kGoods, kGoodsProperties},   {kStores, kStoresProperties}, {kVehicles, kVehiclesProperties},
    {kPapers, kPapersProperties}, {kRoutes, kRoutesProperties},
};

}  // namespace

constinit const Domain kSupplyDomain = {
    .name = "supply",
    .parameter = "item",
    .adjectives = kThingAdjectives,
    .types = kTypes,
    .properties = kProperties,
    .action_phrasings = {"{tool} the {item} only if {pre}; then {eff}.",
                         "if {pre}, you can {tool} the {item}, and then {eff}.",
                         "to {tool} the {item} you need this: {pre}; the result: {eff}."},
    .free_action_phrasings = {"{tool} the {item} at any time; then {eff}.",
                              "you can always {tool} the {item}, and then {eff}.",
                              "to {tool} the {item} you need nothing; the result: {eff}."},
    .law_phrasings = {"whenever {pre}, {eff}.", "as soon as {pre}, {eff} as well.",
                      "{eff} automatically once {pre}."},
    .goal_phrasings = {"make sure that {goal}.", "the goal is that {goal}.",
                       "we need this: {goal}."},
    .literal = kClause,
};

}  // namespace hadal::worlds
