/* Which part of a joint histogram each component of a mixture has: the expectation of EM. */
#ifndef HPCDVC_MIXTURE_H
#define HPCDVC_MIXTURE_H

#include <math.h>

#include "multimodal.h"

/* Densities of a row of bins, from its highest to either side: each is that of its neighbour times what lies between, which
 * changes by the same factor from bin to bin. Two products in place of an exponential function. */
static void row_of_densities(const hpcdvc_modal_component *c, int64_t f, int64_t first, int64_t stop, double *out)
{
    const double *a = c->precision, d = (double)f - c->mean[0], top = c->mean[1] - a[1] / a[2] * d, change = exp(-a[2]);
    const int64_t middle = top < (double)first ? first : top >= (double)stop ? stop - 1 : (int64_t)top;
    const double away = (double)middle - top;
    const double start = c->height * exp(-0.5 * ((a[0] - a[1] * a[1] / a[2]) * d * d + a[2] * away * away));
    double value = start, step = exp(-0.5 * a[2] * (1 + 2 * away));
    for (int64_t g = middle; g < stop; g++, value *= step, step *= change) out[g - first] = value;
    value = start, step = exp(-0.5 * a[2] * (1 - 2 * away));
    for (int64_t g = middle; g >= first; g--, value *= step, step *= change) out[g - first] = value;
}

/* Densities of the components, one after the other as far as each reaches, and what all add up to in `whole`. */
static void add_densities(const hpcdvc_modal_component *c, int64_t count, double background, int64_t bins, double *densities,
                          double *whole)
{
    for (int64_t i = 0; i < bins * bins; i++) whole[i] = background;
    for (int64_t k = 0; k < count; k++, c++) {
        const int64_t first = c->first[1], stop = c->stop[1];
        for (int64_t f = c->first[0]; f < c->stop[0] && first < stop; f++, densities += stop - first) {
            row_of_densities(c, f, first, stop, densities);
            for (int64_t g = first; g < stop; g++) whole[f * bins + g] += densities[g - first];
        }
    }
}

static void expect(const hpcdvc_modal_component *c, int64_t count, int64_t phases, double background, const double *parts,
                   const uint8_t *near, int64_t bins, double *densities, double *whole, hpcdvc_modal_share *shares)
{
    add_densities(c, count, background, bins, densities, whole);
    for (int64_t i = 0; i < bins * bins; i++) whole[i] = parts[i] / whole[i];
    for (int64_t k = 0; k < count; k++, c++, shares++) {
        hpcdvc_modal_share s = {0};
        for (int64_t f = c->first[0]; f < c->stop[0]; f++)
            for (int64_t g = c->first[1]; g < c->stop[1]; g++) {
                const double share = *densities++ * whole[f * bins + g];
                s.weight += share;
                if (k >= phases || !near[(k * bins + f) * bins + g]) continue;
                const double d[2] = {(double)f - c->mean[0], (double)g - c->mean[1]};
                s.near += share;
                for (int i = 0; i < 2; i++) s.first[i] += share * d[i], s.second[i] += share * d[i] * d[i];
                s.mixed += share * d[0] * d[1];
            }
        *shares = s;
    }
}

#endif
