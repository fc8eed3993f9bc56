// Converts codes to a native map, and a map to the other quantity: `Backend.convert`, `load`, `reciprocal_to`, `cast`.
//
//     look_up_IN_OUT     8- and 16-bit codes (and halves, by their bits), through a table that the host computes
//     compute_IN_OUT     floats, and codes with a factor, operation by operation
//
// Both can find the range in the same pass: `stats` holds the keys of the smallest and largest finite value, the former
// inverted, and the number of finite pixels. The host sets it to zeros; it is null if no range is needed.
#include "grid.cuh"

struct GdStats { gd_u32 below, above, valid; };     // ~key of the smallest value, key of the largest

constexpr int GD_STATS_THREADS = 256, GD_STATS_LEADERS = 16;

GD_FN void gd_merge(GdStats &stats, const GdStats &other) {
    stats.below = other.below > stats.below ? other.below : stats.below;
    stats.above = other.above > stats.above ? other.above : stats.above;
    stats.valid += other.valid;
}

// Every thread of the block must call this, with or without pixels. Each block uses one atomic operation of each kind.
// 16 threads merge the results of all, and one merges those: two barriers, whatever the size of the block.
GD_FN void gd_gather(const GdStats &mine, GdStats *stats) {
    __shared__ GdStats all[GD_STATS_THREADS];
    const int threads = static_cast<int>(blockDim.x), at = static_cast<int>(threadIdx.x);
    all[at] = mine;
    __syncthreads();
    if (at < GD_STATS_LEADERS)
        for (int i = at + GD_STATS_LEADERS; i < threads; i += GD_STATS_LEADERS) gd_merge(all[at], all[i]);
    __syncthreads();
    if (at) return;
    GdStats whole = all[0];
    for (int i = 1; i < GD_STATS_LEADERS && i < threads; ++i) gd_merge(whole, all[i]);
    if (!whole.valid) return;
    atomicMax(&stats->below, whole.below);
    atomicMax(&stats->above, whole.above);
    atomicAdd(&stats->valid, whole.valid);
}

GD_FN void gd_count(float v, GdStats &stats) {
    if (!gd_is_finite(v)) return;
    GdStats one;
    one.below = ~gd_key(v);
    one.above = gd_key(v);
    one.valid = 1u;
    gd_merge(stats, one);
}

GD_FN GdStats gd_none() { GdStats s; s.below = s.above = s.valid = 0u; return s; }

// A block is one row high, and its threads a power of two.
template <class In, class Out>
GD_FN void gd_look_up(const In *in, int in_pitch, Out *out, int out_pitch, int width, int height, int quads,
                      const Out *table, GdStats *stats) {
    const int x = 4 * gd_x(), y = static_cast<int>(blockIdx.y);
    GdStats mine = gd_none();
    if (x < width && y < height) {
        In codes[4];
        Out values[4];
        const int n = gd_load(gd_row(in, y, in_pitch), x, width, quads, codes);
        GD_UNROLL for (int i = 0; i < 4; ++i) {
            if (i >= n) continue;
            values[i] = table[codes[i]];
            if (stats) gd_count(gd_number(values[i]), mine);
        }
        gd_put(gd_row(out, y, out_pitch), x, n, quads, values);
    }
    if (stats) gd_gather(mine, stats);
}

GD_FN float gd_code(gd_u8 c) { return static_cast<float>(c); }
GD_FN float gd_code(gd_u16 c) { return static_cast<float>(c); }
GD_FN float gd_code(float c) { return c; }

template <class In, class Out>
GD_FN void gd_compute(const In *in, int in_pitch, const float *factor, int factor_pitch, Out *out, int out_pitch,
                      int width, int height, int quads, const GdRule &rule, GdStats *stats) {
    const int x = 4 * gd_x(), y = static_cast<int>(blockIdx.y);
    GdStats mine = gd_none();
    if (x < width && y < height) {
        In codes[4];
        Out values[4];
        const int n = gd_load(gd_row(in, y, in_pitch), x, width, quads, codes);
        GD_UNROLL for (int i = 0; i < 4; ++i) {
            if (i >= n) continue;
            const float *times = factor ? gd_row(factor, y, factor_pitch) + x + i : nullptr;
            gd_pack(gd_value(gd_code(codes[i]), rule, times), values[i]);
            if (stats) gd_count(gd_number(values[i]), mine);
        }
        gd_put(gd_row(out, y, out_pitch), x, n, quads, values);
    }
    if (stats) gd_gather(mine, stats);
}

