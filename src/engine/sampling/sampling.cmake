hadal_library(sampling SOURCES sampling/sampler.cpp LINK hadal_base)
hadal_test(sampling_test LABEL unit SOURCES sampling/draft_policy_test.cpp
  sampling/sampler_test.cpp LINK hadal_sampling)
