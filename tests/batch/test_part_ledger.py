"""Ledgers in parts, in fsspec's store in memory."""

from __future__ import annotations

import secrets
from pathlib import Path

import pytest

from gpudepth.batch import part_ledger
from gpudepth.batch.ledger import FileState, Row
from gpudepth.batch.part_ledger import PartLedger, read_parts, shards_of
from gpudepth.batch.work_item import in_shard
from gpudepth.errors import OutputError
from gpudepth.pairing.stores import RemoteFile, list_objects

pytest.importorskip("fsspec")


@pytest.fixture
def folder() -> str:
    return f"memory://bucket{secrets.token_hex(4)}/gpudepth-ledger"


def row(key: str, said: str = "") -> Row:
    state = FileState(3, 0, 0, "00", etag="e")
    return Row(key, "ok", "job", state, state, f"{key}.jpg", 5, "11", said, output_etag="f")


def test_parts_of_some_rows_and_the_rest(folder: str, tmp_path: Path) -> None:
    with PartLedger(tmp_path / "l.jsonl", folder=folder, shard=(1, 4), every=2) as ledger:
        assert not ledger.rows
        for n in range(5):
            ledger.add(row(f"k{n}"))
            assert len(list(list_objects(folder))) == (n + 1) // 2
    names = sorted(one.name for one in list_objects(folder))
    assert [name[:7] for name in names] == ["1-of-4-"] * 3 and [name[-12:] for name in names] == [f"{n:06}.jsonl" for n in range(3)]
    assert shards_of(folder) == ["1/4"]
    assert read_parts(folder) == {f"k{n}": row(f"k{n}") for n in range(5)}
    with PartLedger(tmp_path / "again.jsonl", folder=folder) as again:
        assert len(again.rows) == 5
    assert len(list(list_objects(folder))) == 3       # nothing new, no part


def test_the_last_row_of_a_key_counts(folder: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for n, day in enumerate(("20260101", "20260103", "20260102")):
        monkeypatch.setattr(part_ledger.time, "strftime", lambda *_, day=day: f"{day}T000000")
        with PartLedger(tmp_path / f"{n}.jsonl", folder=folder, every=1) as ledger:
            ledger.add(row("k", day))
    assert read_parts(folder)["k"].summary == "20260103"


def test_a_shard_reads_what_may_be_its_own(folder: str, tmp_path: Path) -> None:
    keys = [f"k{n}" for n in range(40)]
    for shard in ((0, 2), (1, 2), None):
        with PartLedger(tmp_path / f"{shard}.jsonl", folder=folder, shard=shard, every=9) as ledger:
            for key in keys[:20] if shard else keys[20:]:
                if in_shard(key, shard):
                    ledger.add(row(key))
    assert shards_of(folder) == ["0/2", "1/2", "all"]
    for shard in ((0, 2), (1, 2), (2, 3), None):
        assert sorted(read_parts(folder, shard)) == sorted(key for key in keys if in_shard(key, shard))


def test_parts_of_other_shards_are_not_fetched(folder: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for shard in ((0, 2), (1, 2)):
        with PartLedger(tmp_path / f"{shard}.jsonl", folder=folder, shard=shard) as ledger:
            ledger.add(row("k"))
    fetched: list[str] = []

    def read_all(objects: list[RemoteFile]) -> list[bytes]:
        fetched.extend(one.name for one in objects)
        return []

    monkeypatch.setattr(part_ledger, "read_all", read_all)
    read_parts(folder, (1, 2))
    assert [name[:6] for name in fetched] == ["1-of-2"]


def test_what_ended_a_run_is_told(folder: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(url: str, data: bytes) -> None:
        raise OutputError("the store fails: X", where=url)

    monkeypatch.setattr(part_ledger, "put_bytes", fail)
    with pytest.raises(KeyError), PartLedger(tmp_path / "a.jsonl", folder=folder) as ledger:
        ledger.add(row("k"))
        raise KeyError
    with pytest.raises(OutputError, match="the store fails"), PartLedger(tmp_path / "b.jsonl", folder=folder) as ledger:
        ledger.add(row("k"))
