"""Estimates from items that are really done."""

from __future__ import annotations

from pathlib import Path

import pytest
from run_kit import make
from video_kit import colour, depth

from gpudepth.batch.runner import plan, run, sample
from gpudepth.cli.app import run_command
from gpudepth.errors import UsageError


def test_against_the_whole_run(tmp_path: Path) -> None:
    """Sizes are known to a few percent; nothing is left of the sample."""
    job = make(tmp_path, 60)
    planned = plan(job)
    guess = sample(planned, 30)
    assert (guess.items, guess.sampled, guess.failed) == (60, 30, 0)
    assert not (tmp_path / "out").exists()
    summary = run(job)
    size = sum(row.output_size for row in summary.rows)
    assert abs(guess.bytes[0] - size) <= max(2 * guess.bytes[1], 0.02 * size)
    assert guess.core_seconds[0] > 0
    assert abs(sum(guess.stages.values()) - 1) < 1e-9
    assert list(guess.stages.values()) == sorted(guess.stages.values(), reverse=True)


def test_failures_are_told(tmp_path: Path) -> None:
    job = make(tmp_path, 6)
    for n in range(3):
        (tmp_path / f"d/{n:05d}.png").write_bytes(b"")
    guess = sample(plan(job), 50)
    assert (guess.sampled, guess.failed) == (3, 3)
    assert "c/00000.jpg" in guess.errors[0]
    assert any("3 failed" in line for line in guess.lines())


def test_from_the_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    job = str(make(tmp_path, 8))
    assert run_command(["run", job, "--dry-run", "--sample", "4"]) == 0
    said = capsys.readouterr().out
    assert "4 of 8 items processed as a sample, 0 failed" in said
    assert "core-hours" in said
    assert "of the time: " in said
    assert run_command(["run", job, "--sample", "4"]) == 2
    assert run_command(["run", job, "--dry-run", "--sample", "0"]) == 2


def test_clips_are_not_sampled(tmp_path: Path) -> None:
    colour(tmp_path / "c.mp4", 2)
    depth(tmp_path / "d.mkv", 2)
    (tmp_path / "job.yaml").write_text("source: {video: c.mp4, depth: d.mkv}\noutput: {path: 'o/{frame}.jpg'}\n")
    with pytest.raises(UsageError, match="clips cannot be sampled"):
        sample(plan(tmp_path / "job.yaml"), 1)
