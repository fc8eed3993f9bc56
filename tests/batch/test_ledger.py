from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from gpudepth.batch.job_hash import JobHash
from gpudepth.batch.ledger import FileState, Ledger, Row, read_rows, sha256
from gpudepth.errors import LockedError, OutputError


def row(key: str = "a.heic", **fields: object) -> Row:
    return Row(key, "ok", "job", output="a.heic", output_size=5, **fields)  # type: ignore[arg-type]


@pytest.mark.parametrize("field", ['"metres": ["a", 1]', '"metres": [1]', '"metres": "12"', '"metres": 5', '"seconds": "1"', '"seconds": NaN', '"pixels": 1e999',
                                   '"stages": {"read": "1; background: url(x)"}', '"stages": [1]', '"warnings": [1]', '"warnings": "ab"',
                                   '"filled": null', '"output_size": [1]', '"output_etag": 1', '"members": 1'])
def test_values_of_other_kinds_are_no_row(field: str) -> None:
    """What adds them up, or shows them, need not ask."""
    with pytest.raises((TypeError, ValueError)):
        Row.from_json('{"key": "a", "status": "ok", "job": "j", ' + field + "}")
    assert Row.from_json('{"key": "a", "status": "ok", "job": "j", "metres": [1, null]}').metres == (1, None)


def test_rows_round_trip() -> None:
    full = row(photo=FileState(1, 2, 3, "aa"), depth=FileState(4, 5, 6, "bb"), range=(0.1, 2.0), metres=(0.5, None),
               warnings=("coarse",), filled=3, summary="black = 0.50 m")
    assert Row.from_json(full.to_json()) == full
    assert Row.from_json(row().to_json()) == row()
    assert "photo" not in json.loads(row().to_json())


def test_appending_and_reading_back(tmp_path: Path) -> None:
    path = tmp_path / "out" / "ledger.jsonl"
    with Ledger(path) as ledger:
        ledger.add(row("a"))
        ledger.add(row("b"))
        ledger.add(Row("a", "error", "job", message="gone"))
    with Ledger(path) as ledger:
        assert ledger.rows["a"].status == "error"
        assert ledger.rows["b"].status == "ok"
    assert len(path.read_text().splitlines()) == 3


def test_foreign_lines_are_skipped(tmp_path: Path) -> None:
    path = tmp_path / "ledger.jsonl"
    path.write_text('not json\n{"other": 1}\n' + row("b").to_json() + "\n{half")
    with Ledger(path) as ledger:
        assert list(ledger.rows) == ["b"]
        ledger.add(row("c"))
    assert path.read_text().splitlines()[-1] == row("c").to_json()
    assert "{half" not in path.read_text()


def test_one_writer_at_a_time(tmp_path: Path) -> None:
    with Ledger(tmp_path / "l"), pytest.raises(LockedError) as caught, Ledger(tmp_path / "l"):
        pass
    assert caught.value.exit_code == 75
    with Ledger(tmp_path / "l"):
        pass


def test_unwritable(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError), Ledger(tmp_path / "file" / "l"):
        pass


def test_done_is_believed_only_while_everything_agrees(tmp_path: Path) -> None:
    photo, depth, output = (tmp_path / n for n in ("p", "d", "o"))
    for path in (photo, depth, output):
        path.write_bytes(b"12345")
    done = row(photo=FileState.of(photo), depth=FileState.of(depth))
    assert done.done(JobHash("job"), (photo, depth), output)
    assert not done.done(JobHash("other job"), (photo, depth), output)
    assert not row().done(JobHash("job"), (photo, depth), output)
    assert not done.done(JobHash("job"), (photo, tmp_path / "none"), output)
    assert not done.done(JobHash("job"), (photo, depth, depth), output)  # what comes beside is new
    beside = row(photo=FileState.of(photo), depth=FileState.of(depth), beside=(FileState.of(depth),))
    assert Row.from_json(beside.to_json()).done(JobHash("job"), (photo, depth, depth), output)
    assert not beside.done(JobHash("job"), (photo, depth), output)
    os.utime(photo)
    assert done.done(JobHash("job"), (photo, depth), output)  # the hash decides
    photo.write_bytes(b"54321")
    assert not done.done(JobHash("job"), (photo, depth), output)
    photo.write_bytes(b"12345")
    output.write_bytes(b"1234")
    assert not done.done(JobHash("job"), (photo, depth), output)


def test_sha256(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"abc")
    assert sha256(tmp_path / "x").startswith("ba7816bf8f01cfea")


@pytest.mark.parametrize("line", [b"", b"[1]", b"null", b"5", b'"text"', b"{}", b'{"key": 5, "status": "ok", "job": "j"}', b"[" * 100_000,
                                  b'{"key": "k", "status": "ok", "job": "j", "output": ["x"]}', b'{"key": "k", "status": "ok", "job": "j", "photo": 5}',
                                  b'{"key": "k", "status": "ok", "job": "j", "warnings": 5}', b'{"key": "k", "what": 1}', b"\xff\xfe", b'{"key": "k'])
def test_lines_that_are_no_rows_are_skipped(tmp_path: Path, line: bytes) -> None:
    good = Row("a.jpg", "ok", "j").to_json().encode()
    (tmp_path / "l.jsonl").write_bytes(line + b"\n" + good + b"\n" + line + b"\n")
    assert [row.key for row in read_rows(tmp_path / "l.jsonl")] == ["a.jpg"]
