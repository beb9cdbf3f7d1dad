#include "formats/tensor_sink.h"

#include "formats/quote.h"

namespace hadal {
namespace {

class ExactSink final : public TensorSink {
 public:
  ExactSink(std::string_view name, std::uint64_t n_bytes, TensorSink& out)
      : name_(name), n_bytes_(n_bytes), out_(out) {}

  Result<void> write(std::span<const std::byte> bytes) override {
    if (bytes.size() > n_bytes_ - written_) {
      return error(ErrorCode::invalid_argument,
                   "tensor {}: its source wrote more than the declared {} bytes", quote(name_),
                   n_bytes_);
    }
    written_ += bytes.size();
    return out_.write(bytes);
  }

  Result<void> finish() const {
    if (written_ == n_bytes_) return {};
    return error(ErrorCode::invalid_argument,
                 "tensor {}: its source wrote {} bytes, declared were {}", quote(name_), written_,
                 n_bytes_);
  }

 private:
  std::string_view name_;
  std::uint64_t n_bytes_;
  std::uint64_t written_ = 0;
  TensorSink& out_;
};

}  // namespace

Result<void> MemorySink::write(std::span<const std::byte> bytes) {
  bytes_.insert(bytes_.end(), bytes.begin(), bytes.end());
  return {};
}

Result<void> write_tensor(const TensorSource& source, std::size_t index, std::string_view name,
                          std::uint64_t n_bytes, TensorSink& out) {
  ExactSink sink(name, n_bytes, out);
  HADAL_TRY(source(index, sink));
  return sink.finish();
}

Result<void> write_text(TensorSink& out, std::string_view text) {
  return out.write(std::as_bytes(std::span(text)));
}

}  // namespace hadal
