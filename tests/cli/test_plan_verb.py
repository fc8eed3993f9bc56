"""gpudepth plan, and the options that take what it writes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from cluster_kit import make_job, outputs

from gpudepth.cli.app import run_command


@pytest.fixture
def job(tmp_path: Path) -> Path:
    return make_job(tmp_path, 4, 64, 48)


def test_it_shows_what_a_dry_run_shows(job: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command(["plan", str(job)]) == 0
    shown = capsys.readouterr().out
    assert run_command(["run", str(job), "--dry-run"]) == 0
    assert capsys.readouterr().out == shown
    assert shown.startswith("4 items, ledger ") and "p00.jpg" in shown
    assert run_command(["plan", str(job), "--shard", "0/2"]) == 0
    assert len(capsys.readouterr().out.splitlines()) < len(shown.splitlines())
    assert run_command(["plan", str(job), "--sample", "1"]) == 0
    assert "1 of 4 items processed as a sample" in capsys.readouterr().out


def test_write_run_merge(job: Path, capsys: pytest.CaptureFixture[str]) -> None:
    plan = job.parent / "plan.jsonl"
    assert run_command(["plan", str(job), "-o", str(plan)]) == 0
    out, told = capsys.readouterr()
    assert out == f"{plan}\n"
    assert "4 items, 0 that cannot be processed" in told
    assert len(plan.read_text().splitlines()) == 6
    for shard in ("0/2", "1/2"):
        assert run_command(["run", str(job), "--plan", str(plan), "--shard", shard, "-q"]) == 0
    assert len(outputs(job.parent / "out")) == 4
    assert run_command(["run", str(job), "--plan", str(plan), "--dry-run"]) == 0
    capsys.readouterr()
    assert run_command(["merge", str(job), "--plan", str(plan), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["done"] == 4
    assert run_command(["run", str(job), "--plan", str(plan), "--set", "encoding.far=9"]) == 2
    assert f"gpudepth plan job.yaml -o {plan}" in capsys.readouterr().err


def test_asked_for_wrongly(job: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for options in (["--shard", "0/2"], ["--sample", "3"]):
        assert run_command(["plan", str(job), "-o", str(job.parent / "plan.jsonl"), *options]) == 2
        assert "of the whole job" in capsys.readouterr().err
    assert run_command(["plan", str(job), "-o", str(job.parent / "no/plan.jsonl")]) == 74
    assert not (job.parent / "plan.jsonl").exists()
