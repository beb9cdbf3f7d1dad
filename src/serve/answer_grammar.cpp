#include "serve/answer_grammar.h"

#include "base/log.h"
#include "chat/prompt_template.h"
#include "formats/json_limits.h"
#include "grammar/dsml_grammar.h"
#include "grammar/gbnf.h"
#include "grammar/json_schema.h"
#include "grammar/regex.h"
#include "protocol/custom_tool.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <span>
#include <vector>

namespace hadal {
namespace {

/// Of json_object or json_schema.
Result<nlohmann::ordered_json> schema_of(const OutputFormat& output) {
  if (output.kind == OutputFormat::Kind::json_object)
    return nlohmann::ordered_json{{"type", "object"}};
  const JsonLimits limits{.max_depth = grammar::kMaxSchemaDepth,
                          .max_bytes = grammar::kMaxSchemaBytes};
  return parse_ordered_json(output.text, output.field, limits);
}

grammar::InputGrammar input_grammar_of(const ApiTool& tool) {
  using Syntax = grammar::InputGrammar::Syntax;
  return {.syntax = tool.grammar_syntax == "lark" ? Syntax::lark : Syntax::regex,
          .parameter = kCustomToolInput,
          .text = tool.grammar};
}

/// The grammar of a request's tools. A schema that cannot be compiled leaves the arguments of its
/// tool free, unless that is strict: names, form and number of calls stay bound.
struct ToolGrammar {
  std::vector<nlohmann::ordered_json> schemas;  ///< reserved beforehand: `tools` points into it
  std::vector<grammar::DsmlTool> tools;
  std::vector<bool> is_strict;  ///< one per tool
  grammar::DsmlOptions options;

  void add(const ApiTool& tool) {
    const bool has_schema = !tool.parameters.empty();
    if (has_schema)
      schemas.push_back(nlohmann::ordered_json::parse(tool.parameters, nullptr, false));
    tools.push_back({.name = tool.name, .parameters = has_schema ? &schemas.back() : nullptr});
    if (!tool.grammar.empty()) tools.back().input = input_grammar_of(tool);
    // A grammar is never only meant well.
    is_strict.push_back(tool.strict || !tool.grammar.empty());
  }

  bool has_strict() const {
    return std::find(is_strict.begin(), is_strict.end(), true) != is_strict.end();
  }

  Result<grammar::Grammar> compile() {
    auto made = grammar::compile_dsml(tools, options);
    if (!made && strict_tool_fails()) return made;
    if (!made && free_tools([this](std::size_t i) { return fails_alone(i); }))
      made = grammar::compile_dsml(tools, options);
    // Each may be fine by itself, and all of them too large.
    if (!made && free_tools([](std::size_t) { return true; }))
      made = grammar::compile_dsml(tools, options);
    return made;
  }

 private:
  /// Then nothing that is done about the others helps.
  bool strict_tool_fails() const {
    std::vector<grammar::DsmlTool> strict;
    for (std::size_t i = 0; i < tools.size(); ++i)
      if (is_strict[i]) strict.push_back(tools[i]);
    return !strict.empty() && !grammar::compile_dsml(strict, {});
  }
  bool fails_alone(std::size_t tool) const {
    const auto alone = grammar::compile_dsml(std::span(tools).subspan(tool, 1), {});
    if (!alone)
      log_warning("serve", "arguments of tool {} are not constrained: {}", tools[tool].name,
                  alone.error().message);
    return !alone;
  }

