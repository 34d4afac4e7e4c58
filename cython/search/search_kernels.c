/* The kernels of the search for one instruction set (VL, VARIANT). */
#include "search.h"

#include "correlate.h"
#include "find.h"
#include "take.h"

const hpcdvc_search_kernels FUNCTIONS(hpcdvc_search) = {
    .take_windows = take_windows,
    .take_regions = take_regions,
    .correlate = correlate_batch,
    .find = find_batch,
};
