/* Forward: along the ray of each pixel, slice by slice of the main axis. Included once for each precision: no guard. */

/* Line integrals of VL neighbouring pixels (j, k), (j, k + 1) ... */
INLINE vd NAMED(rays)(const hpcdvc_projection *job, const hpcdvc_beam *beam, int64_t j, int64_t k)
{
    const int a = beam->axis, b = a == 0, c = 2 - (a == 2);
    const int64_t *n = job->volume, strides[3] = {(n[1] + BEFORE + BEHIND) * (n[2] + BEFORE + BEHIND),
                                                  n[2] + BEFORE + BEHIND, 1};
    const int64_t sb = strides[b], sc = strides[c];
    const double first_b = beam->start[0] + beam->pixel[0] * j + beam->pixel[1] * k, step_b = beam->pixel[1];
    const double first_c = beam->start[1] + beam->pixel[2] * j + beam->pixel[3] * k, step_c = beam->pixel[3];
    const vr lanes_b = NAMED(along)(0, step_b), lanes_c = NAMED(along)(0, step_c);
    vd sum = {0};
    for (int64_t i0 = 0; i0 < n[a]; i0 += TERMS) {
        vr part = {0};
        for (int64_t i = i0; i < i0 + TERMS && i < n[a]; i++) {
            const double q_b = first_b + beam->slice[0] * i, q_c = first_c + beam->slice[1] * i;
            if (NAMED(misses)(q_b, step_b, -1, n[b]) || NAMED(misses)(q_c, step_c, -1, n[c])) continue;
            /* whole numbers apart, so that what is left is exact */
            const int64_t whole_b = (int64_t)__builtin_floor(q_b), whole_c = (int64_t)__builtin_floor(q_c);
            const vr at_b = NAMED(clip)((REAL)(q_b - whole_b) + lanes_b, -1 - whole_b, n[b] - whole_b);
            const vr at_c = NAMED(clip)((REAL)(q_c - whole_c) + lanes_c, -1 - whole_c, n[c] - whole_c);
            const vn i_b = NAMED(floor)(at_b), i_c = NAMED(floor)(at_c);
            const vr f_b = at_b - __builtin_convertvector(i_b, vr), f_c = at_c - __builtin_convertvector(i_c, vr);
            const vn offsets = i_b * (WHOLE)sb + i_c * (WHOLE)sc;
            const REAL *from = (const REAL *)job->data + (i + BEFORE) * strides[a] + (whole_b + BEFORE) * sb +
                               (whole_c + BEFORE) * sc;
            const vr v00 = NAMED(take)(from, offsets), v01 = NAMED(take)(from + sc, offsets);
            const vr v10 = NAMED(take)(from + sb, offsets), v11 = NAMED(take)(from + sb + sc, offsets);
            const vr v0 = v00 + f_c * (v01 - v00), v1 = v10 + f_c * (v11 - v10);
            part += v0 + f_b * (v1 - v0);
        }
        sum += __builtin_convertvector(part, vd);
    }
    return sum * beam->length;
}

static void NAMED(forward)(const hpcdvc_projection *job)
{
    REAL *to = job->values;
    for (int64_t i = 0; i < job->count; i++)
        for (int64_t j = 0; j < job->view[0]; j++, to += job->view[1])
            for (int64_t k = 0; k < job->view[1]; k += VL) {
                const vr values = __builtin_convertvector(NAMED(rays)(job, job->beams + i, j, k), vr);
                for (int l = 0; l < VL && k + l < job->view[1]; l++) to[k + l] = values[l];
            }
}
