"""Where everything lies in a JPEG file of several images that is laid out anew."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from photo_kit import pixels, ramp

from gpudepth.containers.base import CodedMap, Placement
from gpudepth.containers.google import dynamic_depth
from gpudepth.containers.google.packets import Packets
from gpudepth.containers.jpeg.file import JpegFile
from gpudepth.containers.jpeg.jpeg import Jpeg
from gpudepth.depth.data import Storage
from gpudepth.depth.pixel_format import HDIS, L008
from gpudepth.errors import LimitError, MalformedError, UnsupportedError
from gpudepth.formats import jpeg, mpf, rdf
from gpudepth.formats.bytesource import ByteSource
from gpudepth.formats.mpf import Mpf, MpfEntry
from gpudepth.limits import Limits

MAP = CodedMap(ramp(48, 32, 255), Storage(L008, 0.5, 4.0), HDIS)
Part = bytes | int  # bytes that no index lists, or the number of a further image


def saved(mode: str = "RGB", size: tuple[int, int] = (96, 64)) -> bytes:
    buffer = io.BytesIO()
    pixels(*size).convert(mode).save(buffer, "JPEG")
    return buffer.getvalue()


EXTRA = [saved("L", (16 + 8 * i, 16)) for i in range(4)]


def composed(*parts: Part, packet: bytes = b"", listed: list[int] | None = None) -> bytes:
    """A primary image and what follows it; an MPF lists the images, in the order of their numbers or of `listed`."""
    numbers = listed if listed is not None else sorted(p for p in parts if isinstance(p, int))
    primary = saved()
    xmp = b"".join(Packets(packet).segments()) if packet else b""
    size = 4 + len(mpf.serialise(Mpf((MpfEntry(0, 0, 0),) * (1 + len(numbers)), 1)))
    places, at = {}, len(primary) + len(xmp) + size
    for part in parts:
        if isinstance(part, int):
            places[part] = at
        at += len(EXTRA[part] if isinstance(part, int) else part)
    base = 20 + len(xmp) + 8
    entries = [MpfEntry(0x30000, len(primary) + len(xmp) + size, 0)]
    entries += [MpfEntry(0x20000 + n, len(EXTRA[n]), places[n] - base) for n in numbers]
    index = jpeg.make(0xE2, mpf.serialise(Mpf(tuple(entries), len(entries))))
    body = b"".join(EXTRA[p] if isinstance(p, int) else p for p in parts)
    return primary[:20] + xmp + index + primary[20:] + body


def attach(data: bytes, **placement: Any) -> bytes:
    with ByteSource(data) as source:
        return Jpeg().attach(source, MAP, Placement(**placement)).splice.to_bytes()


def remove(data: bytes) -> bytes:
    with ByteSource(data) as source:
        return Jpeg().remove(source).splice.to_bytes()


def opened(data: bytes) -> JpegFile:
    return JpegFile(ByteSource(data))


def images(data: bytes) -> dict[int, bytes]:
    """The bytes of every image that is not depth, by the type that its entry has."""
    file = opened(data)
    assert not file.missing and file.mpf is not None and file.mpf.count == len(file.mpf.entries)
    for i in file.images:
        assert file.mpf.entries[i.index].size == i.stream.size
    return {file.mpf.entries[i.index].attribute: data[i.stream.start : i.stream.end]
            for i in file.images if not i.is_depth}


PARTS: dict[str, tuple[Part, ...]] = {
    "before the first": (b"gap one", 0), "between": (0, b"gap one", 1), "everywhere": (b"one", 0, b"two", 1, b"three"),
    "zeros": (bytes(64), 0, bytes(64), 1), "none": (0, 1, 2), "a video": (b"\0\0\0\x18ftypmp42" + bytes(99), 0)}


@pytest.mark.parametrize("name", PARTS)
def test_what_lies_between_images_survives(name: str) -> None:
    before = composed(*PARTS[name])
    after = attach(before)
    file = opened(after)
    body = after[file.primary.end :]
    depth = file.depth_images()[0].stream
    expected = before[opened(before).primary.end :]
    assert body.replace(after[depth.start : depth.end], b"") == expected
    assert images(after) == images(before)
    again = attach(after, replace=True)
    assert again == after
    assert remove(after) == before


def test_the_index_need_not_be_in_the_order_of_the_file() -> None:
    before = composed(1, b"gap", 2, 0, listed=[0, 1, 2])
    assert images(attach(before)) == images(before) == {0x20000 + n: EXTRA[n] for n in range(3)}
    shuffled = composed(0, 1, 2, listed=[2, 0, 1])
    assert images(attach(shuffled)) == images(shuffled)


def test_an_index_of_one_image_stays_when_none_is_added() -> None:
    before = composed()
    after = attach(before, profile="gdepth")
    file = opened(after)
    assert file.mpf is not None and [e.size for e in file.mpf.entries] == [file.primary.size]


def directory(*items: tuple[str, int]) -> bytes:
    """Dynamic Depth's packet with these items behind the primary image; android/depthmap is the depth."""
    spaces = {"Device": dynamic_depth.DEVICE, "Container": dynamic_depth.CONTAINER, "Item": dynamic_depth.ITEM,
              "Camera": dynamic_depth.CAMERA, "DepthMap": dynamic_depth.DEPTH}
    entries = "".join(f'<rdf:li><Container:Item Item:Mime="image/jpeg" Item:Length="{n}" Item:DataURI="{uri}"/></rdf:li>'
                      for uri, n in (("primary_image", 0), *items))
    inner = (f"<Device:Container><rdf:Description><Container:Directory><rdf:Seq>{entries}</rdf:Seq></Container:Directory>"
             "</rdf:Description></Device:Container><Device:Cameras><rdf:Seq><rdf:li><Camera:DepthMap "
             'DepthMap:Format="RangeInverse" DepthMap:Near="1" DepthMap:Far="2" DepthMap:Units="Meters" '
             'DepthMap:DepthURI="android/depthmap"/></rdf:li></rdf:Seq></Device:Cameras>')
    return rdf.packet(rdf.description("", spaces, {}, inner))


