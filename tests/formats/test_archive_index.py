"""What archives hold, and archives that are cut off, lie, or are traps."""

from __future__ import annotations

import io
import os
import struct
import tarfile
import zipfile
from pathlib import Path

import pytest
from archive_kit import tar, zipped
from hypothesis import given, settings
from hypothesis import strategies as st

from gpudepth.errors import (
    FileError,
    GpudepthError,
    LimitError,
    MalformedError,
    MissingInputError,
    TruncatedError,
    UnsupportedError,
)
from gpudepth.formats.archive import read_index
from gpudepth.limits import Limits


def header(name: bytes, size: int, kind: bytes = b"0") -> bytes:
    """A ustar header (POSIX pax, "ustar Interchange Format")."""
    raw = b"".join([
        name.ljust(100, b"\0"),             # name
        b"0000644\0",                       # mode
        b"0000000\0", b"0000000\0",         # uid, gid
        b"%011o\0" % size,                  # size, octal
        b"00000000000\0",                   # mtime
        b"        ",                        # checksum, blanks while it is summed
        kind, bytes(100),                   # type flag, name of the link
        b"ustar\0", b"00",                  # magic, version
        bytes(32), bytes(32),               # user, group
        b"0000000\0", b"0000000\0",         # device
        bytes(155)]).ljust(512, b"\0")      # prefix
    return raw[:148] + b"%06o\0 " % sum(raw) + raw[156:]


def test_tar_byte_by_byte(tmp_path: Path) -> None:
    path = tmp_path / "x.tar"
    path.write_bytes(header(b"./a/1.jpg", 3) + b"abc".ljust(512, b"\0") + header(b"a/", 0, b"5")
                     + header(b"2.png", 0) + bytes(1024))
    found = read_index(path)
    assert [(m.inside, m.offset, m.size, m.problem) for m in found.members] == [
        ("a/1.jpg", 512, 3, ""), ("2.png", 2048, 0, "")]
    assert (found.unsafe, found.error) == ((), None)
    assert [m.read() for m in found.members] == [b"abc", b""]
    with tarfile.open(path) as judge:
        assert [i.name for i in judge if i.isreg()] == ["./a/1.jpg", "2.png"]


def test_zip_as_zipfile_has_it(tmp_path: Path) -> None:
    path = zipped(tmp_path / "x.zip", {"a/1.jpg": b"abc" * 100, "ü.png": b"", "dir/": b""})
    found = read_index(path).members
    with zipfile.ZipFile(path) as judge:
        assert [(m.inside, m.offset, m.size, m.packed, m.crc) for m in found] == [
            (i.filename, i.header_offset, i.file_size, i.compress_size, i.CRC) for i in judge.infolist()[:2]]


