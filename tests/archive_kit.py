"""Archives for tests: written by the standard library, which judges our reading of them, or byte by byte."""

from __future__ import annotations

import io
import json
import tarfile
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
from photo_kit import pixels, ramp
from PIL import Image


def encoded(image: Any, kind: str) -> bytes:
    """A Pillow image or an array of codes as the bytes of a file."""
    out = io.BytesIO()
    (image if isinstance(image, Image.Image) else Image.fromarray(image)).save(out, kind)
    return out.getvalue()


def photo(width: int = 64, height: int = 48, kind: str = "JPEG") -> bytes:
    return encoded(pixels(width, height), kind)


def depth(width: int = 32, height: int = 24, low: int = 500) -> bytes:
    """16-bit millimetres, none of them 0."""
    return encoded((ramp(width, height, 4000) + low).astype(np.uint16), "PNG")


def npy(array: Any) -> bytes:
    out = io.BytesIO()
    np.save(out, array)
    return out.getvalue()


def tar(path: Path, members: dict[str, bytes], **options: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w", **options) as archive:
        for name, data in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return path


def zipped(path: Path, members: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w", method) as archive:
        for name, data in members.items():
            archive.writestr(zipfile.ZipInfo(name), data, method)      # without the time of day
    return path


def lzfse(array: Any) -> bytes:
    import imagecodecs

    return bytes(imagecodecs.lzfse_encode(np.ascontiguousarray(array).tobytes()))


def metadata(width: int = 48, height: int = 64, **extra: Any) -> bytes:
    """fx = fy = 50, the centre at (width / 2 + 1, height / 2 - 2); K by columns."""
    k = [50, 0, 0, 0, 50, 0, width / 2 + 1, height / 2 - 2, 1]
    return json.dumps({"K": k, "w": width, "h": height, "fps": 60, "poses": [[0, 0, 0, 1, 0, 0, 0]], **extra}).encode()


def capture(path: Path, frames: int = 2, size: tuple[int, int] = (192, 256), **meta: Any) -> Path:
    """A capture in portrait: frame i has depth from 1 + i to 3 + i metres, one NaN, and confidence 0, 1, 2 by column."""
    members = {"metadata": metadata(**meta)}
    for i in range(frames):
        metres = np.linspace(1 + i, 3 + i, size[0] * size[1], dtype=np.float32).reshape(size[1], size[0])
        metres[0, 0] = np.nan
        trust = np.tile(np.arange(size[0], dtype=np.uint8) % 3, (size[1], 1))
        members |= {f"rgbd/{i}.jpg": photo(48, 64), f"rgbd/{i}.depth": lzfse(metres), f"rgbd/{i}.conf": lzfse(trust)}
    return zipped(path, members, zipfile.ZIP_STORED)
