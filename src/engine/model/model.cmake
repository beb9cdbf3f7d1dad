# The graph and its state; operators come through backends/backend.h.
hadal_library(model
  SOURCES
    memory/huge_memory.cpp memory/page_mapper.cpp memory/page_pool.cpp memory/row_store.cpp memory/scratch.cpp memory/sequence_state.cpp memory/state_bytes.cpp
    model/attention_layer.cpp model/block.cpp model/compressor_layer.cpp model/indexer_layer.cpp
    model/expert_counter.cpp model/importance_collector.cpp model/memory_plan.cpp model/model.cpp
    model/moe_layer.cpp model/mtp_block.cpp model/rope_table.cpp model/step.cpp model/weights.cpp model/world_model_layer.cpp
  LINK hadal_model_files hadal_backends)

# Token generation, and the engine's public surface.
hadal_library(engine SOURCES batch.cpp batch_drafts.cpp engine.cpp generate.cpp
  measure_importance.cpp LINK hadal_model hadal_sampling)

hadal_test(memory_test LABEL unit SOURCES memory/memory_test.cpp memory/page_mapper_test.cpp LINK hadal_model)
