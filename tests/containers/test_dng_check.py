"""Rules of depth in DNG files: what we write keeps them, every broken file breaks its own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from dng_kit import BASES, BIG, dng
from photo_kit import ramp

from gpudepth.attachment.inspection import check_file
from gpudepth.containers.base import CodedMap
from gpudepth.containers.dng.dng import Dng
from gpudepth.containers.dng.file import DngFile
from gpudepth.depth.data import Storage
from gpudepth.depth.pixel_format import HDEP, HDIS, L008, L016
from gpudepth.formats.bytesource import ByteSource


def attached(base: bytes = BASES["cfa II"], **fields: Any) -> bytes:
    coded = CodedMap(ramp(48, 36), Storage(L016, 0.25, 4.0), fields.pop("fmt", HDIS), compression="none", **fields)
    with ByteSource(base) as source:
        return Dng().attach(source, coded).splice.to_bytes()


def found(data: bytes, verdict: str = "fail", profile: str | None = None) -> dict[str, str]:
    with ByteSource(data) as source:
        source.name = "test.dng"  # a TIFF whose IFD 0 is damaged is believed by its name
        return {f.rule: f.where for f in check_file(source, profile).findings if f.verdict == verdict}


@pytest.mark.parametrize("name", [*BASES, *BIG])
@pytest.mark.parametrize("fmt", [HDIS, HDEP], ids=str)
def test_what_we_write_passes(name: str, fmt: Any) -> None:
    data = attached({**BASES, **BIG}[name], fmt=fmt)
    assert not found(data) and not found(data, "warn") and not found(data, profile="dng")
    assert len(found(data, "ok")) > 20


def test_other_compressions_and_eight_bits_pass() -> None:
    for compression in ("deflate", "ljpeg", "jpegxl"):
        coded = CodedMap(ramp(48, 36, 255), Storage(L008, 0.0, 4.0), HDIS, compression=compression)
        with ByteSource(BASES["linear MM"]) as source:
            data = Dng().attach(source, coded).splice.to_bytes()
        assert not found(data)


def edited(tag: int, field: bytes, *, depth: bool = False, kind: int | None = None, as_tag: int | None = None) -> bytes:
    """The file with another field in an entry of IFD 0 or of the depth directory."""
    out = bytearray(attached())
    with ByteSource(bytes(out)) as source:
        file = DngFile(source)
    ifd = file.depth_ifds()[0] if depth else file.ifd0
    (n,) = [n for n, e in enumerate(ifd.entries) if e.tag == tag]
    at = ifd.offset + 2 + 12 * n
    if kind is not None:
        out[at + 2 : at + 4] = kind.to_bytes(2, "little")
    if as_tag is not None:
        out[at : at + 2] = as_tag.to_bytes(2, "little")
    if ifd.entries[n].type == 5 and kind is None:
        at = int.from_bytes(ifd.entries[n].field, "little") - 8
    out[at + 8 : at + 8 + len(field)] = field
    return bytes(out)


def chained() -> bytes:
    out = bytearray(attached())
    with ByteSource(bytes(out)) as source:
        (ifd,) = DngFile(source).depth_ifds()
    at = ifd.offset + 2 + 12 * len(ifd.entries)
    out[at : at + 4] = (8).to_bytes(4, "little")
    return bytes(out)


def ratio(a: int, b: int) -> bytes:
    return a.to_bytes(4, "little") + b.to_bytes(4, "little")


CASES: dict[str, tuple[Callable[[], bytes], str, str]] = {
    "chained SubIFDs": (chained, "sub-ifd", "IFD0/SubIFD[0]"),
    "no depth": (lambda: BASES["cfa II"], "depth-present", "tag 330"),
    "another type": (lambda: edited(254, b"\x01\0", depth=True), "new-subfile-type", "SubIFD[0]"),
    "photometric 1": (lambda: edited(262, b"\x01\0", depth=True), "photometric", "SubIFD[0]: tag 262"),
    "12 bits": (lambda: edited(258, b"\x0c\0", depth=True), "samples", "tag 258"),
    "floats": (lambda: edited(284, b"\x03\0", depth=True, as_tag=339), "samples", "tag 258"),
    "LZW": (lambda: edited(259, b"\x05\0", depth=True), "compression", "tag 259"),
    "version 1.4": (lambda: edited(50706, b"\x01\x04\0\0"), "dng-version", "tag 50706"),
    "no DepthNear": (lambda: edited(51178, b"", as_tag=51190), "depth-tags", "IFD0"),
    "DepthNear of another type": (lambda: edited(51178, b"", kind=4), "depth-tag-types", "tag 51178"),
    "DepthFormat 0": (lambda: edited(51177, b"\0\0"), "depth-format", "tag 51177"),
    "unknown range": (lambda: edited(51178, ratio(0, 0)), "range", "tag 51178"),
    "range upside down": (lambda: edited(51178, ratio(100, 1)), "range", "tag 51178"),
    "near 0, inverse": (lambda: edited(51178, ratio(0, 1)), "range", "tag 51178"),
    "DepthUnits 5": (lambda: edited(51180, b"\x05\0"), "depth-units", "tag 51180"),
    "truncated": (lambda: attached()[:-40], "structure", "IFD0"),
    "another aspect": (lambda: attached(dng(size=(128, 64))), "aspect", "SubIFD[0]"),
    "strip outside": (lambda: edited(273, b"\xff\xff\xff\x0f", depth=True), "decodes", "tag 273"),
}


@pytest.mark.parametrize("case", CASES)
def test_every_defect_is_found_at_its_place(case: str) -> None:
    make, rule, place = CASES[case]
    broken = found(make())
    assert rule in broken, broken
    assert place in broken[rule]


def test_a_defect_breaks_little_else() -> None:
    allowed = {"depth-present", "decodes", "range"}
    for case, (make, rule, _) in CASES.items():
        assert set(found(make())) <= {rule, *allowed}, case


def test_what_is_only_warned_of() -> None:
    data = edited(51181, b"\x02\0")  # along the ray: conforms, and we cannot turn it into depth
    assert "depth-measure-type" in found(data, "warn") and "decodes" in found(data)
    assert set(found(edited(50707, b"\x01\x05\0\0"), "warn")) == {"dng-backward-version"}
