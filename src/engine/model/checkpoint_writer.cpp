#include "engine/model/checkpoint_writer.h"

#include "base/checked_math.h"
#include "engine/model/config_gguf.h"
#include "engine/model/encoding_planner.h"
#include "engine/model/importance_matrix.h"
#include "engine/model/tensor_names.h"
#include "engine/model/tensor_stream.h"
#include "formats/atomic_file.h"
#include "formats/gguf_writer.h"
#include "formats/safetensors_writer.h"

#include <unordered_map>

namespace hadal {
namespace {

using Kind = TensorSpec::Kind;

/// llama.cpp's number for "mostly of this type" (llama_ftype, llama.h).
std::uint32_t file_type_of(Encoding encoding) {
  switch (encoding) {
    case Encoding::f16:
      return 1;
    case Encoding::q4_0:
      return 2;
    case Encoding::q8_0:
      return 7;
    case Encoding::q4_k:
      return 14;
    case Encoding::q5_k:
      return 16;
    case Encoding::q6_k:
      return 18;
    case Encoding::bf16:
      return 32;
    case Encoding::mxfp4:
      return 38;
    default:
      return 0;
  }
}

std::uint32_t file_type_of(const WriteOptions& options) {
  if (options.quantize) return file_type_of(options.quantize->experts.value_or(Encoding::mxfp4));
  return file_type_of(options.types == WeightTypes::f32    ? Encoding::f32
                      : options.types == WeightTypes::bf16 ? Encoding::bf16
                                                           : Encoding::mxfp4);
}

std::uint64_t weight_bytes(const TensorPlan& plan) {
  return std::uint64_t{plan.rows()} * encoded_row_bytes(plan.encoding, plan.cols());
}

std::uint64_t table_bytes(const TensorSpec& spec, DType dtype) {
  return bytes_of(dtype, spec.shape[0] * spec.shape[1]);
}

Result<void> write_text(const std::filesystem::path& path, std::string_view text) {
  HADAL_ASSIGN(AtomicFile file, AtomicFile::create(path));
  HADAL_TRY(file.write(std::as_bytes(std::span(text))));
  return file.commit();
}

// ---- safetensors

/// Everything about one safetensors output: what is declared, and how each declaration is written.
class SafetensorsOutput {
 public:
  SafetensorsOutput(const ModelConfig& config, const WeightSource& source,
                    const WriteOptions& options)
      : source_(source),
        options_(options),
        specs_(expected_tensors(config)),
        writer_(SafetensorsWriterOptions{.max_shard_bytes = options.max_shard_bytes}) {}

  Result<void> declare() {
    EncodingPlanner planner(source_, Container::safetensors, options_);
    for (const TensorSpec& spec : specs_) {
      if (spec.kind == Kind::token_table) {
        HADAL_TRY(writer_.declare(spec.name, DType::i64, spec.shape));
        jobs_.push_back({.plan = {.spec = &spec, .encoding = Encoding::f32}, .part = Part::table});
        n_bytes_ += table_bytes(spec, DType::i64);
      } else {
        HADAL_TRY(declare_weight(planner.plan(spec)));
      }
    }
    notes_ = planner.notes().sentences();
    return {};
  }

  Result<WriteReport> write(const std::filesystem::path& directory, ThreadPool& pool) {
    TensorStream stream(source_, options_, pool, n_bytes_);
    HADAL_ASSIGN(auto files, writer_.write(directory, [&](std::size_t index, TensorSink& sink) {
      return write_job(jobs_[index], stream, sink);
    }));
    return WriteReport{.files = std::move(files), .n_bytes = n_bytes_, .notes = std::move(notes_)};
  }

 private:
  enum class Part { weight, scale, table };
  struct Job {
    TensorPlan plan;
    Part part;
  };

  Result<void> declare_weight(const TensorPlan& plan) {
    const TensorSpec& spec = *plan.spec;
    const bool is_fp4 = plan.encoding == Encoding::fp4;
    std::vector<std::uint64_t> shape = spec.shape;
    if (is_fp4) shape.back() /= 2;
    HADAL_TRY(writer_.declare(spec.name, is_fp4 ? DType::i8 : stored_dtype(plan.encoding), shape));
    jobs_.push_back({plan, Part::weight});
    n_bytes_ += weight_bytes(plan);
    if (!has_scales_beside(plan.encoding)) return {};
    const std::string module = spec.name.substr(0, spec.name.rfind('.'));
    std::vector<std::uint64_t> scale_shape = {spec.shape[0], spec.shape[1] / 32};
    if (!is_fp4) scale_shape = {ceil_div(spec.shape[0], 128), ceil_div(spec.shape[1], 128)};
    HADAL_TRY(writer_.declare(module + ".scale", plan.scale_dtype, std::move(scale_shape)));
    jobs_.push_back({plan, Part::scale});
    n_bytes_ += plan.scale_bytes();
    return {};
  }

