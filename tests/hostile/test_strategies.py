"""Files drawn by their structure: sound ones are read, broken ones end in errors of ours."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import strategies as kinds
from harnesses import HARNESSES
from heif_kit import HEIF
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gpudepth.formats import jpeg, rdf, tiff, xmp
from gpudepth.formats.bytesource import ByteSource
from gpudepth.formats.quicktime import movie
from gpudepth.maps.netpbm import read_pfm

QUICK = settings(max_examples=60, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
MANY = settings(QUICK, max_examples=150)

STRATEGIES: dict[str, tuple[Callable[[], st.SearchStrategy[bytes]], tuple[str, ...]]] = {
    "heifs": (kinds.heifs, ("heif", "isobmff", "hevc", "kinds")),
    "jpegs": (kinds.jpegs, ("jpeg_file", "jpeg_segments", "mpf_index", "exif_block")),
    "tiffs": (kinds.tiffs, ("tiff_directories", "dng", "exif_block")),
    "packets": (kinds.packets, ("packets",)),
    "pfms": (kinds.pfms, ("headers",)),
    "movies": (kinds.movies, ("movie", "isobmff"))}


def source(data: bytes, call: Callable[[ByteSource], Any]) -> Any:
    with ByteSource(data) as opened:
        return call(opened)


@QUICK
@given(kinds.heifs())
def test_heifs_are_sound(data: bytes) -> None:
    picture = source(data, HEIF.picture)
    assert (picture.coded_width, picture.coded_height) == (64, 64)


@QUICK
@given(kinds.jpegs())
def test_jpegs_are_sound(data: bytes) -> None:
    frame = source(data, jpeg.parse).frame
    assert (frame.width, frame.height) == (64, 48)


@QUICK
@given(kinds.tiffs())
def test_tiffs_are_sound(data: bytes) -> None:
    assert [entry.tag for entry in source(data, lambda s: tiff.Tiff(s).ifd(8, "IFD0")).entries] == sorted(
        entry.tag for entry in source(data, lambda s: tiff.Tiff(s).ifd(8, "IFD0")).entries)


@QUICK
@given(kinds.packets())
def test_packets_are_sound(data: bytes) -> None:
    xmp.parse(data)
    rdf.parse(data)


@QUICK
@given(kinds.pfms())
def test_pfms_are_sound(data: bytes) -> None:
    import io

    assert read_pfm(io.BytesIO(data), len(data), where="x").ndim == 2


@QUICK
@given(kinds.movies())
def test_movies_are_sound(data: bytes) -> None:
    tracks = source(data, lambda s: movie.read(s).tracks)
    assert [track.samples.count >= 1 for track in tracks] == [True, True]


@pytest.mark.parametrize("name", list(STRATEGIES))
def test_broken_ones_end_in_errors(name: str) -> None:
    make, harnesses = STRATEGIES[name]

    @MANY
    @given(kinds.broken(make()))
    def run(data: bytes) -> None:
        for harness in harnesses:
            HARNESSES[harness][0](data)

    run()


def test_breaking_breaks() -> None:
    """Most of what `broken` draws is no longer what it was, and some of it cannot be read."""
    refused = 0

    @MANY
    @given(kinds.broken(kinds.heifs()))
    def run(data: bytes) -> None:
        nonlocal refused
        try:
            source(data, HEIF.picture)
        except Exception:
            refused += 1

    run()
    assert refused > 50
