// Enlarges a map, with edges at those of a picture, as `compute/refine/guided.py` defines.
#include "grid.cuh"
#include "sort.cuh"

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

// A tap is one integer: the key of its value, its place in raster order, and its weight. Sorted, taps are in ascending
// order of value, equal values in raster order. A tap that does not count is the largest and has no weight.
constexpr int GD_WEIGHT_BITS = 28;
constexpr gd_u64 GD_NO_TAP = 0xffffffff00000000ull;

GD_FN gd_u64 gd_tap(float value, int place, int weight) {
    return static_cast<gd_u64>(gd_key(value)) << 32
           | static_cast<gd_u64>(static_cast<gd_u32>(place) << GD_WEIGHT_BITS | static_cast<gd_u32>(weight));
}
GD_FN float gd_tap_value(gd_u64 tap) {
    const gd_u32 key = static_cast<gd_u32>(tap >> 32);
    return gd_float(key >> 31 ? key & GD_MAGNITUDE : ~key);
}
GD_FN int gd_tap_weight(gd_u64 tap) {
    return static_cast<int>(static_cast<gd_u32>(tap) & ((1u << GD_WEIGHT_BITS) - 1u));
}

GD_FN void gd_swap(gd_u64 &a, gd_u64 &b) {
    const gd_u64 less = b < a ? b : a;
    b = b < a ? a : b;
    a = less;
}
#define GD_SWAP(A, B) gd_swap(taps[A], taps[B]);

// Returns the weight of a sample, 0…16; `confidence` is null or one pixel, `trust` the weight of each confidence.
GD_FN int gd_trust(float value, const gd_u8 *confidence, const int *trust) {
    if (!gd_is_finite(value)) return 0;
    return trust[confidence ? *confidence : 255];
}

// The map is (h, w), with its confidence or null; trust is (256,); the picture (H, W) is guide. first, linear (…, 2) and
// space (…, 4) exist for both axes; centre_* are the guide's pixels at the samples; colour is (766,).
GD_KERNEL guided(const float *values, const gd_u8 *confidence, const int *trust, int w, int h, const gd_u8 *guide,
                 float *out, int width, int height, const int *first_y, const float *linear_y, const int *space_y,
                 const int *centre_y, const int *first_x, const float *linear_x, const int *space_x,
                 const int *centre_x, const int *colour, float tau) {
    const int x = gd_x(), y = gd_y();
    if (x >= width || y >= height) return;
    const gd_u8 *here = gd_row(guide, y, 3 * width) + 3 * x;
    const int top = first_y[y], left = first_x[x];
    gd_u64 taps[GD_TAPS];
    int sum = 0;
    GD_UNROLL for (int i = 0; i < GD_TAPS; ++i) {
        const int v = top - 1 + i / GD_REACH, u = left - 1 + i % GD_REACH;
        taps[i] = GD_NO_TAP;
        if (v < 0 || v >= h || u < 0 || u >= w) continue;
        const float tap = gd_plus(gd_row(values, v, w)[u]);
        const int trusted = gd_trust(tap, confidence ? gd_row(confidence, v, w) + u : nullptr, trust);
        if (!trusted) continue;
        const gd_u8 *there = gd_row(guide, centre_y[v], 3 * width) + 3 * centre_x[u];
        const int weight = colour[gd_colours(here, there)] * (trusted * space_x[GD_REACH * x + i % GD_REACH])
                           * space_y[GD_REACH * y + i / GD_REACH];
        taps[i] = gd_tap(tap, i, weight);
        sum += weight;
    }
    float *to = gd_row(out, y, width) + x;
    if (!sum) {
        *to = gd_float(GD_NAN32);
        return;
    }
    GD_SORT_16(GD_SWAP)
    const int half = (sum + 1) >> 1;
    int running = 0;
    float middle = 0.0f;
    GD_UNROLL for (int i = 0; i < GD_TAPS; ++i) {
        const int before = running;
        running += gd_tap_weight(taps[i]);
        if (before < half && running >= half) middle = gd_tap_value(taps[i]);
    }
    const float limit = gd_mul(gd_abs(middle), tau);
    GdSums of = gd_nothing();
    for (int i = 0; i < 2; ++i)
        for (int j = 0; j < 2; ++j) {
            const float share = gd_mul(linear_y[2 * y + i], linear_x[2 * x + j]);
            const int v = top + i, u = left + j;
            if (gd_bits(share) == 0u || v >= h || u >= w) continue;
            const float tap = gd_plus(gd_row(values, v, w)[u]);
            if (!gd_trust(tap, confidence ? gd_row(confidence, v, w) + u : nullptr, trust)) continue;
            if (!gd_less(limit, gd_abs(gd_sub(tap, middle)))) gd_gather(of, tap, share);
        }
    if (gd_less(of.mass, 0.25f)) {
        of = gd_nothing();
        GD_UNROLL for (int i = 0; i < GD_TAPS; ++i) {
            const float value = gd_tap_value(taps[i]);
            const int weight = gd_tap_weight(taps[i]);
            if (weight && !gd_less(limit, gd_abs(gd_sub(value, middle))))
                gd_gather(of, value, static_cast<float>(weight));
        }
    }
    *to = gd_mean(of);
}