  Result<void> write_job(const Job& job, TensorStream& stream, TensorSink& sink) {
    if (job.part == Part::table) return stream.write_token_table(*job.plan.spec, DType::i64, sink);
    if (job.part == Part::weight) {
      HADAL_ASSIGN(auto scales, stream.write_weight(job.plan, sink));
      if (!scales.empty() && job.plan.scale_dtype == DType::f8_e8m0)
        scales_[job.plan.spec] = std::move(scales);
      return {};
    }
    if (const auto node = scales_.extract(job.plan.spec); !node.empty())
      return stream.write_bytes(node.mapped(), sink);
    HADAL_ASSIGN(const auto scales,
                 stream.scales_of(job.plan));  // f32 scales lie before their weight in the file
    return stream.write_bytes(scales, sink);
  }

  const WeightSource& source_;
  const WriteOptions& options_;
  std::vector<TensorSpec> specs_;
  SafetensorsWriter writer_;
  std::vector<Job> jobs_;
  std::unordered_map<const TensorSpec*, std::vector<std::byte>>
      scales_;  // between a weight and its scale tensor
  std::vector<std::string> notes_;
  std::uint64_t n_bytes_ = 0;
};

// ---- GGUF

/// One GGUF file: experts of a layer are stacked, e_proj and h_proj stand side by side.
class GgufOutput {
 public:
  GgufOutput(std::vector<TensorSpec> specs, const ModelConfig& config, const WeightSource& source,
             const WriteOptions& options)
      : config_(config), source_(source), options_(options), specs_(std::move(specs)) {}

  Result<void> declare(std::size_t n_blocks, std::string_view name) {
    add_metadata(n_blocks, name);
    HADAL_TRY(plan_jobs());
    for (const Job& job : jobs_) HADAL_TRY(declare_job(job));
    return {};
  }

  Result<WriteReport> write(const std::filesystem::path& file, ThreadPool& pool) {
    TensorStream stream(source_, options_, pool, n_bytes_);
    HADAL_TRY(writer_.write(file, [&](std::size_t index, TensorSink& sink) {
      return write_job(jobs_[index], stream, sink);
    }));
    return WriteReport{.files = {file}, .n_bytes = n_bytes_, .notes = std::move(notes_)};
  }

 private:
  struct Job {
    std::string name;
    std::vector<TensorPlan> parts;  // the experts of a stack in order, else one; two for eh_proj
    bool is_stack = false;
    bool is_side_by_side = false;
    bool is_table() const { return parts[0].spec->kind == Kind::token_table; }
  };

  void add_metadata(std::size_t n_blocks, std::string_view name) {
    add_config_metadata(config_, n_blocks, writer_);
    writer_.add_string("general.name", name);
    const bool keeps_all = options_.quantize && !options_.quantize->experts;
    if (!keeps_all) writer_.add_u32("general.file_type", file_type_of(options_));
    if (options_.quantize || options_.types == WeightTypes::native)
      writer_.add_u32("general.quantization_version", 2);
    if (options_.add_gguf_metadata) options_.add_gguf_metadata(writer_);
    if (!writer_.has("general.file_type"))
      writer_.add_u32("general.file_type", file_type_of(options_));
  }

  Result<void> plan_jobs() {
    EncodingPlanner planner(source_, Container::gguf, options_);
    std::unordered_map<std::string, std::size_t> stacks;
    for (const TensorSpec& spec : specs_) {
      const TensorPlan plan = spec.kind == Kind::token_table
                                  ? TensorPlan{.spec = &spec, .encoding = Encoding::f32}
                                  : planner.plan(spec);
      if (spec.name.ends_with(".e_proj.weight")) {
        jobs_.push_back({fmt::format("blk.{}.nextn.eh_proj.weight", config_.num_hidden_layers),
                         {plan},
                         false,
                         true});
      } else if (spec.name.ends_with(".h_proj.weight")) {
        jobs_.back().parts.push_back(plan);  // follows e_proj in the list of tensors
      } else {
        add_job(plan, *gguf_place(spec.name, config_.num_hidden_layers), stacks);
      }
    }
    if (options_.quantize && options_.quantize->importance != nullptr)
      HADAL_TRY(add_importance(*options_.quantize->importance, planner.notes()));
    notes_ = planner.notes().sentences();
    return {};
  }

