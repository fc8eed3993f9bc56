// Fills holes as `compute/refine/fill.py` (jump flooding, in integers) and `compute/refine/inpaint.py` (push and pull)
// define.
#include "grid.cuh"

constexpr int GD_NO_SEED = 0x7fff7fff;

// ---- nearest ---------------------------------------------------------------------------------------------------------

template <class T> GD_FN void gd_seed(const T *in, int *seeds, int width, int height) {
    const int x = gd_x(), y = gd_y();
    if (x < width && y < height)
        gd_row(seeds, y, width)[x] = gd_is_finite(gd_number(gd_row(in, y, width)[x])) ? y << 16 | x : GD_NO_SEED;
}
GD_KERNEL seed_f16(const gd_u16 *in, int *seeds, int width, int height) { gd_seed(in, seeds, width, height); }
GD_KERNEL seed_f32(const gd_u32 *in, int *seeds, int width, int height) { gd_seed(in, seeds, width, height); }

// Runs one pass, from `seeds` to `found`.
GD_KERNEL flood(const int *seeds, int *found, int width, int height, int step) {
    const int x = gd_x(), y = gd_y();
    if (x >= width || y >= height) return;
    const int own = gd_row(seeds, y, width)[x];
    if (own == (y << 16 | x)) {
        gd_row(found, y, width)[x] = own;
        return;
    }
    gd_u64 best = ~0ull;
    for (int v = y - step; v <= y + step; v += step) {
        if (v < 0 || v >= height) continue;
        for (int u = x - step; u <= x + step; u += step) {
            if (u < 0 || u >= width) continue;
            const int seed = gd_row(seeds, v, width)[u];
            const int dy = (seed >> 16) - y, dx = (seed & 0xffff) - x;
            // prefer the nearer seed, then the earlier one
            const gd_u64 key = static_cast<gd_u64>(static_cast<gd_u32>(dy * dy + dx * dx)) << 32
                               | static_cast<gd_u32>(seed);
            best = key < best ? key : best;
        }
    }
    gd_row(found, y, width)[x] = static_cast<int>(best & 0xffffffffu);
}

template <class T> GD_FN void gd_take(const T *in, const int *seeds, T *out, int width, int height) {
    const int x = gd_x(), y = gd_y();
    if (x >= width || y >= height) return;
    const int seed = gd_row(seeds, y, width)[x];
    gd_row(out, y, width)[x] = gd_row(in, seed >> 16, width)[seed & 0xffff];
}
GD_KERNEL take_2(const gd_u16 *in, const int *seeds, gd_u16 *out, int width, int height) {
    gd_take(in, seeds, out, width, height);
}
GD_KERNEL take_4(const gd_u32 *in, const int *seeds, gd_u32 *out, int width, int height) {
    gd_take(in, seeds, out, width, height);
}

// Fills all holes with one value (far, near), which is given by its bits.
GD_KERNEL put_2(gd_u16 *map, gd_u32 value, int width, int height) {
    const int x = gd_x(), y = gd_y();
    if (x < width && y < height && !gd_is_finite(gd_unpack16(gd_row(map, y, width)[x])))
        gd_row(map, y, width)[x] = static_cast<gd_u16>(value);
}
GD_KERNEL put_4(gd_u32 *map, gd_u32 value, int width, int height) {
    const int x = gd_x(), y = gd_y();
    if (x < width && y < height && !gd_is_finite(gd_float(gd_row(map, y, width)[x]))) gd_row(map, y, width)[x] = value;
}

// ---- push and pull ---------------------------------------------------------------------------------------------------

// Makes the first level: every hole becomes the same NaN, and negative zero becomes zero.
GD_KERNEL clean(const float *in, float *out, int width, int height) {
    const int x = gd_x(), y = gd_y();
    if (x >= width || y >= height) return;
    const float v = gd_row(in, y, width)[x];
    gd_row(out, y, width)[x] = gd_is_finite(v) ? gd_plus(v) : gd_float(GD_NAN32);
}

// width and height are those of the finer level.
#define GD_MOST 1e30f    // values are clamped to this in sums, so that nothing overflows

GD_KERNEL shrink(const float *fine, float *coarse, int width, int height) {
    const int x = gd_x(), y = gd_y(), w = (width + 1) / 2, h = (height + 1) / 2;
    if (x >= w || y >= h) return;
    float total = 0.0f, count = 0.0f;
    for (int i = 0; i < 2; ++i)
        for (int j = 0; j < 2; ++j) {
            const int v = 2 * y + i, u = 2 * x + j;
            if (v >= height || u >= width) continue;
            const float child = gd_row(fine, v, width)[u];
            if (gd_is_nan(child)) continue;
            total = gd_add(total, gd_min(gd_max(child, -GD_MOST), GD_MOST));
            count = gd_add(count, 1.0f);
        }
    gd_row(coarse, y, w)[x] = gd_bits(count) ? gd_div(total, count) : gd_float(GD_NAN32);
}

GD_KERNEL shrink_guide(const gd_u8 *fine, gd_u8 *coarse, int width, int height) {
    const int x = gd_x(), y = gd_y(), w = (width + 1) / 2, h = (height + 1) / 2;
    if (x >= w || y >= h) return;
    int sum[3] = {0, 0, 0}, number = 0;
    for (int v = 2 * y; v < 2 * y + 2 && v < height; ++v)
        for (int u = 2 * x; u < 2 * x + 2 && u < width; ++u, ++number)
            for (int c = 0; c < 3; ++c) sum[c] += gd_row(fine, v, 3 * width)[3 * u + c];
    for (int c = 0; c < 3; ++c) gd_row(coarse, y, 3 * w)[3 * x + c] = static_cast<gd_u8>((sum[c] + number / 2) / number);
}

// width and height are those of the finer level; the guides are null without a picture.
GD_KERNEL pull(float *fine, const gd_u8 *guide, const float *coarse, const gd_u8 *above, const int *colour, int width,
               int height) {
    const int x = gd_x(), y = gd_y(), w = (width + 1) / 2, h = (height + 1) / 2;
    if (x >= width || y >= height || !gd_is_nan(gd_row(fine, y, width)[x])) return;
    const int rows[2] = {y >> 1, (y >> 1) + 2 * (y & 1) - 1}, columns[2] = {x >> 1, (x >> 1) + 2 * (x & 1) - 1};
    float total = 0.0f, low = gd_float(GD_INF32), high = gd_float(GD_INF32 | 0x80000000u);
    int mass = 0;
    for (int i = 0; i < 2; ++i)
        for (int j = 0; j < 2; ++j) {
            const int p = rows[i], q = columns[j];
            if (p < 0 || p >= h || q < 0 || q >= w) continue;
            int weight = (i ? 1 : 3) * (j ? 1 : 3);
            if (guide)
                weight *= colour[gd_colours(gd_row(guide, y, 3 * width) + 3 * x, gd_row(above, p, 3 * w) + 3 * q)];
            const float v = gd_row(coarse, p, w)[q];
            total = gd_add(total, gd_mul(static_cast<float>(weight), v));
            mass += weight;
            low = gd_min(low, v);
            high = gd_max(high, v);
        }
    gd_row(fine, y, width)[x] = gd_plus(gd_min(gd_max(gd_div(total, static_cast<float>(mass)), low), high));
}
