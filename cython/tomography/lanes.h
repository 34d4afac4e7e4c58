/* VL lanes of REAL. Included once for each precision: no guard. */
typedef REAL NAMED(reals) __attribute__((vector_size(sizeof(REAL) * VL)));
typedef WHOLE NAMED(wholes) __attribute__((vector_size(sizeof(REAL) * VL)));

#define vr NAMED(reals)
#define vn NAMED(wholes)

/* Greatest whole numbers that are not above. */
INLINE vn NAMED(floor)(vr x)
{
    const vn n = __builtin_convertvector(x, vn);
    return n + (x < __builtin_convertvector(n, vr));
}

INLINE vn NAMED(clamped)(vn n, WHOLE low, WHOLE high)
{
    const vn least = low - (vn){0}, most = high - (vn){0}, below = n < least, above = n > most;
    return (n & ~(below | above)) | (least & below) | (most & above);
}

INLINE vr NAMED(clip)(vr x, REAL low, REAL high)
{
    const vr least = low - (vr){0}, most = high - (vr){0};
    const vn below = x < least, above = x > most;
    return (vr)(((vn)x & ~(below | above)) | ((vn)least & below) | ((vn)most & above));
}

/* max(0, 1 - |x|), the weight of a sample of linear interpolation at this distance. */
INLINE vr NAMED(tent)(vr x)
{
    const vr rest = 1 - (vr)((vn)x & ~(vn)(-(REAL)0 - (vr){0}));
    return (vr)((vn)rest & (rest > 0));
}

INLINE vr NAMED(take)(const REAL *from, vn offsets)
{
    vr values;
    for (int l = 0; l < VL; l++) values[l] = from[offsets[l]];
    return values;
}

/* from[offsets], which are below VL; one instruction for VL floats that lie side by side. */
INLINE vr NAMED(take_near)(const REAL *from, vn offsets)
{
#ifndef __clang__
    if (sizeof(REAL) == sizeof(float)) {
        vr values;
        memcpy(&values, from, sizeof values);
        return __builtin_shuffle(values, offsets);
    }
#endif
    return NAMED(take)(from, offsets);
}

INLINE vr NAMED(along)(double first, double step)
{
    vr lanes;
    for (int l = 0; l < VL; l++) lanes[l] = (REAL)l;
    return (REAL)first + lanes * (REAL)step;
}

/* Least and greatest of `first`, `first` + `step` ... of all lanes against an interval of zeros beyond its ends. */
INLINE int NAMED(misses)(double first, double step, double low, double high)
{
    const double last = first + (VL - 1) * step;
    return (first <= low && last <= low) || (first >= high && last >= high);
}
