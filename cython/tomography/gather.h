/* The transpose of forward: each voxel gathers what the rays have taken of it. Included once for each precision: no
 * guard. */

/* Where VL neighbouring voxels (x, y, z), (x, y, z + 1) ... fall on a view: the first pixel that each gets something of,
 * how far that is from the voxel on the axes b, c, and what one pixel more along j or k changes of it. */
typedef struct {
    vr b, c;
    REAL bj, bk, cj, ck;
    const REAL *from;
    vn offsets;
    int near; /* all lie within VL pixels of a row */
} NAMED(shadow);

INLINE NAMED(shadow) NAMED(shadow_of)(const hpcdvc_projection *job, const hpcdvc_beam *beam, const REAL *view,
                                      const double *at)
{
    const int64_t wide = job->view[1] + 2 * AROUND;
    const int64_t whole_j = (int64_t)__builtin_floor(at[0]), whole_k = (int64_t)__builtin_floor(at[1]);
    const vr j = NAMED(along)(at[0] - whole_j, beam->voxel[2]), k = NAMED(along)(at[1] - whole_k, beam->voxel[5]);
    vn j0 = NAMED(floor)(j - (REAL)beam->reach[0]) + 1, k0 = NAMED(floor)(k - (REAL)beam->reach[1]) + 1;
    const vr d_j = __builtin_convertvector(j0, vr) - j, d_k = __builtin_convertvector(k0, vr) - k;
    NAMED(shadow) s = {.bj = beam->pixel[0], .bk = beam->pixel[1], .cj = beam->pixel[2], .ck = beam->pixel[3]};
    s.b = s.bj * d_j + s.bk * d_k, s.c = s.cj * d_j + s.ck * d_k;
    /* beyond the view there are zeros */
    j0 = NAMED(clamped)(j0, -AROUND - whole_j, job->view[0] - whole_j);
    k0 = NAMED(clamped)(k0, -AROUND - whole_k, job->view[1] - whole_k);
    const int64_t low = k0[0] < k0[VL - 1] ? k0[0] : k0[VL - 1], high = k0[0] + k0[VL - 1] - low;
    s.near = j0[0] == j0[VL - 1] && high - low < VL && whole_k + low + VL <= job->view[1];
    s.from = view + (whole_j + AROUND) * wide + whole_k + AROUND + (s.near ? j0[0] * wide + low : 0);
    s.offsets = s.near ? k0 - (WHOLE)low : j0 * (WHOLE)wide + k0;
    return s;
}

/* What the voxels get of up to count_j x count_k pixels each, with the weights that these have for them. */
INLINE vr NAMED(gathered)(const NAMED(shadow) s, int64_t wide, const int near, const int count_j, const int count_k)
{
    vr sum = {0};
    for (int j = 0; j < count_j; j++)
        for (int k = 0; k < count_k; k++) {
            const REAL *from = s.from + j * wide + k;
            const vr weight = NAMED(tent)(s.b + (j * s.bj + k * s.bk)) * NAMED(tent)(s.c + (j * s.cj + k * s.ck));
            sum += weight * (near ? NAMED(take_near)(from, s.offsets) : NAMED(take)(from, s.offsets));
        }
    return sum;
}

/* The same of a beam: pixels that are sure to be too far away are left out. */
INLINE vr NAMED(gathered_of)(const hpcdvc_beam *beam, const NAMED(shadow) s, int64_t wide, const int near)
{
    if (beam->reach[0] <= 1)
        return beam->reach[1] <= 1 ? NAMED(gathered)(s, wide, near, 2, 2) : NAMED(gathered)(s, wide, near, 2, 3);
    return beam->reach[1] <= 1 ? NAMED(gathered)(s, wide, near, 3, 2) : NAMED(gathered)(s, wide, near, 3, 3);
}

/* Of all views, VL voxels. */
INLINE vd NAMED(voxels)(const hpcdvc_projection *job, int64_t x, int64_t y, int64_t z)
{
    const int64_t wide = job->view[1] + 2 * AROUND, size = (job->view[0] + 2 * AROUND) * wide;
    vd sum = {0};
    for (int64_t i0 = 0; i0 < job->count; i0 += TERMS) {
        vr part = {0};
        for (int64_t i = i0; i < i0 + TERMS && i < job->count; i++) {
            const hpcdvc_beam *beam = job->beams + i;
            const double *m = beam->voxel, at[2] = {beam->origin[0] + m[0] * x + m[1] * y + m[2] * z,
                                                    beam->origin[1] + m[3] * x + m[4] * y + m[5] * z};
            const REAL *view = (const REAL *)job->data + i * size;
            if (NAMED(misses)(at[0], m[2], -1 - beam->reach[0], job->view[0] + beam->reach[0]) ||
                NAMED(misses)(at[1], m[5], -1 - beam->reach[1], job->view[1] + beam->reach[1]))
                continue;
            const NAMED(shadow) s = NAMED(shadow_of)(job, beam, view, at);
            const vr values = s.near ? NAMED(gathered_of)(beam, s, wide, 1) : NAMED(gathered_of)(beam, s, wide, 0);
            part += values * (REAL)beam->length;
        }
        sum += __builtin_convertvector(part, vd);
    }
    return sum;
}

static void NAMED(adjoint)(const hpcdvc_projection *job)
{
    REAL *to = job->values;
    for (int64_t x = job->first; x < job->first + job->planes; x++)
        for (int64_t y = 0; y < job->volume[1]; y++, to += job->volume[2])
            for (int64_t z = 0; z < job->volume[2]; z += VL) {
                const vr values = __builtin_convertvector(NAMED(voxels)(job, x, y, z), vr);
                for (int l = 0; l < VL && z + l < job->volume[2]; l++) to[z + l] = values[l];
            }
}
