// Healthcare administration: referral, test, result, prescription, dispensing. Toy rules of
// paperwork, no medical content.
#include "worlds/domains/adjectives.h"
#include "worlds/domains/tables.h"

namespace hadal::worlds {
namespace {

enum PropertyIndex : std::uint8_t {
  booking,
  coverage,
  testing,
  custody,
  disclosure,
  signature,
  dispensing,
  staffing,
  occupancy
};

constexpr Property kProperties[] = {
    {{"scheduled", "accepted", "declined"}, {"schedule", "accept", "decline"}},
    {{"denied", "authorized"}, {"deny", "authorize"}},
    {{"ordered", "collected", "analyzed"}, {"order", "collect", "analyze"}},
    {{"stored", "returned"}, {"store", "return"}},
    {{"withheld", "released"}, {"withhold", "release"}},
    {{"amended", "signed"}, {"amend", "sign"}},
    {{"prescribed", "dispensed", "recalled"}, {"prescribe", "dispense", "recall"}},
    {{"closed", "staffed"}, {"close", "staff"}},
    {{"vacant", "occupied"}, {"vacate", "occupy"}},
};

constexpr std::string_view kVisits[] = {
    "referral",  "appointment", "visit",    "booking",   "consult",    "intake",
    "admission", "discharge",   "transfer", "session",   "screening",  "checkup",
    "inquiry",   "enrollment",  "callback", "interview", "assessment", "handover",
    "meeting",   "slot",        "stay",     "trip",      "treatment",  "class"};
constexpr std::string_view kSamples[] = {
    "test", "sample", "specimen", "swab",  "scan",  "slide", "vial",     "tube",
    "kit",  "strip",  "panel",    "probe", "batch", "cup",   "cassette", "container",
    "film", "image",  "print",    "jar",   "card",  "tray",  "rack",     "smear"};
constexpr std::string_view kPapers[] = {
    "result",  "report",    "record",        "chart",       "note",     "letter",
    "summary", "finding",   "file",          "form",        "document", "reading",
    "review",  "survey",    "consent",       "certificate", "opinion",  "history",
    "plan",    "statement", "questionnaire", "transcript",  "folder",   "log"};
constexpr std::string_view kMedicines[] = {
    "prescription", "refill", "script",  "dose",   "inhaler", "ointment", "tablet", "capsule",
    "syrup",        "lotion", "cream",   "remedy", "tonic",   "patch",    "pill",   "bottle",
    "packet",       "brace",  "bandage", "splint", "crutch",  "dressing", "lens",   "supplement"};
constexpr std::string_view kPlaces[] = {
    "clinic",   "ward",       "desk",    "pharmacy", "office", "room",       "bed",     "counter",
    "registry", "laboratory", "theater", "lobby",    "unit",   "department", "station", "cabinet",
    "practice", "hospital",   "hospice", "center",   "branch", "kiosk",      "locker",  "suite"};

constexpr std::uint8_t kVisitsProperties[] = {booking, coverage};
constexpr std::uint8_t kSamplesProperties[] = {testing, custody};
constexpr std::uint8_t kPapersProperties[] = {disclosure, signature};
constexpr std::uint8_t kMedicinesProperties[] = {dispensing, coverage};
constexpr std::uint8_t kPlacesProperties[] = {staffing, occupancy};

constexpr EntityType kTypes[] = {
    {kVisits, kVisitsProperties}, {kSamples, kSamplesProperties},
    {kPapers, kPapersProperties}, {kMedicines, kMedicinesProperties},
    {kPlaces, kPlacesProperties},
};

}  // namespace

constinit const Domain kHealthcareDomain = {
    .name = "healthcare",
    .parameter = "item",
    .adjectives = kMatterAdjectives,
    .types = kTypes,
    .properties = kProperties,
    .action_phrasings = {"the team can {tool} the {item} when {pre}; then {eff}.",
                         "before you {tool} the {item}, check that {pre}; afterwards {eff}.",
                         "if {pre}, you may {tool} the {item}; as a result {eff}."},
    .free_action_phrasings = {"the team can {tool} the {item} at any time; then {eff}.",
                              "before you {tool} the {item}, check nothing; afterwards {eff}.",
                              "you may always {tool} the {item}; as a result {eff}."},
    .law_phrasings = {"whenever {pre}, the system notes that {eff}.",
                      "{eff} by default once {pre}.", "when {pre}, it follows that {eff}."},
    .goal_phrasings = {"arrange that {goal}.", "the patient needs this: {goal}.",
                       "make sure that {goal}."},
    .literal = kClause,
};

}  // namespace hadal::worlds
