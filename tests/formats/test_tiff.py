"""TIFF directories: bytes ↔ entries ↔ the same bytes, in both byte orders and both sizes of offset."""

from __future__ import annotations

import contextlib
import tracemalloc

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gpudepth.errors import GpudepthError, LimitError, MalformedError, TruncatedError, UsageError
from gpudepth.formats.bytesource import ByteSource
from gpudepth.formats.tiff import (
    ASCII,
    BYTE,
    LONG,
    LONG8,
    RATIONAL,
    SHORT,
    SRATIONAL,
    SUB_IFDS,
    Field,
    IfdEntry,
    Layout,
    Tiff,
    parse_header,
    serialise,
)


def hexed(text: str) -> bytes:
    return bytes.fromhex("".join(line.split("#")[0] for line in text.splitlines()))


FIELDS = [Field(256, SHORT, (80,)), Field(51178, RATIONAL, (1, 2)), Field(50706, BYTE, (1, 5, 0, 0)),
          Field(279, LONG, (9600,)), Field(271, ASCII, tuple(b"ABCDEFGHIJ\0")), Field(50721, SRATIONAL, (-1, 2))]

LITTLE = hexed("""
    4949 2a00 08000000                  # II, 42, IFD 0 at 8
    0600                                # 6 entries, sorted by tag
    0001 0300 01000000 50000000         # 256 SHORT 1: 80, padded
    0f01 0200 0b000000 56000000         # 271 ASCII 11: at 86
    1701 0400 01000000 80250000         # 279 LONG 1: 9600
    12c6 0100 04000000 01050000         # 50706 BYTE 4: 1 5 0 0, inline
    21c6 0a00 01000000 62000000         # 50721 SRATIONAL 1: at 98
    eac7 0500 01000000 6a000000         # 51178 RATIONAL 1: at 106
    00000000                            # no IFD 1
    4142434445464748494a00 00           # the text, and a byte to the next word
    ffffffff 02000000                   # −1/2
    01000000 02000000                   # 1/2
""")
BIG_ENDIAN = hexed("""
    4d4d 002a 00000008                  # MM, 42, IFD 0 at 8
    0006
    0100 0003 00000001 00500000
    010f 0002 0000000b 00000056
    0117 0004 00000001 00002580
    c612 0001 00000004 01050000
    c621 000a 00000001 00000062
    c7ea 0005 00000001 0000006a
    00000000
    4142434445464748494a00 00
    ffffffff 00000002
    00000001 00000002
""")
BIG_TIFF = hexed("""
    4949 2b00 0800 0000 1000000000000000                # II, 43, offsets of 8 bytes, IFD 0 at 16
    0600000000000000                                    # 6 entries
    0001 0300 0100000000000000 5000000000000000         # 256 SHORT 1: 80
    0f01 0200 0b00000000000000 9800000000000000         # 271 ASCII 11: at 152
    1701 0400 0100000000000000 8025000000000000         # 279 LONG 1: 9600
    12c6 0100 0400000000000000 0105000000000000         # 50706 BYTE 4, inline
    21c6 0a00 0100000000000000 ffffffff02000000         # 50721 SRATIONAL 1: −1/2, inline
    eac7 0500 0100000000000000 0100000002000000         # 51178 RATIONAL 1: 1/2, inline
    0000000000000000                                    # no IFD 1
    4142434445464748494a00                              # the text
""")
FILES = {"II": (LITTLE, Layout("<")), "MM": (BIG_ENDIAN, Layout(">")), "BigTIFF": (BIG_TIFF, Layout("<", True))}


def opened(data: bytes) -> Tiff:
    return Tiff(ByteSource(data))


@pytest.mark.parametrize("name", FILES)
def test_values_to_bytes(name: str) -> None:
    data, layout = FILES[name]
    at = layout.header_size
    assert layout.header(at) + serialise(layout, FIELDS, at) == data


