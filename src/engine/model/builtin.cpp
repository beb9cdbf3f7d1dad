// The built-in model: the files of models/builtin/, placed in the program's read-only data by the
// assembler.
#include "engine/model/checkpoint.h"

#ifdef HADAL_BUILTIN_DIR

// NOLINTBEGIN: the assembler's text; each symbol pair brackets the bytes of one file
#define HADAL_EMBED(symbol, file)                      \
  __asm__(                                             \
      ".pushsection .rodata\n"                         \
      ".balign 64\n"                                   \
      ".global hadal_" #symbol                         \
      "_begin\n"                                       \
      "hadal_" #symbol                                 \
      "_begin:\n"                                      \
      ".incbin \"" HADAL_BUILTIN_DIR "/" file          \
      "\"\n"                                           \
      ".global hadal_" #symbol                         \
      "_end\n"                                         \
      "hadal_" #symbol                                 \
      "_end:\n"                                        \
      ".byte 0\n"                                      \
      ".popsection\n");                                \
  extern "C" const std::byte hadal_##symbol##_begin[]; \
  extern "C" const std::byte hadal_##symbol##_end[];
HADAL_EMBED(builtin_model, "model.safetensors")
HADAL_EMBED(builtin_config, "config.json")
HADAL_EMBED(builtin_tokenizer, "tokenizer.json")
// NOLINTEND

namespace hadal {
namespace {

std::string_view text(const std::byte* begin, const std::byte* end) {
  return {reinterpret_cast<const char*>(begin), static_cast<std::size_t>(end - begin)};
}

}  // namespace

Result<Checkpoint> open_builtin_checkpoint() {
  return Checkpoint::from_memory({hadal_builtin_model_begin, hadal_builtin_model_end},
                                 text(hadal_builtin_config_begin, hadal_builtin_config_end),
                                 text(hadal_builtin_tokenizer_begin, hadal_builtin_tokenizer_end),
                                 "builtin");
}

}  // namespace hadal

#else

namespace hadal {

Result<Checkpoint> open_builtin_checkpoint() {
  return error(ErrorCode::not_found,
               "this build carries no built-in model (models/builtin was empty when it was built); "
               "name a model with -m");
}

}  // namespace hadal

#endif
