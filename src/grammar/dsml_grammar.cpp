#include "grammar/dsml_grammar.h"

#include "formats/quote.h"
#include "grammar/char_set.h"
#include "grammar/lark.h"
#include "grammar/regex.h"
#include "grammar/schema_writer.h"

#include <fmt/format.h>

#include <memory>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

namespace hadal::grammar {
namespace {

bool can_stand_in_tag(std::string_view name) {
  if (name.empty()) return false;
  for (const char c : name)
    if (static_cast<unsigned char>(c) < 0x20 || c == '"' || c == '<' || c == '>') return false;
  return true;
}

class DsmlWriter {
 public:
  explicit DsmlWriter(const DsmlOptions& options) : options_(options) {}

  Result<Grammar> compile(std::span<const DsmlTool> tools) {
    if (tools.empty() || tools.size() > kMaxDsmlTools) {
      return error(ErrorCode::invalid_argument, "tools: expected 1 to {}, found {}", kMaxDsmlTools,
                   tools.size());
    }
    const RuleId root = builder_.add_rule("answer");
    const RuleId call = builder_.add_rule("tool call");
    std::vector<StateId> ways;
    for (const DsmlTool& tool : tools) {
      HADAL_ASSIGN(const StateId one, invoke(tool));
      ways.push_back(one);
    }
    builder_.define_rule(call, builder_.split(std::move(ways)));
    std::optional<StateId> content;
    if (options_.content != nullptr) {
      HADAL_ASSIGN(content, schema_text(*options_.content));
    }
    for (const auto& writer : writers_) HADAL_TRY(writer->write_rules());

    const StateId closed = tag("</", "tool_calls>", kReturn);
    const StateId more = builder_.undecided();
    const StateId one = builder_.call(call, builder_.literal("\n", more));
    if (options_.one_call_only) {
      builder_.decide(more, {closed});
    } else {
      builder_.decide(more, {closed, one});
    }
    const StateId block = tag("<", "tool_calls>", builder_.literal("\n", one));
    const StateId calls_alone = builder_.literal("\n\n", block);
    StateId answer = calls_alone;
    if (options_.use == ToolUse::possible) {
      answer = content ? builder_.split({*content, calls_alone})
                       : builder_.split({free_text(kReturn), free_text(block)});
    }
    if (!options_.reasoning_end.empty())
      answer = free_text(builder_.special_token(options_.reasoning_end, answer));
    builder_.define_rule(root, answer);
    return std::move(builder_).finish(root, "tools");
  }

 private:
  StateId tag(std::string_view before, std::string_view behind, StateId next) {
    return builder_.literal(before,
                            builder_.special_token(kDsmlToken, builder_.literal(behind, next)));
  }

  // Any characters; special tokens are none.
  StateId free_text(StateId next) {
    const StateId loop = builder_.undecided();
    builder_.decide(loop, {next, read_char(builder_, CharSet::all(), CharEncoding::utf8, loop)});
    return loop;
  }

  // The JSON text of a value, and nothing behind it.
  Result<StateId> schema_text(const nlohmann::ordered_json& schema) {
    documents_.push_back(std::make_unique<SchemaDocument>(schema, options_.content_field));
    writers_.push_back(
        std::make_unique<SchemaWriter>(builder_, *documents_.back(), JsonSpace::single));
    HADAL_ASSIGN(const Conjunction all, documents_.back()->conjunction_of({&schema}));
    return builder_.call(writers_.back()->rule_of(all, StringForm::json), kReturn);
  }

  Result<StateId> invoke(const DsmlTool& tool) {
    if (!can_stand_in_tag(tool.name)) {
      return error(ErrorCode::invalid_argument, "tools: a tag cannot hold the name {}",
                   quote(tool.name));
    }
    const StateId close = builder_.literal("\n", tag("</", "invoke>", kReturn));
    StateId parameters = close;
    if (tool.input) {
      HADAL_ASSIGN(parameters, input_text(tool, close));
    } else if (tool.is_free) {
      HADAL_ASSIGN(parameters, free_parameters(close));
    } else if (tool.parameters != nullptr) {
      HADAL_ASSIGN(parameters, parameters_of(tool, close));
    }
    return tag("<", "invoke name=\"" + tool.name + "\">", builder_.literal("\n", parameters));
  }

  // The one parameter, a string, by its grammar.
  Result<StateId> input_text(const DsmlTool& tool, StateId close) {
    const InputGrammar& input = *tool.input;
    const std::string source = "grammar of tool " + quote(tool.name);
    auto rule = input.syntax == InputGrammar::Syntax::lark ? add_lark(builder_, input.text, source)
                                                           : add_regex(builder_, input.text);
    if (!rule && input.syntax == InputGrammar::Syntax::regex)
      return error(rule.error().code, "{}: {}", source, rule.error().message);
    if (!rule) return rule.error();
    const StateId value = builder_.call(*rule, tag("</", "parameter>", close));
    return tag("<", fmt::format("parameter name=\"{}\" string=\"true\">", input.parameter), value);
  }

