// The keys of one query in the order of the contract: window positions ascending, then compressed
// rows ascending. Shared by the reference and the variants.
#pragma once

#include "engine/kernels/attention/attention.h"

#include <algorithm>

namespace hadal {

struct AttentionKeys {
  std::size_t n_window;
  std::size_t n_rows;
  std::size_t first_position;    ///< of the window
  const std::int32_t* selected;  ///< nullptr: rows 0 .. n_rows - 1

  std::size_t size() const noexcept { return n_window + n_rows; }
};

inline AttentionKeys attention_keys(const AttentionArgs& args, std::size_t token) noexcept {
  const std::size_t position = args.start + token;
  AttentionKeys keys{};
  keys.n_window = std::min(args.window, position + 1);
  keys.first_position = position + 1 - keys.n_window;
  if (args.selected.data != nullptr) {
    keys.n_rows = args.n_selected[token];
    keys.selected = args.selected[token];
  } else if (!args.n_visible.empty()) {
    keys.n_rows = args.n_visible[token];
  }
  return keys;
}

/// Key `j` of `keys`; [head_dim] floats.
inline const float* attention_key(const AttentionArgs& args, const AttentionKeys& keys,
                                  std::size_t j) noexcept {
  if (j < keys.n_window) return args.window_keys[keys.first_position + j];
  const std::size_t i = j - keys.n_window;
  return args.rows[keys.selected == nullptr ? i : static_cast<std::size_t>(keys.selected[i])];
}

}  // namespace hadal
