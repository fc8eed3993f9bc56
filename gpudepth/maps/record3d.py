"""Reads Record3D's captures, `.r3d`: a zip of frames with their depth, confidence and camera.

    metadata       JSON: K (3 × 3, by columns, of w × h pixels), w, h; in later versions dw, dh: of the depth
    rgbd/N.jpg     the picture
    rgbd/N.depth   LZFSE; float32 rows, metres, NaN or 0 without a value
    rgbd/N.conf    LZFSE; bytes 0 to 2

Source: BernieZhu/RGBD-Video-iPhone12Pro, README; nerfstudio, process_data/record3d_utils.py (K by columns). Depth is
256×192 (LiDAR) or 640×480 (TrueDepth), or either upright, as the pictures are.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..depth.calibration import Calibration
from ..errors import LimitError, MalformedError, TruncatedError, UnsupportedError
from ..formats.bytesource import Input, read_input
from ..limits import DEFAULT, Limits

SIZES = ((256, 192), (640, 480))


@dataclass(frozen=True)
class Capture:
    """How a capture was taken.

    Attributes:
        calibration: Calibration of the pictures.
        depth: (width, height) of the maps, or None in versions that do not declare it.
    """

    calibration: Calibration
    depth: tuple[int, int] | None

    @property
    def portrait(self) -> bool:
        return self.calibration.reference_height > self.calibration.reference_width


def read_capture(file: Input, limits: Limits = DEFAULT) -> Capture:
    """Read a capture's `metadata`. Raises FileError and its subclasses."""
    where = str(file)
    from ..formats.archive import Member

    if isinstance(file, Member):        # checked before it is unpacked
        limits.check("max_xmp", file.size, where=where)
    raw = read_input(file, limits)
    limits.check("max_xmp", len(raw), where=where)
    try:
        data = json.loads(raw)
    except (ValueError, RecursionError) as error:
        raise MalformedError(f"not JSON: {error}", where=where) from None
    width, height = _number(data, "w", where), _number(data, "h", where)
    if width is None or height is None:
        raise MalformedError("w and h, the size of the pictures, are missing", where=where)
    k = data.get("K")
    if not (isinstance(k, list) and len(k) == 9 and all(_finite(v) for v in k)) or min(k[0], k[4]) <= 0:
        raise MalformedError("K is not a camera matrix of nine numbers", where=where)
    depth = _number(data, "dw", where), _number(data, "dh", where)
    camera = Calibration(np.array(k, np.float64).reshape(3, 3).T, width, height)
    return Capture(camera, None if None in depth else depth)        # type: ignore[arg-type]


def _finite(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _number(data: Any, name: str, where: str) -> int | None:
    value = data.get(name) if isinstance(data, dict) else None
    if value is None:
        return None
    if not _finite(value) or not 0 < value < 65536 or value != int(value):
        raise MalformedError(f"{name} is {value!r}, which is not a size in pixels", where=where)
    return int(value)


def read_lzfse(data: bytes, *, where: str, limits: Limits = DEFAULT, frame: tuple[int, int] | None = None,
               size: tuple[int, int] | None = None) -> NDArray[Any]:
    """Decompress a map or its confidence.

    Args:
        data: The file.
        where: Name of the file for messages.
        limits: What the file may ask for.
        frame: (width, height) of the picture; the map is upright when the picture is.
        size: (width, height) of the map, where the capture declares it. Otherwise it is one of SIZES.

    Returns:
        (H, W) float32 or uint8.

    Raises:
        UnsupportedError: The package imagecodecs is missing, or the length fits no size.
        MalformedError: The data is damaged.
    """
    sizes = (size,) if size else SIZES
    most = 4 * max(width * height for width, height in sizes)
    limits.check("max_decoded_bytes", most, where=where)
    raw = _decoded(data, most, where)
    for width, height in sizes:
        if len(raw) in (width * height, 4 * width * height):
            break
    else:
        known = " or ".join(f"{w}×{h}" for w, h in sizes)
        raise UnsupportedError(f"the data unpacks to {len(raw):,} bytes; for {known} pixels depth takes 4 bytes per "
                               "pixel and confidence 1", where=where)
    if size is None and frame is not None and frame[1] > frame[0]:
        width, height = height, width
    dtype = np.dtype("<f4") if len(raw) == 4 * width * height else np.dtype(np.uint8)
    return np.frombuffer(raw, dtype).reshape(height, width).astype(dtype.newbyteorder("="))


def _decoded(data: bytes, most: int, where: str) -> bytes:
    """Decompress at most one byte more than `most`, whatever the stream unpacks to."""
    try:
        import imagecodecs
    except ImportError:
        raise UnsupportedError("reading LZFSE requires the package imagecodecs", where=where,
                               hint="pip install 'gpudepth[r3d]'") from None
    if not data.endswith(b"bvx$"):
        raise TruncatedError("the LZFSE stream has no end marker", where=where)
    try:
        return bytes(imagecodecs.lzfse_decode(data, out=most + 1))
    except MemoryError as error:
        raise LimitError("the map does not fit into memory", where=where) from error
    except Exception as error:      # LzfseError, which is imported with the package
        raise MalformedError(f"the data cannot be unpacked as LZFSE: {error}", where=where) from None
