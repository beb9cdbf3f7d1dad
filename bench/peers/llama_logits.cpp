// llama_logits MODEL.gguf TOKENS OUT [THREADS]: logits of llama.cpp for given token ids, on the
// CPU.
//
// TOKENS is a file of decimal ids; OUT gets raw float32 [n_tokens, vocab_size]. One batch, float32
// caches, no flash attention (which would round to F16): what is left of rounding is that of the
// matrix products. Not part of Hadal; agree.py compiles it against a llama.cpp folder of the
// user's.

#include "ggml-backend.h"
#include "llama.h"

#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <memory>
#include <vector>

namespace {

[[noreturn]] void fail(const char* what) {
  std::fprintf(stderr, "llama_logits: %s\n", what);
  std::exit(1);
}

void log_warnings(ggml_log_level level, const char* text, void*) {
  if (level == GGML_LOG_LEVEL_WARN || level == GGML_LOG_LEVEL_ERROR) std::fputs(text, stderr);
}

std::vector<llama_token> read_tokens(const char* path) {
  std::ifstream in(path);
  std::vector<llama_token> tokens;
  for (llama_token id; in >> id;) tokens.push_back(id);
  if (tokens.empty()) fail("no token ids");
  return tokens;
}

struct Free {
  void operator()(llama_model* model) const { llama_model_free(model); }
  void operator()(llama_context* context) const { llama_free(context); }
};

using ModelPtr = std::unique_ptr<llama_model, Free>;
using ContextPtr = std::unique_ptr<llama_context, Free>;

ModelPtr open_model(const char* path) {
  llama_model_params params = llama_model_default_params();
  params.n_gpu_layers = 0;
  ModelPtr model(llama_model_load_from_file(path, params));
  if (!model) fail("cannot load the model");
  return model;
}

ContextPtr open_context(llama_model* model, std::size_t n_tokens, int n_threads) {
  llama_context_params params = llama_context_default_params();
  const auto n = static_cast<std::uint32_t>(n_tokens);
  params.n_ctx = n + 256;
  params.n_batch = params.n_ubatch = params.n_outputs_max = params.n_outputs_max_per_seq = n;
  params.n_threads = params.n_threads_batch = n_threads;
  params.type_k = params.type_v = GGML_TYPE_F32;
  params.flash_attn_type = LLAMA_FLASH_ATTN_TYPE_DISABLED;
  ContextPtr context(llama_init_from_model(model, params));
  if (!context) fail("cannot make a context");
  return context;
}

void evaluate(llama_context* context, const std::vector<llama_token>& tokens) {
  llama_batch batch = llama_batch_init(static_cast<int>(tokens.size()), 0, 1);
  for (std::size_t i = 0; i < tokens.size(); ++i) {
    batch.token[i] = tokens[i];
    batch.pos[i] = static_cast<llama_pos>(i);
    batch.n_seq_id[i] = 1;
    batch.seq_id[i][0] = 0;
    batch.logits[i] = 1;
  }
  batch.n_tokens = static_cast<int>(tokens.size());
  const int error = llama_decode(context, batch);
  llama_batch_free(batch);
  if (error != 0) fail("llama_decode failed");
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 4 && argc != 5) fail("usage: llama_logits MODEL.gguf TOKENS OUT [THREADS]");
  llama_log_set(log_warnings, nullptr);
  ggml_backend_load_all();
  const auto tokens = read_tokens(argv[2]);
  const ModelPtr model = open_model(argv[1]);
  const ContextPtr context =
      open_context(model.get(), tokens.size(), argc == 5 ? std::atoi(argv[4]) : 2);
  evaluate(context.get(), tokens);
  const int n_vocab = llama_vocab_n_tokens(llama_model_get_vocab(model.get()));
  std::ofstream out(argv[3], std::ios::binary);
  for (std::size_t i = 0; i < tokens.size(); ++i) {
    const float* row = llama_get_logits_ith(context.get(), static_cast<int>(i));
    if (row == nullptr) fail("no logits");
    out.write(reinterpret_cast<const char*>(row),
              static_cast<std::streamsize>(sizeof(float)) * n_vocab);
  }
  if (!out.flush()) fail("cannot write");
}
