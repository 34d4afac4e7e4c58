/* What the residual holds beside noise: whether the match is better than chance, and what its error is then.
 *
 * Noise is white, what does not match is as smooth as the texture. So products of residuals one and two voxels apart tell
 * how much of it is not noise (a parabola through both gives the value at no distance). */
#ifndef HPCDVC_CHANCE_H
#define HPCDVC_CHANCE_H

#include "noise.h"

/* Unrelated textures of N speckles hardly ever correlate by more than sqrt(1 - exp(-2 TRIALS / N)) at the best place that the
 * iterations find, whatever the unknowns are (measured), but no more than MOST_CHANCE is asked for. Beyond the valley in which
 * they began they try more places. */
#define TRIALS 15.0
#define TRIALS_ELSEWHERE 20.0
#define VALLEY 1.2 /* its radius / size of a speckle */
#define MOST_CHANCE 0.98
#define FEWEST_SPECKLES 3.0
#define MOST_CHANCE_OF_FEWEST 0.995
/* A sliver of a few speckles beside something that stays, where the residual is not like noise: the edge matches anyway. */
#define SLIVER 0.3
#define FEW_SPECKLES 10.0
#define NOT_LIKE_NOISE 5.0 /* inflation of the variances */
#define DOUBTFUL 0.03      /* voxels */
#define SMALLEST 0.3       /* s^2 of what is smooth */
#define INTERPOLATED 0.16 /* greatest part of the residual of white noise that looks smooth because im2 is interpolated */

/* Means over the voxels looked at. */
typedef struct {
    double count;
    double at[3];                /* r(x) r(x + i): squares, and products along x and y */
    double gg, gggg, ggrr, rrrr; /* squared gradient, its square, times squared residual; fourth power of that */
} residual_look;

/* What it says. */
typedef struct {
    double smooth;               /* part of the mean squared residual */
    double texture;              /* variance of im1 without noise */
    double speckle;              /* s^2 where the autocorrelation of the texture is exp(-r^2 / 2 s^2) */
    double textured;             /* part of the window that holds the texture */
    double speckles;             /* so many are in it */
} residual_parts;

/* Residuals of plane z into `plane`; adds the sums that hold the gradient. */
INLINE void take_residual(const job *k, int z, int partial, int is_3d, float *plane, residual_look *look)
{
    const window *w = &k->w;
    const vf gain = splat((float)k->state.gain), shift = splat((float)k->state.shift);
    vf gg = {0}, gggg = {0}, ggrr = {0};
    for (int y = 0; y < w->n[1]; y++) {
        const int64_t at = z * w->sz + y * w->sy;
        float *r = plane + y * w->sy;
        for (int x = 0; x < w->sy; x += VL) {
            vf v = load(w->a + at + x) - gain * load(w->b + at + x) - shift, squared = {0};
            for (int i = is_3d ? 0 : 1; i < 3; i++) squared += load(w->g[i] + at + x) * load(w->g[i] + at + x);
            if (partial) v *= load(w->ok + at + x), squared *= load(w->ok + at + x);
            store(r + x, v);
            gg += squared, gggg += squared * squared, ggrr += squared * v * v;
        }
        clear_ends(r, 0, w->n[2], w->sy);
    }
    look->gg += total(gg), look->gggg += total(gggg), look->ggrr += total(ggrr);
}

/* Sums of products of residuals that lie 0, 1 and 2 voxels apart in a plane, and of their fourth powers. */
INLINE void sum_lags(const window *w, const float *plane, residual_look *look)
{
    vf sum[3] = {{0}}, fourth = {0};
    float rest[3] = {0};
    for (int y = 0; y < w->n[1]; y++) {
        const float *r = plane + y * w->sy;
        int x = 0;
        for (; x + VL + 2 <= w->n[2]; x += VL) {
            const vf v = load(r + x);
            sum[1] += v * load(r + x + 1), sum[2] += v * load(r + x + 2);
        }
        for (; x + 1 < w->n[2]; x++) {
            rest[1] += r[x] * r[x + 1];
            if (x + 2 < w->n[2]) rest[2] += r[x] * r[x + 2];
        }
        for (x = 0; x < w->sy; x += VL) {
            const vf v = load(r + x);
            sum[0] += v * v, fourth += v * v * (v * v);
            if (y + 1 < w->n[1]) sum[1] += v * load(r + x + w->sy);
            if (y + 2 < w->n[1]) sum[2] += v * load(r + x + 2 * w->sy);
        }
    }
    for (int i = 0; i < 3; i++) look->at[i] += total(sum[i]) + rest[i];
    look->rrrr += total(fourth);
}

