// Limits the values of a native map, turns some of its pixels into holes, copies parts of it: `Backend.clip`, `mask`,
// `positive`, `crop`, `sample`.
#include "grid.cuh"

GD_FN gd_u16 gd_hole(gd_u16) { return GD_NAN16; }
GD_FN gd_u32 gd_hole(gd_u32) { return GD_NAN32; }

// lo and hi are exact in the format of the map.
template <class T> GD_FN void gd_clip(const T *in, T *out, int width, int height, float lo, float hi) {
    const int x = gd_x(), y = gd_y();
    if (x >= width || y >= height) return;
    const float v = gd_number(gd_row(in, y, width)[x]);
    gd_pack(gd_is_nan(v) ? v : gd_plus(gd_min(gd_max(v, lo), hi)), gd_row(out, y, width)[x]);
}
GD_KERNEL clip_f16(const gd_u16 *in, gd_u16 *out, int width, int height, float lo, float hi) {
    gd_clip(in, out, width, height, lo, hi);
}
GD_KERNEL clip_f32(const gd_u32 *in, gd_u32 *out, int width, int height, float lo, float hi) {
    gd_clip(in, out, width, height, lo, hi);
}

// Pixels with a confidence of 0 become holes.
template <class T> GD_FN void gd_mask(const T *in, const gd_u8 *confidence, T *out, int width, int height) {
    const int x = gd_x(), y = gd_y();
    if (x >= width || y >= height) return;
    const T v = gd_row(in, y, width)[x];
    gd_row(out, y, width)[x] = gd_row(confidence, y, width)[x] ? v : gd_hole(v);
}
GD_KERNEL mask_f16(const gd_u16 *in, const gd_u8 *confidence, gd_u16 *out, int width, int height) {
    gd_mask(in, confidence, out, width, height);
}
GD_KERNEL mask_f32(const gd_u32 *in, const gd_u8 *confidence, gd_u32 *out, int width, int height) {
    gd_mask(in, confidence, out, width, height);
}

// Pixels that are not above 0 become holes.
template <class T> GD_FN void gd_positive(const T *in, T *out, int width, int height) {
    const int x = gd_x(), y = gd_y();
    if (x >= width || y >= height) return;
    const T v = gd_row(in, y, width)[x];
    gd_row(out, y, width)[x] = gd_is_positive(gd_number(v)) ? v : gd_hole(v);
}
GD_KERNEL positive_f16(const gd_u16 *in, gd_u16 *out, int width, int height) { gd_positive(in, out, width, height); }
GD_KERNEL positive_f32(const gd_u32 *in, gd_u32 *out, int width, int height) { gd_positive(in, out, width, height); }

// Copies the part whose first pixel is (left, top).
template <class T>
GD_FN void gd_crop(const T *in, int in_pitch, T *out, int width, int height, int left, int top) {
    const int x = gd_x(), y = gd_y();
    if (x < width && y < height) gd_row(out, y, width)[x] = gd_row(in, top + y, in_pitch)[left + x];
}
GD_KERNEL crop_1(const gd_u8 *in, int in_pitch, gd_u8 *out, int width, int height, int left, int top) {
    gd_crop(in, in_pitch, out, width, height, left, top);
}
GD_KERNEL crop_2(const gd_u16 *in, int in_pitch, gd_u16 *out, int width, int height, int left, int top) {
    gd_crop(in, in_pitch, out, width, height, left, top);
}
GD_KERNEL crop_4(const gd_u32 *in, int in_pitch, gd_u32 *out, int width, int height, int left, int top) {
    gd_crop(in, in_pitch, out, width, height, left, top);
}

// Copies every so many-th pixel in raster order; out is (height, width), of which the first `count` pixels are written.
template <class T> GD_FN void gd_sample(const T *in, T *out, int width, int height, int count, int every) {
    const int x = gd_x(), y = gd_y();
    const long long at = static_cast<long long>(y) * width + x;
    if (x < width && y < height && at < count) out[at] = in[at * every];
}
GD_KERNEL sample_2(const gd_u16 *in, gd_u16 *out, int width, int height, int count, int every) {
    gd_sample(in, out, width, height, count, every);
}
GD_KERNEL sample_4(const gd_u32 *in, gd_u32 *out, int width, int height, int count, int every) {
    gd_sample(in, out, width, height, count, every);
}
