// What a sequence remembers for the world model (world-model.md 2.5).
#pragma once

#include "engine/memory/row_store.h"
#include "engine/model/event_graph.h"

#include <cstddef>
#include <vector>

namespace hadal {

/// Copies share the pages of rows and copy the graph (some bytes a token). Owned by the engine
/// thread.
struct WorldModelState {
  EventGraph graph;            ///< over all tokens of the sequence
  std::vector<RowStore> rows;  ///< per loop and layer of its body: [n_tokens, keys and values]

  void truncate(std::size_t n_tokens) {
    graph.truncate(n_tokens);
    for (RowStore& store : rows) store.truncate(n_tokens);
  }
  void reserve(std::size_t n_tokens) {
    graph.reserve(n_tokens);
    for (RowStore& store : rows) store.reserve(n_tokens);
  }
  /// Of the graph and of pages with rows in them.
  std::size_t bytes() const {
    std::size_t total = graph.bytes();
    for (const RowStore& store : rows) total += store.bytes();
    return total;
  }
};

}  // namespace hadal