def test_items_and_images_may_be_the_same_bytes() -> None:
    """A gain map that a directory and the MPF both list is there once; a depth item that both list goes from both."""
    before = composed(0, 1, b"gap", packet=directory(("gain map", len(EXTRA[0])), ("android/depthmap", len(EXTRA[1]))))
    after = attach(before, replace=True)
    file = opened(after)
    assert images(after) == {0x20000: EXTRA[0]}
    assert after[file.primary.end : file.items_end] == EXTRA[0] and after.endswith(b"gap")
    assert after.count(EXTRA[1]) == 0 and file.depth_images()[0].stream.start == file.items_end
    assert remove(before)[opened(remove(before)).primary.end :] == EXTRA[0] + b"gap"


def test_half_an_item_is_nothing_that_can_be_cut_out() -> None:
    before = composed(0, b"gap", packet=directory(("android/depthmap", len(EXTRA[0]) - 5)))
    with pytest.raises(MalformedError, match="shares bytes with a Dynamic") as caught:
        attach(before, replace=True)
    assert caught.value.where is not None and "Container:Directory" in caught.value.where


# -- indexes that promise too much ------------------------------------------------------------------------------------

def listing(primary: bytes, starts: list[int], body: bytes) -> bytes:
    """A file whose index lists images at these places of its body."""
    count = len(starts) + 1
    size = 4 + len(mpf.serialise(Mpf((MpfEntry(0, 0, 0),) * count, count)))
    entries = [MpfEntry(0x30000, 0, 0), *(MpfEntry(0, 0, len(primary) + size - 28 + at) for at in starts)]
    return primary[:20] + jpeg.make(0xE2, mpf.serialise(Mpf(tuple(entries), count))) + primary[20:] + body


