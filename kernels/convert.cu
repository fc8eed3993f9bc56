// Converts codes to a native map, and a map to the other quantity: `Backend.convert`, `load`, `reciprocal_to`.
//
//     look_up_IN_OUT     8- and 16-bit codes (and halves, by their bits), through a table that the host computes
//     compute_IN_OUT     floats, and codes with a factor, operation by operation
//
// Both can find the range in the same pass: `stats` holds, for each image of `rows` rows, the keys of the smallest and
// largest finite value and the number of finite pixels; it is null if no range is needed. Many small maps of one size
// are one launch, in which their rows follow each other.
#include "grid.cuh"

struct GdStats { gd_u32 lo, hi, valid; };

constexpr int GD_STATS_THREADS = 1024;

// Every thread of the block must call this, with or without pixels. Each block uses one atomic operation of each kind.
GD_FN void gd_gather(GdStats mine, GdStats *stats) {
    __shared__ GdStats all[GD_STATS_THREADS];
    const int threads = static_cast<int>(blockDim.x * blockDim.y);
    const int at = static_cast<int>(threadIdx.y * blockDim.x + threadIdx.x);
    all[at] = mine;
    for (int half = GD_STATS_THREADS / 2; half; half >>= 1) {
        __syncthreads();
        if (at < half && at + half < threads) {
            const GdStats other = all[at + half];
            all[at].lo = other.lo < all[at].lo ? other.lo : all[at].lo;
            all[at].hi = other.hi > all[at].hi ? other.hi : all[at].hi;
            all[at].valid += other.valid;
        }
    }
    __syncthreads();    // all threads read all[0] below
    if (at == 0 && all[0].valid) {
        atomicMin(&stats->lo, all[0].lo);
        atomicMax(&stats->hi, all[0].hi);
        atomicAdd(&stats->valid, all[0].valid);
    }
}

GD_FN void gd_count(float v, GdStats &stats) {
    if (!gd_is_finite(v)) return;
    const gd_u32 key = gd_key(v);
    stats.lo = key < stats.lo ? key : stats.lo;
    stats.hi = key > stats.hi ? key : stats.hi;
    ++stats.valid;
}

GD_FN GdStats gd_none() { GdStats s; s.lo = 0xffffffffu; s.hi = 0u; s.valid = 0u; return s; }

// A block is one row high, so that all its pixels belong to one image.
template <class In, class Out>
GD_FN void gd_look_up(const In *in, int in_pitch, Out *out, int out_pitch, int width, int height, int rows, int quads,
                      const Out *table, GdStats *stats) {
    const int x = 4 * gd_x(), y = static_cast<int>(blockIdx.y);
    GdStats mine = gd_none();
    if (x < width && y < height) {
        In codes[4];
        Out values[4];
        const int n = gd_load(gd_row(in, y, in_pitch), x, width, quads, codes);
        for (int i = 0; i < n; ++i) {
            values[i] = table[codes[i]];
            if (stats) gd_count(gd_number(values[i]), mine);
        }
        gd_put(gd_row(out, y, out_pitch), x, n, quads, values);
    }
    if (stats) gd_gather(mine, stats + y / rows);
}

GD_FN float gd_code(gd_u8 c) { return static_cast<float>(c); }
GD_FN float gd_code(gd_u16 c) { return static_cast<float>(c); }
GD_FN float gd_code(float c) { return c; }

template <class In, class Out>
GD_FN void gd_compute(const In *in, int in_pitch, const float *factor, int factor_pitch, Out *out, int out_pitch,
                      int width, int height, int rows, int quads, const GdRule *rule, GdStats *stats) {
    const int x = 4 * gd_x(), y = static_cast<int>(blockIdx.y);
    GdStats mine = gd_none();
    if (x < width && y < height) {
        In codes[4];
        Out values[4];
        const int n = gd_load(gd_row(in, y, in_pitch), x, width, quads, codes);
        for (int i = 0; i < n; ++i) {
            const float *times = factor ? gd_row(factor, y, factor_pitch) + x + i : nullptr;
            gd_pack(gd_value(gd_code(codes[i]), *rule, times), values[i]);
            if (stats) gd_count(gd_number(values[i]), mine);
        }
        gd_put(gd_row(out, y, out_pitch), x, n, quads, values);
    }
    if (stats) gd_gather(mine, stats + y / rows);
}

#define GD_LOOK_UP(NAME, IN, OUT)                                                                                      \
    GD_KERNEL look_up_##NAME(const IN *in, int in_pitch, OUT *out, int out_pitch, int width, int height, int rows,      \
                             int quads, const OUT *table, GdStats *stats) {                                            \
        gd_look_up(in, in_pitch, out, out_pitch, width, height, rows, quads, table, stats);                            \
    }
#define GD_COMPUTE(NAME, IN, OUT)                                                                                      \
    GD_KERNEL compute_##NAME(const IN *in, int in_pitch, const float *factor, int factor_pitch, OUT *out,               \
                             int out_pitch, int width, int height, int rows, int quads, const GdRule *rule,            \
                             GdStats *stats) {                                                                         \
        gd_compute(in, in_pitch, factor, factor_pitch, out, out_pitch, width, height, rows, quads, rule, stats);       \
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

// Finds the range of a native map.
template <class T>
GD_FN void gd_span(const T *in, int in_pitch, int width, int height, int rows, int quads, GdStats *stats) {
    const int x = 4 * gd_x(), y = static_cast<int>(blockIdx.y);
    GdStats mine = gd_none();
    if (x < width && y < height) {
        T values[4];
        const int n = gd_load(gd_row(in, y, in_pitch), x, width, quads, values);
        for (int i = 0; i < n; ++i) gd_count(gd_number(values[i]), mine);
    }
    gd_gather(mine, stats + y / rows);
}
GD_KERNEL span_f16(const gd_u16 *in, int in_pitch, int width, int height, int rows, int quads, GdStats *stats) {
    gd_span(in, in_pitch, width, height, rows, quads, stats);
}
GD_KERNEL span_f32(const gd_u32 *in, int in_pitch, int width, int height, int rows, int quads, GdStats *stats) {
    gd_span(in, in_pitch, width, height, rows, quads, stats);
}
