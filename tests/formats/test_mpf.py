"""MPF: bytes ↔ object ↔ the same bytes."""

from __future__ import annotations

import contextlib
from typing import Any

import numpy as np
import pytest

from gpudepth.errors import GpudepthError, LimitError, MalformedError
from gpudepth.formats import jpeg, mpf
from gpudepth.formats.bytesource import ByteSource
from gpudepth.formats.mpf import Mpf, MpfEntry, Tag

TWO = bytes.fromhex(
    "4d504600"                      # MPF\0
    "4d4d002a 00000008"             # big-endian TIFF, IFD at 8
    "0003"                          # three tags
    "b000 0007 00000004 30313030"   # MPFVersion 0100
    "b001 0004 00000001 00000002"   # NumberOfImages 2
    "b002 0007 00000020 00000032"   # MPEntry, 32 bytes at 50
    "00000000"                      # no attribute IFD
    "00030000 001f0bfc 00000000 0000 0000"  # baseline primary, 2034684 bytes
    "00000000 00008ffc 001eddbf 0000 0000"  # undefined type, 36860 bytes at 2022847
)
STUB = bytes.fromhex("4d504600 4d4d002a 00000008 0002 b000 0007 00000004 30313030 b001 0004 00000001 00000002 00000000")
LITTLE = bytes.fromhex(
    "4d504600 49492a00 08000000 0500"
    "00b0 0700 04000000 30313030"
    "01b0 0400 01000000 01000000"
    "02b0 0700 10000000 4a000000"   # MPEntry, 16 bytes at 74
    "03b0 0700 21000000 5a000000"   # ImageUIDList, 33 bytes at 90
    "04b0 0400 01000000 07000000"   # TotalFrames 7
    "7c000000"                      # attribute IFD at 124
    "02000300 11000000 00000000 0000 0000" + "61" * 33 + "00"
    "0100 01b1 0400 01000000 05000000 00000000"  # MPIndividualNum 5
)


def test_two_images() -> None:
    parsed = mpf.parse(TWO)
    assert parsed.entries == (MpfEntry(0x30000, 2034684, 0), MpfEntry(0, 36860, 2022847))
    assert (parsed.count, parsed.order) == (2, "big")
    assert mpf.serialise(parsed) == TWO
    built = Mpf((MpfEntry(mpf.BASELINE_PRIMARY, 2034684, 0),), 1).adding(MpfEntry(0, 36860, 2022847))
    assert mpf.serialise(built) == TWO


def test_stub() -> None:
    assert mpf.stub(2) == STUB
    parsed = mpf.parse(STUB)
    assert (parsed.entries, parsed.count) == ((), 2)
    assert mpf.serialise(parsed) == STUB


def test_a_count_is_patched_in_its_place() -> None:
    assert mpf.with_count(STUB, 3) == mpf.stub(3) and len(mpf.stub(3)) == len(STUB)
    little = bytes.fromhex("4d504600 49492a00 08000000 0200 00b0 0700 04000000 30313030 01b0 0400 01000000 02000000"
                           "32000000 0100 01b1 0400 01000000 05000000 00000000") + b"more"
    assert mpf.with_count(little, 0x0102) == little[:34] + b"\x02\x01\0\0" + little[38:]
    lone = bytes.fromhex("4d504600 4d4d002a 00000008 0001 b101 0004 00000001 00000002 00000000")  # attributes alone
    for other in (lone, TWO, LITTLE, STUB[:20], b"MPF\0XX\0*\0\0\0\x08"):
        assert mpf.with_count(other, 9) == other


def test_little_endian_with_uids_total_frames_and_attributes() -> None:
    parsed = mpf.parse(LITTLE)
    assert parsed.order == "little"
    assert parsed.entries == (MpfEntry(0x30002, 17, 0),)
    assert parsed.attributes == (Tag(0xB101, 4, 1, b"\x05\0\0\0"),)
    assert mpf.serialise(parsed) == LITTLE
    more = mpf.parse(mpf.serialise(parsed.adding(MpfEntry(0, 5, 6))))
    assert more.count == 2
    uids = next(t for t in more.tags if t.tag == mpf.UIDS)
    assert uids.data == b"a" * 33 + bytes(33)
    assert (more.attributes, more.order) == (parsed.attributes, "little")
    assert mpf.serialise(more.without(1)) == LITTLE


@pytest.mark.parametrize(("data", "error"), [
    (b"MPF\0XX\0*\0\0\0\x08", MalformedError), (b"MPF\0MM\0*", MalformedError), (TWO[:30], MalformedError),
    (TWO.replace(b"\x00\x00\x00\x20\x00\x00\x00\x32", b"\x00\x00\x00\x20\x00\x00\x0f\x32"), MalformedError),
    (TWO.replace(b"\x00\x00\x00\x01\x00\x00\x00\x02", b"\x00\x00\x00\x01\x00\x00\xff\x02"), LimitError),
    (b"MPF\0MM\0*\0\0\0\x08\xff\xff", LimitError),
])
def test_refusals(data: bytes, error: type[GpudepthError]) -> None:
    with pytest.raises(error):
        mpf.parse(data)


def test_mutations_raise_only_our_errors() -> None:
    rng = np.random.default_rng(7)
    for base in (TWO, STUB, LITTLE):
        for _ in range(1000):
            data = bytearray(base)
            for _ in range(rng.integers(1, 4)):
                data[rng.integers(4, len(data))] = rng.integers(256)
            with contextlib.suppress(GpudepthError):
                mpf.serialise(mpf.parse(bytes(data)))


def test_segments_of_a_real_file_are_rebuilt(sample: Any) -> None:
    for name, count in (("jpeg/iphone7plus_portrait.jpg", 2), ("jpeg/iphone13mini_gainmap_no_depth.jpg", 1)):
        with ByteSource(sample(name)) as source:
            primary = jpeg.parse(source)
            segment = primary.find(jpeg.APP2, jpeg.MPF)
            assert segment is not None
            parsed = mpf.parse(segment.payload)
            assert mpf.serialise(parsed) == segment.payload
            second = jpeg.parse(source, segment.end - len(segment.payload) + 4 + parsed.entries[1].offset)
            stub = second.find(jpeg.APP2, jpeg.MPF)
            assert (stub is not None) == (count == 2)
            if stub is not None:
                assert stub.payload == mpf.stub(2)
