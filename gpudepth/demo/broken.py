"""Makes HEIF files with one defect: `bad` files give an error or no depth, `odd` files can be read.

Each is a good file after one edit of its boxes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from ..containers.heif.file import DEPTH_URNS, XMP_TYPE, HeifFile
from ..containers.heif.rewrite import Rewriter
from ..depth import orientation
from ..errors import GpudepthError, MalformedError, NoDepthError, RangeError, TruncatedError, UnsupportedError
from ..formats.bytesource import ByteSource
from ..formats.hevc.codec import encode_monochrome
from ..formats.isobmff.box import make, make_full
from ..formats.isobmff.items import Reference
from ..formats.isobmff.locations import FILE, Extent, Location
from ..formats.isobmff.properties import ItemProperty
from .pattern import HEIGHT, WIDTH, Truth


@dataclass(frozen=True)
class Bad:
    """A file for which `extract` fails.

    Attributes:
        name: The beginning of the file name.
        says: The description of the defect.
        data: The bytes of the file.
        error: The type of the error.
        contains: A part of its message.
        inspect_code: The exit code of `inspect`.
    """

    name: str
    says: str
    data: bytes
    error: type[GpudepthError]
    contains: str
    inspect_code: int = 1


@dataclass(frozen=True)
class Odd:
    """A file with a defect from which `truth` can be read."""

    name: str
    says: str
    data: bytes
    truth: Truth


class Surgery:
    """A good file that is opened for an edit; `close()` returns the edited file."""

    def __init__(self, good: bytes) -> None:
        self.good = good
        self.file = HeifFile(ByteSource(good))
        self.edit, self.meta = Rewriter(self.file), self.file.meta
        self.depth = self.file.depth_items()[-1]
        self.about = self.file.metadata_of(self.depth)[0]
        urn = self.file.urn(self.depth)
        self.sei = urn[1] if urn else b""

    def property(self, box: bytes) -> None:
        """Replace the depth item's property of the same kind."""
        kind, boxes = box[4:8].decode("latin-1"), self.meta.properties.boxes
        for index, _ in self.meta.properties.associations[self.depth]:
            if boxes[index - 1].kind == kind:
                boxes[index - 1] = ItemProperty(kind, box)

    def aux_c(self, urn: str, subtype: bytes = b"") -> None:
        self.property(make_full("auxC", 0, 0, urn.encode() + b"\0" + subtype))

    def xmp(self, change: Callable[[bytes], bytes] | None) -> None:
        """Change the depth item's XMP, or drop it."""
        packet = self.file.data(self.about)
        self.edit.drop({self.about})
        if change is not None:
            self.edit.refer("cdsc", self.edit.add("mime", change(packet), content_type=XMP_TYPE), self.depth)

    def close(self) -> bytes:
        return self.edit.splice().to_bytes()

    def close_in_place(self) -> bytes:
        """Return the file with only the meta box replaced and all offsets as they were set."""
        box, blob = self.file.meta_box, self.meta.serialise()
        return self.good[: box.start] + blob + self.good[box.end :]


