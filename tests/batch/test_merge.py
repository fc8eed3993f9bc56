from __future__ import annotations

from pathlib import Path

import pytest
from cluster_kit import make_job
from photo_kit import gray

from gpudepth.batch.ledger import Ledger, read_rows
from gpudepth.batch.merge import merge
from gpudepth.batch.runner import run
from gpudepth.errors import LockedError, UsageError


@pytest.fixture
def job(tmp_path: Path) -> Path:
    return make_job(tmp_path, 8, 64, 48)


def keys(job: Path, shard: tuple[int, int]) -> set[str]:
    return {row.key for row in read_rows(job.parent / "out" / f"gpudepth-ledger.{shard[0]}-of-{shard[1]}.jsonl")}


def test_what_is_done_failed_and_missing(job: Path) -> None:
    with pytest.raises(UsageError, match="no shard has run"):
        merge(job)
    (job.parent / "depth" / "p03.png").write_bytes(b"junk")
    for i in (0, 2):
        run(job, shard=(i, 3))
    first, third = keys(job, (0, 3)), keys(job, (2, 3))
    assert len(first) and len(third) and len(first) + len(third) < 8
    merged = merge(job)
    assert merged.done + merged.count("failed") == merged.added == len(first) + len(third)
    assert {left.key for left in merged.left if left.state == "missing"} == {
        f"photos/p{i:02}.jpg" for i in range(8)} - first - third
    assert merged.shards == ("0/3", "2/3")

    run(job, shard=(1, 3))
    merged = merge(job)
    assert merged.describe() == "7 done, 1 failed, 0 missing"
    [left] = merged.left
    assert (left.key, left.state) == ("photos/p03.jpg", "failed")
    assert "p03.png" in left.message
    assert merge(job).added == 0
    assert run(job).describe() == "0 done, 7 already done, 1 failed"    # the merged ledger is the whole run's


def test_the_row_that_holds_is_the_one_that_counts(job: Path) -> None:
    """Whatever ledger it is in, and in whatever order they were written."""
    run(job, shard=(0, 1))
    merge(job)
    gray(job.parent / "depth" / "p01.png", 40, 30)
    assert merge(job).left[0].state == "outdated"
    assert run(job).done == 1           # into the whole run's ledger; the shard's is older
    assert merge(job).describe() == "8 done, 0 failed, 0 missing"
    assert merge(job).added == 0
    gray(job.parent / "depth" / "p02.png", 40, 30)
    assert run(job, shard=(0, 1)).done == 2     # and the other way
    assert merge(job).describe() == "8 done, 0 failed, 0 missing"
    assert run(job).skipped == 8

    (job.parent / "out" / "p05.heic").unlink()
    assert [(left.key, left.state) for left in merge(job).left] == [("photos/p05.jpg", "outdated")]
    assert merge(job, settings=["encoding.far=13"]).count("outdated") == 8


def test_other_cuts_count_too(job: Path) -> None:
    run(job, shard=(0, 2))
    run(job, shard=(0, 3))
    run(job, shard=(1, 3))
    run(job, shard=(2, 3))
    merged = merge(job)
    assert merged.done == merged.added == 8
    assert merged.shards == ("0/2", "0/3", "1/3", "2/3")


def test_refused_while_a_shard_runs(job: Path) -> None:
    run(job, shard=(0, 2))
    run(job, shard=(1, 2))
    whole = job.parent / "out" / "gpudepth-ledger.jsonl"
    with Ledger(whole, shared=True), Ledger(whole.with_name("gpudepth-ledger.1-of-2.jsonl")):
        with pytest.raises(LockedError, match="shards are running: 1/2"):
            merge(job)
        with pytest.raises(LockedError):
            run(job)        # nor does a run of everything
        run(job, shard=(0, 2))      # other shards do
    with Ledger(whole), pytest.raises(LockedError, match="another run"):
        merge(job)
    with Ledger(whole), pytest.raises(LockedError, match="another run"):
        run(job, shard=(0, 2))
    assert merge(job).done == 8


def test_what_killed_shards_left_half_written_goes(job: Path) -> None:
    run(job, shard=(0, 1))
    stale = job.parent / "out" / ".gpudepth-p01-0123.tmp"
    stale.touch()
    merge(job)
    assert not stale.exists()


def test_archives_that_fail_before_anything_runs(job: Path) -> None:
    (job.parent / "bad.tar").write_bytes(b"no tar at all" * 100)
    job.write_text("source: {archive: '*.tar', color: 'a/*.jpg', depth: 'd/{stem}.png'}\nencoding: {near: 1, far: 2}\n"
                   "output: {path: 'out/{stem}.jpg'}\n")
    run(job, shard=(0, 1))
    merged = merge(job)
    assert [(left.key, left.state) for left in merged.left] == [("bad.tar", "failed")]
    assert merge(job).added == 0
