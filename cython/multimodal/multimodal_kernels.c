/* The kernels of other modalities for one instruction set (VL, VARIANT). */
#include "multimodal.h"

#include "likelihood.h"
#include "mixture.h"

const hpcdvc_multimodal_kernels FUNCTIONS(hpcdvc_multimodal) = {
    .sum_blocks = sum_blocks,
    .count_blocks = count_blocks,
    .moments_of_blocks = moments_of_blocks,
    .fill_planes = fill_planes,
    .expect = expect,
};
