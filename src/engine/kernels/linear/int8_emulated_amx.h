// For tests: the AMX form of integer products on CPUs with AVX-512 VNNI alone.
#pragma once

#include "engine/kernels/linear/linear_tasks.h"

namespace hadal {

extern const LinearKernels kInt8EmulatedAmx;

}  // namespace hadal
