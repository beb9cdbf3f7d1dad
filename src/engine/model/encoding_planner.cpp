#include "engine/model/encoding_planner.h"

#include "base/ggml_blocks.h"
#include "formats/quote.h"

namespace hadal {
namespace {

using Kind = TensorSpec::Kind;

bool is_routed_expert(const TensorSpec& spec) {
  return spec.name.find(".ffn.experts.") != std::string::npos;
}

bool fits(const TensorSpec& spec, Encoding encoding) {
  return spec.shape.back() % block_columns(encoding) == 0;
}

/// What keeps the source's bytes, or else its values as well as GGUF can.
Encoding kept_encoding(const TensorSpec& spec, const MatrixView* stored) {
  if (spec.shape.size() == 1) return Encoding::f32;
  const DType dtype = stored != nullptr ? stored->dtype : DType::f32;
  if (dtype == DType::f8_e4m3) return Encoding::q8_0;
  if (dtype == DType::fp4) return Encoding::mxfp4;
  return encoding_that_keeps(dtype).value_or(Encoding::f32);
}

/// Where the wanted block does not fit: the kept type, unless it is wider than Q8_0 and that
/// fits.
Encoding fitting_encoding(const TensorSpec& spec, Encoding kept) {
  const bool is_plain = block_columns(kept) == 1;
  if (is_plain && fits(spec, Encoding::q8_0)) return Encoding::q8_0;
  return fits(spec, kept) ? kept : Encoding::bf16;
}

}  // namespace

std::vector<std::string> Notes::sentences() const {
  std::vector<std::string> out;
  for (const auto& [what, count] : counts_)
    out.push_back(fmt::format("{} ({} tensor{}, the first is {})", what, count.n,
                              count.n == 1 ? "" : "s", quote(count.first)));
  return out;
}

TensorPlan EncodingPlanner::plan(const TensorSpec& spec) {
  const MatrixView* stored = source_.stored(spec);
  TensorPlan plan{.spec = &spec,
                  .encoding = options_.quantize ? by_role(spec, stored)
                                                : with_fallback(spec, published(spec, stored))};
  if (plan.encoding == Encoding::fp8 && stored != nullptr && stored->dtype == DType::f8_e4m3)
    plan.scale_dtype = stored->scale_dtype;
  if (stored != nullptr) note_second_rounding(spec, *stored, plan.encoding);
  return plan;
}

/// The types of `options_.types`.
Encoding EncodingPlanner::published(const TensorSpec& spec, const MatrixView* stored) const {
  if (options_.types == WeightTypes::f32 || spec.kind == Kind::f32) return Encoding::f32;
  const bool is_gguf = container_ == Container::gguf;
  if (spec.kind == Kind::bf16)  // GGUF keeps norms in F32
    return is_gguf && spec.shape.size() == 1 ? Encoding::f32_of_bf16 : Encoding::bf16;
  if (options_.types == WeightTypes::bf16) return Encoding::bf16;
  // FP8 experts (Base models) would lose too much in FP4.
  const bool is_fp8 =
      spec.kind == Kind::fp8 || (stored != nullptr && stored->dtype == DType::f8_e4m3);
  if (is_fp8) return is_gguf ? Encoding::q8_0 : Encoding::fp8;
  return is_gguf ? Encoding::mxfp4 : Encoding::fp4;
}

Encoding EncodingPlanner::with_fallback(const TensorSpec& spec, Encoding encoding) {
  if (fits(spec, encoding)) return encoding;
  note_misfit(spec, encoding, Encoding::bf16);
  return Encoding::bf16;
}

/// The types of `options_.quantize`.
Encoding EncodingPlanner::by_role(const TensorSpec& spec, const MatrixView* stored) {
  const Encoding kept = kept_encoding(spec, stored);
  const auto wanted = wanted_by_role(spec);
  if (!wanted) return fits(spec, kept) ? kept : with_fallback(spec, kept);
  if (fits(spec, *wanted)) return *wanted;
  const Encoding fitting = fitting_encoding(spec, kept);
  note_misfit(spec, *wanted, fitting);
  return fitting;
}

/// Nothing: the weight keeps its type. Small and sensitive weights (norms, router, compressors,
/// hyper-connections) always do.
std::optional<Encoding> EncodingPlanner::wanted_by_role(const TensorSpec& spec) const {
  if (is_routed_expert(spec)) return options_.quantize->experts;
  const bool is_large =
      spec.kind == Kind::fp8 || spec.name == "embed.weight" || spec.name == "head.weight";
  return is_large ? options_.quantize->rest : std::nullopt;
}

void EncodingPlanner::note_misfit(const TensorSpec& spec, Encoding wanted, Encoding used) {
  notes_.add(fmt::format("stored as {} instead of {}, because {} columns are not a multiple of {}",
                         name_of(used), name_of(wanted), spec.shape.back(), block_columns(wanted)),
             spec.name);
}

/// Rounding what is already rounded to a coarse grid adds up.
void EncodingPlanner::note_second_rounding(const TensorSpec& spec, const MatrixView& stored,
                                           Encoding encoding) {
  if (!is_ggml_block(stored.dtype) || is_stored_as(stored, encoding)) return;
  if (block_columns(encoding) == 1 && encoding != Encoding::fp8) return;
  notes_.add(fmt::format("rounded a second time, from {} to {}", info(stored.dtype).name,
                         name_of(encoding)),
             spec.name);
}

}  // namespace hadal