@pytest.mark.parametrize("format_", [tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_long_names(tmp_path: Path, format_: int) -> None:
    name = "/".join(["folder" * 5] * 9) + "/1.jpg"
    found = read_index(tar(tmp_path / "x.tar", {name: b"abc", "2.jpg": b"de"}, format=format_))
    assert [(m.inside, m.read()) for m in found.members] == [(name, b"abc"), ("2.jpg", b"de")]


def test_links_and_devices_in_a_tar(tmp_path: Path) -> None:
    path = tmp_path / "x.tar"
    kinds = {"1.jpg": tarfile.SYMTYPE, "2.jpg": tarfile.LNKTYPE, "3.jpg": tarfile.CHRTYPE, "4.jpg": tarfile.FIFOTYPE,
             "5.jpg": tarfile.BLKTYPE, "6.jpg": b"Z"}
    with tarfile.open(path, "w") as archive:
        for name, kind in kinds.items():
            info = tarfile.TarInfo(name)
            info.type, info.linkname = kind, "/etc/passwd"
            archive.addfile(info)
    said = {m.inside: m.problem for m in read_index(path).members}
    assert [said[f"{i}.jpg"].split(",")[0] for i in range(1, 6)] == [
        "the member is a link to '/etc/passwd' instead of a regular file"] * 2 + [
        f"the member is {what} instead of a regular file" for what in ("a device", "a pipe", "a device")]
    for found in read_index(path).members[:5]:
        with pytest.raises(UnsupportedError, match="instead of a regular file"):
            found.read()


def test_links_and_encryption_in_a_zip(tmp_path: Path) -> None:
    path = tmp_path / "x.zip"
    with zipfile.ZipFile(path, "w") as archive:
        link = zipfile.ZipInfo("1.jpg")
        link.external_attr = 0o120777 << 16
        archive.writestr(link, "/etc/passwd")
        archive.writestr("2.jpg", b"abc")
        archive.writestr("3.jpg", b"abc", zipfile.ZIP_BZIP2)
    raw = bytearray(path.read_bytes())
    at = raw.index(b"2.jpg", raw.index(b"PK\1\2")) - 46
    struct.pack_into("<H", raw, at + 8, 1)          # central directory: flags, bit 0
    path.write_bytes(raw)
    assert [m.problem for m in read_index(path).members] == [
        "the member is a link", "the member is encrypted", "the member uses bzip2, not Deflate"]


def test_names_that_point_out_of_the_archive(tmp_path: Path) -> None:
    names = ["../../evil.jpg", "/abs.jpg", "a/../../b.jpg", "good.jpg", "c:\\x.jpg"]
    for path in (tar(tmp_path / "x.tar", dict.fromkeys(names, b"x")),
                 zipped(tmp_path / "x.zip", dict.fromkeys(names, b"x"))):
        found = read_index(path)
        assert [m.inside for m in found.members] == ["good.jpg"]
        assert [m.problem for m in found.unsafe] == [
            "the member's name points outside the archive", "the member has an absolute name",
            "the member's name points outside the archive", "the member has an absolute name"]
        with pytest.raises(UnsupportedError, match="points outside"):
            found.unsafe[0].read()
    assert sorted(p.name for p in tmp_path.iterdir()) == ["x.tar", "x.zip"]


def test_members_that_are_there_twice(tmp_path: Path) -> None:
    path = tmp_path / "x.tar"
    path.write_bytes((header(b"a.jpg", 1) + b"1".ljust(512, b"\0")) * 2 + header(b"b.jpg", 0) + bytes(1024))
    assert [(m.inside, m.problem) for m in read_index(path).members] == [
        ("a.jpg", "the archive has 2 members of this name")] * 2 + [("b.jpg", "")]
    with pytest.warns(UserWarning, match="Duplicate name"), zipfile.ZipFile(tmp_path / "x.zip", "w") as archive:
        archive.writestr("a.jpg", b"1")
        archive.writestr("a.jpg", b"2")
    assert [m.problem for m in read_index(tmp_path / "x.zip").members] == ["the archive has 2 members of this name"] * 2


def test_a_tar_that_is_cut_off_gives_what_is_before_the_cut(tmp_path: Path) -> None:
    whole = tar(tmp_path / "whole.tar", {f"{i}.jpg": bytes([i]) * 700 for i in range(4)}).read_bytes()
    path = tmp_path / "x.tar"
    for length in range(0, 4 * 1536 + 1, 37):
        path.write_bytes(whole[:length])
        if length < 262:        # nothing says that it is a tar
            with pytest.raises(FileError):
                read_index(path)
            continue
        found = read_index(path)
        assert isinstance(found.error, TruncatedError), length
        good = [m for m in found.members if m.offset + m.size <= length]
        assert len(good) == (length + 324) // 1536 and all(m.read() for m in good)
        for m in found.members[len(good):]:
            with pytest.raises(TruncatedError):
                m.read()
    path.write_bytes(whole[:4 * 1536])
    assert "has no end mark after 4 members, the last of which is '3.jpg'" in str(read_index(path).error)
    path.write_bytes(whole[:1536] + b"x" * 512 + whole[1536:])
    assert "no header at 1,536" in str(read_index(path).error)


def test_a_zip_that_is_cut_off(tmp_path: Path) -> None:
    whole = zipped(tmp_path / "whole.zip", {"a.jpg": bytes(500), "b.jpg": b"x" * 700}, zipfile.ZIP_STORED).read_bytes()
    path = tmp_path / "x.zip"
    for length in (4, 30, 200, len(whole) // 2, len(whole) - 30, len(whole) - 1):
        path.write_bytes(whole[:length])
        with pytest.raises(TruncatedError, match="no directory at its end"):
            read_index(path)
    path.write_bytes(whole[:100] + whole[200:])     # the directory is not where the end record says
    with pytest.raises(FileError):
        [m.read() for m in read_index(path).members]


def test_more_members_than_the_limit(tmp_path: Path) -> None:
    names = {f"{i}.jpg": b"" for i in range(12)}
    for path in (zipped(tmp_path / "x.zip", names), tar(tmp_path / "x.tar", names)):
        assert len(read_index(path, Limits(max_members=12)).members) == 12
        with pytest.raises(LimitError, match="max_members is 11"):
            read_index(path, Limits(max_members=11))


def test_a_directory_that_says_it_is_huge(tmp_path: Path) -> None:
    path = zipped(tmp_path / "x.zip", {"a": b""})
    raw = bytearray(path.read_bytes())
    struct.pack_into("<L", raw, len(raw) - 22 + 12, 0xFFFF_FF00)      # end record: size of the directory
    path.write_bytes(raw)
    with pytest.raises(LimitError, match="directory has 4,294,967,040 bytes"):
        read_index(path)


def test_a_header_that_would_be_read_whole(tmp_path: Path) -> None:
    path = tmp_path / "x.tar"
    with path.open("wb") as file:       # GNU's long name, of 3 MiB
        file.write(header(b"././@LongLink", 3 << 20, b"L") + b"x" * (3 << 20) + header(b"a", 0) + bytes(1024))
    with pytest.raises(LimitError, match="the header"):
        read_index(path)


def test_what_is_no_archive(tmp_path: Path) -> None:
    path = tmp_path / "x"
    for raw, error, said in [(b"", TruncatedError, "is empty"), (b"hello" * 200, UnsupportedError, "not a zip or tar"),
                             (bytes(2048), MalformedError, "only holds zeros"),
                             (b"\x1f\x8b\x08" + bytes(600), UnsupportedError, "is compressed with gzip as a whole")]:
        path.write_bytes(raw)
        with pytest.raises(error, match=said):
            read_index(path)
    with pytest.raises(MissingInputError):
        read_index(tmp_path / "none.tar")
    os.mkfifo(tmp_path / "pipe.tar")
    with pytest.raises(UnsupportedError, match="not a regular file"):
        read_index(tmp_path / "pipe.tar")


SEEDS = [b"".join([header(b"a.jpg", 3), b"abc".ljust(512, b"\0"), header(b"b/c.png", 5), b"12345".ljust(512, b"\0"),
                   bytes(1024)])]
_zip = io.BytesIO()
with zipfile.ZipFile(_zip, "w", zipfile.ZIP_DEFLATED) as _archive:
    _archive.writestr("a.jpg", b"abc" * 50)
    _archive.writestr("b/c.png", b"12345")
SEEDS.append(_zip.getvalue())


@settings(max_examples=400, deadline=None)
@given(seed=st.sampled_from(SEEDS), edits=st.lists(st.tuples(st.integers(0, 4000), st.binary(min_size=1, max_size=8)),
                                                    max_size=5), cut=st.integers(0, 4000))
def test_mutations_raise_errors_of_ours(tmp_path_factory: pytest.TempPathFactory, seed: bytes,
                                        edits: list[tuple[int, bytes]], cut: int) -> None:
    raw = bytearray(seed)
    for at, data in edits:
        start = at % len(raw)
        raw[start : start + len(data)] = data
    path = tmp_path_factory.getbasetemp() / "mutated"
    path.write_bytes(raw[: cut or None])
    try:
        found = read_index(path)
    except GpudepthError:
        return
    for m in (*found.members, *found.unsafe):
        try:
            assert len(m.read()) == m.size
        except GpudepthError:
            continue
