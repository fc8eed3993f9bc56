"""Converts frames of depth videos to codes: gray of any width, luma of pictures that look gray, or a hue.

    gray…gray16, le and be     the codes themselves; FFmpeg's gray uses the whole range
    yuv of any kind            the luma, stretched to the whole range where the video's range is limited; the colours
                               must be neutral
    grayf32, gbrpf32           floats
    rgb                        three equal channels

Record3D and RealSense's colorizer draw depth as a hue: red is 0, followed by yellow, green and blue, and red again is
1. Lossy coding changes it by far more than one step, and by any amount at edges; callers have to warn of that.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from ..errors import UnsupportedError
from .reader import SourceMap

Coding = Literal["gray", "hue"]
NEUTRAL = 12    # of 255: distance of chroma from gray that lossy coding causes
_SHARE = 0.01   # share of the pixels that may be farther off
_DARK = 24      # of 255: below this saturation or value a pixel has no hue


def codes(frame: Any, path: Path, coding: Coding = "gray", crop: tuple[int, int, int, int] | None = None) -> SourceMap:
    """Convert a frame to a map in coded orientation.

    Args:
        frame: An av.VideoFrame.
        path: The file.
        coding: Whether depth is gray or a hue.
        crop: x, y, width and height of the part that is used.

    Raises:
        UnsupportedError: The picture has colours where gray is expected, or its format has no gray.
    """
    if coding == "hue":
        rgb = _cut(frame.to_ndarray(format="rgb24"), crop)
        return SourceMap(hue(rgb), None, 1, path)
    kind = frame.format
    name, components = kind.name, kind.components
    if name.startswith("grayf32") or name.startswith("gbrpf32"):
        plane = np.ascontiguousarray(_cut(_plane(frame, 0, np.dtype("<f4" if name.endswith("le") else ">f4")), crop))
        return SourceMap(plane.astype(np.float32), None, 1, path)
    if name == "gray" or (name.startswith("gray") and "f" not in name):
        return _whole(_cut(_samples(frame, 0), crop), components[0].bits, path)
    if components[0].is_luma and len(components) >= 3:
        return _luma(frame, crop, path)
    if "555" in name or "565" in name:
        raise UnsupportedError(f"frames decode to {name}: raw 16-bit gray that the file does not declare as such",
                               where=path,
                               hint="encode the maps as FFV1: ffmpeg … -c:v ffv1 -pix_fmt gray16le depth.mkv")
    rgb = _cut(frame.to_ndarray(format="rgb24"), crop)
    spread = rgb.max(axis=2).astype(np.int16) - rgb.min(axis=2)
    _neutral(spread, path)
    return _whole(np.ascontiguousarray(rgb[..., 1]), 8, path)


def hue(rgb: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Return the hue of each pixel.

    Args:
        rgb: (H, W, 3) uint8.

    Returns:
        (H, W) float32, 0…1, by the sector of the largest channel as in HSV; NaN where a pixel has almost no colour.
    """
    f = rgb.astype(np.float32)
    top, low = f.max(axis=2), f.min(axis=2)
    span = top - low
    with np.errstate(invalid="ignore", divide="ignore"):
        r, g, b = ((top - f[..., i]) / span for i in range(3))
        sector = np.where(f[..., 0] == top, b - g, np.where(f[..., 1] == top, 2 + r - b, 4 + g - r))
        turn = (sector / 6) % 1
    return np.where((top >= _DARK) & (span >= _DARK), turn, np.nan).astype(np.float32)


def _whole(values: NDArray[Any], bits: int, path: Path) -> SourceMap:
    return SourceMap(np.ascontiguousarray(values), (1 << bits) - 1, 1, path)


def _luma(frame: Any, crop: tuple[int, int, int, int] | None, path: Path) -> SourceMap:
    """Return Y of any yuv over its whole range; the chroma must be neutral."""
    from av.video.reformatter import ColorRange

    bits = frame.format.components[0].bits
    unit, middle = 1 << bits - 8, 1 << bits - 1
    for plane in range(1, min(len(frame.planes), 3)):
        chroma, reach = _chroma(frame, plane, crop), (NEUTRAL + 1) * unit
        if chroma.size and not middle - reach < int(chroma.min()) <= int(chroma.max()) < middle + reach:
            _neutral(np.abs(chroma.astype(np.int32) - middle) // unit, path)
    luma = _cut(_samples(frame, 0), crop)
    if frame.format.name.startswith("yuvj") or frame.color_range == ColorRange.JPEG:
        return _whole(luma, bits, path)
    top = (1 << bits) - 1
    # ITU-R BT.709: black is 16, white 235, at more bits times 4, 16…
    table = np.rint(np.clip((np.arange(top + 1) - 16 * unit) / (219 * unit), 0, 1) * top).astype(luma.dtype)
    if bits == 8:       # twice as fast as looking each code up by its index
        stretched = bytearray(luma).translate(table.tobytes())
        return _whole(np.frombuffer(stretched, np.uint8).reshape(luma.shape), bits, path)
    return _whole(np.take(table, luma, mode="clip"), bits, path)


def _chroma(frame: Any, plane: int, crop: tuple[int, int, int, int] | None) -> NDArray[Any]:
    """Return the part of a chroma plane, which may have fewer pixels, inside the crop."""
    samples = _samples(frame, plane)
    if crop is None:
        return samples
    x, y, width, height = crop
    across, down = samples.shape[1] / frame.width, samples.shape[0] / frame.height
    return samples[int(y * down) : int((y + height) * down), int(x * across) : int((x + width) * across)]


def _neutral(off: NDArray[Any], path: Path) -> None:
    if np.count_nonzero(off > NEUTRAL) > _SHARE * off.size:
        raise UnsupportedError("the video has colours; a depth video must be gray", where=path, hint=(
            "a palette cannot be undone: save the maps themselves (.npz, EXR, --grayscale); for a hue, as Record3D "
            "draws it, set clip.coding: hue, which takes what lossy coding left of it"))


def _samples(frame: Any, plane: int) -> NDArray[Any]:
    """Return one plane of integers, uint8 or uint16 in the machine's byte order."""
    kind = frame.format
    if kind.components[0].bits <= 8:
        return _plane(frame, plane, np.dtype(np.uint8))
    samples = _plane(frame, plane, np.dtype(">u2" if kind.is_big_endian else "<u2")).astype(np.uint16)
    if kind.name.startswith("p0"):      # hardware decoders put the codes in the upper bits
        samples >>= np.uint16(16 - kind.components[0].bits)
    return samples


def _plane(frame: Any, plane: int, dtype: np.dtype[Any]) -> NDArray[Any]:
    """Return a plane (H, W) without padding; two components are side by side where they share the plane."""
    part = frame.planes[plane]
    rows = np.frombuffer(part, np.uint8).reshape(part.height, -1)[:, : part.line_size]
    shared = 2 if plane and len(frame.planes) == 2 else 1
    return rows[:, : part.width * shared * dtype.itemsize].copy().view(dtype)


def _cut(pixels: NDArray[Any], crop: tuple[int, int, int, int] | None) -> NDArray[Any]:
    if crop is None:
        return pixels
    x, y, width, height = crop
    return np.ascontiguousarray(pixels[y : y + height, x : x + width])
