// What the model wrote, token by token, for when a client sends it back as text (serving.md 3): a
// prompt that repeats an answer should begin with the very tokens of that answer.
#pragma once

#include "base/result.h"
#include "chat/message.h"
#include "chat/prompt_encoder.h"
#include "serve/sqlite.h"
#include "tokenizer/tokenizer.h"

#include <cstddef>
#include <cstdint>
#include <list>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace hadal {

/// A message is known again by its content, and by ids, names and arguments (as JSON values) of its
/// calls; the reasoning must be unchanged where it is part of the prompt. Any thread.
class TurnStore {
 public:
  /// `tokenizer` must outlive the store. @param max_tokens  of all turns; the longest unused go
  TurnStore(const Tokenizer& tokenizer, std::size_t max_tokens)
      : tokenizer_(tokenizer), max_tokens_(max_tokens) {}

  /// Also keeps the turns in a SQLite file, and takes what is there. Before other calls.
  /// @param numerics  the file's turns of other models are dropped (numerics.h)
  /// Errors: of SqliteDatabase::open.
  Result<void> keep_in(const std::string& path, std::uint64_t numerics);

  /// @param ids  as sampled, without the token that ended the answer; reasoning and its end token
  /// in front if the answer had some
  void add(const Message& message, std::span<const std::int32_t> ids);

  std::optional<WrittenTurn> find(const Message& message, bool with_reasoning);

  std::size_t n_turns() const;

 private:
  struct Turn {
    std::string key;
    std::string reasoning;
    std::vector<std::int32_t> ids;
    std::size_t content_begin = 0;  ///< in ids: behind the reasoning and its end token
  };

  void insert(Turn turn);
  void forget_oldest();
  Result<void> read_file();
  Result<void> write_to_file(const Turn& turn);
  Result<void> erase_from_file(const std::string& key);

  const Tokenizer& tokenizer_;
  const std::size_t max_tokens_;
  mutable std::mutex mutex_;
  std::list<Turn> turns_;  ///< last used first
  std::unordered_map<std::string_view, std::list<Turn>::iterator> by_key_;
  std::size_t n_tokens_ = 0;
  std::unique_ptr<SqliteDatabase> file_;  ///< null: none
  std::uint64_t numerics_ = 0;
  std::uint64_t n_added_ = 0;  ///< orders the turns in the file
};

}  // namespace hadal
