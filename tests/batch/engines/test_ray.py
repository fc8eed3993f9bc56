"""Ray, on a cluster of this machine."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from cluster_kit import demo_job, outputs, run_and_kill_one

from gpudepth.batch.runner import run

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="Ray is a dependency of the tests on Linux")


def test_a_worker_is_killed_and_the_files_are_those_of_a_local_run(tmp_path: Path) -> None:
    job = demo_job(tmp_path)
    assert run(job, settings=["output.path=local/{stem}.heic"]).done == 12
    command, rows, ledger, process = run_and_kill_one(job, "ray")
    assert process.returncode == 0, process.stderr
    assert "ray::run_shard" in command
    assert rows < ledger.read_bytes().count(b"\n")      # it was not at its end, and somebody went on
    assert outputs(tmp_path / "out") == outputs(tmp_path / "local")
    assert len(process.stdout.splitlines()) >= 12 - rows
    assert run(job).describe() == "0 done, 12 already done, 0 failed"       # merged
