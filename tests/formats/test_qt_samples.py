"""The sample table: hex with a comment per field → arrays; counts that lie."""

from __future__ import annotations

import numpy as np
import pytest
from movie_kit import hexed, u32

from gpudepth.errors import FileError, LimitError, MalformedError, TruncatedError
from gpudepth.formats.bytesource import ByteSource
from gpudepth.formats.isobmff.box import make_full, walk
from gpudepth.formats.quicktime.samples import SampleTable
from gpudepth.limits import DEFAULT, Limits

STTS = """
    00000020 73747473 00000000  # size, 'stts', version and flags
    00000002                    # entry_count
    00000003 00000014           # 3 samples of 20
    00000002 0000000a           # 2 samples of 10
"""
CTTS = """
    00000020 63747473 00000000  # size, 'ctts', version 0 with a signed offset, as QuickTime writes
    00000002
    00000004 00000014           # 4 samples: +20
    00000001 fffffff6           # 1 sample: −10
"""
STSC = """
    00000028 73747363 00000000  # size, 'stsc'
    00000002
    00000001 00000002 00000001  # from chunk 1: 2 samples, description 1
    00000003 00000001 00000002  # from chunk 3: 1 sample, description 2
"""
STSZ = """
    00000028 7374737a 00000000  # size, 'stsz'
    00000000 00000005           # no common size; 5 samples
    00000003 00000004 00000005 00000006 00000007
"""
STCO = """
    0000001c 7374636f 00000000  # size, 'stco'
    00000003
    000000c8 0000012c 00000190  # 200, 300, 400
"""
STSS = """
    00000018 73747373 00000000  # size, 'stss'
    00000002
    00000001 00000004           # samples 1 and 4
"""
ALL = {"stts": STTS, "ctts": CTTS, "stsc": STSC, "stsz": STSZ, "stco": STCO, "stss": STSS}


def table(limits: Limits = DEFAULT, size: int = 1000, **changed: bytes | None) -> SampleTable:
    boxes = {k: hexed(v) for k, v in ALL.items()} | changed
    data = b"".join(v for v in boxes.values() if v)
    source = ByteSource(data + bytes(max(size - len(data), 0)))
    found = {b.type: b for b in walk(source, 0, len(data), "stbl")}
    return SampleTable(source, found, "stbl", limits)


def test_every_array():
    t = table()
    assert t.count == 5
    assert t.sizes.tolist() == [3, 4, 5, 6, 7]
    assert t.offsets.tolist() == [200, 203, 300, 305, 400]
    assert t.decode_times.tolist() == [0, 20, 40, 60, 70]
    assert t.presentation_times.tolist() == [20, 40, 60, 80, 60]
    assert t.durations.tolist() == [20, 20, 20, 10, 10]
    assert t.sync.tolist() == [True, False, False, True, False]
    assert t.descriptions.tolist() == [0, 0, 0, 0, 1]
    assert t.offsets.dtype == t.sizes.dtype == t.decode_times.dtype == np.int64


def test_other_forms_of_the_same():
    t = table(ctts=None, stss=None, stco=None, co64=make_full("co64", 0, 0, u32(3, 0, 200, 0, 300, 0, 400)))
    assert t.offsets.tolist() == [200, 203, 300, 305, 400]
    assert t.presentation_times.tolist() == t.decode_times.tolist()
    assert t.sync.all()
    assert table(stsz=make_full("stsz", 0, 0, u32(9, 5))).sizes.tolist() == [9] * 5
    for bits, sizes in ((4, "345670"), (8, "0304050607"), (16, "00030004000500060007")):
        t = table(stsz=None, stz2=make_full("stz2", 0, 0, u32(bits, 5) + bytes.fromhex(sizes)))
        assert t.sizes.tolist() == [3, 4, 5, 6, 7]


def test_no_samples():
    none = make_full("stsz", 0, 0, u32(0, 0))
    empty = {k: make_full(k, 0, 0, u32(0)) for k in ("stts", "stsc", "stco", "stss")}
    t = table(stsz=none, ctts=None, **empty)
    assert [len(a) for a in (t.offsets, t.sizes, t.decode_times, t.sync, t.descriptions)] == [0] * 5


