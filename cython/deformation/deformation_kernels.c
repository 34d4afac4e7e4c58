/* Deformed images, tile by tile; compiled once per instruction set (VL, VARIANT). */
#include "deformation.h"

#include "neighbours.h"
#include "sampling.h"
#include "tetrahedra.h"

#define LARGEST_BOX (1 << 20) /* voxels; a tile that needs more is taken in parts */

/* Voxels that the mask leaves. Returns 0 if there are none. */
static int take_mask(tile *t)
{
    const uint8_t *mask = t->s->mask2;
    uint8_t some = !mask;
    memset(t->state, mask ? NOT_WANTED : WANTED, TILE);
    for (int z = 0; mask && z < t->n[0]; z++)
        for (int y = 0; y < t->n[1]; y++) {
            const uint8_t *m = mask + ((t->at[0] + z) * t->im->shape[1] + t->at[1] + y) * t->im->shape[2] + t->at[2];
            for (int x = 0; x < t->n[2]; x++) some |= t->state[voxel_of(z, y) + x] = m[x] ? WANTED : NOT_WANTED;
        }
    return some;
}

static void place_by_phi(tile *t)
{
    const double *A = t->s->map->affine;
    for (int z = 0; z < t->n[0]; z++)
        for (int y = 0; y < t->n[1]; y++) {
            double p[3];
            source_at(t, z, y, 0, p);
            for (int i = 0; i < 3; i++)
                for (int x = 0; x < t->n[2]; x++) t->p[i][voxel_of(z, y) + x] = p[i] + x * A[4 * i + 2];
        }
}

/* Interpolate a part of a tile; in two parts if it leans on too much of the image. Returns 1 when memory ran out. */
static int fill(tile *t, const range *r)
{
    double low[3], high[3];
    if (!source_bounds(t, r, low, high)) return 0;
    int longest = 0;
    for (int i = 1; i < 3; i++)
        if (r->hi[i] - r->lo[i] > r->hi[longest] - r->lo[longest]) longest = i;
    const int middle = (r->lo[longest] + r->hi[longest]) / 2, single = middle == r->lo[longest];
    switch (cover_sources(t, low, high, single ? INT32_MAX : LARGEST_BOX)) {
    case READY: sample(t, r); return 0;
    case FAILED: return 1;
    }
    range first = *r, second = *r;
    first.hi[longest] = second.lo[longest] = middle;
    return fill(t, &first) || fill(t, &second);
}

/* Returns 1 when memory ran out. */
static int deform_tile(tile *t, search *k, uint8_t *taken)
{
    const hpcdvc_mapping *m = t->s->map;
    const int nearest = t->s->spline->taps == 1;
    if (!take_mask(t)) return 0;
    t->exact = nearest || m->kind != BY_PHI;
    if (m->kind == BY_NODES && place_by_nodes(t, k)) return 1;
    if (m->kind == BY_MESH) place_by_mesh(t, taken);
    if (m->kind == BY_LABELS) place_by_labels(t);
    if (m->kind == BY_PHI && nearest) place_by_phi(t);
    if (t->exact) keep_inside(t);
    const range all = {{0, 0, 0}, {t->n[0], t->n[1], t->n[2]}};
    if (!nearest) return fill(t, &all);
    for (int64_t z = t->s->first; z < t->s->last; z++)
        for (int y = 0; y < t->n[1]; y++) copy_row(t, (int)(z - t->at[0]), y, 0, t->n[2]);
    return 0;
}

static int tile_start(tile *t, const hpcdvc_slab *s)
{
    memset(t, 0, sizeof *t);
    t->s = s, t->im = s->image;
    t->state = malloc(TILE);
    int failed = !t->state;
    if (s->map->kind != BY_PHI || s->spline->taps == 1)
        for (int i = 0; i < 3; i++) /* lanes run past the end of a row */
            failed |= !(t->p[i] = calloc(TILE + VL, sizeof(double)));
    if (s->map->kind == BY_MESH || s->map->kind == BY_LABELS) failed |= !(t->gain = malloc(TILE * sizeof(float)));
    return failed;
}

static void tile_end(tile *t)
{
    for (int i = 0; i < 3; i++) free(t->p[i]);
    free(t->state), free(t->gain);
    free(t->raw.v), free(t->coefficients.v), free(t->valid.v), free(t->scratch.v);
}

static int deform(const hpcdvc_slab *s)
{
    tile t;
    search k;
    uint8_t *taken = malloc(TILE);
    int failed = tile_start(&t, s) | search_start(&k, s->map) | !taken;
    const int size[3] = {TILE_Z, TILE_Y, TILE_X};
    t.at[0] = s->first / TILE_Z * TILE_Z;
    for (t.at[1] = 0; t.at[1] < s->image->shape[1] && !failed; t.at[1] += TILE_Y)
        for (t.at[2] = 0; t.at[2] < s->image->shape[2] && !failed; t.at[2] += TILE_X) {
            for (int i = 0; i < 3; i++) {
                const int64_t left = s->image->shape[i] - t.at[i];
                t.n[i] = left < size[i] ? (int)left : size[i];
            }
            failed = deform_tile(&t, &k, taken);
        }
    tile_end(&t), search_end(&k), free(taken);
    return failed;
}

const hpcdvc_deformation_kernels FUNCTIONS(hpcdvc_deformation) = {.deform = deform};
