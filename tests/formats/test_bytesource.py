"""Reading by position, and outputs described as pieces."""

from __future__ import annotations

import io
import os

import pytest

from gpudepth.errors import LimitError, MissingInputError, OutputError, TruncatedError, UnsupportedError
from gpudepth.formats.bytesource import CHUNK, ByteSource, Splice
from gpudepth.limits import Limits


@pytest.fixture(params=["bytes", "file"])
def opened(request, tmp_path):
    def make(data):
        if request.param == "bytes":
            return ByteSource(data)
        (tmp_path / "x").write_bytes(data)
        return ByteSource(tmp_path / "x")

    return make


def test_read(opened):
    with opened(b"0123456789") as source:
        assert source.size == 10
        assert source.read(3, 4) == b"3456"
        assert source.read(10, 0) == b""
        for offset, length in ((8, 3), (11, 0), (-1, 1), (0, -1), (1 << 70, 1)):
            with pytest.raises(TruncatedError, match="outside the file of 10 bytes"):
                source.read(offset, length)


def test_chunks(opened):
    data = os.urandom(CHUNK) * 2 + b"tail"
    with opened(data) as source:
        parts = list(source.chunks(1, len(data) - 1))
    assert [len(p) for p in parts] == [CHUNK, CHUNK, 3]
    assert b"".join(parts) == data[1:]


def test_splice(opened):
    with opened(b"0123456789") as source:
        out = Splice(source)
        assert [out.add(b"ab"), out.keep(0, 3), out.keep(3, 2), out.keep(7, 0), out.add(b""), out.keep(8, 2)] == [
            0, 2, 5, 7, 7, 7]
        assert out.pieces == [b"ab", (0, 5), (8, 2)]
        assert out.size == 9
        assert out.to_bytes() == b"ab0123489"
        buffer = io.BytesIO()
        out.write(buffer)
        assert buffer.getvalue() == b"ab0123489"


def test_short_writes_go_on():
    class Slow(io.BytesIO):
        def write(self, data):
            return super().write(bytes(data)[:3])

    out = Splice(ByteSource(b"0123456789"))
    out.keep(0, 10)
    out.write(buffer := Slow())
    assert buffer.getvalue() == b"0123456789"


def test_full_disk_is_an_output_error():
    class Full(io.BytesIO):
        def write(self, data):
            raise OSError(28, "No space left on device")

    out = Splice(ByteSource(b""))
    out.add(b"x")
    with pytest.raises(OutputError, match="No space left"):
        out.write(Full())


def test_what_cannot_be_opened(tmp_path):
    with pytest.raises(MissingInputError, match="the file does not exist"):
        ByteSource(tmp_path / "none")
    with pytest.raises(UnsupportedError, match="folder"):
        ByteSource(tmp_path)
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(UnsupportedError, match="regular"):
        ByteSource(tmp_path / "pipe")
    (tmp_path / "big").write_bytes(bytes(101))
    with pytest.raises(LimitError, match=r"max_file is 100"):
        ByteSource(tmp_path / "big", Limits(max_file=100))


def test_file_that_got_shorter(tmp_path):
    path = tmp_path / "x"
    path.write_bytes(bytes(100))
    with ByteSource(path) as source:
        os.truncate(path, 10)
        with pytest.raises(TruncatedError, match="shorter"):
            source.read(0, 100)


def test_closed_source_is_a_mistake_of_ours(tmp_path):
    (tmp_path / "x").write_bytes(b"abc")
    source = ByteSource(tmp_path / "x")
    source.close()
    source.close()
    with pytest.raises(ValueError, match="closed"):
        source.read(0, 1)