@pytest.mark.parametrize("name", FILES)
def test_bytes_to_values(name: str) -> None:
    data, layout = FILES[name]
    tiff = opened(data)
    (ifd,) = tiff.walk()
    assert (tiff.layout, tiff.first) == (layout, layout.header_size)
    assert parse_header(data[:16]) == (layout, layout.header_size)
    assert tiff.integer(ifd, 256) == 80 and tiff.integer(ifd, 279) == 9600
    assert tiff.integers(ifd, 50706) == (1, 5, 0, 0)
    assert tiff.rational(ifd, 51178) == (1, 2) and tiff.text(ifd, 271) == "ABCDEFGHIJ"
    assert tiff.integer(ifd, 1234, 7) == 7 and tiff.integers(ifd, 1234) is None and tiff.rational(ifd, 1234) is None
    assert tiff.text(ifd, 1234) == "" and not ifd.has(1234)


@pytest.mark.parametrize("name", FILES)
def test_a_directory_is_copied_without_knowing_its_tags(name: str) -> None:
    """Entries as they stand, at another place: inline values and offsets of what has not moved are still right."""
    data, layout = FILES[name]
    tiff = opened(data)
    (ifd,) = tiff.walk()
    at = len(data) + (-len(data) % layout.alignment)
    copied = layout.header(at) + data[layout.header_size :].ljust(at - layout.header_size, b"\0") + serialise(
        layout, [*ifd.entries, Field(999, SHORT, (5,))], at)
    again = opened(copied)
    (moved,) = again.walk()
    assert again.rational(moved, 51178) == (1, 2) and again.text(moved, 271) == "ABCDEFGHIJ"
    assert [e for e in moved.entries if e.tag != 999] == list(ifd.entries)


def tree(order: str = "<") -> bytes:
    """IFD 0 with two SubIFDs, then IFD 1."""
    layout = Layout(order)  # type: ignore[arg-type]
    one = serialise(layout, [Field(256, LONG, (1,))], 100)
    return (layout.header(8) + serialise(layout, [Field(SUB_IFDS, LONG, (100, 200)), Field(256, LONG, (0,))], 8, 300)
            ).ljust(100, b"\0") + one.ljust(100, b"\0") + serialise(layout, [Field(256, LONG, (2,))], 200).ljust(
                100, b"\0") + serialise(layout, [Field(256, LONG, (3,))], 300)


@pytest.mark.parametrize("order", "<>")
def test_the_tree_is_walked(order: str) -> None:
    tiff = opened(tree(order))
    assert [(i.path, tiff.integer(i, 256)) for i in tiff.walk()] == [
        ("IFD0", 0), ("IFD0/SubIFD[0]", 1), ("IFD0/SubIFD[1]", 2), ("IFD1", 3)]


def test_an_earlier_state_can_be_looked_at() -> None:
    """A header and an end of its own: what was appended later is not there."""
    data = tree()
    tiff = Tiff(ByteSource(data), data[:8], 290)
    assert tiff.integer(tiff.ifd(200, "IFD0"), 256) == 2
    with pytest.raises(TruncatedError, match="outside the file of 290"):
        tiff.ifd(300, "IFD1")


def entry(tag: int, kind: int, count: int, value: int) -> IfdEntry:
    return IfdEntry(tag, kind, count, value.to_bytes(4, "little"))


def one(*entries: IfdEntry | Field, following: int = 0) -> Tiff:
    layout = Layout("<")
    return opened(layout.header(8) + serialise(layout, entries, 8, following))


