"""A file inside a zip or tar archive: found by its place, read into memory, never written to a disk.

    zip   local header: "PK\\3\\4", version, flags, method, time, date, CRC-32, packed size, size (4 bytes each from the
          CRC on), lengths of name and extra field (2 each), these, then the bytes (APPNOTE.TXT 4.3.7)
    tar   the bytes themselves, as they are
"""

from __future__ import annotations

import os
import struct
import zlib
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from ...errors import FileError, LimitError, MalformedError, TruncatedError, UnsupportedError
from ...limits import DEFAULT, Limits
from ..bytesource import VirtualFile

if TYPE_CHECKING:
    from ..bytesource import ByteSource

LOCAL = struct.Struct("<4s5H3L2H")
STORED, DEFLATED = 0, 8
MAX_PARTS, MAX_NAME = 64, 4096
RATIO_FROM = 16 << 20       # bytes; below, a map of one value everywhere may be packed as well as deflate can


@dataclass(frozen=True)
class Member(VirtualFile):
    """One regular file of an archive.

    inside   its path in the archive, `/` between the parts
    offset   of its local header in a zip; of its bytes in a tar
    size     bytes, as the archive declares them; packed: how many they take in it
    method   of compression, zip's number; 0: none
    crc      of the bytes; None where the archive has none
    problem  why it is not to be read at all, in words
    """

    archive: Path
    kind: Literal["zip", "tar"]
    inside: str
    offset: int
    size: int
    packed: int
    method: int = STORED
    crc: int | None = None
    problem: str = ""

    @property
    def path(self) -> Path:
        """As if the archive were a folder."""
        return self.archive / self.inside

    def __str__(self) -> str:
        return f"{self.archive}: {self.inside}"

    def stat(self) -> os.stat_result:
        """Of the archive. Raises OSError."""
        return self.archive.stat()

    def read(self, limits: Limits = DEFAULT) -> bytes:
        """All its bytes.

        Raises UnsupportedError for what is encrypted, no regular file or packed in a way we do not unpack; LimitError
        before anything is unpacked; TruncatedError, MalformedError when the archive contradicts itself.
        """
        if self.problem:
            raise UnsupportedError(self.problem, where=str(self))
        limits.check("max_file", self.size, where=str(self))
        limits.check_ratio(self.packed, self.size, at_least=RATIO_FROM, where=str(self))
        with open_archive(self.archive, limits) as source:
            start = self._start(source) if self.kind == "zip" else self.offset
            if start + self.packed > source.size:
                raise TruncatedError(f"{self.packed:,} bytes at {start:,} lie outside the archive of {source.size:,}",
                                     where=str(self))
            data = self._inflated(source, start) if self.method else source.read(start, self.packed, self.inside)
        if self.crc is not None and zlib.crc32(data) != self.crc:
            raise MalformedError("its checksum is wrong: the archive is damaged", where=str(self))
        return data

    def _start(self, source: ByteSource) -> int:
        """Where its bytes are, behind the local header, which has to agree with the directory."""
        head = LOCAL.unpack(source.read(self.offset, LOCAL.size, "a local header"))
        magic, flags, method = head[0], int(head[2]), int(head[3])
        name_size, extra = int(head[9]), int(head[10])
        if magic != b"PK\3\4":
            raise MalformedError(f"no member begins at {self.offset:,}, where the directory has one", where=str(self))
        name = source.read(self.offset + LOCAL.size, name_size, "a name")
        # writers are not of one mind about the flag for UTF-8 here and in the directory
        if self.inside not in (name.decode("utf-8", "replace"), name.decode("cp437")) or method != self.method:
            raise MalformedError(f"the directory and the member at {self.offset:,} disagree about its name or packing",
                                 where=str(self))
        if flags & 1:
            raise UnsupportedError("is encrypted", where=str(self), hint="unpack it, and pack it without a password")
        if not self.method and self.packed != self.size:
            raise MalformedError(f"is stored, and has {self.packed:,} and {self.size:,} bytes", where=str(self))
        return self.offset + LOCAL.size + name_size + extra

    def _inflated(self, source: ByteSource, start: int) -> bytes:
        """Never more than it declares is unpacked, whatever the stream holds."""
        unpack, out = zlib.decompressobj(-15), bytearray()
        try:
            for chunk in source.chunks(start, self.packed):
                out += unpack.decompress(chunk, self.size + 1 - len(out))
                if len(out) > self.size:
                    raise MalformedError(f"unpacks to more than the {self.size:,} bytes it declares", where=str(self))
                if unpack.eof:
                    break
        except zlib.error as error:
            raise MalformedError(f"cannot be unpacked: {error}", where=str(self)) from None
        if not unpack.eof or len(out) < self.size:
            raise TruncatedError(f"unpacks to {len(out):,} of the {self.size:,} bytes it declares", where=str(self))
        return bytes(out)


def open_archive(path: Path, limits: Limits) -> ByteSource:
    """An archive, of limits.max_archive bytes at most, read by position. Raises as ByteSource does."""
    from ..bytesource import ByteSource

    try:
        return ByteSource(path, replace(limits, max_file=limits.max_archive))
    except LimitError as error:
        raise LimitError(error.message.replace("max_file", "max_archive"), where=error.where) from None


def unsafe(name: str) -> str:
    """Why a member of that name is not to be touched; nothing when it may be."""
    parts = name.split("/")
    if not name or "\0" in name:
        return "has no name" if not name else "has a zero byte in its name"
    if name.startswith("/") or name[1:2] == ":":
        return "has an absolute name"
    if ".." in parts:
        return "has a name that climbs out of the archive"
    if "\\" in name:
        return "has a backslash in its name"
    if len(parts) > MAX_PARTS or len(name) > MAX_NAME:
        return "has a name of absurd length"
    return ""


def explain(problem: str, member: Member) -> FileError:
    """The error of a member that is not to be touched."""
    return UnsupportedError(problem, where=f"{member.archive}: {member.inside!r}")