def nested(levels: int, scan: bytes) -> tuple[bytes, list[int]]:
    """Images that begin inside each other's comments and share one scan."""
    heads = b"".join(b"\xff\xd8\xff\xfe" + (2 + 6 * (levels - n - 1)).to_bytes(2, "big") for n in range(levels))
    start = EXTRA[0].index(b"\xff\xda") + 10
    return heads + EXTRA[0][2:start] + scan + b"\xff\xd9", [6 * n for n in range(levels)]


@pytest.mark.parametrize("kind", ["the same", "nested", "inside the primary"])
def test_images_that_share_bytes_are_not_copied_often(kind: str) -> None:
    noise = np.random.default_rng(1).integers(0, 255, 100_000, np.uint8).tobytes()
    body, starts = nested(60, noise)
    if kind == "the same":
        starts = [starts[-1]] * 60
    elif kind == "inside the primary":
        starts = [-200, 0]
    data = listing(saved(), starts, body)
    with ByteSource(data) as source:
        file = JpegFile(source)
        assert len(file.images) == 1 and len(file.missing) == len(starts) - 1
        assert Jpeg().read(source) is None and len(Jpeg().inspect(source).warnings) == len(starts) - 1
    for edit in (attach, remove):
        with pytest.raises(MalformedError, match="inside an image that ends at") as caught:
            edit(data)
        assert caught.value.where is not None and "APP2 MPF" in caught.value.where


def test_damaged_images_are_not_read_through_again_and_again(monkeypatch: pytest.MonkeyPatch) -> None:
    body, starts = nested(60, bytes(3_000_000))
    data = listing(saved(), starts, body[:-2])
    read = 0

    def counted(self: ByteSource, offset: int, length: int, what: str = "data") -> bytes:
        nonlocal read
        read += length
        return original(self, offset, length, what)

    original = ByteSource.read
    monkeypatch.setattr(ByteSource, "read", counted)
    file = opened(data)
    assert not file.images and len(file.missing) == 60 and read < 7 * len(data)


def test_as_many_images_as_are_read_back() -> None:
    one = EXTRA[0]
    full = listing(saved(), [len(one) * n for n in range(63)], one * 63)
    assert len(opened(full).images) == 63
    with pytest.raises(LimitError, match=r"would have 65 images; limits\.max_images is 64"):
        attach(full)
    assert opened(attach(full, profile="gdepth")).has_gdepth()
    less = listing(saved(), [len(one) * n for n in range(62)], one * 62)
    assert len(opened(attach(less)).images) == 63


def test_images_beyond_four_gigabytes(tmp_path: Path) -> None:
    """The index counts with 32 bits; a file with a hole in it takes no room on the disk."""
    path, far, one = tmp_path / "p.jpg", (1 << 32) - 2000, EXTRA[0]
    primary = saved()
    index = Mpf((MpfEntry(0x30000, 0, 0), MpfEntry(0, len(one), far)), 2)
    with path.open("wb") as file:
        file.write(primary[:20] + jpeg.make(0xE2, mpf.serialise(index)) + primary[20:])
        file.seek(28 + far)
        file.write(one + bytes(3000 - len(one)) + one)
    with ByteSource(path, Limits(max_file=0)) as source:
        assert len(JpegFile(source).images) == 1
        Jpeg().attach(source, MAP)  # starts just below
    index = Mpf((MpfEntry(0x30000, 0, 0), MpfEntry(0, len(one), (1 << 32) - 5)), 2)
    with path.open("r+b") as file:
        file.seek(20)
        file.write(jpeg.make(0xE2, mpf.serialise(index)))
        file.seek(28 + (1 << 32) - 5)
        file.write(one)
    with ByteSource(path, Limits(max_file=0)) as source, pytest.raises(UnsupportedError, match="4,294,967,295"):
        Jpeg().attach(source, MAP)