  /// Looks up the importance of the columns of everything that will be quantised by search.
  Result<void> add_importance(const ImportanceMatrix& importance, Notes& notes) {
    for (Job& job : jobs_) {
      for (std::size_t i = 0; i < job.parts.size() && !job.is_side_by_side; ++i) {
        TensorPlan& part = job.parts[i];
        const MatrixView* stored = source_.stored(*part.spec);
        if (!has_searched_scales(part.encoding)) continue;
        if (stored != nullptr && is_stored_as(*stored, part.encoding)) continue;
        const bool is_grouped = part.spec->name.ends_with(".attn.wo_a.weight");
        HADAL_ASSIGN(part.importance, importance.find(job.name, i, job.parts.size(), part.cols(),
                                                      is_grouped ? config_.o_groups : 1));
        if (part.importance.empty())
          notes.add(
              fmt::format("quantised without importance, because {} has none", importance.source()),
              part.spec->name);
      }
    }
    return {};
  }

  void add_job(TensorPlan plan, const GgufPlace& place,
               std::unordered_map<std::string, std::size_t>& stacks) {
    if (!place.expert) {
      jobs_.push_back({place.name, {plan}});
      return;
    }
    const auto [stack, is_new] = stacks.emplace(place.name, jobs_.size());
    if (is_new) jobs_.push_back({place.name, {}, true});
    std::vector<TensorPlan>& parts = jobs_[stack->second].parts;
    if (!parts.empty()) plan.encoding = parts[0].encoding;  // one type per stack
    parts.push_back(plan);
  }

  Result<void> declare_job(const Job& job) {
    const TensorSpec& spec = *job.parts[0].spec;
    std::vector<std::uint64_t> dims(spec.shape.rbegin(), spec.shape.rend());
    if (job.is_stack) dims.push_back(job.parts.size());
    if (job.is_side_by_side) dims[0] *= 2;
    if (job.is_table()) {
      n_bytes_ += table_bytes(spec, DType::i32);
      return writer_.declare(job.name, DType::i32, std::move(dims));
    }
    for (const TensorPlan& part : job.parts) n_bytes_ += weight_bytes(part);
    return writer_.declare(job.name, stored_dtype(job.parts[0].encoding), std::move(dims));
  }

  static Result<void> write_job(const Job& job, TensorStream& stream, TensorSink& sink) {
    if (job.is_table()) return stream.write_token_table(*job.parts[0].spec, DType::i32, sink);
    if (job.is_side_by_side) return stream.write_side_by_side(job.parts[0], job.parts[1], sink);
    for (const TensorPlan& part : job.parts) {
      const auto written = stream.write_weight(part, sink);
      if (!written) return written.error();
    }
    return {};
  }

  const ModelConfig& config_;
  const WeightSource& source_;
  const WriteOptions& options_;
  std::vector<TensorSpec> specs_;
  GgufWriter writer_;
  std::vector<Job> jobs_;
  std::vector<std::string> notes_;
  std::uint64_t n_bytes_ = 0;
};

}  // namespace

Result<WriteReport> write_safetensors_model(const ModelConfig& config, const WeightSource& source,
                                            const std::filesystem::path& directory,
                                            std::string_view tokenizer_json,
                                            const WriteOptions& options, ThreadPool& pool) {
  SafetensorsOutput output(config, source, options);
  HADAL_TRY(output.declare());
  HADAL_ASSIGN(WriteReport report, output.write(directory, pool));
  HADAL_TRY(write_text(directory / "config.json", to_config_json(config, options.types)));
  if (!tokenizer_json.empty()) HADAL_TRY(write_text(directory / "tokenizer.json", tokenizer_json));
  return report;
}

Result<WriteReport> write_gguf_model(const ModelConfig& config, const WeightSource& source,
                                     const std::filesystem::path& file, const WriteOptions& options,
                                     ThreadPool& pool) {
  HADAL_TRY(check_gguf_can_hold(config));
  ModelConfig without_mtp = config;
  without_mtp.num_nextn_predict_layers = 0;
  GgufOutput output(expected_tensors(without_mtp), without_mtp, source, options);
  HADAL_TRY(output.declare(config.num_hidden_layers, file.stem().string()));
  return output.write(file, pool);
}

Result<WriteReport> write_gguf_mtp(const ModelConfig& config, const WeightSource& source,
                                   const std::filesystem::path& main_file,
                                   const WriteOptions& options, ThreadPool& pool) {
  HADAL_TRY(check_gguf_can_hold(config));
  const std::string name = fmt::format("mtp-{}", main_file.stem().string());
  GgufOutput output(mtp_tensors(config, 0), config, source, options);
  HADAL_TRY(output.declare(config.num_hidden_layers + 1, name));
  return output.write(main_file.parent_path() / (name + ".gguf"), pool);
}

}  // namespace hadal
