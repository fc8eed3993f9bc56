"""Items as lines, byte for byte, and what is no line of a plan."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gpudepth.batch.plan_lines import HASH, REFUSED, LineCodec, LineError
from gpudepth.batch.tars import Tar
from gpudepth.batch.work_item import ClipItem, PhotoItem
from gpudepth.errors import LimitError, MalformedError
from gpudepth.formats.archive import Member
from gpudepth.pairing.clips import Footage
from gpudepth.pairing.pairs import Refused
from gpudepth.pairing.stores import RemoteFile, Target
from gpudepth.settings.clip import ClipSettings

# the first 8 bytes of SHA-256("p/0.heic"), as sha256sum has it
P0 = b'{"hash":"ea02f708938e56bc","key":"p/0.heic",'
ITEM = PhotoItem("p/0.heic", Path("jobs/p/0.heic"), Path("/far/0.png"), Path("jobs/out/0.heic"), "0.heic")
CODEC = LineCodec(Path("jobs"), Path("jobs/out"))


def test_a_file_is_a_path() -> None:
    line = CODEC.write(ITEM)
    assert line == P0 + b'"photo":"p/0.heic","depth":"/far/0.png","output":"out/0.heic"}\n'
    assert CODEC.read(line) == ITEM
    assert line[HASH] == b"ea02f708938e56bc" and not line.startswith(REFUSED, HASH.stop)


def test_an_object_is_its_url_size_and_etag() -> None:
    codec = LineCodec(Path("jobs"), Path("s3://b/out"))
    item = PhotoItem("p/0.heic", RemoteFile("s3://b/p/0.heic", 7, "e"), Path("jobs/d.png"), Target("s3://b/out/0.heic"), "0.heic")
    line = codec.write(item)
    assert line == (P0 + b'"photo":{"url":"s3://b/p/0.heic","size":7,"etag":"e"},"depth":"d.png",'
                    b'"output":"s3://b/out/0.heic"}\n')
    assert codec.read(line) == item
    for bad in (line.replace(b"7", b"-7"), line.replace(b"7", b"true"), line.replace(b'"s3://b/p', b'"b/p'), line.replace(b',"etag":"e"', b"")):
        with pytest.raises(LineError):
            codec.read(bad)


def test_a_member_says_where_it_is() -> None:
    member = Member(Path("jobs/a.zip"), "zip", "p/x.jpg", 5, 9, 7, 8, 0, "")
    item = PhotoItem("p/0.heic", member, Member(Path("jobs/a.tar"), "tar", "x", 512, 9, 9), Path("jobs/out/0.heic"), "0.heic")
    line = CODEC.write(item)
    assert b'{"archive":"a.zip","kind":"zip","inside":"p/x.jpg","offset":5,"size":9,"packed":7,"method":8,"crc":0,"problem":""}' in line
    assert CODEC.read(line) == item


def test_refused_ones_keep_their_errors() -> None:
    for error in (MalformedError("is cut off", where="a.tar: x", hint="again"), LimitError("too much")):
        line = CODEC.write_refused(Refused("p/0.heic", error))
        assert line.startswith(REFUSED, HASH.stop)
        read = CODEC.read_refused(line)
        assert (read.key, type(read.error), read.error.message, read.error.where, read.error.hint) == (
            "p/0.heic", type(error), error.message, error.where, error.hint)
    for name in (b"KeyError", b"JobError", b"__name__", b"annotations", b"Interrupted"):
        with pytest.raises(LineError, match="is not an error of gpudepth"):
            CODEC.read_refused(line.replace(b"LimitError", name))


@pytest.mark.parametrize("output", ["/etc/a.heic", "../a.heic", "out/../../a.heic", "outside/a.heic", "s3://b/a.heic"])
def test_a_line_writes_nowhere_else_than_the_job(output: str) -> None:
    line = CODEC.write(ITEM).replace(b"out/0.heic", output.encode())
    with pytest.raises(LineError, match="outside the folder"):
        CODEC.read(line)
    free = LineCodec(CODEC.base, CODEC.root, anywhere=True).read(line)      # as lists of pairs may
    assert str(free.output) == (output if ":" in output or output.startswith("/") else f"jobs/{output}")
    tar = Tar("0.tar", (replace(ITEM, output=Path("0.heic"), target="0.heic"),), Path("jobs/out/0.tar"))
    line = CODEC.write(tar)
    assert CODEC.read(line) == tar
    for name in (b"/0.heic", b"../0.heic", b"a/../../0.heic", b""):
        with pytest.raises(LineError, match="not a valid name of a photo in a tar"):
            CODEC.read(line.replace(b'"output":"0.heic"', b'"output":"' + name + b'"'))
    with pytest.raises(LineError, match="outside the folder"):
        CODEC.read(line.replace(b"out/0.tar", b"0.tar"))


def test_nor_does_a_clip() -> None:
    codec = LineCodec(Path("jobs"), Path("jobs/out"), ClipSettings())
    clip = ClipItem("v.mp4", Footage((Path("jobs/v.mp4"),), False), None, "jobs/out/v/{frame}.heic", Path("jobs/out/v/frames.csv"), "v/frames.csv",
                    ClipSettings(), codec.threads)
    line = codec.write(clip)
    assert codec.read(line) == clip
    for name in (b"out/v/{frame}.heic", b"out/v/frames.csv"):
        with pytest.raises(LineError, match="outside the folder"):
            codec.read(line.replace(name, b"/tmp/" + name))


@given(st.binary(max_size=200))
def test_refused_lines_are_errors_of_ours(line: bytes) -> None:
    for read in (LineCodec(Path(), Path("out")).read, LineCodec(Path(), Path("out")).read_refused):
        with pytest.raises(LineError):
            read(line)