/* Voxels of every `skip`-th plane that count, and pairs of them that lie 1 and 2 voxels apart. Returns the first of these. */
static double count_pairs(const window *w, int skip, double pairs[3])
{
    pairs[0] = pairs[1] = pairs[2] = 0;
    for (int z = 0; z < w->n[0]; z += skip)
        for (int y = 0; y < w->n[1]; y++) {
            const float *ok = w->ok + z * w->sz + y * w->sy;
            int from, to;
            span_of(w, z, y, &from, &to);
            for (int x = from; x < to; x++) {
                if (!(ok[x] > 0)) continue;
                pairs[0]++;
                for (int i = 1; i < 3; i++) pairs[i] += (x + i < w->n[2] ? ok[x + i] : 0) + (y + i < w->n[1] ? ok[x + i * w->sy] : 0);
            }
        }
    return pairs[0] = fmax(pairs[0], 1);
}

/* Four or five planes. `ok_before` is free once the iterations have ended. */
static void look_at_residual(job *k, int partial, residual_look *look)
{
    const window *w = &k->w;
    const int skip = 1 + w->n[0] / 5, planes = (w->n[0] + skip - 1) / skip;
    const double ny = w->n[1], nx = w->n[2], part = k->ref.sums.n / (w->n[0] * ny * nx);
    const double pairs[3] = {ny * nx, ny * (nx - 1) + (ny - 1) * nx, ny * fmax(nx - 2, 0) + fmax(ny - 2, 0) * nx};
    memset(look, 0, sizeof *look);
    for (int z = 0; z < w->n[0]; z += skip) {
        if (partial) take_residual(k, z, 1, k->is_3d, w->ok_before, look);
        else if (k->is_3d) take_residual(k, z, 0, 1, w->ok_before, look);
        else take_residual(k, z, 0, 0, w->ok_before, look);
        sum_lags(w, w->ok_before, look);
    }
    look->count = planes * part * pairs[0];
    double counted[3] = {look->count, planes * part * pairs[1], planes * part * pairs[2]};
    if (w->span) look->count = count_pairs(w, skip, counted);
    for (int i = 0; i < 3; i++) look->at[i] /= fmax(counted[i], 1);
    look->gg /= look->count, look->gggg /= look->count, look->ggrr /= look->count, look->rrrr /= look->count;
}

/* What of a mean square is smooth, from products 0, 1 and 2 voxels apart. */
static double smooth_part(const double at[3]) { return fmin(fmax((4 * at[1] - at[2]) / 3, 0), at[0]); }

/* s^2 of what is smooth, or `otherwise` where that is not to be seen. */
static double size_of_smooth(const double at[3], double otherwise)
{
    return fmax(at[2] > 0 && at[1] > at[2] ? 1.5 / log(at[1] / at[2]) : otherwise, SMALLEST);
}

/* Speckle size from the slopes of the texture, and how many speckles are in the textured part of the window. */
static residual_parts interpret(const job *k, const residual_look *look)
{
    const double n = k->ref.sums.n, mean = k->ref.sums.a / n, variance = k->ref.sums.aa / n - mean * mean;
    const double d = k->is_3d ? 3 : 2, *M = k->ref.sums.M;
    residual_parts p;
    p.smooth = smooth_part(look->at);
    const double white = fmin((look->at[0] - p.smooth) * (1 + INTERPOLATED / 2), look->at[0]); /* interpolation smooths some */
    p.texture = fmax(variance - white / 2, 0.05 * variance);
    const double slope = (M[39] + M[91] + M[143]) / n / d;
    const double noise = k->ref.smoothed ? k->s->smooth_gradient.noise : k->s->gradient.noise;
    const double length = k->ref.smoothed ? 1 / k->state.step_gain : k->ref.length_ratio;
    p.speckle = p.texture / (fmax(slope - noise * white / 2, 0.05 * slope) * length * length);
    /* where the texture is: |gradient|^2 of one that is alike all over follows the chi-squared distribution */
    p.textured = fmin((1 + 2 / d) * look->gg * look->gg / look->gggg, 1);
    p.speckles = n * p.textured / fmax(pow(M_PI * p.speckle, d / 2), 1);
    return p;
}

/* Correlation that unrelated textures hardly ever have at the best place that is found in so many trials. */
static double chance(const residual_parts *p, double trials) { return sqrt(1 - exp(-2 * trials / p->speckles)); }

/* Correlation as it were without noise, which lowers that of textures that match and of those that do not alike, as long as
 * speckles are larger than voxels. */
