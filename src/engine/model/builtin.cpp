// The built-in model: the files of models/builtin/.
#include "base/embedded_file.h"
#include "engine/model/checkpoint.h"

#ifdef HADAL_BUILTIN_DIR

HADAL_EMBED(builtin_model, HADAL_BUILTIN_DIR "/model.safetensors")
HADAL_EMBED(builtin_config, HADAL_BUILTIN_DIR "/config.json")
HADAL_EMBED(builtin_tokenizer, HADAL_BUILTIN_DIR "/tokenizer.json")

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
