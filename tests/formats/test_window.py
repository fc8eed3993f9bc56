"""A part of a file reads as a file of its own, and nothing outside it can be read."""

from __future__ import annotations

from pathlib import Path

import pytest

from gpudepth.errors import TruncatedError
from gpudepth.formats.bytesource import ByteSource, Window


def test_reading(tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(bytes(range(100)))
    with ByteSource(tmp_path / "f") as outer:
        part = Window(outer, 10, 20)
        assert (part.size, part.name, part.limits) == (20, str(tmp_path / "f"), outer.limits)
        assert part.read(0, 3) == bytes([10, 11, 12])
        assert b"".join(part.chunks(5, 15)) == bytes(range(15, 30))
        assert Window(part, 5, 5).read(4, 1) == bytes([19])
        for at, length in ((0, 21), (20, 1), (-1, 2), (3, -1), (21, 0)):
            with pytest.raises(TruncatedError, match="is outside the file of 20 bytes"):
                part.read(at, length)
        for start, length in ((90, 11), (101, 0), (-5, 2)):
            with pytest.raises(TruncatedError):
                Window(outer, start, length)
