"""Recognises what follows the last image of a JPEG file, and reads the depth maps that vendors keep there.

    Samsung   … "SEFH" u32 version, u32 count, entries {u16, u16 type, u32 back from SEFH, u32 size} | u32 length "SEFT"
              a block: u16, u16 type, u32 name length, name, data; DualShot_DepthMap_1 is a raw 8-bit map whose size
              stands in DualShot_Extra_Info, SingeShot_DepthMap_1 [sic] one whose size (segWidth, segHeight) is in the
              block before it: "DOFS", u32 version 3, …, at 16 u16 count, entries {u8, u8 n, name, u16 size, value}
    Huawei    … "\\0edof\\0" …: from "edof" on, orientation at 7, u16 columns at 16, u16 rows at 18, 8-bit map from 68
    Xiaomi    "PMPD", 1 KB of 0x80, 01 00 ff ff, u32 width, u32 padded height, map

None of them defines what its codes are in metres (exiftool's Samsung.pm, jpbarraca/dual-camera-edof,
VincenzoLaSpesa/XiaomiDepthMapExtractor).
"""

from __future__ import annotations

import re
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...errors import LimitError, MalformedError
from ...formats.bytesource import ByteSource
from ..base import VendorMap

WINDOW = 64 << 20  # largest trailer that is searched for maps, in bytes
_SAMSUNG = "Samsung SEFT trailer"
_DUAL_MAP, _DUAL_INFO, _SINGLE_META, _SINGLE_MAP = 0x0AB1, 0x0AB3, 0x0B40, 0x0B41
_DUAL_SIZE = re.compile(rb"[\x01-\x09]\x00\xff\xff")
_DUAL_SIZE_AT = 32, 96  # range of DualShot_Extra_Info in which the mark before the size was found


def kind(source: ByteSource, start: int) -> str:
    """Describe a trailer; "" for none, and for only zeros, which Apple's older cameras leave."""
    size = source.size - start
    if size <= 0:
        return ""
    head = source.read(start, min(size, 1 << 16))
    tail = source.read(source.size - min(size, 64), min(size, 64))
    if tail.endswith(b"SEFT"):
        return _SAMSUNG
    if head[4:8] == b"ftyp":
        return "motion photo video"
    if b"\0edof\0" in head:
        return "Huawei EDOF trailer"
    if head.startswith(b"PMPD"):
        return "Xiaomi PMPD trailer"
    if any(any(chunk) for chunk in source.chunks(start, size)):
        return "unknown data"
    return ""


def vendor_map(source: ByteSource, start: int) -> VendorMap | None:
    """Return the depth map in a vendor's trailer, or None. Raises MalformedError when it is cut short, LimitError."""
    name = kind(source, start)
    if not name or name in ("motion photo video", "unknown data"):
        return None
    size = source.size - start
    if size > WINDOW:
        raise LimitError(f"the trailer of {size:,} bytes is too large to be searched", where=name)
    data = source.read(start, size)
    if name.startswith("Samsung"):
        return _samsung(data, source)
    if name.startswith("Huawei"):
        at = data.index(b"\0edof\0") + 1
        if len(data) < at + 68:
            raise MalformedError("the trailer is cut short", where=name)
        return VendorMap("Huawei EDOF", _plane(data, at + 68, (_u16(data, at + 16), _u16(data, at + 18)), source, name))
    at = data.find(b"\x01\0\xff\xff")
    if at < 0 or len(data) < at + 12:
        return None
    return VendorMap("Xiaomi PMPD", _plane(data, at + 12, (_u32(data, at + 4), _u32(data, at + 8)), source, name))


def _u16(data: bytes, at: int) -> int:
    return int.from_bytes(data[at : at + 2], "little")


def _u32(data: bytes, at: int) -> int:
    return int.from_bytes(data[at : at + 4], "little")


def _plane(data: bytes, at: int, size: tuple[int, int], source: ByteSource, where: str) -> NDArray[Any]:
    width, height = size
    if width <= 0 or height <= 0:
        raise MalformedError(f"the depth map is {width} × {height}", where=where)
    source.limits.check_decode(width, height, 1, where=where)
    if at + width * height > len(data):
        raise MalformedError(f"the depth map of {width} × {height} has only {max(0, len(data) - at):,} bytes",
                             where=where)
    return np.frombuffer(data, np.uint8, width * height, at).reshape(height, width).copy()


def _samsung(data: bytes, source: ByteSource) -> VendorMap | None:
    blocks = _samsung_blocks(data)
    if _DUAL_MAP in blocks and _DUAL_INFO in blocks:
        info, end = blocks[_DUAL_INFO]
        mark = _DUAL_SIZE.search(data, info + _DUAL_SIZE_AT[0], min(end, info + _DUAL_SIZE_AT[1]))
        if mark is None:
            raise MalformedError("DualShot_Extra_Info holds no size", where=_SAMSUNG)
        name, size, (at, end) = "DualShot", (_u32(data, mark.end()), _u32(data, mark.end() + 4)), blocks[_DUAL_MAP]
    elif _SINGLE_MAP in blocks and _SINGLE_META in blocks:
        numbers = _single_shot(data[slice(*blocks[_SINGLE_META])])
        size = numbers.get(b"segWidth", 0), numbers.get(b"segHeight", 0)
        name, (at, end) = "SingleShot", blocks[_SINGLE_MAP]
    else:
        return None
    return VendorMap(f"Samsung {name}", _plane(data[:end], at, size, source, _SAMSUNG))


def _samsung_blocks(data: bytes) -> dict[int, tuple[int, int]]:
    """Return the start and end of the data of each block by type; of several maps the first."""
    length = _u32(data, len(data) - 8)
    start = len(data) - 8 - length
    if start < 0 or data[start : start + 4] != b"SEFH":
        raise MalformedError("the directory is not at its declared place", where=_SAMSUNG)
    count = _u32(data, start + 8)
    if 12 + 12 * count > length:
        raise MalformedError(f"a directory of {count:,} entries does not fit into {length:,} bytes", where=_SAMSUNG)
    blocks: dict[int, tuple[int, int]] = {}
    for n in range(count):
        entry = start + 12 + 12 * n
        kind, at, size = _u16(data, entry + 2), start - _u32(data, entry + 4), _u32(data, entry + 8)
        name_size = _u32(data, at + 4) if at >= 0 else 0
        if at < 0 or size < 8 + name_size or at + size > start:
            raise MalformedError(f"entry {n} is outside the trailer", where=_SAMSUNG)
        name = data[at + 8 : at + 8 + name_size]
        if kind not in (_DUAL_MAP, _SINGLE_MAP) or name.rstrip(b"\0").endswith(b"_1"):
            blocks[kind] = at + 8 + name_size, at + size
    return blocks


def _single_shot(block: bytes) -> dict[bytes, int]:
    """Return the numbers of a DOFS block."""
    out: dict[bytes, int] = {}
    if block[:4] == b"DOFS" and _u32(block, 4) == 3:
        at = 18
        for _ in range(_u16(block, 16)):
            if at + 2 > len(block):
                break
            name = block[at + 2 : at + 2 + block[at + 1]]
            at += 2 + len(name)
            size = _u16(block, at)
            if size == 4:
                out[name] = _u32(block, at + 2)
            at += 2 + size
    return out
