// Smooths a map as `compute/refine/smooth.py` and `temporal.py` define.
#include "grid.cuh"

constexpr int GD_LARGEST = 25;

GD_KERNEL median(const float *in, float *out, int width, int height, int size) {
    const int x = gd_x(), y = gd_y(), reach = size / 2;
    if (x >= width || y >= height) return;
    float *to = gd_row(out, y, width) + x;
    if (!gd_is_finite(gd_row(in, y, width)[x])) {
        *to = gd_float(GD_NAN32);
        return;
    }
    float sorted[GD_LARGEST];
    int n = 0;
    for (int v = y - reach; v <= y + reach; ++v)
        for (int u = x - reach; u <= x + reach; ++u) {
            if (v < 0 || v >= height || u < 0 || u >= width) continue;
            const float tap = gd_row(in, v, width)[u];
            if (!gd_is_finite(tap)) continue;
            int at = n++;
            for (; at && gd_less(gd_plus(tap), sorted[at - 1]); --at) sorted[at] = sorted[at - 1];
            sorted[at] = gd_plus(tap);
        }
    *to = sorted[(n - 1) / 2];
}

// bell is (2·radius + 1,), colour is (766,); guide is null without a picture
GD_KERNEL bilateral(const float *in, const gd_u8 *guide, float *out, int width, int height, int radius, const int *bell,
                    const int *colour, float tau) {
    const int x = gd_x(), y = gd_y();
    if (x >= width || y >= height) return;
    const float middle = gd_plus(gd_row(in, y, width)[x]), limit = gd_mul(gd_abs(middle), tau);
    float *to = gd_row(out, y, width) + x;
    if (!gd_is_finite(middle)) {
        *to = gd_float(GD_NAN32);
        return;
    }
    float total = 0.0f, mass = 0.0f;
    for (int dy = -radius; dy <= radius; ++dy)
        for (int dx = -radius; dx <= radius; ++dx) {
            const int v = y + dy, u = x + dx;
            if (v < 0 || v >= height || u < 0 || u >= width) continue;
            const float tap = gd_row(in, v, width)[u];
            if (!gd_is_finite(tap)) continue;
            const float gap = gd_sub(gd_plus(tap), middle);
            if (gd_less(limit, gd_abs(gap))) continue;
            int w = bell[dy + radius] * bell[dx + radius];
            if (guide) w *= colour[gd_colours(gd_row(guide, y, 3 * width) + 3 * x, gd_row(guide, v, 3 * width) + 3 * u)];
            mass = gd_add(mass, static_cast<float>(w));
            total = gd_add(total, gd_mul(static_cast<float>(w), gap));
        }
    *to = gd_add(middle, gd_div(total, mass));
}

// Computes scale · v + shift; negative results become 0, which is infinitely far.
GD_KERNEL affine(const float *in, float *out, int width, int height, float scale, float shift) {
    const int x = gd_x(), y = gd_y();
    if (x >= width || y >= height) return;
    const float u = gd_row(in, y, width)[x], v = gd_add(gd_mul(u, scale), shift);
    const bool hole = gd_is_nan(v) || (gd_bits(u) & GD_MAGNITUDE) == GD_INF32;
    gd_row(out, y, width)[x] = hole ? gd_float(GD_NAN32) : gd_rank(v) <= 0 ? 0.0f : v;
}

// Blends a frame with the one before it where the picture did not change.
GD_KERNEL blend(const float *in, const float *before, const gd_u8 *guide, const gd_u8 *guide_before, float *out,
                int width, int height, float share, float tau, int still) {
    const int x = gd_x(), y = gd_y();
    if (x >= width || y >= height) return;
    const float v = gd_row(in, y, width)[x], old = gd_row(before, y, width)[x];
    float result = gd_is_finite(v) ? gd_plus(v) : gd_float(GD_NAN32);
    if (gd_is_finite(v) && gd_is_finite(old)
        && gd_colours(gd_row(guide, y, 3 * width) + 3 * x, gd_row(guide_before, y, 3 * width) + 3 * x) <= still) {
        const float gap = gd_sub(result, old);
        if (!gd_less(gd_mul(gd_abs(old), tau), gd_abs(gap))) result = gd_plus(gd_add(old, gd_mul(share, gap)));
    }
    gd_row(out, y, width)[x] = result;
}
