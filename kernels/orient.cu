// Applies Exif orientations to pixels of 1, 2, 4 and 8 bytes: `Backend.orient`.
//
//     flip_N         orientations 1 to 4: the size stays, rows and columns are reversed
//     transpose_N    orientations 5 to 8: the map is flipped, then transposed in tiles of 32×32 in shared memory, so
//                    that both reads and writes run along rows
#include "grid.cuh"

constexpr int GD_TILE = 32, GD_TILE_ROWS = 8;

template <class T>
GD_FN void gd_flip(const T *in, int in_pitch, T *out, int out_pitch, int width, int height, int rows, int columns) {
    const int x = gd_x(), y = gd_y();
    if (x >= width || y >= height) return;
    gd_row(out, y, out_pitch)[x] = gd_row(in, rows ? height - 1 - y : y, in_pitch)[columns ? width - 1 - x : x];
}

// width × height is the size of the input; a block of 32×8 threads moves a tile. The additional column avoids bank
// conflicts in shared memory.
template <class T>
GD_FN void gd_transpose(const T *in, int in_pitch, T *out, int out_pitch, int width, int height, int rows,
                        int columns) {
    __shared__ T tile[GD_TILE][GD_TILE + 1];
    const int left = static_cast<int>(blockIdx.x) * GD_TILE, top = static_cast<int>(blockIdx.y) * GD_TILE;
    const int tx = static_cast<int>(threadIdx.x), ty = static_cast<int>(threadIdx.y);
    for (int i = ty; i < GD_TILE; i += GD_TILE_ROWS) {
        const int x = left + tx, y = top + i;
        if (x < width && y < height)
            tile[i][tx] = gd_row(in, rows ? height - 1 - y : y, in_pitch)[columns ? width - 1 - x : x];
    }
    __syncthreads();
    for (int i = ty; i < GD_TILE; i += GD_TILE_ROWS) {
        const int x = top + tx, y = left + i;      // in the output
        if (x < height && y < width) gd_row(out, y, out_pitch)[x] = tile[tx][i];
    }
}

#define GD_ORIENT(NAME, T)                                                                                             \
    GD_KERNEL flip_##NAME(const T *in, int in_pitch, T *out, int out_pitch, int width, int height, int rows,            \
                          int columns) {                                                                               \
        gd_flip(in, in_pitch, out, out_pitch, width, height, rows, columns);                                           \
    }                                                                                                                  \
    GD_KERNEL transpose_##NAME(const T *in, int in_pitch, T *out, int out_pitch, int width, int height, int rows,       \
                               int columns) {                                                                          \
        gd_transpose(in, in_pitch, out, out_pitch, width, height, rows, columns);                                      \
    }
GD_ORIENT(1, gd_u8)
GD_ORIENT(2, gd_u16)
GD_ORIENT(4, gd_u32)
GD_ORIENT(8, gd_u64)
