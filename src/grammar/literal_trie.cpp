#include "grammar/literal_trie.h"

#include <algorithm>
#include <utility>

namespace hadal::grammar {
namespace {

// Sorted texts [begin, end) agree up to `depth`. A stack of open nodes instead of recursion: texts
// may be long.
template <typename Text, typename Close>
void walk_sorted(const std::vector<Text>& texts, Close&& close) {
  std::size_t depth = 0;
  for (std::size_t i = 0; i < texts.size(); ++i) {
    const std::size_t n = texts[i].size();
    std::size_t shared = 0;
    if (i + 1 < texts.size()) {
      const std::size_t most = std::min(n, texts[i + 1].size());
      while (shared < most && texts[i][shared] == texts[i + 1][shared]) ++shared;
    }
    close(texts[i], depth, shared);
    depth = shared;
  }
}

}  // namespace

StateId one_of(GrammarBuilder& builder, std::vector<std::string> texts, StateId next) {
  std::sort(texts.begin(), texts.end());
  texts.erase(std::unique(texts.begin(), texts.end()), texts.end());
  struct Node {
    std::vector<Edge> edges;
    bool ends = false;
  };
  std::vector<Node> open(1);  // one per byte of the text at hand, the root first
  const auto seal = [&](const Node& node) {
    if (node.edges.empty()) return next;
    const StateId reads = builder.read(node.edges);
    return node.ends ? builder.split({next, reads}) : reads;
  };
  walk_sorted(texts, [&](const std::string& text, std::size_t, std::size_t shared) {
    if (builder.full()) return;
    open.resize(text.size() + 1);
    open.back().ends = true;
    for (std::size_t at = text.size(); at > shared; --at) {
      const auto byte = static_cast<std::uint8_t>(text[at - 1]);
      const StateId below = seal(open.back());
      open.pop_back();
      open.back().edges.push_back({byte, byte, below});
    }
  });
  if (texts.empty()) return builder.split({});
  return seal(open.front());
}

StateId json_string_except(GrammarBuilder& builder, const std::vector<std::string>& names,
                           StateId next) {
  const StateId quote = builder.literal("\"", next);
  const StateId rest = builder.undecided();  // any characters, then the quote
  builder.decide(rest,
                 {quote, read_char(builder, CharSet::all(), CharEncoding::json_string, rest)});

  std::vector<std::u32string> texts;
  for (const std::string& name : names) texts.push_back(decode_chars(name));
  std::sort(texts.begin(), texts.end());
  texts.erase(std::unique(texts.begin(), texts.end()), texts.end());
  struct Node {
    std::vector<StateId> ways;
    std::vector<CharRange> taken;
    bool ends = false;
  };
  std::vector<Node> open(1);
  const CharSet ascii({{0x20, 0x7e}});  // what names are made of: few states per node
  const StateId beyond_ascii =
      read_char(builder, ascii.complement(), CharEncoding::json_string, rest);
  const auto seal = [&](Node& node) {
    if (!node.ends) node.ways.push_back(quote);
    const CharSet others = CharSet(node.taken).complement();
    if ((others & ascii.complement()) == ascii.complement()) {
      node.ways.push_back(beyond_ascii);
      node.ways.push_back(read_char(builder, others & ascii, CharEncoding::json_string, rest));
    } else {
      node.ways.push_back(read_char(builder, others, CharEncoding::json_string, rest));
    }
    return builder.split(node.ways);
  };
  walk_sorted(texts, [&](const std::u32string& text, std::size_t, std::size_t shared) {
    if (builder.full()) return;
    open.resize(text.size() + 1);
    open.back().ends = true;
    for (std::size_t at = text.size(); at > shared; --at) {
      const char32_t c = text[at - 1];
      const StateId below = seal(open.back());
      open.pop_back();
      open.back().taken.push_back({c, c});
      open.back().ways.push_back(
          read_char(builder, CharSet::of(c), CharEncoding::json_string, below));
    }
  });
  return builder.literal("\"", seal(open.front()));
}

}  // namespace hadal::grammar
