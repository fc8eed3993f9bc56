"""The harnesses of `fuzz/`: sound files and some mutations go through each, and atheris runs each for a moment."""

from __future__ import annotations

import importlib.util
import os
import re
import subprocess
import sys
from pathlib import Path

import corpus
import pytest
from conftest import ROOT
from harnesses import HARNESSES, each
from mutations import mutant

from gpudepth.errors import MalformedError

RUNS = 2000


@pytest.mark.parametrize("name", list(HARNESSES))
def test_seeds_and_mutations(name: str) -> None:
    """Nothing but errors of ours, which the harnesses take for an answer."""
    harness, ends = HARNESSES[name]
    seeds = {n: data for n, data in corpus.made().items() if n.endswith(ends)}
    assert seeds
    for data in (b"", b"\0", *seeds.values(), *(mutant(5, n, seeds).data for n in range(150))):
        harness(data)


def test_other_errors_come_out() -> None:
    def wrong(error: Exception) -> None:
        raise error

    each(b"x", [lambda source: wrong(MalformedError("no"))])
    with pytest.raises(KeyError):
        each(b"x", [lambda source: wrong(KeyError())])


def test_seeds_are_written(tmp_path: Path) -> None:
    assert corpus.write_seeds(tmp_path, (".heic",)) == 2
    assert {p.name: p.read_bytes() for p in tmp_path.iterdir()} == {n: corpus.made()[n] for n in ("depth.heic", "bare.heic")}


@pytest.mark.skipif(importlib.util.find_spec("atheris") is None, reason="atheris has no wheel for this Python")
def test_atheris(tmp_path: Path) -> None:
    """Each harness, 2,000 runs from its seeds, the same ones each time."""
    done = subprocess.run([sys.executable, ROOT / "fuzz/run.py", "all", f"-runs={RUNS}", "-seed=1", "-timeout=60", f"-artifact_prefix={tmp_path}/"],
                          env={**os.environ, "GPUDEPTH_CORPORA": str(tmp_path / "corpus")}, cwd=tmp_path, text=True, errors="replace",
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=500, check=False)
    assert done.returncode == 0, done.stdout[-4000:]
    assert f"{len(HARNESSES)} harnesses, failed: none" in done.stdout
    assert len(re.findall(rf"Done {RUNS} runs", done.stdout)) == len(HARNESSES)
    sys.stdout.write(done.stdout[-300:])


@pytest.mark.skipif(importlib.util.find_spec("atheris") is None, reason="atheris has no wheel for this Python")
def test_atheris_finds_what_is_wrong(tmp_path: Path) -> None:
    """A parser that is broken on purpose: the crash is told, kept, and is the exit code."""
    (tmp_path / "broken.py").write_text(
        "import sys\nimport harnesses\nreal = harnesses.HARNESSES\n"
        "def bad(data):\n    if data[:4] == b'<?xm': raise KeyError('planted')\n"
        "real.clear()\nreal['bad'] = bad, ('depth.plist',)\n"
        f"import runpy\nsys.argv[0] = {str(ROOT / 'fuzz/run.py')!r}\nrunpy.run_path(sys.argv[0], run_name='__main__')\n")
    done = subprocess.run([sys.executable, tmp_path / "broken.py", "all", "-runs=2000", f"-artifact_prefix={tmp_path}/"], cwd=tmp_path, text=True,
                          env={**os.environ, "PYTHONPATH": str(ROOT / "fuzz"), "GPUDEPTH_CORPORA": str(tmp_path / "corpus")}, errors="replace",
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=300, check=False)
    assert done.returncode == 1
    assert "1 harnesses, failed: bad" in done.stdout
    assert "planted" in done.stdout
    assert [p.read_bytes()[:4] for p in tmp_path.glob("crash-*")] == [b"<?xm"]
