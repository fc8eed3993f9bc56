// Defines what all kernels use: the pixel of a thread, rows with a pitch, access to four pixels at a time.
//
// Maps are rows of `width` pixels, `pitch` elements apart. A launch covers (x, y) with x in units of one pixel or of
// four, y in rows. Threads outside the map do nothing; a grid that is smaller than the map is a mistake of the caller.
#pragma once
#include "numeric.cuh"

#define GD_KERNEL extern "C" __global__ void

typedef unsigned char gd_u8;
typedef unsigned long long gd_u64;

GD_FN int gd_x() { return static_cast<int>(blockIdx.x * blockDim.x + threadIdx.x); }
GD_FN int gd_y() { return static_cast<int>(blockIdx.y * blockDim.y + threadIdx.y); }

// In a large map, row times pitch does not fit into an int.
template <class T> GD_FN T *gd_row(T *map, int y, int pitch) { return map + static_cast<long long>(y) * pitch; }

// Four pixels that one instruction moves. The address must be a multiple of the size, which the host sets `quads` for.
template <class T> struct alignas(4 * sizeof(T)) GdQuad { T v[4]; };

template <class T> GD_FN int gd_load(const T *row, int x, int width, int quads, T *v) {
    if (quads && x + 4 <= width) {
        const GdQuad<T> q = *reinterpret_cast<const GdQuad<T> *>(row + x);
        GD_UNROLL for (int i = 0; i < 4; ++i) v[i] = q.v[i];
        return 4;
    }
    const int n = width - x < 4 ? width - x : 4;
    GD_UNROLL for (int i = 0; i < 4; ++i)
        if (i < n) v[i] = row[x + i];
    return n;
}

template <class T> GD_FN void gd_put(T *row, int x, int n, int quads, const T *v) {
    if (quads && n == 4) {
        GdQuad<T> q;
        GD_UNROLL for (int i = 0; i < 4; ++i) q.v[i] = v[i];
        *reinterpret_cast<GdQuad<T> *>(row + x) = q;
        return;
    }
    GD_UNROLL for (int i = 0; i < 4; ++i)
        if (i < n) row[x + i] = v[i];
}

// Returns the exact value of a native pixel: gd_u16 holds the bits of a half, gd_u32 those of a float.
GD_FN float gd_number(gd_u16 h) { return gd_unpack16(h); }
GD_FN float gd_number(gd_u32 u) { return gd_float(u); }
GD_FN void gd_pack(float v, gd_u16 &out) { out = gd_pack16(v); }
GD_FN void gd_pack(float v, gd_u32 &out) { out = gd_pack32(v); }

// Returns an unsigned integer that sorts like the number; -0 counts as +0.
GD_FN gd_u32 gd_key(float v) {
    const gd_u32 u = gd_bits(v) == 0x80000000u ? 0u : gd_bits(v);
    return u >> 31 ? ~u : u | 0x80000000u;
}

// Compares numbers other than NaN by their bits, so that -ftz has no effect.
GD_FN bool gd_less(float x, float y) { return gd_rank(x) < gd_rank(y); }
GD_FN float gd_min(float x, float y) { return gd_less(y, x) ? y : x; }
GD_FN float gd_max(float x, float y) { return gd_less(x, y) ? y : x; }
GD_FN float gd_abs(float x) { return gd_float(gd_bits(x) & GD_MAGNITUDE); }
// Returns x + 0, which is never a negative zero.
GD_FN float gd_plus(float x) { return gd_add(x, 0.0f); }

// Returns |ΔR| + |ΔG| + |ΔB| of two pixels of pictures (…, 3).
GD_FN int gd_colours(const gd_u8 *a, const gd_u8 *b) {
    int sum = 0;
    for (int c = 0; c < 3; ++c) sum += a[c] < b[c] ? b[c] - a[c] : a[c] - b[c];
    return sum;
}
