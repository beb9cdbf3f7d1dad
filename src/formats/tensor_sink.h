// How writers of tensor files receive the bytes of a tensor: piece by piece, so that a 160 GB model
// never sits in memory.
#pragma once

#include "base/result.h"

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

namespace hadal {

/// Takes the bytes of one tensor in order, in pieces of any size.
class TensorSink {
 public:
  virtual ~TensorSink() = default;
  /// Errors: io_error (disk full and the like), invalid_argument (more bytes than the tensor was
  /// declared with).
  virtual Result<void> write(std::span<const std::byte> bytes) = 0;
};

/// Called once per declared tensor, in the order in which the file stores them; `index` counts
/// declarations from 0. It must write exactly the declared number of bytes; an error it returns
/// ends the writing and is passed on.
using TensorSource = std::function<Result<void>(std::size_t index, TensorSink& sink)>;

/// Collects the bytes in memory.
class MemorySink final : public TensorSink {
 public:
  Result<void> write(std::span<const std::byte> bytes) override;
  std::vector<std::byte> take() { return std::move(bytes_); }

 private:
  std::vector<std::byte> bytes_;
};

/// Lets `source` write tensor `index` into `out` and holds it to exactly `n_bytes`; `name` serves
/// messages.
Result<void> write_tensor(const TensorSource& source, std::size_t index, std::string_view name,
                          std::uint64_t n_bytes, TensorSink& out);

/// Writes `text` as it is (headers).
Result<void> write_text(TensorSink& out, std::string_view text);

}  // namespace hadal
