/* The kernels of projections for one instruction set (VL, VARIANT). */
#include "tomography.h"

#include "simd.h"

/* Terms that are summed in the precision of the grey values before they go to the sum in float64. */
enum { TERMS = 16 };

typedef double vd __attribute__((vector_size(8 * VL)));

#define REAL float
#define WHOLE int32_t
#define NAMED(name) name##_f4
#include "lanes.h"
#include "ray.h"
#include "gather.h"
#include "flat.h"
#undef REAL
#undef WHOLE
#undef NAMED

#define REAL double
#define WHOLE int64_t
#define NAMED(name) name##_f8
#include "lanes.h"
#include "ray.h"
#include "gather.h"
#include "flat.h"

const hpcdvc_tomography_kernels FUNCTIONS(hpcdvc_tomography) = {
    .forward = {forward_f4, forward_f8},
    .adjoint = {adjoint_f4, adjoint_f8},
    .flat_forward = {flat_forward_f4, flat_forward_f8},
    .flat_adjoint = {flat_adjoint_f4, flat_adjoint_f8},
};