  // As parameters_of, for a tool whose schema is not known.
  Result<StateId> free_parameters(StateId close) {
    static const nlohmann::ordered_json kAnything = true;
    documents_.push_back(std::make_unique<SchemaDocument>(kAnything, "parameters"));
    writers_.push_back(
        std::make_unique<SchemaWriter>(builder_, *documents_.back(), JsonSpace::single));
    HADAL_ASSIGN(const Conjunction anything, documents_.back()->conjunction_of({&kAnything}));
    const StateId behind = builder_.undecided();
    const StateId value = parameter_value(anything, behind);
    const StateId line =
        tag("<", "parameter name=\"", name_in_tag(builder_.literal("\" string=\"", value)));
    builder_.decide(behind, {close, builder_.literal("\n", line)});
    return builder_.split({close, line});
  }

  // One character or more of those that can_stand_in_tag allows.
  StateId name_in_tag(StateId next) {
    const CharSet allowed = CharSet({{0, 0x1F}, {'"', '"'}, {'<', '<'}, {'>', '>'}}).complement();
    const StateId loop = builder_.undecided();
    const StateId first = read_char(builder_, allowed, CharEncoding::utf8, loop);
    builder_.decide(loop, {next, first});
    return first;
  }

  // Lines of parameters, with line ends between them.
  Result<StateId> parameters_of(const DsmlTool& tool, StateId close) {
    documents_.push_back(std::make_unique<SchemaDocument>(
        *tool.parameters, "parameters of tool " + quote(tool.name)));
    SchemaDocument& document = *documents_.back();
    writers_.push_back(std::make_unique<SchemaWriter>(builder_, document, JsonSpace::single));
    HADAL_ASSIGN(const Conjunction all, document.conjunction_of({tool.parameters}));
    for (const Conjunct& conjunct : all.schemas) {
      for (const std::string_view keyword : {"anyOf", "oneOf", "enum", "const"})
        if (conjunct.schema->contains(keyword))
          return document.refuse(conjunct.schema, keyword, "of all parameters is not supported");
    }
    HADAL_ASSIGN(const ObjectFacts facts, object_facts(document, all));
    HADAL_ASSIGN(const std::uint8_t types, types_of(document, all));
    if (all.is_never || (types & kObject) == 0) return builder_.split({});

    // `behind`: what may follow a parameter; `lines`: what may begin a line.
    StateId behind = close;
    std::optional<StateId> lines;
    bool may_end = true;
    for (std::size_t i = facts.properties.size(); i-- > 0;) {
      const ObjectFacts::Property& property = facts.properties[i];
      if (!can_stand_in_tag(property.name)) {
        return error(ErrorCode::invalid_argument, "{}: a tag cannot hold the name {}",
                     document.place_of(tool.parameters), quote(property.name));
      }
      const StateId here = parameter(property, behind);
      may_end = may_end && !property.is_required;
      lines = lines && !property.is_required ? builder_.split({here, *lines}) : here;
      const StateId next_line = builder_.literal("\n", *lines);
      behind = may_end ? builder_.split({close, next_line}) : next_line;
    }
    if (!lines) return close;
    return may_end ? builder_.split({close, *lines}) : *lines;
  }

  StateId parameter(const ObjectFacts::Property& property, StateId next) {
    return tag("<", "parameter name=\"" + property.name + "\" string=\"",
               parameter_value(property.value, next));
  }

  // From `string="` on, by the writer of the tool.
  StateId parameter_value(const Conjunction& schema, StateId next) {
    SchemaWriter& writer = *writers_.back();
    const StateId close = tag("</", "parameter>", next);
    const auto value = [&](StringForm form, std::string_view is_string) {
      return builder_.literal(is_string, builder_.call(writer.rule_of(schema, form), close));
    };
    return builder_.split({value(StringForm::raw, "true\">"), value(StringForm::none, "false\">")});
  }

  const DsmlOptions& options_;
  GrammarBuilder builder_;
  std::vector<std::unique_ptr<SchemaDocument>> documents_;
  std::vector<std::unique_ptr<SchemaWriter>> writers_;
};

}  // namespace

Result<Grammar> compile_dsml(std::span<const DsmlTool> tools, const DsmlOptions& options) {
  return DsmlWriter(options).compile(tools);
}

}  // namespace hadal::grammar
