// What an answer must look like: the constraint of a request's tools and output format
// (serving.md section 6).
#pragma once

#include "base/result.h"
#include "grammar/matcher.h"
#include "protocol/request.h"
#include "tokenizer/tokenizer.h"

#include <cstdint>
#include <list>
#include <map>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <utility>

namespace hadal {

/// The rules for one answer, compiled.
struct AnswerRules {
  std::shared_ptr<const grammar::Grammar> grammar;  ///< null: anything
  bool begins_after_reasoning = false;              ///< the reasoning before it is free
};

/// Compiles rules, and keeps them for requests to come.
class AnswerGrammars {
 public:
  /// @param vocab_size  of the model, which may have more rows than the tokenizer has tokens
  /// Errors: invalid_argument (the tokenizer's tokens).
  static Result<std::unique_ptr<AnswerGrammars>> create(const Tokenizer& tokenizer,
                                                        std::int32_t eos, std::size_t vocab_size);

  /// Errors: those of the grammar compilers, naming the request's field; unsupported (tools
  /// together with a grammar). A tool whose schema is beyond the compiler is an error only
  /// if it is `strict`; else its arguments are free, and the rest is bound. Any thread; off the
  /// engine's, as it takes time.
  Result<AnswerRules> rules_for(const ApiRequest& request, bool opens_reasoning);

  /// A matcher at the beginning of a text. Engine thread only.
  grammar::Matcher matcher(const std::shared_ptr<const grammar::Grammar>& grammar);

 private:
  AnswerGrammars() = default;
  template <typename Compile>
  Result<std::shared_ptr<const grammar::Grammar>> find_or_compile(const std::string& key,
                                                                  Compile&& compile);
  Result<AnswerRules> rules_for_tools(const ApiRequest& request, bool opens_reasoning);

  static constexpr std::size_t kMostKept = 64;

  std::shared_ptr<const grammar::TokenVocabulary> vocabulary_;
  bool has_dsml_ = false;
  std::mutex mutex_;
  std::list<std::pair<std::string, std::shared_ptr<const grammar::Grammar>>> compiled_;  ///< newest
                                                                                         ///< first
  /// Engine thread: constraints hold what matchers have found out.
  std::map<std::shared_ptr<const grammar::Grammar>, std::shared_ptr<grammar::Constraint>>
      constraints_;
};

}  // namespace hadal
