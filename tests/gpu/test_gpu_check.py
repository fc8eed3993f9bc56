"""The check for a machine with a GPU, rehearsed where there is none: every phase runs, none fails."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from stand_in_kit import environment

from tools.gpu_check import PHASES, Row, run_phase, tables

ROOT = Path(__file__).parents[2]


def rehearse(*options: str, env: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", "tools.gpu_check", "--rehearse", *options], cwd=ROOT, env=env, capture_output=True,
                          text=True, check=False)


def test_the_rehearsal() -> None:
    """Its budget is 45 s on a machine that does nothing else."""
    done = rehearse("--budget", "170")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "no figure here is one of a GPU" in done.stdout
    assert [line.removeprefix("### ").lower() for line in done.stdout.splitlines() if line.startswith("### ")] == list(PHASES)
    assert "failed" not in done.stdout.replace("4 failed", "")
    assert "| an owner that is killed | killed; exit status 0 |" in done.stdout
    assert "| converted: uploads of an item | 1 copies, 1,536 bytes (needed: 1,536) |" in done.stdout
    assert "| guided to the photo's size, inpainted: uploads of an item | 2 copies, 10,752 bytes (needed: 10,752) |" in done.stdout


def test_a_failure_is_a_row() -> None:
    """A device that fails: the phases that need it are rows, and those after them run."""
    done = rehearse("--budget", "100", env=environment(capability="37") | {"GPUDEPTH_REHEARSAL": "1"})
    assert done.returncode == 1
    assert "| capability | the compute capability 3.7 is below 5.0 | **failed** |" in done.stdout
    assert "### Faults" in done.stdout
    assert "| phase | failed with status 1: gpudepth.errors.BackendError: the back end cupy cannot be used" in done.stdout


def test_no_time_left() -> None:
    assert run_phase("probe", 1.0) == [Row("probe", "phase", "not run: no time was left", ok=False)]
    assert "| phase | not run: no time was left | **failed** |" in tables([Row("probe", "phase", "not run: no time was left", ok=False)])
