/* A single axis z: each plane z by itself, so that lanes are planes that need the same weights. Included once for each
 * precision: no guard. */

/* Vectors of planes that are summed at a time. Each product is added by itself, so that compilers fuse all alike: bits do
 * not depend on where in a slab a plane lies. */
enum { NAMED(ABREAST) = 4 };

/* `count` lanes; what the others hold, of the data that end at `end`, is nobody's business. */
INLINE vr NAMED(some)(const REAL *from, int64_t count, const REAL *end)
{
    vr values = {0};
    if (count >= VL || end - from >= VL)
        memcpy(&values, from, sizeof values);
    else
        memcpy(&values, from, count * sizeof(REAL));
    return values;
}

INLINE void NAMED(put)(REAL *to, vd sum, int64_t count)
{
    const vr values = __builtin_convertvector(sum, vr);
    memcpy(to, &values, (count < VL ? count : VL) * sizeof(REAL));
}

/* Where the planes begin that are done next: the last vector reaches back where it would be filled in part. */
INLINE int64_t NAMED(begin)(int64_t z, int64_t height)
{
    return height - z >= VL || height < VL ? z : height - VL;
}

/* Of the ray of pixel j in `count` planes, no more than `vectors` hold. */
INLINE void NAMED(flat_ray)(const hpcdvc_projection *job, const hpcdvc_beam *beam, int64_t j, int64_t z, int64_t count,
                            const int vectors, REAL *to)
{
    const int64_t *n = job->volume, a = beam->axis, b = 1 - a, strides[2] = {n[1] * n[2], n[2]};
    const double first = beam->start[0] + beam->pixel[0] * j;
    const REAL *planes = (const REAL *)job->data + z, *end = (const REAL *)job->data + n[0] * n[1] * n[2];
    vd sums[NAMED(ABREAST)] = {{0}};
    for (int64_t i0 = 0; i0 < n[a]; i0 += TERMS) {
        vr part[NAMED(ABREAST)] = {{0}};
        for (int64_t i = i0; i < i0 + TERMS && i < n[a]; i++) {
            const double q = first + beam->slice[0] * i;
            if (!(q > -1 && q < n[b])) continue;
            const int64_t low = (int64_t)__builtin_floor(q), from = low < 0 ? 0 : low;
            const int64_t to_next = low + 1 < n[b] ? low + 1 : n[b] - 1;
            const REAL f = (REAL)(q - low), w0 = low < 0 ? 0 : 1 - f, w1 = low + 1 < n[b] ? f : 0;
            const REAL *at0 = planes + i * strides[a] + from * strides[b];
            const REAL *at1 = planes + i * strides[a] + to_next * strides[b];
            for (int v = 0; v < vectors; v++) {
                const int64_t left = count - v * VL;
                part[v] += w0 * NAMED(some)(at0 + v * VL, left, end);
                part[v] += w1 * NAMED(some)(at1 + v * VL, left, end);
            }
        }
        for (int v = 0; v < vectors; v++) sums[v] += __builtin_convertvector(part[v], vd);
    }
    for (int v = 0; v < vectors; v++) NAMED(put)(to + v * VL, sums[v] * beam->length, count - v * VL);
}

/* Line integrals in all planes: (views, J, Z). */
static void NAMED(flat_forward)(const hpcdvc_projection *job)
{
    const int64_t height = job->volume[2], wide = NAMED(ABREAST) * VL;
    for (int64_t next = 0; next < height; next += height - next < wide ? VL : wide) {
        const int64_t z = NAMED(begin)(next, height);
        for (int64_t i = 0; i < job->count; i++)
            for (int64_t j = 0; j < job->view[0]; j++) {
                REAL *to = (REAL *)job->values + (i * job->view[0] + j) * height + z;
                if (height - z >= wide)
                    NAMED(flat_ray)(job, job->beams + i, j, z, wide, NAMED(ABREAST), to);
                else if (height - z >= VL)
                    NAMED(flat_ray)(job, job->beams + i, j, z, VL, 1, to);
                else
                    NAMED(flat_ray)(job, job->beams + i, j, z, height - z, 1, to);
            }
    }
}

/* What voxel (x, y) of `count` planes gets of all views. */
INLINE void NAMED(flat_voxel)(const hpcdvc_projection *job, int64_t x, int64_t y, int64_t z, int64_t count,
                              const int vectors, REAL *to)
{
    const int64_t height = job->view[1];
    const REAL *rows = (const REAL *)job->data + z, *end = (const REAL *)job->data + job->count * job->view[0] * height;
    vd sums[NAMED(ABREAST)] = {{0}};
    for (int64_t i0 = 0; i0 < job->count; i0 += TERMS) {
        vr part[NAMED(ABREAST)] = {{0}};
        for (int64_t i = i0; i < i0 + TERMS && i < job->count; i++) {
            const hpcdvc_beam *beam = job->beams + i;
            const double at = beam->origin[0] + beam->voxel[0] * x + beam->voxel[1] * y;
            const int64_t first = (int64_t)__builtin_floor(at - beam->reach[0]) + 1;
            for (int64_t j = first < 0 ? 0 : first; j < first + 2 && j < job->view[0]; j++) {
                const double near = 1 - __builtin_fabs(beam->pixel[0] * (j - at));
                if (!(near > 0)) continue;
                const double weight = near * beam->length;
                const REAL w0 = (REAL)(weight * beam->fraction), w1 = (REAL)(weight - weight * beam->fraction);
                const REAL *row = rows + (i * job->view[0] + j) * height;
                for (int v = 0; v < vectors; v++) {
                    const int64_t left = count - v * VL;
                    part[v] += w0 * NAMED(some)(row + v * VL, left, end);
                    part[v] += w1 * NAMED(some)(row + v * VL + 1, left, end);
                }
            }
        }
        for (int v = 0; v < vectors; v++) sums[v] += __builtin_convertvector(part[v], vd);
    }
    for (int v = 0; v < vectors; v++) NAMED(put)(to + v * VL, sums[v], count - v * VL);
}

/* The transpose, from rows z - 1 to z + Z - 1 of all views: pixels between two planes belong to the row of the lower. */
static void NAMED(flat_adjoint)(const hpcdvc_projection *job)
{
    const int64_t *n = job->volume, wide = NAMED(ABREAST) * VL;
    for (int64_t next = 0; next < n[2]; next += n[2] - next < wide ? VL : wide) {
        const int64_t z = NAMED(begin)(next, n[2]);
        for (int64_t x = 0; x < n[0]; x++)
            for (int64_t y = 0; y < n[1]; y++) {
                REAL *to = (REAL *)job->values + (x * n[1] + y) * n[2] + z;
                if (n[2] - z >= wide)
                    NAMED(flat_voxel)(job, x, y, z, wide, NAMED(ABREAST), to);
                else if (n[2] - z >= VL)
                    NAMED(flat_voxel)(job, x, y, z, VL, 1, to);
                else
                    NAMED(flat_voxel)(job, x, y, z, n[2] - z, 1, to);
            }
    }
}

#undef vr
#undef vn
