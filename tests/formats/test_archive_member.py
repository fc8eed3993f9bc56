"""One member of an archive, byte by byte, and archives that lie about theirs."""

from __future__ import annotations

import io
import os
import struct
import zipfile
import zlib
from dataclasses import replace
from pathlib import Path

import pytest
from archive_kit import tar, zipped

from gpudepth.errors import FileError, LimitError, MalformedError, TruncatedError, UnsupportedError
from gpudepth.formats.archive import Member, read_index, unsafe
from gpudepth.formats.bytesource import ByteSource
from gpudepth.limits import Limits

DATA = b"depth " * 40


def local(name: bytes, packed: bytes, method: int, data: bytes) -> bytes:
    """A local header (APPNOTE.TXT 4.3.7) and the bytes behind it."""
    return b"".join([
        b"PK\3\4",                                  # signature
        b"\x14\0",                                  # version needed: 2.0
        b"\0\0",                                    # flags
        method.to_bytes(2, "little"),               # 0 stored, 8 Deflate
        b"\0\0" b"\x21\0",                          # time 00:00, date 1980-01-01
        zlib.crc32(data).to_bytes(4, "little"),     # CRC-32
        len(packed).to_bytes(4, "little"),          # packed size
        len(data).to_bytes(4, "little"),            # size
        len(name).to_bytes(2, "little"),            # length of the name
        b"\4\0",                                    # length of the extra field
        name, b"\xfe\xca\0\0",                      # the name; an extra field of no bytes
        packed])


def deflated(data: bytes) -> bytes:
    return zlib.compress(data, 9, -15)


def member(path: Path, name: str = "a/d.png", data: bytes = DATA, *, packed: bytes | None = None,
           method: int = 8) -> Member:
    """What the directory says of the one member of the archive at `path`, which is written."""
    packed = (deflated(data) if method else data) if packed is None else packed
    path.write_bytes(b"junk" + local(name.encode(), packed, method, data) + b"more")
    return Member(path, "zip", name, 4, len(data), len(packed), method, zlib.crc32(data))


@pytest.mark.parametrize("method", [0, 8])
def test_a_member_is_read_by_its_place(tmp_path: Path, method: int) -> None:
    found = member(tmp_path / "x.zip", method=method)
    assert found.read() == DATA
    assert (found.name, found.suffix, found.stem) == ("d.png", ".png", "d")
    assert found.path == tmp_path / "x.zip" / "a" / "d.png"
    assert str(found) == f"{tmp_path / 'x.zip'}: a/d.png"
    assert found.stat().st_size == (tmp_path / "x.zip").stat().st_size


def test_what_the_standard_library_writes(tmp_path: Path) -> None:
    for method in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        archive = zipped(tmp_path / f"{method}.zip", {"a/d.bin": DATA, "ü.bin": b"x", "empty": b""}, method)
        assert [m.read() for m in read_index(archive).members] == [DATA, b"x", b""]
    assert [m.read() for m in read_index(tar(tmp_path / "x.tar", {"a/d.bin": DATA, "ü": b"x" * 600})).members] == [
        DATA, b"x" * 600]
    streamed = io.BytesIO()

    class NoSeek(io.RawIOBase):     # so that sizes come behind the bytes, and the local header has none
        def writable(self) -> bool:
            return True

        def write(self, data: object) -> int:
            return streamed.write(bytes(data))  # type: ignore[call-overload, no-any-return]

    with zipfile.ZipFile(NoSeek(), "w", zipfile.ZIP_DEFLATED) as out:
        out.writestr("a.bin", DATA)
    (tmp_path / "s.zip").write_bytes(streamed.getvalue())
    assert read_index(tmp_path / "s.zip").members[0].read() == DATA


def test_the_declared_size_is_checked_before_anything_is_read(tmp_path: Path) -> None:
    with pytest.raises(LimitError, match=r"asks for 240, limits.max_file is 100"):
        member(tmp_path / "x.zip").read(Limits(max_file=100))