  /// False: there was none to free.
  template <typename Is>
  bool free_tools(const Is& is_to_be_freed) {
    bool any = false;
    for (std::size_t i = 0; i < tools.size(); ++i) {
      if (is_strict[i] || tools[i].is_free || !is_to_be_freed(i)) continue;
      tools[i].is_free = any = true;
    }
    return any;
  }
};

}  // namespace

Result<std::unique_ptr<AnswerGrammars>> AnswerGrammars::create(const Tokenizer& tokenizer,
                                                               std::int32_t eos,
                                                               std::size_t vocab_size) {
  grammar::TokenTexts texts;
  for (std::size_t id = 0; id < vocab_size; ++id) {
    const auto token = static_cast<std::int32_t>(id);
    texts.bytes.emplace_back(tokenizer.token_bytes(token));
    texts.is_special.push_back(tokenizer.is_special(token));
  }
  texts.end_ids = {eos};
  std::unique_ptr<AnswerGrammars> grammars(new AnswerGrammars());
  HADAL_ASSIGN(grammars->vocabulary_, grammar::TokenVocabulary::create(std::move(texts)));
  grammars->has_dsml_ = tokenizer.find_special(kDsmlToken).has_value();
  return grammars;
}

template <typename Compile>
Result<std::shared_ptr<const grammar::Grammar>> AnswerGrammars::find_or_compile(
    const std::string& key, Compile&& compile) {
  {
    const std::lock_guard lock(mutex_);
    for (auto it = compiled_.begin(); it != compiled_.end(); ++it) {
      if (it->first != key) continue;
      compiled_.splice(compiled_.begin(), compiled_, it);
      return it->second;
    }
  }
  HADAL_ASSIGN(grammar::Grammar made, compile());
  auto shared = std::make_shared<const grammar::Grammar>(std::move(made));
  const std::lock_guard lock(mutex_);
  compiled_.emplace_front(key, shared);
  if (compiled_.size() > kMostKept) compiled_.pop_back();
  return shared;
}

Result<AnswerRules> AnswerGrammars::rules_for(const ApiRequest& request, bool opens_reasoning) {
  using Kind = OutputFormat::Kind;
  const OutputFormat& output = request.output;
  const bool may_call =
      !request.tools.empty() && request.tool_choice.mode != ToolChoice::Mode::none;
  const bool is_json = output.kind == Kind::json_object || output.kind == Kind::json_schema;
  if (may_call && (output.kind == Kind::text || (is_json && has_dsml_)))
    return rules_for_tools(request, opens_reasoning);
  if (output.kind == Kind::text) return AnswerRules{};
  if (may_call) {
    return error(ErrorCode::unsupported,
                 "{}: {} together with tools is not supported; set tool_choice to \"none\", or ask "
                 "in two requests",
                 output.field, is_json ? "an output format for this model" : "a grammar");
  }
  const std::string key = fmt::format("{} {}", static_cast<int>(output.kind), output.text);
  HADAL_ASSIGN(auto compiled, find_or_compile(key, [&]() -> Result<grammar::Grammar> {
                 switch (output.kind) {
                   case Kind::json_object:
                     return grammar::compile_json_object();
                   case Kind::json_schema:
                     return grammar::compile_json_schema(std::string_view(output.text),
                                                         output.field);
                   case Kind::regex:
                     return grammar::compile_regex(output.text);
                   default:
                     return grammar::compile_gbnf(output.text, output.field);
                 }
               }));
  return AnswerRules{.grammar = std::move(compiled), .begins_after_reasoning = opens_reasoning};
}

Result<AnswerRules> AnswerGrammars::rules_for_tools(const ApiRequest& request,
                                                    bool opens_reasoning) {
  using Mode = ToolChoice::Mode;
  const Mode mode = request.tool_choice.mode;
  const bool must_call = mode == Mode::required || mode == Mode::named;
  if (!has_dsml_) {
    if (!must_call) return AnswerRules{};
    return error(ErrorCode::unsupported,
                 "tool_choice: this model's vocabulary has no token for tool calls");
  }
  std::string key =
      fmt::format("tools {} {} {}", must_call, request.parallel_tool_calls, opens_reasoning);
  ToolGrammar tools;
  tools.schemas.reserve(request.tools.size());
  for (const ApiTool& tool : request.tools) {
    if (mode == Mode::named && tool.name != request.tool_choice.name) continue;
    key += fmt::format("\ntool {} {} {} {} {}", tool.name, tool.strict, tool.parameters,
                       tool.grammar_syntax, tool.grammar);
    tools.add(tool);
  }
  grammar::DsmlOptions& options = tools.options;
  options.use = must_call ? grammar::ToolUse::required : grammar::ToolUse::possible;
  options.one_call_only = !request.parallel_tool_calls;
  if (opens_reasoning) options.reasoning_end = kThinkEndToken;
  nlohmann::ordered_json content;
  if (request.output.kind != OutputFormat::Kind::text && !must_call) {
    HADAL_ASSIGN(content, schema_of(request.output));
    key += fmt::format("\ncontent {}", content.dump());
    options.content = &content;
    options.content_field = request.output.field;
  }
  auto compiled = find_or_compile(key, [&] { return tools.compile(); });
  if (compiled) return AnswerRules{.grammar = std::move(*compiled)};
  // What a client insists on: calls, a schema, or the form of the answer beside them.
  if (must_call || tools.has_strict() || options.content != nullptr) return compiled.error();
  log_warning("serve", "tool calls are not constrained: {}", compiled.error().message);
  return AnswerRules{};
}

grammar::Matcher AnswerGrammars::matcher(const std::shared_ptr<const grammar::Grammar>& grammar) {
  auto& constraint = constraints_[grammar];
  if (!constraint || constraint->is_worn())
    constraint = std::make_shared<grammar::Constraint>(grammar, vocabulary_);
  grammar::Matcher made(constraint);
  while (constraints_.size() > kMostKept) {
    auto victim = constraints_.begin();
    if (victim->first == grammar) ++victim;
    constraints_.erase(victim);
  }
  return made;
}

}  // namespace hadal
