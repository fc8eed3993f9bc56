"""What stands for a file: opened by whatever opens files, and never on a disk."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from archive_kit import zipped

from gpudepth.errors import MissingInputError
from gpudepth.formats.archive import read_index
from gpudepth.formats.bytesource import ByteSource, as_file, as_input, as_path, read_input

DATA = b"depth " * 40


def test_a_member_stands_where_a_file_does(tmp_path: Path) -> None:
    found = read_index(zipped(tmp_path / "x.zip", {"a/d.png": DATA})).members[0]
    with ByteSource(found) as source:
        assert (source.size, source.read(6, 5), source.name) == (len(DATA), b"depth", str(found))
    assert read_input(found) == DATA
    file = as_file(found)
    assert isinstance(file, io.BytesIO) and file.read() == DATA
    with as_path(found) as name:
        assert Path(name).read_bytes() == DATA
        assert "memfd" in str(Path(name).readlink())      # memory, on no disk
    assert not Path(name).exists()
    assert [p.name for p in tmp_path.iterdir()] == ["x.zip"]


def test_files_are_themselves(tmp_path: Path) -> None:
    path = tmp_path / "x.png"
    path.write_bytes(DATA)
    assert as_input(str(path)) == as_file(str(path)) == path
    with as_path(path) as name:
        assert name == str(path)
    assert read_input(path) == DATA
    with pytest.raises(MissingInputError):
        read_input(tmp_path / "none")
