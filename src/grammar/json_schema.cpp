#include "grammar/json_schema.h"

#include "formats/json_limits.h"
#include "grammar/schema_writer.h"

#include <utility>

namespace hadal::grammar {

Result<Grammar> compile_json_schema(std::string_view schema_text, std::string_view source,
                                    const JsonSchemaOptions& options) {
  const JsonLimits limits{.max_depth = kMaxSchemaDepth, .max_bytes = kMaxSchemaBytes};
  HADAL_ASSIGN(const Schema schema, parse_ordered_json(schema_text, source, limits));
  return compile_json_schema(schema, source, options);
}

Result<Grammar> compile_json_schema(const nlohmann::ordered_json& schema, std::string_view source,
                                    const JsonSchemaOptions& options) {
  GrammarBuilder builder;
  SchemaDocument document(schema, source);
  SchemaWriter writer(builder, document, options.space);
  HADAL_ASSIGN(const Conjunction all, document.conjunction_of({&schema}));
  const RuleId root = writer.rule_of(all, StringForm::json);
  HADAL_TRY(writer.write_rules());
  return std::move(builder).finish(root, source);
}

Result<Grammar> compile_json_object(const JsonSchemaOptions& options) {
  return compile_json_schema(Schema{{"type", "object"}}, "json_object", options);
}

}  // namespace hadal::grammar