def test_errors_say_where() -> None:
    cases = [
        (one(entry(273, 4, 1 << 31, 8)), lambda t: t.integers(t.walk()[0], 273), LimitError, "IFD0: tag 273"),
        (one(entry(273, 4, 1 << 20, 8)), lambda t: t.integers(t.walk()[0], 273), TruncatedError, "IFD0: tag 273"),
        (one(entry(273, 4, 2, 1 << 30)), lambda t: t.integers(t.walk()[0], 273), TruncatedError, "IFD0: tag 273"),
        (one(entry(273, 99, 1, 0)), lambda t: t.integers(t.walk()[0], 273), MalformedError, "IFD0: tag 273"),
        (one(entry(273, 2, 1, 0)), lambda t: t.integers(t.walk()[0], 273), MalformedError, "IFD0: tag 273"),
        (one(entry(273, 4, 1, 0)), lambda t: t.rational(t.walk()[0], 273), MalformedError, "IFD0: tag 273"),
        (one(entry(273, 4, 0, 0)), lambda t: t.integer(t.walk()[0], 273), MalformedError, "IFD0: tag 273"),
        (one(entry(273, 4, 1, 0)), lambda t: t.integer(t.walk()[0], 274), MalformedError, "IFD0: tag 274"),
        (one(Field(SUB_IFDS, LONG, (8,))), Tiff.walk, MalformedError, "IFD0/SubIFD[0]"),
        (one(following=8), Tiff.walk, MalformedError, "IFD1"),
        (one(following=1 << 30), Tiff.walk, TruncatedError, "IFD1"),
        (one(entry(SUB_IFDS, 4, 1 << 20, 8)), Tiff.walk, LimitError, "IFD0: tag 330"),
        (opened(b"II*\0\x08\0\0\0" + b"\xff\xff" + bytes(64)), Tiff.walk, LimitError, "IFD0"),
        (opened(b"II*\0\x08\0\0\0" + b"\x09\0" + bytes(64)), Tiff.walk, TruncatedError, "IFD0"),
    ]
    for tiff, call, kind, where in cases:
        with pytest.raises(kind) as caught:
            call(tiff)
        assert caught.value.where == where


@pytest.mark.parametrize(("head", "kind"), [
    (b"", MalformedError), (b"II*\0", TruncatedError), (b"PNG?" + bytes(12), MalformedError),
    (b"II+\0\x08\0\0\0", TruncatedError), (b"II+\0\x04\0\0\0" + bytes(8), MalformedError)])
def test_headers_that_are_none(head: bytes, kind: type[GpudepthError]) -> None:
    with pytest.raises(kind) as caught:
        parse_header(head)
    assert caught.value.where == "header"


def test_a_chain_without_end_is_cut() -> None:
    layout = Layout("<")
    data = layout.header(8) + b"".join(serialise(layout, [], 8 + 6 * n, 14 + 6 * n) for n in range(80))
    with pytest.raises(LimitError, match=r"asks for 65 directories, limits\.max_ifds is 64"):
        opened(data).walk()


def test_what_does_not_fit_is_not_written() -> None:
    with pytest.raises(UsageError, match="tag 256"):
        serialise(Layout("<"), [Field(256, SHORT, (65536,))], 8)
    with pytest.raises(UsageError, match="aligned"):
        serialise(Layout("<"), [], 9)
    with pytest.raises(UsageError, match="aligned"):
        serialise(Layout("<", True), [], 20)
    assert Field(330, LONG8, (1, 2)).data(Layout(">", True)) == bytes(7) + b"\1" + bytes(7) + b"\2"


@settings(max_examples=300, deadline=None)
@given(st.sampled_from([LITTLE, BIG_ENDIAN, BIG_TIFF, tree("<"), tree(">")]),
       st.lists(st.tuples(st.integers(0, 400), st.integers(0, 255)), min_size=1, max_size=8))
def test_mutations_end_in_typed_errors(data: bytes, edits: list[tuple[int, int]]) -> None:
    broken = bytearray(data)
    for at, value in edits:
        broken[at % len(broken)] = value
    tracemalloc.start()
    with contextlib.suppress(GpudepthError):
        tiff = opened(bytes(broken))
        for ifd in tiff.walk():
            for e in ifd.entries:
                for read in (tiff.integers, tiff.rational, tiff.text):
                    with contextlib.suppress(GpudepthError):
                        read(ifd, e.tag)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 4 << 20
