"""Reads zip and tar archives as inputs: indexed once, members read one by one into memory. Nothing is extracted.

Python's tarfile and zipfile parse them; this module bounds what they would read without limits.

Source: tar: https://pubs.opengroup.org/onlinepubs/9699919799/utilities/pax.html (ustar, pax), GNU's long names. zip:
APPNOTE.TXT.

Members are read from their place:

zip   local header: "PK\\3\\4", version, flags, method, time, date, CRC-32, packed size, size (4 bytes each from the
      CRC on), lengths of name and extra field (2 each), these, then the bytes (APPNOTE.TXT 4.3.7)
tar   the bytes themselves, as they are
"""

from __future__ import annotations

import os
import stat
import struct
import tarfile
import zipfile
import zlib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from ..errors import FileError, GpudepthError, LimitError, MalformedError, TruncatedError, UnsupportedError
from ..limits import DEFAULT, Limits
from .bytesource import ByteSource, SourceFile, VirtualFile

if TYPE_CHECKING:
    from .bytesource import ByteSource





HEADER = 1 << 20        # bytes of one tar header including its extensions
ENTRY = 1 << 10         # bytes of an entry of zip's directory, as an upper bound
_END = struct.Struct("<4s4H2LH")
_METHODS = {1: "shrink", 6: "implode", 9: "Deflate64", 12: "bzip2", 14: "LZMA", 93: "Zstandard", 95: "XZ", 99: "AES"}
_PACKED = {b"\x1f\x8b": "gzip", b"BZ": "bzip2", b"\xfd7": "xz", b"\x28\xb5": "Zstandard"}


@dataclass(frozen=True)
class Index:
    """The members of an archive.

    Attributes:
        archive: The archive.
        members: Regular files and entries that look like one, in order; `Member.problem` says which cannot be read.
        unsafe: Members whose names point outside the archive, each with its problem.
        error: Why the list is incomplete, or None.
    """

    archive: Path
    members: tuple[Member, ...]
    unsafe: tuple[Member, ...] = ()
    error: GpudepthError | None = None


def read_index(path: Path, limits: Limits = DEFAULT) -> Index:
    """List an archive, whose kind is determined by its content.

    Args:
        path: The archive.
        limits: What it may ask for.

    Returns:
        The members. For a truncated tar, these are the members before the cut, and `error` is set.

    Raises:
        MissingInputError: It does not exist.
        TruncatedError: A zip has no directory.
        MalformedError: A zip's directory is damaged.
        UnsupportedError: It is neither a zip nor a tar, or a compressed tar.
        LimitError: It has more than limits.max_members.
    """
    with open_archive(path, limits) as source:
        head = source.read(0, min(512, source.size))
        if not head:
            raise TruncatedError("the archive is empty", where=path)
        error: GpudepthError | None = None
        if head[257:262] == b"ustar":
            found, error = _tar(source, path, limits)
        elif head[:4] in (b"PK\3\4", b"PK\5\6", b"PK\7\x08"):
            found = _zip(source, path, limits)
        elif not head.strip(b"\0"):
            raise MalformedError("the archive only holds zeros", where=path)
        else:
            kind = _PACKED.get(head[:2])
            what = (f"the archive is compressed with {kind} as a whole, so members cannot be read one by one" if kind
                    else "not a zip or tar archive")
            raise UnsupportedError(what, where=path, hint="decompress it to a plain .tar" if kind else None)
    counts = Counter(member.inside for member in found)
    found = [replace(m, problem=m.problem or f"the archive has {counts[m.inside]} members of this name")
             if counts[m.inside] > 1 else m for m in found]
    return Index(path, tuple(m for m in found if not unsafe(m.inside)),
                 tuple(replace(m, problem=unsafe(m.inside)) for m in found if unsafe(m.inside)), error)


