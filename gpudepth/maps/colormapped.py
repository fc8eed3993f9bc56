"""Recognises pictures that show a map but are not one: coloured with a palette, or set beside the photo.

Models write both by default. Neither can be undone, because a palette has 256 colours at most and JPEG and scaling blur
them. They are recognised only to name the option that makes the model write the map itself.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import UnsupportedError

GRAYSCALE_HINT = ("make the model write the map itself: MiDaS --grayscale; Depth Anything --grayscale --pred-only; "
                  "ZoeDepth save_raw_16bit; Marigold depth_npy or depth_bw; Depth Pro the .npz")
ALONE_HINT = "make the model write the map alone: Depth Anything --pred-only; MiDaS run.py without --side"
MARGIN = 50
"""Depth Anything puts this many white pixels between photo and map."""

# Colours at equal steps from one end to the other; between them the palettes are nearly linear.
_PALETTES = {
    "inferno": "000004 210c4a 57106e 8a226a bc3754 e35933 f98c0a f9c932 fcffa4",
    "Spectral_r": "5e4fa2 3288bd 66c2a5 abdda4 e6f598 ffffbf fee08b fdae61 f46d43 d53e4f 9e0142",
    "magma": "000004 1d1147 51127c 832681 b73779 e55064 fb8761 fec287 fcfdbf",
    "viridis": "440154 472d7b 3b528b 2c728e 21918c 27ad81 5cc863 aadc32 fde725",
    "plasma": "0d0887 4c02a1 7e03a8 aa2395 cc4778 e56b5d f89441 fdc328 f0f921",
    "turbo": "30123b 434eba 4685fa 28bceb 1ae4b6 55fa76 a4fc3c d9e436 faba39 fb8122 e5470b b91e02 7a0403",
    "jet": "000080 0000ff 0080ff 02fffe 82ff7e feff01 ff8000 ff0000 800000",
}
_SAMPLE = 4096                          # pixels that are examined
_CLOSE = 26.0                           # Euclidean distance, of 255: JPEG blur and linear interpolation
_ENOUGH = 0.9                           # share of the pixels


def check_alone(size: tuple[int, int], photo_size: tuple[int, int] | None, *, where: str) -> None:
    """Raise UnsupportedError when a picture is as high as the photo and twice as wide, with or without a margin.

    Args:
        size: (width, height) of the picture in pixels.
        photo_size: (width, height) of the photo; with None nothing is checked.
        where: Name of the file for messages.
    """
    if photo_size is None or size[1] != photo_size[1]:
        return
    if min(abs(size[0] - 2 * photo_size[0]), abs(size[0] - 2 * photo_size[0] - MARGIN)) <= 2:
        raise UnsupportedError(f"the picture is {size[0]}×{size[1]}, twice as wide as the photo: it shows both of them",
                               where=where, hint=ALONE_HINT)


def explain_colours(rgb: NDArray[np.uint8], *, where: str) -> UnsupportedError:
    """Return the error that explains why a picture (H, W, 3) whose channels differ is not a map."""
    name, width = palette_of(rgb), rgb.shape[1]
    if name is not None:
        return UnsupportedError(f"the map was coloured with a palette (probably {name}); its codes are lost",
                                where=where,
                                hint=GRAYSCALE_HINT)
    for margin in (0, MARGIN):
        half = (width - margin) // 2
        left, right = rgb[:, :half], rgb[:, width - half :]
        white = not margin or (half >= 8 and rgb[:, half : width - half].min() > 250)
        if half >= 8 and white and _is_map(right) and not _is_map(left):
            return UnsupportedError("the picture shows photo and map side by side", where=where, hint=ALONE_HINT)
    if _few_colours(rgb):
        return UnsupportedError("the map was coloured with a palette; its codes are lost", where=where,
                                hint=GRAYSCALE_HINT)
    return UnsupportedError("the file is a colour picture; a map has one channel, or three equal ones", where=where,
                            hint="check that it is not the photo; for a coloured map, " + GRAYSCALE_HINT)


def palette_of(rgb: NDArray[np.uint8]) -> str | None:
    """Return the name of the palette whose colours nearly all pixels of (H, W, 3) have, or None."""
    pixels = _some(rgb).astype(np.float32)
    if np.mean(np.ptp(pixels, axis=1)) < 8:             # too gray to decide: dark palettes resemble night photos
        return None
    best, least = None, _CLOSE
    for name, text in _PALETTES.items():
        anchors = np.array([list(bytes.fromhex(part)) for part in text.split()], dtype=np.float32)
        at, steps = np.linspace(0, len(anchors) - 1, 128), np.arange(len(anchors))
        curve = np.stack([np.interp(at, steps, anchors[:, c]) for c in range(3)], axis=1).astype(np.float32)
        # |p − q|² = |p|² − 2 p·q + |q|² needs only one matrix product
        square = (pixels**2).sum(axis=1)[:, None] - 2 * pixels @ curve.T + (curve**2).sum(axis=1)
        distance = float(np.sqrt(np.quantile(np.maximum(square.min(axis=1), 0), _ENOUGH)))
        if distance < least:
            best, least = name, distance
    return best


def _is_map(rgb: NDArray[np.uint8]) -> bool:
    spread = np.ptp(_some(rgb).astype(np.int16), axis=1)
    return bool(np.quantile(spread, _ENOUGH) <= 4) or palette_of(rgb) is not None


def _few_colours(rgb: NDArray[np.uint8]) -> bool:
    """Return whether a picture has at most 256 colours, as many as 8-bit codes, and many more pixels."""
    colours = len(np.unique(_some(rgb, 1 << 16).astype(np.uint32) @ np.array((65536, 256, 1), dtype=np.uint32)))
    return colours <= 256 and rgb.shape[0] * rgb.shape[1] >= 16 * colours


def _some(rgb: NDArray[np.uint8], count: int = _SAMPLE) -> NDArray[Any]:
    """Return about `count` pixels (N, 3), evenly spread over the picture."""
    step = max(1, int((rgb.shape[0] * rgb.shape[1] / count) ** 0.5))
    return rgb[step // 2 :: step, step // 2 :: step].reshape(-1, 3)