HUGE = 0xFFFFFFFF


@pytest.mark.parametrize(("changed", "error", "words"), [
    ({"stsz": make_full("stsz", 0, 0, u32(1, HUGE))}, LimitError, "stbl/stsz: asks for 4,294,967,295, limits.max_samples"),
    ({"stsz": make_full("stsz", 0, 0, u32(0, 1 << 21))}, MalformedError, "the chunks hold 5 samples, but stsz 2,097,152"),
    ({"stsz": make_full("stsz", 0, 0, u32(900, 5))}, MalformedError, "5 samples have 4,500 bytes"),
    ({"stsz": make_full("stsz", 0, 0, b"")}, MalformedError, "stbl/stsz: the box needs 12 bytes, but has 4"),
    ({"stsz": make_full("stsz", 0, 0, u32(0, 5, 1, 2))}, MalformedError, "stbl/stsz: the box declares 5 numbers of 4 bytes, but has 8 bytes"),
    ({"stsz": None}, MalformedError, "stbl: there is neither stsz nor stz2"),
    ({"stsz": None, "stz2": make_full("stz2", 0, 0, u32(5, 5))}, MalformedError, "sizes have 5 bits;"),
    ({"stts": make_full("stts", 0, 0, u32(1, HUGE, 1))}, MalformedError, "stbl/stts: the box describes 4,294,967,295 samples,"),
    ({"stts": make_full("stts", 0, 0, u32(HUGE, 5, 1))}, LimitError, "stbl/stts: the box declares"),
    ({"stts": None}, MalformedError, "stbl: there is no stts"),
    ({"ctts": make_full("ctts", 0, 0, u32(1, 4, 1))}, MalformedError, "stbl/ctts: the box describes 4 samples,"),
    ({"stsc": make_full("stsc", 0, 0, u32(1, 1, HUGE, 1))}, MalformedError, "stbl/stsc: the chunks hold 12,884,901,885"),
    ({"stsc": make_full("stsc", 0, 0, u32(1, 2, 1, 1))}, MalformedError, "do not start at chunk 1"),
    ({"stsc": make_full("stsc", 0, 0, u32(2, 1, 1, 1, 1, 1, 1))}, MalformedError, "do not rise"),
    ({"stsc": make_full("stsc", 0, 0, u32(1, 1, 1, 0))}, MalformedError, "description 0"),
    ({"stsc": make_full("stsc", 0, 0, u32(0))}, MalformedError, "is empty, but there are 5 samples"),
    ({"stco": make_full("stco", 0, 0, u32(3, 200, 300, 5000))}, TruncatedError, "a chunk starts at 5,000"),
    ({"stco": None, "co64": make_full("co64", 0, 0, u32(3, HUGE, HUGE, 0, 1, 0, 2))}, TruncatedError, "a chunk starts"),
    ({"stco": make_full("stco", 0, 0, u32(3, 200, 300, 996))}, TruncatedError, "stbl: sample 4 at 996…1,003 is outside"),
    ({"stco": make_full("stco", 0, 0, u32(3, 200, 204, 400))}, MalformedError, "samples 1 and 2 share bytes at 204"),
    ({"stco": None}, MalformedError, "stbl: there is neither stco nor co64"),
    ({"stss": make_full("stss", 0, 0, u32(1, 6))}, MalformedError, "stbl/stss: the box lists sample 6 of 5,"),
    ({"stss": make_full("stss", 0, 0, u32(1, 0))}, MalformedError, "counted from 1"),
])
def test_tables_that_lie(changed, error, words):
    t = table(**changed)
    with pytest.raises(error, match=words):
        for name in ("offsets", "presentation_times", "durations", "sync", "descriptions"):
            getattr(t, name)
    assert issubclass(error, FileError)


def test_runs_beyond_the_last_chunk_mean_nothing():
    runs = make_full("stsc", 0, 0, u32(3, 1, 2, 1, 3, 1, 2, 9, 77, 1))
    assert table(stsc=runs).offsets.tolist() == [200, 203, 300, 305, 400]
