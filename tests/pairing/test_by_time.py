"""Pairs by time: against the greedy choice of all pairs that TUM's associate.py makes, written out here."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import numpy as np
import pytest

from gpudepth.errors import JobError, UsageError
from gpudepth.pairing.by_time import associate, find_by_time, parse_time
from gpudepth.pairing.pairs import Pairing


def by_all_pairs(first: list[Decimal], second: list[Decimal], tolerance: Decimal) -> list[tuple[int, int]]:
    """associate.py: all pairs that are near enough, the nearest first; each side used once."""
    near = sorted((abs(a - b), a, b, i, j) for i, a in enumerate(first) for j, b in enumerate(second) if abs(a - b) < tolerance)
    left, right, found = set(range(len(first))), set(range(len(second))), []
    for _, _, _, i, j in near:
        if i in left and j in right:
            left.remove(i)
            right.remove(j)
            found.append((i, j))
    return sorted(found)


@pytest.mark.parametrize("seed", range(30))
def test_as_tum_s_own(seed: int) -> None:
    rng = np.random.default_rng(seed)
    sides = [[Decimal(int(t)) / 1000 for t in rng.choice(3000, int(rng.integers(0, 60)), replace=False)] for _ in range(2)]
    tolerance = Decimal(int(rng.integers(1, 200))) / 1000
    assert associate(*sides, tolerance) == by_all_pairs(*sides, tolerance)


def make(base: Path, *names: str) -> None:
    for name in names:
        (base / name).parent.mkdir(parents=True, exist_ok=True)
        (base / name).write_bytes(b"x")


def told(found: Pairing) -> list[tuple[str, str]]:
    return [(pair.color.name, pair.depth.name) for pair in found.pairs]


@pytest.fixture
def tum(tmp_path: Path) -> Path:
    """As the data set comes: lists of times and files, the clocks not the same."""
    make(tmp_path, *(f"rgb/{t}.png" for t in ("1.00", "1.03", "1.07", "9.0")), *(f"depth/{t}.png" for t in ("1.01", "1.045", "1.08", "5.0")))
    (tmp_path / "rgb.txt").write_text("# color images\n# timestamp filename\n" + "".join(f"{t} rgb/{t}.png\n" for t in ("1.00", "1.03", "1.07", "9.0")))
    (tmp_path / "depth.txt").write_text("# depth maps\n" + "".join(f"{t} depth/{t}.png\n" for t in ("1.01", "1.045", "1.08", "5.0")))
    return tmp_path


def test_lists(tum: Path) -> None:
    found = find_by_time(tum, "rgb.txt", "depth.txt", "out/{stem}.heic")
    assert told(found) == [("1.00.png", "1.01.png"), ("1.03.png", "1.045.png"), ("1.07.png", "1.08.png")]
    assert [p.name for p in found.unmatched_color] == ["9.0.png"]
    assert [p.name for p in found.unmatched_depth] == ["5.0.png"]
    assert found.pairs[0].output == tum / "out/1.00.heic"
    assert told(find_by_time(tum, "rgb.txt", "depth.txt", tolerance=0.011)) == [("1.00.png", "1.01.png"), ("1.07.png", "1.08.png")]
    assert told(find_by_time(tum, "rgb.txt", "depth.txt", offset=4.0)) == [("9.0.png", "5.0.png")]


def test_names_that_hold_times(tum: Path) -> None:
    found = find_by_time(tum, "rgb/{time}.png", "depth/{time}.png", "out/{time}.heic")
    assert told(found)[:1] == [("1.00.png", "1.01.png")]
    assert found.pairs[1].output == tum / "out/1.03.heic"
    for color, depth in (("rgb.txt", "depth/{time}.png"), ("rgb/{time}.png", "depth/{time}.*"), ("r*/{time}.png", "depth.txt")):
        assert told(find_by_time(tum, color, depth)) == told(found)


def test_missing_maps_leave_their_photos_out(tmp_path: Path) -> None:
    """They are not given another map that is a little farther; photos that a list names have to be there."""
    make(tmp_path, "rgb/1.png", "rgb/2.png", "d/a.png", "d/near.png")
    (tmp_path / "rgb.txt").write_text("1.0 rgb/1.png\n2.0 rgb/2.png\n")
    (tmp_path / "depth.txt").write_text("1.0 d/a.png\n2.0 d/gone.png\n2.01 d/near.png\n")
    with pytest.raises(JobError, match=r"depth 'd/gone\.png' does not exist"):
        find_by_time(tmp_path, "rgb.txt", "depth.txt")
    found = find_by_time(tmp_path, "rgb.txt", "depth.txt", allow_missing=True)
    assert told(found) == [("1.png", "a.png")]
    assert found.unmatched_color == (tmp_path / "rgb/2.png",) and found.unmatched_depth == (tmp_path / "d/near.png",)
    (tmp_path / "rgb/2.png").unlink()
    with pytest.raises(JobError, match=r"rgb\.txt:2: color 'rgb/2\.png' does not exist"):
        find_by_time(tmp_path, "rgb.txt", "depth.txt", allow_missing=True)


def test_previews_are_no_photos(tmp_path: Path) -> None:
    make(tmp_path, "1.png", "1_vis.png", "1.npy")
    found = find_by_time(tmp_path, "{time}.png", "{time}.npy")
    assert told(found) == [("1.png", "1.npy")] and found.previews == (tmp_path / "1_vis.png",)


def test_groups(tmp_path: Path) -> None:
    make(tmp_path, "a/rgb/1.png", "a/d/1.01.png", "b/rgb/1.png", "b/d/1.02.png")
    found = find_by_time(tmp_path, "{scene}/rgb/{time}.png", "{scene}/d/{time}.png", tolerance=0.05)
    assert [(p.key, p.depth.relative_to(tmp_path).as_posix()) for p in found.pairs] == [("a/rgb/1.png", "a/d/1.01.png"), ("b/rgb/1.png", "b/d/1.02.png")]


def test_mistakes(tum: Path) -> None:
    with pytest.raises(UsageError, match=r"has no \{time\} placeholder"):
        find_by_time(tum, "rgb/*.png", "depth.txt")
    (tum / "rgb.txt").write_text("1.0 rgb/1.00.png\nsoon rgb/1.03.png\n1.07 rgb/none.png\n")
    with pytest.raises(JobError) as caught:
        find_by_time(tum, "rgb.txt", "depth.txt")
    assert any(":2: 'soon rgb/1.03.png' is not a time and a file" in p for p in caught.value.problems)
    assert any(":3: color 'rgb/none.png' does not exist" in p for p in caught.value.problems)
    make(tum, "odd/x.png", "odd/1.0.png", "odd/1.00.png")
    with pytest.raises(UsageError, match="is not a time stamp"):
        find_by_time(tum, "odd/{time}.png", "depth/{time}.png")
    (tum / "odd/x.png").unlink()
    with pytest.raises(UsageError, match=r"the file has the same time as 1\.0+\.png"):
        find_by_time(tum, "odd/{time}.png", "depth/{time}.png")


def test_times() -> None:
    assert parse_time("1305031102.175304") == Decimal("1305031102.175304")
    for odd in ("", "1e5", "nan", "1.2.3", "-", "1" * 29, "٣"):
        assert parse_time(odd) is None
