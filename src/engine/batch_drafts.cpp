// Drafts for the decoding requests of a batch (MTP: deepseek-v4.md section 6).
#include "engine/batch_running.h"

namespace hadal {
namespace {

std::size_t stream_width(const Model& model) {
  return model.config().hc_mult * model.config().hidden_size;
}

}  // namespace

/// Feeds the MTP block with what the pass has fixed (streams at p, token p + 1) and lets it
/// draft.
void Batch::draft(std::span<const float> streams) {
  const std::size_t width = stream_width(model_);
  std::vector<MtpInput> inputs;
  std::vector<std::vector<std::int32_t>> next_tokens(picked_.size());
  std::vector<Running*> drafting;  // those whose newest logits give a draft
  std::size_t begin = 0;           // row of the request's first streams
  for (std::size_t i = 0; i < picked_.size(); begin += picked_[i]->fed.size(), ++i) {
    Running& r = *picked_[i];
    if (!r.speculates() || r.done) continue;
    next_tokens[i] = r.next_of_kept();
    r.request.state->seek_mtp(r.start);
    const bool drafts = !r.in_prefill() && r.n_drafts() > 0;
    inputs.push_back({.state = r.request.state,
                      .streams = streams.subspan(begin * width, r.n_kept * width),
                      .next_tokens = next_tokens[i],
                      .logits = drafts ? LogitsFor::last : LogitsFor::none});
    if (drafts) drafting.push_back(&r);
  }
  if (inputs.empty()) return;
  ForwardOutput output = model_.forward_mtp(inputs);
  chain_drafts(std::move(drafting), std::move(inputs), std::move(output));
}

/// Appends the first draft of each and goes on from the MTP block's own streams.
void Batch::chain_drafts(std::vector<Running*> drafting, std::vector<MtpInput> inputs,
                         ForwardOutput output) {
  const std::size_t width = stream_width(model_);
  std::vector<float> last_streams;  // of the drafting sequences, in order
  std::size_t offset = 0;
  for (const MtpInput& input : inputs) {
    offset += input.next_tokens.size();
    if (input.logits == LogitsFor::last) {
      const float* at = output.streams.data() + (offset - 1) * width;
      last_streams.insert(last_streams.end(), at, at + width);
    }
  }
  while (!drafting.empty()) {
    for (std::size_t i = 0; i < drafting.size(); ++i) {
      DraftCounts& counts = drafting[i]->result.drafts;
      counts.n_steps += drafting[i]->next.size() == 1;
      ++counts.n_drafted;
      drafting[i]->next.push_back(argmax(output.row(i)));
    }
    inputs.clear();
    std::vector<Running*> going_on;
    std::vector<float> streams;
    for (std::size_t i = 0; i < drafting.size(); ++i) {
      if (drafting[i]->next.size() - 1 >= drafting[i]->n_drafts()) continue;
      going_on.push_back(drafting[i]);
      streams.insert(streams.end(), last_streams.begin() + static_cast<std::ptrdiff_t>(i * width),
                     last_streams.begin() + static_cast<std::ptrdiff_t>((i + 1) * width));
    }
    for (std::size_t i = 0; i < going_on.size(); ++i) {
      inputs.push_back({.state = going_on[i]->request.state,
                        .streams = std::span<const float>(streams).subspan(i * width, width),
                        .next_tokens = std::span<const std::int32_t>(going_on[i]->next).last(1)});
    }
    drafting = std::move(going_on);
    if (drafting.empty()) return;
    output = model_.forward_mtp(inputs);
    last_streams = output.streams;
  }
}

}  // namespace hadal
