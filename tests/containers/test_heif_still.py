"""A HEIC of one coded picture: its bytes, and what others say of it."""

from __future__ import annotations

import io

import av
import numpy as np
import pillow_heif
import pytest

from gpudepth.containers.heif.photo_encoder import heic, nclx
from gpudepth.formats.hevc.codec import Colour, IntraEncoder


def test_nclx() -> None:
    assert nclx(Colour(9, 18, 9)) == bytes.fromhex(
        "00000013 636f6c72"     # size, 'colr'
        "6e636c78"              # 'nclx'
        "0009 0012 0009"        # BT.2020, HLG, BT.2020 non-constant
        "00")                   # limited range
    assert nclx(Colour(1, 13, 6, full_range=True))[-1] == 0x80


@pytest.mark.parametrize(("name", "bits", "brand"), [("yuv420p", 8, b"heic"), ("yuv420p10le", 10, b"heix")])
@pytest.mark.parametrize("orientation", [1, 6, 8, 2])
def test_others_read_it(name: str, bits: int, brand: bytes, orientation: int) -> None:
    rgb = np.zeros((48, 96, 3), np.uint8)
    rgb[:24, :48] = 220     # bright at the upper left, as stored
    picture = av.VideoFrame.from_ndarray(rgb, format="rgb24").reformat(format=name)
    colour = Colour(1, 13, 6)
    hvcc, data = IntraEncoder(4).encode(picture, colour)
    file = heic(hvcc, data, 96, 48, colour, bits=bits, orientation=orientation)
    assert file[8:12] == brand
    opened = pillow_heif.open_heif(io.BytesIO(file), convert_hdr_to_8bit=True)
    shown = np.asarray(opened.to_pillow().convert("L"))
    assert shown.shape == ((48, 96) if orientation in (1, 2) else (96, 48))
    corner = {1: (0, 0), 2: (0, -1), 6: (0, -1), 8: (-1, 0)}[orientation]
    for y in (0, -1):
        for x in (0, -1):
            assert (int(shown[y, x]) > 128) == ((y, x) == corner)
    with av.open(io.BytesIO(file)) as container:
        assert (container.streams.video[0].width, container.streams.video[0].height) == (96, 48)
