// Resizes a map as `compute/refine/resize.py` defines. The host computes taps and weights.
//
//     nearest_N       copies the bits of one pixel
//     across_IN       sums along the rows: for each row the four planes s, t, smallest and largest
//     down_OUT        sums these along the columns, divides and clamps
#include "grid.cuh"

template <class T>
GD_FN void gd_nearest(const T *in, int in_pitch, T *out, int width, int height, const int *rows, const int *columns) {
    const int x = gd_x(), y = gd_y();
    if (x < width && y < height) gd_row(out, y, width)[x] = gd_row(in, rows[y], in_pitch)[columns[x]];
}
GD_KERNEL nearest_2(const gd_u16 *in, int in_pitch, gd_u16 *out, int width, int height, const int *rows,
                    const int *columns) {
    gd_nearest(in, in_pitch, out, width, height, rows, columns);
}
GD_KERNEL nearest_4(const gd_u32 *in, int in_pitch, gd_u32 *out, int width, int height, const int *rows,
                    const int *columns) {
    gd_nearest(in, in_pitch, out, width, height, rows, columns);
}

// index and weight are (taps, width of the output); planes is (4, height, width).
template <class T>
GD_FN void gd_across(const T *in, int in_pitch, float *planes, int width, int height, int taps, const int *index,
                     const float *weight) {
    const int x = gd_x(), y = gd_y();
    if (x >= width || y >= height) return;
    const T *row = gd_row(in, y, in_pitch);
    float s = 0.0f, t = 0.0f, low = gd_float(GD_NAN32), high = low;
    for (int k = 0; k < taps; ++k) {
        const float v = gd_number(row[index[k * width + x]]), w = weight[k * width + x];
        const bool valid = gd_is_finite(v);
        // a hole adds +0 times its weight, which can only change the sign of a zero sum
        s = gd_add(s, gd_mul(valid ? v : 0.0f, w));
        t = gd_add(t, valid ? w : 0.0f);
        if (!valid) continue;
        low = gd_is_nan(low) ? v : gd_min(low, v);
        high = gd_is_nan(high) ? v : gd_max(high, v);
    }
    const long long size = static_cast<long long>(width) * height, at = static_cast<long long>(y) * width + x;
    planes[at] = s;
    planes[size + at] = t;
    planes[2 * size + at] = low;
    planes[3 * size + at] = high;
}
GD_KERNEL across_f16(const gd_u16 *in, int in_pitch, float *planes, int width, int height, int taps, const int *index,
                     const float *weight) {
    gd_across(in, in_pitch, planes, width, height, taps, index, weight);
}
GD_KERNEL across_f32(const gd_u32 *in, int in_pitch, float *planes, int width, int height, int taps, const int *index,
                     const float *weight) {
    gd_across(in, in_pitch, planes, width, height, taps, index, weight);
}

// rows is the height of the planes; index and weight are (taps, height of the output).
template <class Out>
GD_FN void gd_down(const float *planes, int rows, Out *out, int width, int height, int taps, const int *index,
                   const float *weight) {
    const int x = gd_x(), y = gd_y();
    if (x >= width || y >= height) return;
    const long long size = static_cast<long long>(width) * rows;
    float s = 0.0f, t = 0.0f, low = gd_float(GD_NAN32), high = low;
    for (int k = 0; k < taps; ++k) {
        const float *at = gd_row(planes, index[k * height + y], width) + x;
        const float w = weight[k * height + y], l = at[2 * size], h = at[3 * size];
        s = gd_add(s, gd_mul(at[0], w));
        t = gd_add(t, gd_mul(at[size], w));
        if (!gd_is_nan(l)) low = gd_is_nan(low) ? l : gd_min(low, l);
        if (!gd_is_nan(h)) high = gd_is_nan(high) ? h : gd_max(high, h);
    }
    float v = gd_div(s, t);
    if (!gd_is_nan(v) && !gd_is_nan(low)) v = gd_plus(gd_min(gd_max(v, low), high));
    else v = gd_float(GD_NAN32);
    gd_pack(v, gd_row(out, y, width)[x]);
}
GD_KERNEL down_f16(const float *planes, int rows, gd_u16 *out, int width, int height, int taps, const int *index,
                   const float *weight) {
    gd_down(planes, rows, out, width, height, taps, index, weight);
}
GD_KERNEL down_f32(const float *planes, int rows, gd_u32 *out, int width, int height, int taps, const int *index,
                   const float *weight) {
    gd_down(planes, rows, out, width, height, taps, index, weight);
}
