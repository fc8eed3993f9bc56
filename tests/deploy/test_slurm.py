"""The Slurm script: linted, and its body run with a stand-in for srun."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from cluster_kit import make_job, outputs
from deploy_kit import DEPLOY, lint

from gpudepth.batch.merge import merge
from gpudepth.batch.runner import plan, run

SCRIPT = DEPLOY / "slurm" / "array.sbatch"


def test_shellcheck() -> None:
    assert lint("shellcheck", "--shell=bash", str(SCRIPT)) == ""
    assert subprocess.run(["bash", "-n", str(SCRIPT)], check=False).returncode == 0


def test_as_many_shards_as_array_tasks() -> None:
    text = SCRIPT.read_text()
    directives = dict(re.findall(r"^#SBATCH --([a-z-]+)(?:=(\S+))?$", text, re.M))
    [shards] = re.findall(r"^shards=(\d+)", text, re.M)
    assert directives["array"] == f"0-{int(shards) - 1}"
    assert directives["signal"] == "TERM@120"       # without B: to the steps; the script has to live on
    assert "requeue" in directives
    first_command = next(n for n, line in enumerate(text.splitlines()) if line and not line.startswith("#"))
    assert "#SBATCH" not in "\n".join(text.splitlines()[first_command:])    # Slurm reads none after it


@pytest.fixture
def cluster(tmp_path: Path) -> Path:
    """A folder for PATH: srun that runs what follows its options, scontrol that writes down what it is asked."""
    bin_ = tmp_path / "bin"
    bin_.mkdir()
    for name, body in {"srun": 'while [ "${1#--}" != "$1" ]; do shift; done\nexec "$@"',
                       "scontrol": f'echo "$@" >>{tmp_path}/asked',
                       "gpudepth": f'exec {sys.executable} -m gpudepth "$@"'}.items():
        (bin_ / name).write_text(f"#!/bin/sh\n{body}\n")
        (bin_ / name).chmod(0o755)
    return bin_


def submit(job: Path, cluster: Path, index: int) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PATH": f"{cluster}:{os.environ['PATH']}", "SLURM_ARRAY_TASK_ID": str(index),
                   "SLURM_ARRAY_JOB_ID": "77", "SLURM_CPUS_PER_TASK": "1"}
    return subprocess.run(["bash", str(SCRIPT), str(job)], env=environment, capture_output=True, text=True, check=False)


def test_array_tasks_do_the_job(tmp_path: Path, cluster: Path) -> None:
    job = make_job(tmp_path, 3, 64, 48)
    run(job, settings=["output.path=local/{stem}.heic"])
    with_items = [i for i in range(16) if plan(job, shard=(i, 16)).items]
    empty = next(i for i in range(16) if i not in with_items)
    for index in (empty, *with_items):
        done = submit(job, cluster, index)
        assert done.returncode == 0, done.stderr
    assert merge(job).describe() == "3 done, 0 failed, 0 missing"
    assert outputs(tmp_path / "out") == outputs(tmp_path / "local")
    assert not (tmp_path / "asked").exists()


@pytest.mark.parametrize(("status", "asked"), [(143, "requeue 77_5\n"), (3, None), (2, None), (74, None)])
def test_interrupted_tasks_are_queued_again(tmp_path: Path, cluster: Path, status: int, asked: str | None) -> None:
    (cluster / "gpudepth").write_text(f"#!/bin/sh\nexit {status}\n")
    done = submit(tmp_path / "job.yaml", cluster, 5)
    assert done.returncode == status
    assert ((tmp_path / "asked").read_text() if (tmp_path / "asked").exists() else None) == asked


def test_without_a_job(cluster: Path) -> None:
    done = subprocess.run(["bash", str(SCRIPT)], capture_output=True, text=True, check=False)
    assert done.returncode != 0
    assert "usage: sbatch" in done.stderr
