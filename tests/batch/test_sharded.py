from __future__ import annotations

import importlib
import json
import pickle
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import SimpleNamespace

import pytest
from cluster_kit import make_job, outputs, wait_for_rows

from gpudepth.batch import sharded
from gpudepth.batch.engines import NAMES, Needs, engine
from gpudepth.batch.ledger import Ledger
from gpudepth.batch.sharded import run, run_shard
from gpudepth.batch.shards import ShardResult, ShardTask
from gpudepth.errors import GpudepthError, JobError, LockedError, PartialRunError, UsageError
from gpudepth.settings.job import load_job


@pytest.fixture
def job(tmp_path: Path) -> Path:
    return make_job(tmp_path, 8, 64, 48)


def test_shards_on_this_machine(job: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run(job, settings=["output.path=local/{stem}.heic"])
    (job.parent / "depth" / "p03.png").write_bytes(b"junk")
    summary = run(job, shards=3, quiet=False)
    assert summary.describe() == "7 done, 0 already done, 1 failed"
    assert len(summary.rows) == 8
    assert "photos/p03.jpg: " in capsys.readouterr().err
    whole = outputs(job.parent / "local")
    del whole["p03.heic"]
    assert outputs(job.parent / "out") == whole
    assert len(list((job.parent / "out").glob("gpudepth-ledger.*-of-3.jsonl"))) == 3
    assert run(job, shards=3).describe() == "0 done, 7 already done, 1 failed"
    assert run(job).skipped == 7


def test_asked_for_wrongly(job: Path) -> None:
    for options, message in [({"engine": "spark"}, "unknown engine 'spark'"), ({"engine": "ray"}, "number of shards"),
                             ({"shards": 0}, "number of shards"), ({"shard": (0, 2), "shards": 2}, "single shard")]:
        with pytest.raises(UsageError, match=message):
            run(job, **options)     # type: ignore[arg-type]
    with pytest.raises(JobError):
        run(job, shards=2, settings=["encoding.near=20"])
    assert not (job.parent / "out").exists()


def test_a_package_that_is_missing_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, package in (("ray", "ray"), ("dask", "distributed")):
        monkeypatch.setitem(sys.modules, package, None)
        monkeypatch.delitem(sys.modules, f"gpudepth.batch.engines.{name}", raising=False)
        with pytest.raises(UsageError, match=rf"engine {name} is not installed.*pip install 'gpudepth\[{name}\]'"):
            engine(name)


def test_engines_are_loaded_when_they_are_named() -> None:
    script = ("import sys, json, gpudepth.batch.sharded\n"
              "print(json.dumps([m for m in ('ray', 'dask', 'distributed') if m in sys.modules]))")
    out = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert json.loads(out.stdout) == []
    assert NAMES == ("local", "ray", "dask")


@pytest.mark.parametrize("engine_name", ["local", "ray", "dask"])
def test_sigterm_ends_a_run_on_any_engine(tmp_path: Path, engine_name: str) -> None:
    job = make_job(tmp_path, 40, 160, 120)
    process = subprocess.Popen([sys.executable, "-m", "gpudepth", "run", str(job), "--engine", engine_name, "--shards", "2",
                                "--set", "run.workers=1"], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    try:
        wait_for_rows([tmp_path / "out" / f"gpudepth-ledger.{i}-of-2.jsonl" for i in range(2)])
        process.terminate()
        _, errors = process.communicate(timeout=60)
    finally:
        process.kill()
    assert process.returncode == 143, errors
    summary = run(job)
    assert (summary.failed, summary.done + summary.skipped) == (0, 40)
    assert len(outputs(tmp_path / "out")) == 40     # and nothing half written


class Broken:
    """An engine that gives shard 1 up."""

    auto_workers = 1

    def map_shards(self, work: Callable[[ShardTask], ShardResult], shards: Sequence[ShardTask], needs: Needs,
                   beat: Callable[[], None]) -> Iterator[ShardResult]:
        assert needs == Needs(1, 0)
        for shard in shards:
            task: ShardTask = pickle.loads(pickle.dumps(shard))
            yield task.lost("its worker died 4 times") if shard.shard[0] == 1 else pickle.loads(pickle.dumps(work(task)))


def test_shards_that_are_given_up(job: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sharded, "find_engine", lambda name: Broken())
    with pytest.raises(PartialRunError, match="shard 1/3 was given up: its worker died 4 times") as caught:
        run(job, engine="broken", shards=3)
    assert caught.value.exit_code == 3
    monkeypatch.undo()
    done = len(outputs(job.parent / "out"))
    assert 0 < done < 8
    assert run(job).describe() == f"{8 - done} done, {done} already done, 0 failed"     # the others are merged


class Dead(Broken):
    """Workers that die before their first row."""

    def map_shards(self, work: Callable[[ShardTask], ShardResult], shards: Sequence[ShardTask], needs: Needs,
                   beat: Callable[[], None]) -> Iterator[ShardResult]:
        return (task.lost("no memory") for task in shards)


def test_why_shards_were_given_up_is_told_though_none_began(job: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sharded, "find_engine", lambda name: Dead())
    with pytest.raises(PartialRunError, match="shard 0/2 was given up: no memory"):
        run(job, engine="dead", shards=2)


@pytest.mark.parametrize(("name", "variable"), [("dask", "DASK_SCHEDULER_ADDRESS"), ("ray", "RAY_ADDRESS")])
def test_clusters_that_do_not_answer(job: Path, monkeypatch: pytest.MonkeyPatch, name: str, variable: str) -> None:
    room = importlib.import_module(f"gpudepth.batch.engines.{name}")

    def refuse(*arguments: object, **options: object) -> None:
        raise OSError("timed out")     # what Client and ray.init raise, after half a minute and two minutes

    monkeypatch.setattr(room, "Client", refuse, raising=False)
    if name == "ray":
        monkeypatch.setattr(room.ray, "init", refuse)
    monkeypatch.setenv(variable, "tcp://127.0.0.1:1")
    monkeypatch.setattr(room, "dask", SimpleNamespace(config={"scheduler-address": "tcp://127.0.0.1:1"}), raising=False)
    with pytest.raises(GpudepthError, match=f"answers at tcp://127.0.0.1:1: .*check {variable}") as caught:
        run(job, engine=name, shards=2)
    assert caught.value.exit_code == 1


def test_errors_of_a_shard_are_results(job: Path) -> None:
    task = ShardTask(load_job(job), job.parent, (0, 2), 1)
    (job.parent / "out").mkdir()
    with Ledger(job.parent / "out" / "gpudepth-ledger.0-of-2.jsonl"):
        assert isinstance(run_shard(task).error, LockedError)
        with pytest.raises(LockedError):
            run(job, shards=2)
    assert run_shard(task).error is None
    lost = run_shard(ShardTask(load_job(job), job.parent / "nowhere", (0, 2), 1))
    assert lost.error is not None
