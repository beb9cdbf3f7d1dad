// Finance: accounts, approvals, settlements, limits.
#include "worlds/domains/adjectives.h"
#include "worlds/domains/tables.h"

namespace hadal::worlds {
namespace {

enum PropertyIndex : std::uint8_t {
  freedom,
  funding,
  settlement,
  approval,
  trading,
  collateral,
  height,
  force,
  signature
};

constexpr Property kProperties[] = {
    {{"frozen", "active"}, {"freeze", "activate"}},
    {{"empty", "funded"}, {"drain", "fund"}},
    {{"booked", "cleared", "settled", "reversed"}, {"book", "clear", "settle", "reverse"}},
    {{"rejected", "approved"}, {"reject", "approve"}},
    {{"cancelled", "matched", "executed"}, {"cancel", "match", "execute"}},
    {{"released", "pledged"}, {"release", "pledge"}},
    {{"lowered", "raised"}, {"lower", "raise"}},
    {{"waived", "enforced"}, {"waive", "enforce"}},
    {{"disputed", "signed"}, {"dispute", "sign"}},
};

constexpr std::string_view kAccounts[] = {
    "account", "ledger",  "budget",   "wallet",  "deposit",   "reserve",    "portfolio",  "pool",
    "trust",   "balance", "pension",  "escrow",  "treasury",  "grant",      "allowance",  "purse",
    "vault",   "safe",    "register", "annuity", "endowment", "foundation", "subsidiary", "branch"};
constexpr std::string_view kPayments[] = {
    "payment", "transfer", "invoice", "refund", "loan", "check",   "bill",        "fee",
    "bonus",   "salary",   "rent",    "tax",    "fine", "premium", "dividend",    "rebate",
    "coupon",  "charge",   "expense", "claim",  "debt", "royalty", "installment", "wage"};
constexpr std::string_view kTrades[] = {
    "bond",     "stock", "share",  "option", "future", "swap",     "note",  "warrant",
    "position", "order", "trade",  "bid",    "quote",  "contract", "deal",  "security",
    "asset",    "index", "basket", "offer",  "lot",    "tranche",  "hedge", "mortgage"};
constexpr std::string_view kLimits[] = {
    "limit",    "rule",   "policy",   "cap",     "threshold", "quota",     "ceiling",   "floor",
    "margin",   "rate",   "covenant", "mandate", "control",   "buffer",    "ratio",     "target",
    "schedule", "tariff", "discount", "term",    "clause",    "guideline", "guarantee", "barrier"};
constexpr std::string_view kPapers[] = {
    "report",   "statement", "audit",   "filing",  "form",        "file",   "record",  "summary",
    "forecast", "memo",      "letter",  "receipt", "certificate", "review", "survey",  "proposal",
    "plan",     "petition",  "request", "notice",  "application", "permit", "license", "voucher"};

constexpr std::uint8_t kAccountsProperties[] = {freedom, funding};
constexpr std::uint8_t kPaymentsProperties[] = {settlement, approval};
constexpr std::uint8_t kTradesProperties[] = {trading, collateral};
constexpr std::uint8_t kLimitsProperties[] = {height, force};
constexpr std::uint8_t kPapersProperties[] = {approval, signature};

constexpr EntityType kTypes[] = {
    {kAccounts, kAccountsProperties}, {kPayments, kPaymentsProperties},
    {kTrades, kTradesProperties},     {kLimits, kLimitsProperties},
    {kPapers, kPapersProperties},
};

}  // namespace

constinit const Domain kFinanceDomain = {
    .name = "finance",
    .parameter = "item",
    .adjectives = kMatterAdjectives,
    .types = kTypes,
    .properties = kProperties,
    .action_phrasings = {"the desk may {tool} the {item} if {pre}, and then {eff}.",
                         "you may {tool} the {item} while {pre}; then {eff}.",
                         "to {tool} the {item}, check that {pre}; the outcome: {eff}."},
    .free_action_phrasings = {"the desk may always {tool} the {item}, and then {eff}.",
                              "you may {tool} the {item} at any time; then {eff}.",
                              "to {tool} the {item}, check nothing; the outcome: {eff}."},
    .law_phrasings = {"when {pre}, the books show that {eff}.",
                      "{eff} by standing instruction once {pre}.",
                      "if {pre}, {eff} without further action."},
    .goal_phrasings = {"close the day so that {goal}.", "the client wants this: {goal}.",
                       "make sure that {goal}."},
    .literal = kClause,
};

}  // namespace hadal::worlds