def _tar(source: ByteSource, path: Path, limits: Limits) -> tuple[list[Member], GpudepthError | None]:
    found: list[Member] = []
    try:
        with tarfile.open(fileobj=SourceFile(source, HEADER), mode="r:", errors="surrogateescape") as tar:
            for info in _headers(tar):
                if info.isdir():
                    continue
                limits.check("max_members", len(found) + 1, where=str(path))
                problem = "" if info.isreg() else f"the member is {_what(info)} instead of a regular file"
                if info.issparse():
                    problem = "the member is stored as a sparse file"
                found.append(Member(path, "tar", info.name.removeprefix("./"), info.offset_data, info.size, info.size,
                                    problem=problem))
            end = tar.offset
    except LimitError:
        raise
    except (tarfile.TarError, ValueError, OverflowError, RecursionError, OSError, MemoryError) as error:
        return found, TruncatedError(f"the archive is truncated or damaged{_after(found)}: {error}", where=path)
    if end + 512 > source.size:
        return found, TruncatedError(f"the archive has no end mark{_after(found)}", where=path,
                                     hint="it was truncated, or its writer did not finish")
    if source.read(end, 512).strip(b"\0"):
        return found, MalformedError(f"there is no header at {end:,}{_after(found)}", where=path)
    return found, None


def _headers(tar: tarfile.TarFile) -> Iterator[tarfile.TarInfo]:
    while (info := tar.next()) is not None:
        tar.members = []      # type: ignore[attr-defined]  # otherwise it keeps them all
        yield info


def _after(found: list[Member]) -> str:
    return f" after {len(found):,} members, the last of which is {found[-1].inside!r}" if found else ""


def _what(info: tarfile.TarInfo) -> str:
    if info.issym() or info.islnk():
        return f"a link to {info.linkname!r}"
    return "a device" if info.ischr() or info.isblk() else "a pipe" if info.isfifo() else f"of type {info.type!r}"


def _zip(source: ByteSource, path: Path, limits: Limits) -> list[Member]:
    _check_directory(source, path, limits)
    try:
        with zipfile.ZipFile(SourceFile(source)) as archive:
            infos = archive.infolist()
    except (zipfile.BadZipFile, NotImplementedError, ValueError, struct.error, OverflowError, OSError) as error:
        raise MalformedError(f"the archive's directory is damaged: {error}", where=path) from None
    limits.check("max_members", len(infos), where=str(path))
    found = []
    for info in infos:
        name, mode = info.orig_filename, info.external_attr >> 16
        if name.endswith("/"):
            continue
        problem = ""
        if info.flag_bits & 1:
            problem = "the member is encrypted"
        elif info.compress_type not in (STORED, DEFLATED):
            problem = f"the member uses {_METHODS.get(info.compress_type, f'method {info.compress_type}')}, not Deflate"
        elif stat.S_IFMT(mode) not in (0, stat.S_IFREG):
            problem = "the member is a link" if stat.S_ISLNK(mode) else "the member is not a regular file"
        found.append(Member(path, "zip", name, info.header_offset, info.file_size, info.compress_size,
                            info.compress_type, info.CRC, problem))
    return found


def _check_directory(source: ByteSource, path: Path, limits: Limits) -> None:
    """Check the declared size of the directory before zipfile reads all of it."""
    tail_at = max(0, source.size - (1 << 16) - _END.size)
    tail = source.read(tail_at, source.size - tail_at)
    at = tail.rfind(b"PK\5\6")
    if at < 0 or len(tail) - at < _END.size:
        raise TruncatedError("the archive is truncated: it has no directory at its end", where=path)
    fields = _END.unpack_from(tail, at)
    count, size = fields[4], fields[5]
    if 0xFFFF in (count, fields[3]) or 0xFFFFFFFF in (size, fields[6]):
        record = tail.rfind(b"PK\6\6", 0, at)       # zip64's; writers put nothing between the two
        if 0 <= record <= len(tail) - 56:
            count, size = struct.unpack_from("<QQ", tail, record + 32)
    limits.check("max_members", count, where=str(path))
    if limits.max_members and size > limits.max_members * ENTRY:
        raise LimitError(f"the directory has {size:,} bytes", where=path, hint="raise limits.max_members")


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
    from .bytesource import ByteSource

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
