/* Deformed images: data shared by the C variants and the Cython wrapper. Arrays are ZYX, lengths are voxels. */
#ifndef HPCDVC_DEFORM_H
#define HPCDVC_DEFORM_H

#include "correlate.h"

/* Tiles of the deformed image, worked on one after the other. They lie on multiples of their size, so that no result
 * depends on the slab that is asked for. */
enum { TILE_Z = 16, TILE_Y = 32, TILE_X = 64, TILE = TILE_Z * TILE_Y * TILE_X };

enum { BY_PHI, BY_NODES, BY_MESH, BY_LABELS };

/* A displaced node: a voxel p near it comes from p - t + G (p - y), G = F^-1 - I. */
typedef struct {
    double y[3], t[3], G[9];
} hpcdvc_node;

/* A displaced tetrahedron: a voxel p in it comes from affine (p - origin, 1). */
typedef struct {
    double origin[3];   /* its first node */
    double inverse[9];  /* times p - origin: barycentric coordinates of its other nodes */
    double affine[12];
    double gain;        /* of the grey value */
    double low[3], high[3];
} hpcdvc_tetrahedron;

typedef struct {
    int kind;
    double affine[12]; /* BY_PHI: source = affine (p, 1) */
    /* BY_NODES: the nodes in the order of the cubic cells they lie in */
    const hpcdvc_node *nodes;
    const int64_t *starts; /* first node of each cell, and the number of nodes */
    int64_t count, cells[3];
    double low[3], cell;   /* corner of the first cell, size of a cell */
    int neighbours, still; /* still: G = 0 */
    /* BY_MESH: those that touch the slab; BY_LABELS: all, and which of them every voxel of the deformed image lies in */
    const hpcdvc_tetrahedron *tetrahedra;
    int64_t tetrahedra_count;
    const int32_t *labels;
} hpcdvc_mapping;

typedef struct {
    const hpcdvc_volume *im;
    const hpcdvc_interpolation *spline; /* taps = 1: the nearest voxel is copied, whatever its type means */
    const hpcdvc_mapping *map;
    const uint8_t *mask2; /* of the deformed image, 0 = not wanted; or NULL */
    int64_t first, last;  /* planes, of one layer of tiles */
    int type;             /* of the values */
    void *values;         /* zeros, to be filled */
    uint8_t *inside;
} hpcdvc_slab;

typedef int (*hpcdvc_deform)(const hpcdvc_slab *);

/* Each variant returns 0, or 1 when memory ran out. */
int hpcdvc_deform_v1(const hpcdvc_slab *slab);
#ifdef HPCDVC_X86
int hpcdvc_deform_v3(const hpcdvc_slab *slab);
int hpcdvc_deform_v4(const hpcdvc_slab *slab);
#endif

#endif
