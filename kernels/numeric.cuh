// Implements the numeric contract of gpudepth/depth/numeric.py on the device, operation by operation.
//
//     g = code / divisor;  v = a·(1−g) + b·g;  v = v·factor;  v = 1/v;  pack        float32, each step rounded
//
// NVRTC compiles this file without a CUDA header; other C++17 compilers need -DGD_HOST -ffp-contract=off and
// -fno-fast-math. On the device every operation is one PTX instruction with .rn and without .ftz,
// so neither --fmad nor --ftz nor --use_fast_math can change a bit. Comparisons use bits for the same reason.
#pragma once

#ifdef GD_HOST
#include <cmath>
#include <cstring>
#define GD_FN static inline
#else
#define GD_FN static __device__ __forceinline__
#endif

// Unrolls the loop that follows, so that an array that it indexes stays in registers.
#ifdef GD_HOST
#define GD_UNROLL
#else
#define GD_UNROLL _Pragma("unroll")
#endif

typedef unsigned int gd_u32;
typedef unsigned short gd_u16;

constexpr gd_u32 GD_NAN32 = 0x7fc00000u, GD_INF32 = 0x7f800000u, GD_MAGNITUDE = 0x7fffffffu;
constexpr gd_u16 GD_NAN16 = 0x7e00u, GD_INF16 = 0x7c00u;

// ---- the operations: round to nearest even, subnormals kept -------------------------------------------------------

#ifdef GD_HOST
GD_FN gd_u32 gd_bits(float x) { gd_u32 u; std::memcpy(&u, &x, 4); return u; }
GD_FN float gd_float(gd_u32 u) { float x; std::memcpy(&x, &u, 4); return x; }
GD_FN float gd_add(float x, float y) { return x + y; }
GD_FN float gd_sub(float x, float y) { return x - y; }
GD_FN float gd_mul(float x, float y) { return x * y; }
GD_FN float gd_div(float x, float y) { return x / y; }
GD_FN gd_u32 gd_round(float x) { return static_cast<gd_u32>(std::nearbyintf(x)); }
#else
GD_FN gd_u32 gd_bits(float x) { return __float_as_uint(x); }
GD_FN float gd_float(gd_u32 u) { return __uint_as_float(u); }
GD_FN float gd_add(float x, float y) { float r; asm("add.rn.f32 %0, %1, %2;" : "=f"(r) : "f"(x), "f"(y)); return r; }
GD_FN float gd_sub(float x, float y) { float r; asm("sub.rn.f32 %0, %1, %2;" : "=f"(r) : "f"(x), "f"(y)); return r; }
GD_FN float gd_mul(float x, float y) { float r; asm("mul.rn.f32 %0, %1, %2;" : "=f"(r) : "f"(x), "f"(y)); return r; }
GD_FN float gd_div(float x, float y) { float r; asm("div.rn.f32 %0, %1, %2;" : "=f"(r) : "f"(x), "f"(y)); return r; }
GD_FN gd_u32 gd_round(float x) { gd_u32 r; asm("cvt.rni.u32.f32 %0, %1;" : "=r"(r) : "f"(x)); return r; }
#endif

GD_FN bool gd_is_nan(float x) { return (gd_bits(x) & GD_MAGNITUDE) > GD_INF32; }
GD_FN bool gd_is_finite(float x) { return (gd_bits(x) & GD_MAGNITUDE) < GD_INF32; }
// Returns x > 0, also for infinity: +0 has bits 0, and numbers with a sign bit are above infinity.
GD_FN bool gd_is_positive(float x) { return gd_bits(x) - 1u < GD_INF32; }
// Returns x == y for numbers: the bits are equal, or both are zero.
GD_FN bool gd_same(float x, float y) {
    return (gd_bits(x) == gd_bits(y) && !gd_is_nan(x)) || ((gd_bits(x) | gd_bits(y)) & GD_MAGNITUDE) == 0u;
}
// Returns an integer that sorts like the number, except for NaN.
GD_FN int gd_rank(float x) {
    const gd_u32 u = gd_bits(x);
    return u >> 31 ? -static_cast<int>(u & GD_MAGNITUDE) : static_cast<int>(u);
}

