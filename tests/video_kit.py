"""Small videos for tests: every frame carries its number, in colour as a bar code and in depth as a value."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np

from gpudepth.depth.data import DepthData
from gpudepth.depth.pixel_format import HDEP
from gpudepth.video.matroska import DepthVideoWriter

WIDTH, HEIGHT = 128, 96
BITS = 10       # of the bar code


def picture(number: int, width: int = WIDTH, height: int = HEIGHT) -> Any:
    """(H, W, 3): colours, and the number burnt in."""
    y, x = np.mgrid[:height, :width]
    return burn(np.stack([x * 255 // width, y * 255 // height, np.full_like(x, 128)], -1).astype(np.uint8), number)


def burn(rgb: Any, number: int) -> Any:
    """Ten bars across the upper half of a picture, white for 1, most significant bit first."""
    height, width = rgb.shape[:2]
    bar = width // BITS
    for bit in range(BITS):
        rgb[: height // 2, bit * bar : (bit + 1) * bar] = 235 if number >> (BITS - 1 - bit) & 1 else 20
    return rgb


def number_of(rgb: Any) -> int:
    """The bar code of a picture that was coded, however lossily."""
    height, width = rgb.shape[:2]
    bar, number = width // BITS, 0
    for bit in range(BITS):
        part = rgb[height // 8 : 3 * height // 8, bit * bar + bar // 4 : bit * bar + 3 * bar // 4]
        number = number << 1 | int(part.mean() > 128)
    return number


def metres(number: int, width: int = 64, height: int = 48) -> Any:
    """(H, W) float16 metres: the frame's own in the middle, the same ends everywhere."""
    values = np.full((height, width), 1 + number / 64, np.float16)
    values[0], values[-1] = 0.5, 8.0
    return values


def seconds_of(count: int, rate: int | Fraction = 30) -> list[Fraction]:
    return [Fraction(n) / rate for n in range(count)]


def colour(path: Path, count: int = 12, *, times: Sequence[Fraction] | None = None, codec: str = "libx264",
           pix_fmt: str = "yuv420p", rotation: int = 0, numbers: Iterable[int] | None = None, width: int = WIDTH,
           height: int = HEIGHT, frame: Any = None, options: dict[str, str] | None = None,
           container: dict[str, str] | None = None) -> Path:
    """A video of `picture`s. frame: number → (H, W, 3) or an av.VideoFrame, instead."""
    base = Fraction(1, 90000)
    with av.open(str(path), "w", options=container or {}) as out:
        stream = out.add_stream(codec, rate=30, options=options or {})
        stream.width, stream.height, stream.pix_fmt = width, height, pix_fmt
        stream.time_base = stream.codec_context.time_base = base
        if rotation:
            stream.set_display_rotation(rotation)
        for number, when in zip(numbers or range(count), times or seconds_of(count), strict=True):
            made = picture(number, width, height) if frame is None else frame(number)
            made = made if isinstance(made, av.VideoFrame) else av.VideoFrame.from_ndarray(made, format="rgb24")
            made.pts, made.time_base = round(when / base), base
            out.mux(stream.encode(made))
        out.mux(stream.encode(None))
    return path


def gray(path: Path, frames: Iterable[Any], pix_fmt: str = "gray16le", *, codec: str = "ffv1", rate: int = 30,
         options: dict[str, str] | None = None) -> Path:
    """A video of codes (H, W) in a gray pixel format."""
    with av.open(str(path), "w") as out:
        stream = None
        for number, codes in enumerate(frames):
            if stream is None:
                stream = out.add_stream(codec, rate=rate, options=options or {})
                stream.width, stream.height, stream.pix_fmt = codes.shape[1], codes.shape[0], pix_fmt
            made = av.VideoFrame.from_ndarray(np.ascontiguousarray(codes), format=pix_fmt)
            made.pts, made.time_base = number, Fraction(1, rate)
            out.mux(stream.encode(made))
        out.mux(stream.encode(None))
    return path


def depth(path: Path, count: int = 12, *, times: Sequence[Fraction] | None = None,
          numbers: Iterable[int] | None = None) -> Path:
    """Our depth video of `metres`."""
    with path.open("wb") as file, DepthVideoWriter(file) as out:
        for number, when in zip(numbers or range(count), times or seconds_of(count), strict=True):
            out.write(DepthData(metres(number), HDEP, accuracy="absolute"), when)
    return path
