"""Dask, on a cluster of this machine."""

from __future__ import annotations

import multiprocessing
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from cluster_kit import make_job, outputs, run_and_kill_one

from gpudepth.batch.runner import run

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="killing its workers is tested on Linux")


def test_a_worker_is_killed_and_the_files_are_those_of_a_local_run(tmp_path: Path) -> None:
    job = make_job(tmp_path, 12, 480, 360)
    assert run(job, settings=["output.path=local/{stem}.heic"]).done == 12
    command, rows, ledger, process = run_and_kill_one(job, "dask")
    assert process.returncode == 0, process.stderr
    assert "multiprocessing" in command
    assert rows < ledger.read_bytes().count(b"\n")      # it was not at its end, and somebody went on
    assert outputs(tmp_path / "out") == outputs(tmp_path / "local")
    assert len(process.stdout.splitlines()) >= 12 - rows
    assert run(job).describe() == "0 done, 12 already done, 0 failed"       # merged


def test_shards_that_run_at_a_time_in_one_worker_all_may_have_children(monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker with several threads is a daemon again when the last of them ends, not when the first does."""
    from gpudepth.batch.engines.dask import _as_parent

    marks = multiprocessing.current_process()._config      # type: ignore[attr-defined]
    monkeypatch.setitem(marks, "daemon", True)
    begun, both, ended = threading.Event(), threading.Event(), threading.Event()

    def first(shard: Any) -> Any:
        begun.set()
        assert both.wait(20)
        return marks["daemon"]

    def second(shard: Any) -> Any:
        both.set()
        assert ended.wait(20)
        return marks["daemon"]

    with ThreadPoolExecutor(2) as pool:
        short = pool.submit(_as_parent, first, None)        # type: ignore[arg-type]
        assert begun.wait(20)
        long = pool.submit(_as_parent, second, None)        # type: ignore[arg-type]
        assert short.result() is False
        ended.set()
        assert long.result() is False
    assert marks["daemon"] is True