// ---- code → value --------------------------------------------------------------------------------------------------

constexpr int GD_MAX_INVALID = 4;

// The fields of gpudepth.depth.numeric.Linear. `positive` applies to float sources; the host clears it for integers.
struct GdRule {
    float divisor, a, b;
    int reciprocal, positive;
    int invalid_count;
    float invalid[GD_MAX_INVALID];
};

// Implements numeric.values for one code, which float32 holds exactly. `factor` points to one number or is null.
GD_FN float gd_value(float code, const GdRule &rule, const float *factor) {
    if (!gd_is_finite(code) || (rule.positive && !gd_is_positive(code))) return gd_float(GD_NAN32);
    GD_UNROLL for (int i = 0; i < GD_MAX_INVALID; ++i)
        if (i < rule.invalid_count && gd_same(code, rule.invalid[i])) return gd_float(GD_NAN32);
    const float g = gd_div(code, rule.divisor);
    float v = gd_add(gd_mul(rule.a, gd_sub(1.0f, g)), gd_mul(rule.b, g));
    if (factor) v = gd_mul(v, *factor);
    if (rule.reciprocal) v = gd_div(1.0f, v);
    return gd_is_nan(v) ? gd_float(GD_NAN32) : v;
}

// Implements numeric.reciprocal.
GD_FN float gd_reciprocal(float v) {
    const float r = gd_div(1.0f, v);
    return gd_is_nan(r) ? gd_float(GD_NAN32) : r;
}

// ---- value → memory ------------------------------------------------------------------------------------------------

// Implements numeric.pack to float32.
GD_FN gd_u32 gd_pack32(float v) { return gd_is_nan(v) ? GD_NAN32 : gd_bits(v); }

// Implements numeric.pack to float16: nearest even, subnormals kept, ≥ 65520 becomes infinity.
GD_FN gd_u16 gd_pack16(float v) {
    if (gd_is_nan(v)) return GD_NAN16;
#ifdef GD_HOST
    const gd_u32 sign = gd_bits(v) >> 16 & 0x8000u, u = gd_bits(v) & GD_MAGNITUDE;
    if (u >= 0x477ff000u) return static_cast<gd_u16>(sign | GD_INF16);          // 65520 and above
    if (u < 0x33000001u) return static_cast<gd_u16>(sign);                      // 2^-25 and below
    if (u >= 0x38800000u)                                                       // normal: 2^-14 and above
        return static_cast<gd_u16>(sign | (u - 0x38000000u + 0xfffu + (u >> 13 & 1u)) >> 13);
    const gd_u32 shift = 126u - (u >> 23), m = (u & 0x7fffffu) | 0x800000u;     // 14…24 places below the last bit kept
    return static_cast<gd_u16>(sign | (m + (1u << (shift - 1)) - 1u + (m >> shift & 1u)) >> shift);
#else
    gd_u16 h;
    asm("cvt.rn.f16.f32 %0, %1;" : "=h"(h) : "f"(v));
    return h;
#endif
}

// Returns the exact value of a half.
GD_FN float gd_unpack16(gd_u16 h) {
#ifdef GD_HOST
    const gd_u32 sign = (h & 0x8000u) << 16, u = h & 0x7fffu;
    if (u >= GD_INF16) return gd_float(sign | GD_INF32 | (u & 0x3ffu) << 13);
    if (u >= 0x400u) return gd_float(sign | ((u << 13) + 0x38000000u));
    return gd_float(sign | gd_bits(static_cast<float>(u) * 0x1p-24f));
#else
    float v;
    asm("cvt.f32.f16 %0, %1;" : "=f"(v) : "h"(h));
    return v;
#endif
}

// Implements numeric.store: converts a value other than NaN to a code 0…max_code over [lo, hi].
GD_FN gd_u32 gd_store(float v, float lo, float hi, float max_code) {
    if (gd_rank(hi) <= gd_rank(lo)) return 0u;
    const float x = gd_mul(gd_div(gd_sub(v, lo), gd_sub(hi, lo)), max_code);
    if (gd_rank(x) <= 0) return 0u;
    return gd_round(gd_rank(x) >= gd_rank(max_code) ? max_code : x);
}
