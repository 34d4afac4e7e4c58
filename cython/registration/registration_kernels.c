/* The kernels of registration for one instruction set (VL, VARIANT). */
#include "registration.h"

#include "label_windows.h"
#include "sums.h"

const hpcdvc_registration_kernels FUNCTIONS(hpcdvc_registration) = {
    .register_windows = register_windows,
    .register_labels = register_labels,
    .label_mask = particle_mask,
    .start_sums = start_sums,
    .end_sums = end_sums,
    .sum_blocks = sum_blocks,
    .sum_planes = sum_planes,
    .bin_planes = bin_planes,
};