def bad(good: bytes) -> Iterator[Bad]:
    """Yield broken files, made of a good one with 8-bit depth, SEI and XMP."""
    whole = Surgery(good)
    last, meta = whole.file.boxes[-1], whole.file.meta_box
    yield Bad("truncated_mdat", "The file ends in the middle of its last mdat box.",
              good[: (last.payload + last.end) // 2], TruncatedError, "exceeds the file")
    yield Bad("truncated_meta", "The file ends in the middle of its meta box.",
              good[: (meta.payload + meta.end) // 2], TruncatedError, "exceeds the file")
    yield Bad("empty", "The file has no bytes.", b"", TruncatedError, "the file is empty")
    yield Bad("not_an_image", "A text file with the suffix of a photo.",
              b"This is not a picture, whatever its name says.\n", UnsupportedError,
              "the format of this file cannot hold depth")

    s = Surgery(good)
    s.aux_c(DEPTH_URNS[0], b"\0\0")
    yield Bad("sei_cut", "auxC holds 2 bytes of the depth representation SEI.", s.close(), TruncatedError,
              "SEI of 2 bytes", inspect_code=0)

    s = Surgery(good)
    s.xmp(lambda packet: packet[: len(packet) // 2])
    yield Bad("xmp_malformed", "The XMP of the depth image ends in the middle.", s.close(), MalformedError,
              "is not well-formed XML", inspect_code=0)

    s = Surgery(good)
    s.aux_c(DEPTH_URNS[0])
    s.xmp(None)
    yield Bad("no_range", "Neither SEI nor XMP gives the range of the codes.", s.close(), RangeError,
              "the codes have no range", inspect_code=0)

    s = Surgery(good)
    s.meta.references = [replace(r, targets=(s.about,)) if r.kind == "auxl" else r for r in s.meta.references]
    yield Bad("auxl_elsewhere", "The depth image refers to its own XMP item instead of the picture: no depth.",
              s.close(), NoDepthError, "holds no depth", inspect_code=0)

    s = Surgery(good)
    s.aux_c("urn:mpeg:hevc:2015:auxid:9", s.sei)
    yield Bad("wrong_urn", "auxC names another kind of auxiliary image than depth: no depth.", s.close(),
              NoDepthError, "holds no depth", inspect_code=0)

    s = Surgery(good)
    s.property(make_full("ispe", 0, 0, (2 * WIDTH).to_bytes(4, "big") + (2 * HEIGHT).to_bytes(4, "big")))
    yield Bad("size_mismatch", "ispe gives twice the size of the coded map.", s.close(), MalformedError,
              f"decodes to {WIDTH}×{HEIGHT}, but ispe is {2 * WIDTH}×{2 * HEIGHT}", inspect_code=0)

    s = Surgery(good)
    s.meta.locations.items[s.depth] = Location(FILE, (Extent(len(good) + 4096, 100),))
    yield Bad("iloc_beyond_file", "iloc places the depth image behind the end of the file.", s.close_in_place(),
              TruncatedError, "is outside the file")

    yield Bad("sequence", "An image sequence: a moov box, and no meta box.",
              make("ftyp", b"msf1\0\0\0\0msf1hevc") + make("moov", make_full("mvhd", 0, 0, bytes(96))),
              UnsupportedError, "the file is an image sequence or a video")
    yield Bad("mini", "A low-overhead file: a mini box instead of a meta box.",
              make("ftyp", b"mif3heicmif3") + make("mini", bytes(24)), UnsupportedError, "low-overhead 'mini' file")


def odd(good: bytes, truth: Truth) -> Iterator[Odd]:
    """Yield files with a defect that can be read, made of a good one that holds `truth`."""
    s = Surgery(good)
    s.xmp(lambda packet: _replaced(_replaced(packet, "FloatMinValue", "1.000000"), "FloatMaxValue", "2.000000"))
    yield Odd("ranges_disagree", "The range in XMP, 1 to 2, differs from the one in the SEI: the SEI counts.",
              s.close(), truth)

    s = Surgery(good)
    s.aux_c(DEPTH_URNS[0])
    yield Odd("xmp_only", "auxC holds no SEI: only the XMP has the range.", s.close(), truth)

    s = Surgery(good)
    s.xmp(None)
    yield Odd("sei_only", "There is no XMP: only the SEI has the range, other metadata have their defaults.",
              s.close(), truth)

    s = Surgery(good)
    s.aux_c(DEPTH_URNS[1], s.sei)
    yield Odd("mpeg_urn", "auxC has the codec-independent URN for depth.", s.close(), truth)

    s = Surgery(good)
    for item in (s.depth, s.about):
        s.meta.items[item] = replace(s.meta.items[item], hidden=False, raw=b"")
    yield Odd("not_hidden", "Depth and XMP items lack the hidden flag: viewers must not show them as pictures.",
              s.close(), truth)

    s = Surgery(good)
    second = truth.reversed()
    yield Odd("two_maps", "Two depth images, the second with near and far exchanged: the last one counts.",
              _with_second(s, second), second)


def _replaced(packet: bytes, name: str, value: str) -> bytes:
    """Return the packet with another text in a simple element."""
    before, start, rest = packet.partition(f"{name}>".encode())
    return before + start + value.encode() + rest[rest.index(b"<") :]


def _with_second(s: Surgery, truth: Truth) -> bytes:
    """Return the file with a second depth image behind the first: same range, other codes."""
    coded = orientation.apply(orientation.inverse(s.file.orientation(s.depth)), truth.codes)
    hvcc, data = encode_monochrome(coded.astype("u1"))
    item = s.edit.add("hvc1", data)
    for p in s.meta.properties.of(s.depth):
        s.meta.properties.associate(item, hvcc if p.kind == "hvcC" else p.raw)
    s.meta.references.append(Reference("auxl", item, (s.meta.primary,)))
    return s.close()
