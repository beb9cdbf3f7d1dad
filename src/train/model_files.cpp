#include "train/model_files.h"

#include "engine/kernels/matrix_view.h"
#include "formats/atomic_file.h"
#include "formats/safetensors.h"
#include "formats/safetensors_writer.h"

#include <fmt/format.h>

#include <cstring>
#include <functional>
#include <span>
#include <vector>

#ifndef HADAL_GIT_HASH
#define HADAL_GIT_HASH "unknown"
#endif

namespace hadal::train {
namespace {

using at::Tensor;

/// A tensor as it stands in a file.
struct FileTensor {
  std::string name;
  Tensor value;
};

std::vector<std::uint64_t> shape_of(const Tensor& t) {
  std::vector<std::uint64_t> shape;
  for (const std::int64_t n : t.sizes()) shape.push_back(static_cast<std::uint64_t>(n));
  return shape;
}

DType dtype_of(const Tensor& t) {
  return t.scalar_type() == at::kLong ? DType::i64 : DType::f32;
}

/// Stacks of experts as one tensor per expert.
void add_file_tensors(const std::string& name, const Tensor& value, std::vector<FileTensor>& out) {
  const std::size_t star = name.find('*');
  if (star == std::string::npos) {
    out.push_back({name, value.detach()});
    return;
  }
  for (std::int64_t e = 0; e < value.size(0); ++e) {
    std::string own = name;
    out.push_back({own.replace(star, 1, std::to_string(e)), value.detach()[e]});
  }
}

Result<void> declare_all(SafetensorsWriter& writer, const std::vector<FileTensor>& tensors) {
  for (const FileTensor& t : tensors)
    HADAL_TRY(writer.declare(t.name, dtype_of(t.value), shape_of(t.value)));
  return {};
}

hadal::TensorSource bytes_of_all(const std::vector<FileTensor>& tensors) {
  return [&tensors](std::size_t index, TensorSink& sink) {
    const Tensor value = tensors[index].value.contiguous();
    return sink.write({static_cast<const std::byte*>(value.data_ptr()), value.nbytes()});
  };
}

Result<void> write_file(const std::filesystem::path& path, std::span<const std::byte> bytes) {
  HADAL_ASSIGN(AtomicFile file, AtomicFile::create(path));
  HADAL_TRY(file.write(bytes));
  return file.commit();
}

Result<void> write_file(const std::filesystem::path& path, const std::string& text) {
  return write_file(path, std::as_bytes(std::span(text)));
}

/// Copies a stored tensor into `value`, which has the shape and type that it must have.
Result<void> copy_into(const SafetensorsTensor* stored, const std::string& name,
                       const Tensor& value, const std::filesystem::path& where) {
  if (stored == nullptr)
    return error(ErrorCode::bad_format, "{}: tensor '{}' is missing", where.string(), name);
  const auto expected = shape_of(value);
  if (stored->shape != expected || stored->dtype != dtype_of(value))
    return error(ErrorCode::bad_format,
                 "{}: tensor '{}': expected {} [{}], found {} [{}]; is this the checkpoint of "
                 "another config?",
                 where.string(), name, info(dtype_of(value)).name, fmt::join(expected, ", "),
                 stored->dtype_name, fmt::join(stored->shape, ", "));
  std::memcpy(value.data_ptr(), stored->data.data(), stored->data.size());
  return {};
}

/// Row r of a tid2eid table, stored as I64 or I32.
void read_ids(const MatrixView& view, std::size_t row, std::int64_t* out) {
  const std::byte* from = view.data + row * view.row_stride;
  for (std::size_t c = 0; c < view.cols; ++c) {
    if (view.dtype == DType::i64) {
      std::memcpy(out + c, from + c * sizeof(std::int64_t), sizeof(std::int64_t));
    } else {
      std::int32_t id;
      std::memcpy(&id, from + c * sizeof id, sizeof id);
      out[c] = id;
    }
  }
}

Result<void> decode_into(const Checkpoint& checkpoint, const FileTensor& t) {
  const CheckpointTensor* stored = checkpoint.find(t.name);
  const auto expected = shape_of(t.value);
  if (stored == nullptr || stored->shape != expected)
    return error(ErrorCode::bad_format, "{}: tensor '{}': expected shape [{}], found {}",
                 checkpoint.name(), t.name, fmt::join(expected, ", "),
                 stored == nullptr ? "none" : "another");
  const MatrixView& view = stored->view;
  for (std::size_t r = 0; r < view.rows; ++r) {
    if (t.value.scalar_type() == at::kLong)
      read_ids(view, r, t.value.data_ptr<std::int64_t>() + r * view.cols);
    else
      decode_row(view, r, 0, view.cols, t.value.data_ptr<float>() + r * view.cols);
  }
  return {};
}

/// Those of a written model.
std::vector<FileTensor> file_tensors(const V4Model& model) {
  std::vector<FileTensor> tensors;
  for (const Parameter& p : model.parameters())
    if (!is_train_only(p.name)) add_file_tensors(p.name, p.value, tensors);
  return tensors;
}

}  // namespace

Result<void> write_model(const V4Model& model, const std::string& tokenizer_json,
                         const std::filesystem::path& directory) {
  const std::vector<FileTensor> tensors = file_tensors(model);
  SafetensorsWriter writer;
  HADAL_TRY(declare_all(writer, tensors));
  const auto files = writer.write(directory, bytes_of_all(tensors));
  if (!files) return files.error();
  HADAL_TRY(write_file(directory / "config.json", to_config_json(model.config())));
  return tokenizer_json.empty() ? Result<void>{}
                                : write_file(directory / "tokenizer.json", tokenizer_json);
}

bool is_grafted(const Checkpoint& checkpoint, const V4Model& model) {
  return model.world_model().has_value() && !checkpoint.config().world_model;
}

Result<void> read_weights(const Checkpoint& checkpoint, const V4Model& model) {
  const bool grafted = is_grafted(checkpoint, model);
  for (const FileTensor& t : file_tensors(model)) {
    const bool is_new = grafted && t.name.starts_with("world_model.");
    if (!is_new) HADAL_TRY(decode_into(checkpoint, t));
    if (is_new && t.name == "world_model.out_proj.weight") t.value.zero_();
  }
  return {};
}

Result<V4Model> model_from_checkpoint(const Checkpoint& checkpoint) {
  V4Model model(checkpoint.config(),
                [](std::string_view, ParameterKind kind, at::IntArrayRef shape) {
                  return at::zeros(shape, kind == ParameterKind::table ? at::kLong : at::kFloat);
                });
  HADAL_TRY(read_weights(checkpoint, model));
  return model;
}

Result<void> save_run(const V4Model& model, const Optimizer& optimizer, const RunState& state,
                      const TrainConfig& config, const std::filesystem::path& directory) {
  std::vector<FileTensor> tensors;
  for (const Parameter& p : model.parameters())
    tensors.push_back({"parameter." + p.name, p.value.detach()});
  for (const auto& [name, value] : optimizer.state()) tensors.push_back({name, value});
  SafetensorsWriterOptions options;
  options.metadata = {{"step", std::to_string(state.progress.step)},
                      {"seconds", fmt::format("{:.3f}", state.progress.seconds)},
                      {"tokens", std::to_string(state.tokens)},
                      {"optimizer_steps", std::to_string(optimizer.n_steps())},
                      {"config", config.text},
                      {"git", HADAL_GIT_HASH}};
  SafetensorsWriter writer(options);
  HADAL_TRY(declare_all(writer, tensors));
  HADAL_ASSIGN(const auto bytes, writer.write_to_memory(bytes_of_all(tensors)));
  return write_file(directory / "trainer.safetensors", bytes);
}

Result<std::optional<RunState>> load_run(const V4Model& model, Optimizer& optimizer,
                                         const std::filesystem::path& directory) {
  const std::filesystem::path path = directory / "trainer.safetensors";
  if (!std::filesystem::exists(path)) return std::optional<RunState>{};
  HADAL_ASSIGN(const SafetensorsFile file, SafetensorsFile::open(path));
  for (const Parameter& p : model.parameters())
    HADAL_TRY(copy_into(file.view().find("parameter." + p.name), p.name, p.value.detach(), path));
  for (const auto& [name, value] : optimizer.state())
    HADAL_TRY(copy_into(file.view().find(name), name, value, path));
  const auto& metadata = file.view().metadata();
  RunState state;
  try {
    state.progress.step = std::stoull(metadata.at("step"));
    state.progress.seconds = std::stod(metadata.at("seconds"));
    state.tokens = std::stoull(metadata.at("tokens"));
    optimizer.set_n_steps(std::stoull(metadata.at("optimizer_steps")));
  } catch (const std::exception&) {
    return error(ErrorCode::bad_format, "{}: counters are missing from its metadata",
                 path.string());
  }
  return std::optional<RunState>{state};
}

}  // namespace hadal::train