static double correlation(const job *k, const residual_parts *p)
{
    const double n = k->ref.sums.n, mean = k->ref.sums.a / n, q = p->texture / (k->ref.sums.aa / n - mean * mean);
    const double volume = fmax(pow(M_PI * p->speckle, k->is_3d ? 1.5 : 1), 1);
    /* quadratic terms explain their share of any residual */
    const double terms = k->is_3d ? 18 : 6, rest = (1 - k->state.explained) / fmax(1 - terms / p->speckles, 0.01);
    const double zncc = 1 - (1 - k->state.zncc) * fmin(rest, 1);
    return zncc / sqrt(q * q + (1 - q * q) / volume);
}

/* Whether unrelated textures would hardly correlate like that. */
static int better_than_chance(const job *k, const residual_parts *p)
{
    return correlation(k, p) >= fmin(chance(p, TRIALS), MOST_CHANCE);
}

/* Whether a corner of the window has moved along an axis by more than speckles are large: out of the valley of the residual in
 * which it began. */
static int has_left_its_valley(const job *k, double speckle)
{
    const double *Phi = k->state.Phi, *start = k->state.start;
    double most = 0;
    for (int i = 0; i < 3; i++) {
        double moved = fabs(Phi[4 * i + 3] - start[4 * i + 3]);
        for (int j = 0; j < 3; j++) moved += k->s->half[j] * fabs(Phi[4 * i + j] - start[4 * i + j]);
        most = fmax(most, moved);
    }
    return most > VALLEY * sqrt(speckle);
}

/* Whether one of the places that a window of few speckles has tried may match by chance, or next to no speckles do. */
static int is_found_by_chance(const job *k, const residual_parts *p)
{
    if (has_left_its_valley(k, p->speckle)) return correlation(k, p) < chance(p, TRIALS_ELSEWHERE);
    return p->speckles < FEWEST_SPECKLES && correlation(k, p) < MOST_CHANCE_OF_FEWEST;
}

/* Factor on the variances where the residual is not alike all over the window: at the rim of a hole, or of what has moved
 * otherwise, it is largest where the gradient is. By noise alone the ratio is 1, more than `common` hardly ever. Squared,
 * as such residuals do not average: their sign goes with the gradient. */
static double crowding(const residual_look *look)
{
    const double ratio = look->ggrr / (look->gg * look->at[0]);
    const double common = 1 + 3 * sqrt(2 * look->gggg / (look->gg * look->gg) / look->count);
    return 1 + fmax(ratio * ratio - common * common, 0);
}

/* Factor for the part of the residual that is smooth: neighbours err alike, so fewer than n voxels average it. The part
 * that curvature explains does not count. */
static double likeness(const job *k, const residual_look *look, const residual_parts *p)
{
    const double d = k->is_3d ? 3 : 2, explained = k->state.explained * look->at[0];
    const double unsure = INTERPOLATED + 3 / sqrt(look->count);
    if (p->smooth < unsure * look->at[0]) return 1;
    double error = 0; /* of trilinear interpolation, which `noise` leaves out */
    if (k->target.spline->taps == 2)
        error = fmax(look->at[0] - k->state.noise * (1 + interpolated_noise(k, k->target.spline->noise)), 0);
    const double part = (p->smooth - error - explained) / fmax(look->at[0] - error - explained, 1e-3 * look->at[0]);
    const double sure = (part - unsure) / (1 - INTERPOLATED);
    if (!(sure > 0)) return 1;
    /* autocorrelation of the residual times that of a component of the gradient, summed over all distances */
    const double size = fmin(size_of_smooth(look->at, p->speckle), p->speckle);
    const double width = size * p->speckle / (size + p->speckle);
    const double alike = fmax(pow(2 * M_PI * width, d / 2) * (1 - width / p->speckle), 1);
    return 1 + fmin(sure, 1) * (alike - 1);
}

/* Factor on the variances for what in the residual is no noise. Rounding, where that is most of them, is noise. */
static double inflation(const job *k, const residual_look *look, const residual_parts *p)
{
    const double residual = 2 * k->state.noise, share = residual / fmax(residual, rounding_noise(k));
    const double coloured = 1 + (k->state.colour - 1) * (1 - p->smooth / look->at[0]); /* what is not smooth */
    return 1 + share * (crowding(look) * fmax(coloured, likeness(k, look, p)) - 1);
}

/* Of a displacement. */
static double largest_variance(const double variance[12]) { return fmax(variance[3], fmax(variance[7], variance[11])); }

/* Whether a window is a sliver that cannot be trusted; the variances are the inflated ones. A trilinear residual is not like
 * noise anywhere. */
static int is_doubtful(const job *k, const residual_parts *p, double factor, const double variance[12])
{
    return p->textured < SLIVER && p->speckles < FEW_SPECKLES && factor > NOT_LIKE_NOISE
           && largest_variance(variance) > DOUBTFUL * DOUBTFUL && k->s->interpolation.taps > 2;
}

#endif