#define GD_LOOK_UP(NAME, IN, OUT)                                                                                      \
    GD_KERNEL look_up_##NAME(const IN *in, int in_pitch, OUT *out, int out_pitch, int width, int height, int quads,     \
                             const OUT *table, GdStats *stats) {                                                       \
        gd_look_up(in, in_pitch, out, out_pitch, width, height, quads, table, stats);                                  \
    }
// The fields of the rule are parameters of their own, which every launcher can pass by value.
#define GD_COMPUTE(NAME, IN, OUT)                                                                                      \
    GD_KERNEL compute_##NAME(const IN *in, int in_pitch, const float *factor, int factor_pitch, OUT *out,               \
                             int out_pitch, int width, int height, int quads, float divisor, float a, float b,         \
                             int reciprocal, int positive, int invalid_count, float invalid_0, float invalid_1,        \
                             float invalid_2, float invalid_3, GdStats *stats) {                                       \
        const GdRule rule = {divisor, a, b, reciprocal, positive, invalid_count,                                       \
                             {invalid_0, invalid_1, invalid_2, invalid_3}};                                            \
        gd_compute(in, in_pitch, factor, factor_pitch, out, out_pitch, width, height, quads, rule, stats);             \
    }

GD_LOOK_UP(u8_f16, gd_u8, gd_u16)
GD_LOOK_UP(u8_f32, gd_u8, gd_u32)
GD_LOOK_UP(u16_f16, gd_u16, gd_u16)
GD_LOOK_UP(u16_f32, gd_u16, gd_u32)
GD_COMPUTE(u8_f16, gd_u8, gd_u16)
GD_COMPUTE(u8_f32, gd_u8, gd_u32)
GD_COMPUTE(u16_f16, gd_u16, gd_u16)
GD_COMPUTE(u16_f32, gd_u16, gd_u32)
GD_COMPUTE(f32_f16, float, gd_u16)
GD_COMPUTE(f32_f32, float, gd_u32)

// Converts a map of floats to the other quantity.
template <class Out>
GD_FN void gd_turn_over(const float *in, int in_pitch, Out *out, int out_pitch, int width, int height) {
    const int x = gd_x(), y = gd_y();
    if (x < width && y < height) gd_pack(gd_reciprocal(gd_row(in, y, in_pitch)[x]), gd_row(out, y, out_pitch)[x]);
}
GD_KERNEL reciprocal_f16(const float *in, int in_pitch, gd_u16 *out, int out_pitch, int width, int height) {
    gd_turn_over(in, in_pitch, out, out_pitch, width, height);
}
GD_KERNEL reciprocal_f32(const float *in, int in_pitch, gd_u32 *out, int out_pitch, int width, int height) {
    gd_turn_over(in, in_pitch, out, out_pitch, width, height);
}

// Packs a native map in another dtype, or in the same one, where NaN becomes the canonical one.
template <class In, class Out> GD_FN void gd_cast(const In *in, Out *out, int width, int height) {
    const int x = gd_x(), y = gd_y();
    if (x < width && y < height) gd_pack(gd_number(gd_row(in, y, width)[x]), gd_row(out, y, width)[x]);
}
#define GD_CAST(NAME, IN, OUT)                                                                                         \
    GD_KERNEL cast_##NAME(const IN *in, OUT *out, int width, int height) { gd_cast(in, out, width, height); }
GD_CAST(f16_f16, gd_u16, gd_u16)
GD_CAST(f16_f32, gd_u16, gd_u32)
GD_CAST(f32_f16, gd_u32, gd_u16)
GD_CAST(f32_f32, gd_u32, gd_u32)

// Finds the range of a native map.
template <class T>
GD_FN void gd_span(const T *in, int in_pitch, int width, int height, int quads, GdStats *stats) {
    const int x = 4 * gd_x(), y = static_cast<int>(blockIdx.y);
    GdStats mine = gd_none();
    if (x < width && y < height) {
        T values[4];
        const int n = gd_load(gd_row(in, y, in_pitch), x, width, quads, values);
        GD_UNROLL for (int i = 0; i < 4; ++i)
            if (i < n) gd_count(gd_number(values[i]), mine);
    }
    gd_gather(mine, stats);
}
GD_KERNEL span_f16(const gd_u16 *in, int in_pitch, int width, int height, int quads, GdStats *stats) {
    gd_span(in, in_pitch, width, height, quads, stats);
}
GD_KERNEL span_f32(const gd_u32 *in, int in_pitch, int width, int height, int quads, GdStats *stats) {
    gd_span(in, in_pitch, width, height, quads, stats);
}
