"""docs/tour.md: typed as printed."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from tools.pictures import IMAGES, LARGEST
from tools.tour import PAGE, Step, play, renewed, steps

ROOT = Path(__file__).parents[2]


def environment(home: Path, programs: Path) -> dict[str, str]:
    """What a bare machine has: a home that is empty, and the programs of the system behind those of one folder."""
    home.mkdir()
    return {"HOME": str(home), "PATH": f"{programs}:/usr/bin:/bin", "LANG": "C.UTF-8", "GPUDEPTH_BACKEND": "numpy"}


def compare(done: list[tuple[Step, str]]) -> None:
    """Every line that the page shows was printed. Workers are not in order, so lines are not either."""
    assert len(done) >= 8
    for step, printed in done:
        missing = [line for line in step.printed if line.strip() not in {p.strip() for p in printed.splitlines()}]
        assert missing == [], f"{step.commands}printed\n{printed}"


def test_the_tour_works_as_printed(tmp_path: Path) -> None:
    """With the packages of the tests; all else is empty."""
    work = tmp_path / "work"
    work.mkdir()
    compare(play(work, environment(tmp_path / "home", Path(sys.executable).parent)))
    assert {p.name for p in (work / "mine" / "out").glob("*.heic")} == {f"demo_{n:02d}.heic" for n in range(2, 13, 2)}


@pytest.mark.soak
def test_the_tour_works_in_a_fresh_environment(tmp_path: Path) -> None:
    """With nothing but what `pip install .` brings."""
    subprocess.run([sys.executable, "-m", "venv", tmp_path / "venv"], check=True)
    programs = tmp_path / "venv" / "bin"
    subprocess.run([programs / "pip", "install", "--quiet", "--disable-pip-version-check", str(ROOT)], check=True)
    work = tmp_path / "work"
    work.mkdir()
    compare(play(work, environment(tmp_path / "home", programs)))
    extras = subprocess.run([programs / "pip", "list", "--format=freeze"], check=True, capture_output=True, text=True).stdout
    assert "cupy" not in extras and "pytest" not in extras
    assert {path.name for path in (tmp_path / "home").iterdir()} <= {".cache"}


def test_steps_are_read_as_they_stand() -> None:
    text = "a\n\n```shell\nno\n```\n\n```sh\none\ntwo\n```\n```text\nsaid\n…\nmore\n```\n\n```sh\nthree\n```\nb\n\n```text\nfree\n```\n"
    assert list(steps(text)) == [Step("one\ntwo\n", ("said", "more")), Step("three\n")]


def test_lines_that_read_otherwise_now_are_renewed() -> None:
    step = Step("x\n", ("12 done, 0 failed", "kept", "nothing like it"))
    text = "a\n12 done, 0 failed\nkept\nnothing like it\n"
    assert renewed(text, [(step, "kept\n12 done, none failed\n")]) == "a\n12 done, none failed\nkept\nnothing like it\n"


def test_pictures_are_small_and_shown() -> None:
    """`make pictures` makes them."""
    pages = "".join(path.read_text(encoding="utf-8") for path in PAGE.parent.rglob("*.md"))
    pictures = sorted(IMAGES.glob("*"))
    assert len(pictures) >= 5
    for path in pictures:
        assert path.stat().st_size < LARGEST
        with Image.open(path) as image:
            assert image.format == "PNG" and image.width >= 300
        assert f"images/{path.name}" in pages
