/* The kernels of tetrahedra for one instruction set (VL, VARIANT). */
#include "fem.h"

#include "matrix.h"
#include "step.h"

const hpcdvc_fem_kernels FUNCTIONS(hpcdvc_fem) = {.sum_matrix = sum_matrix, .sum_step = sum_step};
