"""A file inside a zip or tar archive, read into memory from its place and never written to a disk.

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
RATIO_FROM = 16 << 20       # bytes; smaller members may be constant maps, which deflate packs extremely well


@dataclass(frozen=True)
class Member(VirtualFile):
    """One regular file of an archive.

    Attributes:
        archive: The archive.
        kind: Kind of archive.
        inside: Path in the archive, with `/`.
        offset: Offset of the local header in a zip, or of the bytes in a tar.
        size: Bytes, as the archive declares them.
        packed: Bytes it takes in the archive.
        method: zip's number of the compression method; 0 means stored.
        crc: CRC-32 of the bytes, or None where the archive has none.
        problem: Why it cannot be read, or "".
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
        """Path as if the archive were a folder."""
        return self.archive / self.inside

    def __str__(self) -> str:
        return f"{self.archive}: {self.inside}"

    def stat(self) -> os.stat_result:
        """Return the status of the archive. Raises OSError."""
        return self.archive.stat()

    def read(self, limits: Limits = DEFAULT) -> bytes:
        """Return all its bytes.

        Raises:
            UnsupportedError: It is encrypted, not a regular file, or compressed by an unsupported method.
            LimitError: It asks for too much; raised before anything is decompressed.
            TruncatedError: It ends too early.
            MalformedError: The archive contradicts itself.
        """
        if self.problem:
            raise UnsupportedError(self.problem, where=str(self))
        limits.check("max_file", self.size, where=str(self))
        limits.check_ratio(self.packed, self.size, at_least=RATIO_FROM, where=str(self))
        with open_archive(self.archive, limits) as source:
            start = self._start(source) if self.kind == "zip" else self.offset
            if start + self.packed > source.size:
                raise TruncatedError(f"{self.packed:,} bytes at {start:,} are outside the archive of {source.size:,}",
                                     where=str(self))
            data = self._inflated(source, start) if self.method else source.read(start, self.packed, self.inside)
        if self.crc is not None and zlib.crc32(data) != self.crc:
            raise MalformedError("the checksum is wrong: the archive is damaged", where=str(self))
        return data

    def _start(self, source: ByteSource) -> int:
        """Return the offset of its bytes after the local header, which must agree with the directory."""
        head = LOCAL.unpack(source.read(self.offset, LOCAL.size, "a local header"))
        magic, flags, method = head[0], int(head[2]), int(head[3])
        name_size, extra = int(head[9]), int(head[10])
        if magic != b"PK\3\4":
            raise MalformedError(f"there is no member at {self.offset:,}, although the directory lists one",
                                 where=str(self))
        name = source.read(self.offset + LOCAL.size, name_size, "a name")
        # Writers set the flag for UTF-8 differently here and in the directory.
        if self.inside not in (name.decode("utf-8", "replace"), name.decode("cp437")) or method != self.method:
            raise MalformedError(f"directory and member at {self.offset:,} differ in name or compression",
                                 where=str(self))
        if flags & 1:
            raise UnsupportedError("the member is encrypted", where=str(self), hint="pack it again without a password")
        if not self.method and self.packed != self.size:
            raise MalformedError(f"the stored member has {self.packed:,} and {self.size:,} bytes", where=str(self))
        return self.offset + LOCAL.size + name_size + extra

    def _inflated(self, source: ByteSource, start: int) -> bytes:
        """Decompress at most the declared number of bytes, whatever the stream holds."""
        unpack, out = zlib.decompressobj(-15), bytearray()
        try:
            for chunk in source.chunks(start, self.packed):
                out += unpack.decompress(chunk, self.size + 1 - len(out))
                if len(out) > self.size:
                    raise MalformedError(f"the member exceeds its declared {self.size:,} bytes", where=str(self))
                if unpack.eof:
                    break
        except zlib.error as error:
            raise MalformedError(f"the member cannot be decompressed: {error}", where=str(self)) from None
        if not unpack.eof or len(out) < self.size:
            raise TruncatedError(f"the member has {len(out):,} of its declared {self.size:,} bytes", where=str(self))
        return bytes(out)


def open_archive(path: Path, limits: Limits) -> ByteSource:
    """Open an archive of at most limits.max_archive bytes. Raises the errors of ByteSource."""
    from ..bytesource import ByteSource

    try:
        return ByteSource(path, replace(limits, max_file=limits.max_archive))
    except LimitError as error:
        raise LimitError(error.message.replace("max_file", "max_archive"), where=error.where) from None


def unsafe(name: str) -> str:
    """Return why a member of this name is not accepted, or "" when it is."""
    parts = name.split("/")
    if not name or "\0" in name:
        return "the member has no name" if not name else "the member's name has a zero byte"
    if name.startswith("/") or name[1:2] == ":":
        return "the member has an absolute name"
    if ".." in parts:
        return "the member's name points outside the archive"
    if "\\" in name:
        return "the member's name has a backslash"
    if len(parts) > MAX_PARTS or len(name) > MAX_NAME:
        return "the member's name is too long"
    return ""


def explain(problem: str, member: Member) -> FileError:
    """Return the error of a member that is not accepted."""
    return UnsupportedError(problem, where=f"{member.archive}: {member.inside!r}")
