/* Windows of two stacks of frames, compared at all displacements: what the extension calls. */
#ifndef HPCDVC_STACKS_H
#define HPCDVC_STACKS_H

#include "records_stacks.h"
#include "table.h"

/* Columns that are worked through together, and what rows of a stack have beyond those that are needed, for vectors. */
enum { TILE = 64, BEHIND = 16 };

enum { NCC, UMPA, UMPA_DARK };     /* dense.metric */
enum { WHOLE, TAYLOR, POLYNOMIAL }; /* dense.peak */
enum { MEASURED = 2, NO_TEXTURE = -2, FEW_VALID = -6, NO_MATCH = -9, AMBIGUOUS = -10, BORDER_OF_RANGE = -11,
       SATURATED = -15 };

typedef struct {
    /* Rows from `top` and columns from `left` of the band on, of which some may lie outside it. */
    void (*take)(const hpcdvc_band *band, int64_t top, int64_t left, const hpcdvc_stack *stack);
    /* Returns 0, or 1 when memory ran out. */
    int (*measure)(const hpcdvc_dense *dense);
} hpcdvc_stacks_kernels;

KERNEL_TABLES(hpcdvc_stacks_kernels, hpcdvc_stacks)

#endif