def test_a_bomb_is_refused_by_its_ratio(tmp_path: Path) -> None:
    archive = zipped(tmp_path / "x.zip", {"bomb.npy": bytes(17 << 20)})
    bomb = read_index(archive).members[0]
    assert bomb.packed < 20_000
    with pytest.raises(LimitError, match=r"unpack to 17,825,792, limits.max_ratio is 200"):
        bomb.read()
    assert len(bomb.read(Limits(max_ratio=0))) == 17 << 20
    small = read_index(zipped(tmp_path / "y.zip", {"flat.npy": bytes(1 << 20)})).members[0]
    assert len(small.read()) == 1 << 20


def test_no_more_is_unpacked_than_was_declared(tmp_path: Path) -> None:
    packed = deflated(bytes(1 << 28))       # 256 MiB of zeros
    liar = member(tmp_path / "x.zip", data=b"abc", packed=packed)
    with pytest.raises(MalformedError, match=r"a/d\.png: the member exceeds its declared 3"):
        liar.read()
    with pytest.raises(TruncatedError, match="has 240 of its declared 241 bytes"):
        replace(member(tmp_path / "x.zip"), size=241).read()


@pytest.mark.parametrize(("change", "said"), [
    ({"inside": "a/e.png"}, "directory and member at 4 differ in name"),
    ({"method": 0, "packed": 240}, "differ in name or compression"),
    ({"offset": 5}, "is no member at 5,"),
    ({"crc": 1}, "checksum is wrong:"),
    ({"packed": 3}, "has 2 of its declared"),
    ({"packed": 10_000}, "are outside the archive"),
    ({"offset": 10_000}, "is outside the file"),
    ({"problem": "is a link"}, "is a link"),
])
def test_directories_that_lie(tmp_path: Path, change: dict[str, object], said: str) -> None:
    with pytest.raises(FileError, match=said) as error:
        replace(member(tmp_path / "x.zip"), **change).read()  # type: ignore[arg-type]
    assert str(tmp_path / "x.zip") in str(error.value)


def test_damaged_streams(tmp_path: Path) -> None:
    with pytest.raises(MalformedError, match="cannot be decompressed:"):
        member(tmp_path / "x.zip", packed=b"\xff" * 30).read()
    with pytest.raises(TruncatedError, match=r"has . of its declared"):
        member(tmp_path / "x.zip", packed=deflated(DATA)[:-3]).read()
    with pytest.raises(MalformedError, match="stored member has"):
        member(tmp_path / "x.zip", packed=DATA[:5], method=0).read()


def test_encrypted_in_the_local_header_only(tmp_path: Path) -> None:
    found = member(tmp_path / "x.zip")
    raw = bytearray((tmp_path / "x.zip").read_bytes())
    struct.pack_into("<H", raw, 4 + 6, 1)
    (tmp_path / "x.zip").write_bytes(raw)
    with pytest.raises(UnsupportedError, match="the member is encrypted"):
        found.read()


def test_an_archive_that_is_gone_or_too_large(tmp_path: Path) -> None:
    found = member(tmp_path / "x.zip")
    with pytest.raises(LimitError, match="max_archive is 10"):
        found.read(Limits(max_archive=10))
    (tmp_path / "x.zip").unlink()
    with pytest.raises(OSError, match="No such file"):
        found.stat()


@pytest.mark.parametrize("pack", [tar, zipped])
def test_only_the_member_is_read(tmp_path: Path, pack: object, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of an archive of megabytes no more than the member, its header and the archive's list."""
    members = {f"{i}.bin": os.urandom(100_000) for i in range(40)}
    found = read_index(pack(tmp_path / "x", members)).members   # type: ignore[operator]
    read = 0

    def counted(source: ByteSource, offset: int, length: int, what: str = "data") -> bytes:
        nonlocal read
        read += length
        return whole(source, offset, length, what)

    whole = ByteSource.read
    monkeypatch.setattr(ByteSource, "read", counted)
    assert found[39].read() == members["39.bin"]
    assert read < 101_000
    read = 0
    read_index(tmp_path / "x")
    assert read < 100_000


@pytest.mark.parametrize("name", ["", "/etc/passwd", "../x", "a/../../x", "a\\b", "C:/x", "a\0b", "a/" * 65 + "b",
                                  "x" * 5000])
def test_names_that_are_not_safe(name: str) -> None:
    assert unsafe(name)


@pytest.mark.parametrize("name", ["a", "a/b.c", "..a", "a..", "ü/x", "a b", ".hidden"])
def test_names_that_are(name: str) -> None:
    assert not unsafe(name)
