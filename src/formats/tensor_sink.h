// How writers of tensor files receive the bytes of a tensor: piece by piece, so that a 160 GB model
// never sits in memory.
#pragma once

#include "base/result.h"

#include <cstddef>
#include <functional>
#include <span>

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

}  // namespace hadal
