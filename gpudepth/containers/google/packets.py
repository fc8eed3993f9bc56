"""Handles the XMP of a JPEG's primary image: a main packet, and an extended one for what exceeds its 64 KB.

Main APP1: "http://ns.adobe.com/xap/1.0/\\0" and at most 65,502 bytes. Extended APP1s (XMP specification part 3,
1.1.3.1): "http://ns.adobe.com/xmp/extension/\\0", GUID (MD5 of the whole in upper-case hex, which the main packet
names), u32 length of the whole, u32 offset of the piece, the piece.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from ...errors import GpudepthError, MalformedError, UnsupportedError
from ...formats import jpeg, rdf, xmp
from ...formats.jpeg import Segment, Stream
from ...limits import DEFAULT, Limits

NOTE = "http://ns.adobe.com/xmp/note/"
GOOGLE = "http://ns.google.com/photos/"     # how the names of GDepth and Dynamic Depth begin
GUID, HEAD = 32, 40  # of an extended segment: MD5 in hex, then length and offset
PIECE = 65_458  # bytes of the packet in an extended segment, as in known files
MAIN = jpeg.MAX_PAYLOAD - len(jpeg.XMP)


@dataclass(frozen=True)
class Packets:
    """Both packets, b"" for one that is missing.

    Attributes:
        main: The main packet.
        extended: The extended packet.
        guid: GUID of the extended packet.
        lost: Why the extended packet that the main one names is missing; writing is impossible then.
    """

    main: bytes = b""
    extended: bytes = b""
    guid: str = ""
    lost: str = ""
    _parsed: dict[tuple[str, Limits], xmp.Packet] = field(default_factory=dict, init=False, repr=False, compare=False)

    @classmethod
    def of(cls, primary: Stream, limits: Limits = DEFAULT) -> Packets:
        """Read the packets of a primary image. Raises MalformedError for an incomplete extended packet, LimitError."""
        main = primary.xmp() or b""
        if b"HasExtendedXMP" not in main:
            return cls(main)
        guid = xmp.parse(main, "XMP", limits).text(NOTE, "HasExtendedXMP")
        if not guid:
            return cls(main)
        extended = extended_xmp(primary, guid, limits)
        if not extended:
            return cls(main, lost=f"HasExtendedXMP names {guid[:GUID]!r}, but no piece of it exists")
        return cls(main, extended, guid)

    def came_from(self, primary: Stream) -> list[Segment]:
        """Return the segments of a primary image that hold these packets.

        Further main packets and pieces of other extended packets belong to other programs.
        """
        found = [s for s in primary.header if s.starts(jpeg.APP1, jpeg.XMP)][:1]
        return found + [s for s, _ in _pieces(primary, self.guid)] if self.guid else found

    def text(self, namespace: str, name: str, limits: Limits = DEFAULT) -> str | None:
        """Return a simple property of the main or else the extended packet."""
        for data, where in ((self.main, "XMP"), (self.extended, "extended XMP")):
            if namespace.encode() in data:
                key = where, limits
                if key not in self._parsed:  # cached, because megabytes may be asked for a dozen properties
                    self._parsed[key] = xmp.parse(data, where, limits)
                found = self._parsed[key].text(namespace, name)
                if found is not None:
                    return found
        return None

    def names(self, namespaces: Iterable[str]) -> bool:
        """Return whether a packet mentions one of these namespaces; that does not imply a property."""
        return any(n.encode() in data for n in namespaces for data in (self.main, self.extended))

    @property
    def are_googles(self) -> bool:
        """Whether there may be GDepth or Dynamic Depth, whose modules are not loaded for other photos."""
        return self.names([GOOGLE])

    def without(self, namespaces: Iterable[str], limits: Limits = DEFAULT) -> Packets:
        """Remove every property in these namespaces and keep every other byte."""
        wanted = tuple(namespaces)
        out = self
        for which in ("main", "extended"):
            data: bytes = getattr(self, which)
            if any(n.encode() in data for n in wanted):
                tree = rdf.parse(data, which, limits)
                out = out._with(which, tree.without(tree.properties(wanted)))
        for which in ("main", "extended"):
            if getattr(out, which) != getattr(self, which) and not _says_anything(getattr(out, which), limits):
                out = out._with(which, b"")
        return out

    def adding(self, block: bytes, *, extended: bool = False) -> Packets:
        """Add a description, made by `rdf.description`, to the main or the extended packet."""
        which = "extended" if extended else "main"
        data: bytes = getattr(self, which)
        return self._with(which, rdf.insert(rdf.parse(data, which), block) if data else rdf.packet(block))

    def _with(self, which: str, data: bytes) -> Packets:
        return replace(self, main=data) if which == "main" else replace(self, extended=data)

    def about(self) -> str:
        """Return rdf:about of the main packet."""
        return rdf.parse(self.main).about() if self.main else ""

    def segments(self, limits: Limits = DEFAULT) -> list[bytes]:
        """Return the APP1 segments: main, then extended.

        Raises:
            UnsupportedError: The main packet does not fit.
            MalformedError: The extended packet was not found, so that its pieces would be orphaned.
        """
        if self.lost:
            raise MalformedError(f"the XMP cannot be changed: {self.lost}", where="extended XMP",
                                 hint="Apple's profiles without ‹also› do not change the XMP")
        main = self.main
        if b"HasExtendedXMP" in main:
            tree = rdf.parse(main, "XMP", limits)
            main = tree.without(tree.properties((), (NOTE, "HasExtendedXMP")))
            main = main if _says_anything(main, limits) else b""
        if self.extended:
            import hashlib  # late: few packets are longer than a segment

            guid = hashlib.md5(self.extended, usedforsecurity=False).hexdigest().upper()
            note = rdf.description(self.about(), {"xmpNote": NOTE}, {"xmpNote:HasExtendedXMP": guid})
            main = Packets(main).adding(note).main
        main = rdf.shrink_padding(main, len(main) - MAIN)
        if len(main) > MAIN:
            raise UnsupportedError(f"the XMP would have {len(main):,} bytes, but one JPEG segment holds {MAIN:,}",
                                   where="XMP", hint="leave out gdepth and dynamic-depth")
        for packet, where in ((main, "XMP"), (self.extended, "extended XMP")):
            if packet:      # what is written must be readable within the same limits
                xmp.parse(packet, where, limits)
        out = [jpeg.make(jpeg.APP1, jpeg.XMP + main)] if main else []
        if self.extended:
            size = len(self.extended).to_bytes(4, "big")
            for at in range(0, len(self.extended), PIECE):
                head = guid.encode() + size + at.to_bytes(4, "big")
                out.append(jpeg.make(jpeg.APP1, jpeg.EXTENDED_XMP + head + self.extended[at : at + PIECE]))
        return out


def _says_anything(data: bytes, limits: Limits) -> bool:
    try:
        descriptions = rdf.parse(data, "extended XMP", limits).descriptions()
        return any(d.attributes.keys() - {(xmp.RDF, "about")} or d.children for d in descriptions)
    except GpudepthError:
        return True


def extended_xmp(primary: Stream, guid: str, limits: Limits = DEFAULT) -> bytes | None:
    """Assemble the extended packet with a GUID; None without pieces of it.

    Raises MalformedError for pieces that overlap, leave holes or exceed the declared length.
    """
    pieces, total = [], None
    for _, head in _pieces(primary, guid):
        total = int.from_bytes(head[32:36], "big")
        pieces.append((int.from_bytes(head[36:40], "big"), head[HEAD:]))
    if total is None:
        return None
    limits.check("max_xmp", total, where="extended XMP")
    at = 0
    for offset, data in sorted(pieces, key=lambda p: p[0]):
        if offset != at:
            raise MalformedError(f"a piece starts at {offset:,} instead of {at:,}", where="extended XMP")
        at += len(data)
    if at != total:
        raise MalformedError(f"the pieces hold {at:,} of {total:,} bytes", where="extended XMP")
    return b"".join(data for _, data in sorted(pieces, key=lambda p: p[0]))


def _pieces(primary: Stream, guid: str) -> list[tuple[Segment, bytes]]:
    """Return the segments of the extended packet with a GUID, and their content after the heading."""
    out = []
    for segment in primary.header:
        if segment.starts(jpeg.APP1, jpeg.EXTENDED_XMP):
            rest = segment.payload[len(jpeg.EXTENDED_XMP) :]
            if len(rest) >= HEAD and rest[:GUID].decode("latin-1").upper() == guid.strip().upper():
                out.append((segment, rest))
    return out
