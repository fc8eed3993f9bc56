// Enlarges a map, with edges at those of a picture, as `compute/refine/guided.py` defines.
#include "grid.cuh"

constexpr int GD_REACH = 4, GD_TAPS = GD_REACH * GD_REACH;

// The parts of a mean: Σ w·v, Σ w, smallest and largest value.
struct GdSums { float total, mass, low, high; };

GD_FN void gd_gather(GdSums &s, float v, float w) {
    s.total = gd_add(s.total, gd_mul(w, v));
    s.mass = gd_add(s.mass, w);
    s.low = gd_min(s.low, v);
    s.high = gd_max(s.high, v);
}
GD_FN GdSums gd_nothing() {
    GdSums s;
    s.total = s.mass = 0.0f;
    s.low = gd_float(GD_INF32);
    s.high = gd_float(GD_INF32 | 0x80000000u);
    return s;
}
GD_FN float gd_mean(const GdSums &s) { return gd_plus(gd_min(gd_max(gd_div(s.total, s.mass), s.low), s.high)); }

// The map (h, w) consists of values and trust 0…16, which is 0 where there is no value; the picture (H, W) is guide.
// first, linear (…, 2) and space (…, 4) exist for both axes; centre_* are the guide's pixels at the samples; colour is
// (766,).
GD_KERNEL guided(const float *values, const gd_u8 *trust, int w, int h, const gd_u8 *guide, float *out, int width,
                 int height, const int *first_y, const float *linear_y, const int *space_y, const int *centre_y,
                 const int *first_x, const float *linear_x, const int *space_x, const int *centre_x, const int *colour,
                 float tau) {
    const int x = gd_x(), y = gd_y();
    if (x >= width || y >= height) return;
    const gd_u8 *here = gd_row(guide, y, 3 * width) + 3 * x;
    const int top = first_y[y], left = first_x[x];
    float value[GD_TAPS];
    int weight[GD_TAPS], n = 0, sum = 0;
    for (int i = 0; i < GD_REACH; ++i)
        for (int j = 0; j < GD_REACH; ++j) {
            const int v = top - 1 + i, u = left - 1 + j;
            if (v < 0 || v >= h || u < 0 || u >= w) continue;
            const int trusted = gd_row(trust, v, w)[u];
            if (!trusted) continue;
            const float tap = gd_plus(gd_row(values, v, w)[u]);
            const gd_u8 *there = gd_row(guide, centre_y[v], 3 * width) + 3 * centre_x[u];
            const int of_tap = colour[gd_colours(here, there)] * (trusted * space_x[GD_REACH * x + j])
                               * space_y[GD_REACH * y + i];
            int at = n++;
            // sorted in ascending order, equal values in raster order
            for (; at && gd_less(tap, value[at - 1]); --at) {
                value[at] = value[at - 1];
                weight[at] = weight[at - 1];
            }
            value[at] = tap;
            weight[at] = of_tap;
            sum += of_tap;
        }
    float *to = gd_row(out, y, width) + x;
    if (!sum) {
        *to = gd_float(GD_NAN32);
        return;
    }
    const int half = (sum + 1) >> 1;
    int k = 0;
    for (int running = weight[0]; running < half; running += weight[k]) ++k;
    const float middle = value[k], limit = gd_mul(gd_abs(middle), tau);
    GdSums of = gd_nothing();
    for (int i = 0; i < 2; ++i)
        for (int j = 0; j < 2; ++j) {
            const float share = gd_mul(linear_y[2 * y + i], linear_x[2 * x + j]);
            const int v = top + i, u = left + j;
            if (gd_bits(share) == 0u || v >= h || u >= w || !gd_row(trust, v, w)[u]) continue;
            const float tap = gd_plus(gd_row(values, v, w)[u]);
            if (!gd_less(limit, gd_abs(gd_sub(tap, middle)))) gd_gather(of, tap, share);
        }
    if (gd_less(of.mass, 0.25f)) {
        of = gd_nothing();
        for (int i = 0; i < n; ++i)
            if (weight[i] && !gd_less(limit, gd_abs(gd_sub(value[i], middle))))
                gd_gather(of, value[i], static_cast<float>(weight[i]));
    }
    *to = gd_mean(of);
}
