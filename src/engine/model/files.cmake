# Models on disk: shape, names, checkpoints read and written, synthetic weights. Paths are relative to src/engine.
hadal_library(model_files
  SOURCES
    model/arranged_weights.cpp
    model/builtin.cpp
    model/checkpoint.cpp
    model/checkpoint_gguf.cpp
    model/checkpoint_parts.cpp
    model/checkpoint_safetensors.cpp
    model/checkpoint_writer.cpp
    model/config.cpp
    model/config_gguf.cpp
    model/config_json.cpp
    model/encoding_planner.cpp
    model/event_graph.cpp
    model/importance_matrix.cpp
    model/quantize_affine.cpp
    model/quantize_symmetric.cpp
    model/synthetic_weights.cpp
    model/tensor_names.cpp
    model/tensor_spec.cpp
    model/tensor_stream.cpp
    model/weight_encoding.cpp
    model/world_model_config.cpp
    model/world_model_options.cpp
  LINK hadal_kernels hadal_formats nlohmann_json::nlohmann_json)

# Sums of floats in these may be split into lanes.
set_source_files_properties(model/quantize_affine.cpp model/quantize_symmetric.cpp
  PROPERTIES COMPILE_OPTIONS -fopenmp-simd)

# The built-in model is embedded when its files are there; a new file makes CMake look again.
file(GLOB HADAL_BUILTIN_FILES CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/models/builtin/*)
if(EXISTS ${PROJECT_SOURCE_DIR}/models/builtin/model.safetensors)
  set_source_files_properties(model/builtin.cpp PROPERTIES
    COMPILE_DEFINITIONS "HADAL_BUILTIN_DIR=\"${PROJECT_SOURCE_DIR}/models/builtin\""
    OBJECT_DEPENDS "${HADAL_BUILTIN_FILES}")
endif()

hadal_test(model_files_test LABEL unit
  SOURCES
    model/arranged_weights_test.cpp
    model/block_quantizers_test.cpp
    model/checkpoint_test.cpp
    model/checkpoint_test_util.cpp
    model/checkpoint_writer_test.cpp
    model/config_test.cpp
    model/event_graph_test.cpp
    model/importance_matrix_test.cpp
    model/quantize_model_test.cpp
    model/synthetic_weights_test.cpp
    model/tensor_names_test.cpp
    model/weight_encoding_test.cpp
    model/world_model_files_test.cpp
  LINK hadal_model_files)
