// Smooths a map as `compute/refine/smooth.py` and `temporal.py` define.
#include "grid.cuh"
#include "sort.cuh"

// Values are sorted by their keys. A hole, or a pixel outside the map, has the largest key.
constexpr gd_u32 GD_LAST = 0xffffffffu;

GD_FN void gd_swap(gd_u32 &a, gd_u32 &b) {
    const gd_u32 less = b < a ? b : a;
    b = b < a ? a : b;
    a = less;
}
GD_FN float gd_of_key(gd_u32 key) { return gd_float(key >> 31 ? key & GD_MAGNITUDE : ~key); }

#define GD_SWAP(A, B) gd_swap(sorted[A], sorted[B]);

#define GD_MEDIAN(SIZE, COUNT)                                                                                         \
    GD_KERNEL median_##SIZE(const float *in, float *out, int width, int height) {                                      \
        constexpr int reach = SIZE / 2;                                                                                \
        const int x = gd_x(), y = gd_y();                                                                              \
        if (x >= width || y >= height) return;                                                                         \
        float *to = gd_row(out, y, width) + x;                                                                         \
        if (!gd_is_finite(gd_row(in, y, width)[x])) {                                                                  \
            *to = gd_float(GD_NAN32);                                                                                  \
            return;                                                                                                    \
        }                                                                                                              \
        gd_u32 sorted[COUNT];                                                                                          \
        int n = 0;                                                                                                     \
        GD_UNROLL for (int i = 0; i < COUNT; ++i) {                                                                    \
            const int v = y - reach + i / SIZE, u = x - reach + i % SIZE;                                              \
            const bool inside = v >= 0 && v < height && u >= 0 && u < width;                                           \
            const float tap = inside ? gd_row(in, v, width)[u] : gd_float(GD_NAN32);                                   \
            const bool valid = gd_is_finite(tap);                                                                      \
            sorted[i] = valid ? gd_key(tap) : GD_LAST;                                                                 \
            n += valid;                                                                                                \
        }                                                                                                              \
        GD_SORT_##COUNT(GD_SWAP)                                                                                       \
        gd_u32 middle = sorted[0];                                                                                     \
        GD_UNROLL for (int i = 1; i < (COUNT + 1) / 2; ++i) middle = n > 2 * i ? sorted[i] : middle;                          \
        *to = gd_of_key(middle);                                                                                       \
    }
GD_MEDIAN(3, 9)
GD_MEDIAN(5, 25)

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

// Counts the pixels whose colour differs by more than a limit; a thread takes four pixels of a row.
GD_KERNEL changes(const gd_u8 *guide, const gd_u8 *guide_before, int width, int height, int limit, gd_u32 *count) {
    const int x = 4 * gd_x(), y = gd_y();
    if (x >= width || y >= height) return;
    const gd_u8 *row = gd_row(guide, y, 3 * width), *row_before = gd_row(guide_before, y, 3 * width);
    gd_u32 found = 0;
    GD_UNROLL for (int i = 0; i < 4; ++i)
        if (x + i < width) found += gd_colours(row + 3 * (x + i), row_before + 3 * (x + i)) > limit;
    if (found) atomicAdd(count, found);
}

// Keeps the values where the colour differs by at most a limit.
GD_KERNEL unchanged(const float *in, const gd_u8 *guide, const gd_u8 *guide_before, float *out, int width, int height,
                    int limit) {
    const int x = gd_x(), y = gd_y();
    if (x >= width || y >= height) return;
    const int moved = gd_colours(gd_row(guide, y, 3 * width) + 3 * x, gd_row(guide_before, y, 3 * width) + 3 * x);
    gd_row(out, y, width)[x] = moved <= limit ? gd_row(in, y, width)[x] : gd_float(GD_NAN32);
}
