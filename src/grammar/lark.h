// A grammar as text, in the EBNF of the Python library Lark -> grammar. OpenAI's custom tools carry
// such grammars (Codex's apply_patch).
//
//   start: hunk+
//   hunk: "*** Add File: " filename LF ("+" /.*/ LF)+ -> add   // comment
//   filename: /[^\n]+/
//   WORD: ("a".."z" | "A".."Z")+ | "yes"i
//   %import common.LF
//   %ignore /[ \t]+/
//
// Read: rules (?name, !name, with priorities, which change no language) and TERMINALS;
// alternatives, also on lines that begin with '|'; (groups), [options], ? * + ~n ~n..m; "strings",
// with i; ranges; /regular expressions/ as in regex_syntax.h, RegexDialect::python, with the flags
// s and u; aliases; %import of Lark's common terminals; %ignore. Refused by name: templates,
// %declare, %override, %extend, other imports, other flags, anchors, left recursion, a bounded
// repetition of what may be empty, i with letters beyond ASCII, \U and bare braces in regular
// expressions.
//
// The language is that of the rules over characters: every way to split the text into terminals
// counts, as with Lark's dynamic_complete lexer, not the longest match alone.
#pragma once

#include "base/result.h"
#include "grammar/grammar.h"
#include "grammar/grammar_builder.h"

#include <cstddef>
#include <string_view>

namespace hadal::grammar {

inline constexpr std::size_t kMaxLarkBytes = 1024 * 1024;
inline constexpr std::size_t kMaxLarkDepth = 200;  ///< open parentheses

/// The rules of the text in a grammar that is being built; returns that of `start`. `source` begins
/// the messages, and stands in those of GrammarBuilder::finish about these rules. Errors:
/// bad_format with line and column (syntax, unknown rule, no start), unsupported (see above,
/// limits).
Result<RuleId> add_lark(GrammarBuilder& builder, std::string_view text, std::string_view source);

/// Errors: as above, and those of GrammarBuilder::finish.
Result<Grammar> compile_lark(std::string_view text, std::string_view source);

}  // namespace hadal::grammar
