"""Small photos and maps for tests."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from gpudepth.containers.heif.photo_encoder import encode_pixels


def pixels(width: int, height: int) -> Image.Image:
    """A picture whose corners differ."""
    y, x = np.mgrid[:height, :width]
    rgb = np.stack([x * 255 // width, y * 255 // height, (x + y) % 256], -1).astype(np.uint8)
    return Image.fromarray(rgb)


def heic(path: Path, width: int = 128, height: int = 96, orientation: int = 1, **extra: Any) -> Path:
    """A HEIC of width × height stored pixels that displays with `orientation`."""
    path.write_bytes(encode_pixels(pixels(width, height), quality=60, orientation=orientation, **extra))
    return path


def plain(path: Path, width: int = 128, height: int = 96, orientation: int = 1, focal35: int = 0) -> Path:
    """A JPEG, PNG, … with an Exif orientation."""
    exif = Image.Exif()
    if orientation != 1:
        exif[0x0112] = orientation
    if focal35:
        exif.get_ifd(0x8769)[0xA405] = focal35
    pixels(width, height).save(path, exif=exif)
    return path


def ramp(width: int, height: int, top: int = 65535) -> Any:
    """Codes from 0 at the upper left to `top` at the lower right, different in every corner."""
    y, x = np.mgrid[:height, :width]
    return ((x * 2 + y * 3) * top // (2 * (width - 1) + 3 * (height - 1))).astype(np.uint16 if top > 255 else np.uint8)


def gray(path: Path, width: int = 64, height: int = 48, top: int = 65535) -> Path:
    """A gray map with that ramp."""
    Image.fromarray(ramp(width, height, top)).save(path)
    return path
