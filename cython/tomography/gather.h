/* The transpose of forward: each voxel gathers what the rays have taken of it. Included once for each precision: no
 * guard. */

/* What VL neighbouring voxels (x, y, z), (x, y, z + 1) ... get of a view: of up to count_j x count_k pixels each, with
 * the weights that these have for the voxel. */
INLINE vr NAMED(gathered)(const hpcdvc_projection *job, const hpcdvc_beam *beam, const REAL *view, const double *at,
                          const int count_j, const int count_k)
{
    const int64_t wide = job->view[1] + 2 * AROUND;
    const int64_t whole_j = (int64_t)__builtin_floor(at[0]), whole_k = (int64_t)__builtin_floor(at[1]);
    const vr j = NAMED(along)(at[0] - whole_j, beam->voxel[2]), k = NAMED(along)(at[1] - whole_k, beam->voxel[5]);
    vn j0 = NAMED(floor)(j - (REAL)beam->reach[0]) + 1, k0 = NAMED(floor)(k - (REAL)beam->reach[1]) + 1;
    const vr d_j = __builtin_convertvector(j0, vr) - j, d_k = __builtin_convertvector(k0, vr) - k;
    const REAL bj = beam->pixel[0], bk = beam->pixel[1], cj = beam->pixel[2], ck = beam->pixel[3];
    const vr d_b = bj * d_j + bk * d_k, d_c = cj * d_j + ck * d_k;
    /* beyond the view there are zeros */
    j0 = NAMED(clamped)(j0, -AROUND - whole_j, job->view[0] - whole_j);
    k0 = NAMED(clamped)(k0, -AROUND - whole_k, job->view[1] - whole_k);
    const vn offsets = j0 * (WHOLE)wide + k0;
    const REAL *from = view + (whole_j + AROUND) * wide + whole_k + AROUND;
    vr sum = {0};
    for (int dj = 0; dj < count_j; dj++)
        for (int dk = 0; dk < count_k; dk++)
            sum += NAMED(take)(from + dj * wide + dk, offsets) * NAMED(tent)(d_b + (dj * bj + dk * bk)) *
                   NAMED(tent)(d_c + (dj * cj + dk * ck));
    return sum * (REAL)beam->length;
}

/* Of all views, VL voxels. */
INLINE vd NAMED(voxels)(const hpcdvc_projection *job, int64_t x, int64_t y, int64_t z)
{
    const int64_t size = (job->view[0] + 2 * AROUND) * (job->view[1] + 2 * AROUND);
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
            const int wide_j = beam->reach[0] > 1, wide_k = beam->reach[1] > 1;
            part += wide_j ? (wide_k ? NAMED(gathered)(job, beam, view, at, 3, 3) : NAMED(gathered)(job, beam, view, at, 3, 2))
                           : (wide_k ? NAMED(gathered)(job, beam, view, at, 2, 3) : NAMED(gathered)(job, beam, view, at, 2, 2));
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
