// Quantises a native map to codes: `Backend.quantise`. Holes are counted; their codes are not used.
#include "grid.cuh"

template <class In, class Out>
GD_FN void gd_quantise(const In *in, int in_pitch, Out *out, int out_pitch, int width, int height, int quads, float lo,
                       float hi, float max_code, gd_u32 *holes) {
    const int x = 4 * gd_x(), y = gd_y();
    if (x >= width || y >= height) return;
    In values[4];
    Out codes[4];
    gd_u32 missing = 0;
    const int n = gd_load(gd_row(in, y, in_pitch), x, width, quads, values);
    GD_UNROLL for (int i = 0; i < 4; ++i) {
        if (i >= n) continue;
        const float v = gd_number(values[i]);
        const bool there = gd_is_finite(v);
        missing += !there;
        codes[i] = static_cast<Out>(there ? gd_store(v, lo, hi, max_code) : 0u);
    }
    gd_put(gd_row(out, y, out_pitch), x, n, quads, codes);
    if (missing) atomicAdd(holes, missing);
}

#define GD_QUANTISE(NAME, IN, OUT)                                                                                     \
    GD_KERNEL quantise_##NAME(const IN *in, int in_pitch, OUT *out, int out_pitch, int width, int height, int quads,    \
                              float lo, float hi, float max_code, gd_u32 *holes) {                                     \
        gd_quantise(in, in_pitch, out, out_pitch, width, height, quads, lo, hi, max_code, holes);                      \
    }
GD_QUANTISE(f16_u8, gd_u16, gd_u8)
GD_QUANTISE(f16_u16, gd_u16, gd_u16)
GD_QUANTISE(f32_u8, gd_u32, gd_u8)
GD_QUANTISE(f32_u16, gd_u32, gd_u16)
