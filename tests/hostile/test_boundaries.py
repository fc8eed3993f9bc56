"""What is written within limits can be read within the same limits; libheif's own take it, too."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

import pytest
from heif_kit import Item, Layout, attach, coded_map, libheif, main_item, parse, read
from seeds import CAMERA, seeds

from gpudepth.containers import registry
from gpudepth.containers.base import Placement
from gpudepth.errors import LimitError, UnsupportedError
from gpudepth.formats.bytesource import ByteSource
from gpudepth.limits import Limits

CODED = coded_map(32, 24, calibration=CAMERA)
FILES = [("bare.heic", Placement()), ("depth.heic", Placement(replace=True)), ("bare.jpg", Placement()), ("bare.jpg", Placement(also=("gdepth",))),
         ("bare.jpg", Placement("gdepth")), ("bare.jpg", Placement("dynamic-depth")), ("depth.jpg", Placement(replace=True)),
         ("depth.dng", Placement(replace=True)), ("big.dng", Placement(replace=True))]
# of what is decoded, of lists, of movies and archives, of the coded map itself: no photo that is written comes near them
COUNTS = [f.name for f in fields(Limits) if f.name not in (
    "max_pixels", "max_decoded_bytes", "max_list", "max_samples", "max_movie", "max_moov", "max_archive", "max_members", "max_ratio",
    "max_file", "max_parameter_sets", "max_nal_units", "max_coded")]


def written(data: bytes, limits: Limits, placement: Placement) -> bytes | None:
    """With depth, or None where the limits do not allow that."""
    try:
        with ByteSource(data, limits) as source:
            return registry.require(source).attach(source, CODED, placement).splice.to_bytes()
    except (LimitError, UnsupportedError):      # a DNG that cannot be looked into is not known for one
        return None


@pytest.mark.parametrize("name", COUNTS)
@pytest.mark.parametrize(("file", "placement"), FILES, ids=lambda value: value if isinstance(value, str) else f"{value.profile}-{value.also}")
def test_the_smallest_limit_that_lets_us_write_lets_us_read(file: str, placement: Placement, name: str) -> None:
    data = seeds()[file]

    def limited(value: int) -> Limits:
        return Limits(**{name: value})  # type: ignore[arg-type]

    # the first is taken for "too small": 0 would be none, and a coded map has 5 KB of segments of its own
    low, high = 8192 if name == "max_metadata" else 0, 1 << 22
    assert written(data, limited(high), placement) is not None
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if written(data, limited(middle), placement) is not None else (middle, high)
    for value in (high, high + 1, high + 2):
        out = written(data, limited(value), placement)
        assert out is not None
        with ByteSource(out, limited(value)) as source:
            depth: Any = registry.require(source).read(source)
        assert depth.map.shape == (24, 32)


@pytest.mark.parametrize(("count", "fits"), [(997, True), (998, True), (999, False)])
def test_a_thousand_items(count: int, fits: bool) -> None:
    """libheif's limit, and ours for reading and writing: depth and its XMP are two."""
    data = Layout([main_item(), *(Item(n, "mime", b"", content_type=b"a") for n in range(2, count + 1))]).build()
    if not fits:
        with pytest.raises(LimitError, match=r"asks for 1,001, limits.max_items is 1,000"):
            attach(data)
        return
    out = attach(data)
    assert len(parse(out).meta.items) == count + 2
    assert read(out).map.shape == libheif(out).depth.shape == (24, 32)
