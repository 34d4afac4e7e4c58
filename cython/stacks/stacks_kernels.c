/* The kernels of dense maps for one instruction set (VL, VARIANT). */
#include "stacks.h"

#include "dense.h"
#include "take.h"

const hpcdvc_stacks_kernels FUNCTIONS(hpcdvc_stacks) = {.take = take_band, .measure = measure_dense};
