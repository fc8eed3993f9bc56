from __future__ import annotations

from pathlib import Path

import pytest

from gpudepth.errors import MissingInputError, UsageError
from gpudepth.pairing.by_index import Stride, find_by_index
from gpudepth.pairing.pairs import Pairing


def make(base: Path, *names: str) -> None:
    for name in names:
        (base / name).parent.mkdir(parents=True, exist_ok=True)
        (base / name).write_bytes(b"x")


def told(found: Pairing) -> list[tuple[str, str]]:
    return [(pair.key, pair.depth.name) for pair in found.pairs]


def test_natural_order_decides(tmp_path: Path) -> None:
    make(tmp_path, "rgb/a9.jpg", "rgb/a10.jpg", "rgb/a100.jpg", "d/0.png", "d/2.png", "d/11.png")
    found = find_by_index(tmp_path, "rgb/*.jpg", "d/*.png", "out/{stem}.jpg")
    assert told(found) == [("rgb/a9.jpg", "0.png"), ("rgb/a10.jpg", "2.png"), ("rgb/a100.jpg", "11.png")]
    assert [pair.output for pair in found.pairs] == [tmp_path / f"out/a{i}.jpg" for i in (9, 10, 100)]
    assert found.names == {"stem"} and found.pairs[0].fields == {"stem": "a9"}


def test_start_and_stride(tmp_path: Path) -> None:
    make(tmp_path, *(f"rgb/{i}.jpg" for i in range(10)), *(f"d/{i}.png" for i in range(5)))
    found = find_by_index(tmp_path, "rgb/*", "d/*", color_every=Stride(2, 2), depth_every=Stride(1))
    assert told(found) == [(f"rgb/{2 * i}.jpg", f"{i}.png") for i in range(1, 5)]
    assert not found.unmatched_color and not found.unmatched_depth
    with pytest.raises(UsageError, match="no photo and no map is left"):
        find_by_index(tmp_path, "rgb/*", "d/*", color_every=Stride(10), depth_every=Stride(5))


def test_counts_have_to_agree(tmp_path: Path) -> None:
    make(tmp_path, *(f"rgb/{i}.jpg" for i in range(4)), *(f"d/{i}.png" for i in range(3)))
    with pytest.raises(UsageError, match=r"4 photos and 3 maps .*depth_stride.*allow_missing"):
        find_by_index(tmp_path, "rgb/*", "d/*")
    found = find_by_index(tmp_path, "rgb/*", "d/*", allow_missing=True)
    assert len(found.pairs) == 3 and found.unmatched_color == (tmp_path / "rgb/3.jpg",)
    found = find_by_index(tmp_path, "rgb/*", "d/*", color_every=Stride(2), allow_missing=True)
    assert told(found) == [("rgb/2.jpg", "0.png"), ("rgb/3.jpg", "1.png")]
    assert found.unmatched_depth == (tmp_path / "d/2.png",)


def test_groups_by_what_both_sides_name(tmp_path: Path) -> None:
    make(tmp_path, "s2/rgb/1.jpg", "s2/rgb/2.jpg", "s10/rgb/1.jpg", "s2/d/a.png", "s2/d/b.png", "s10/d/x.png")
    found = find_by_index(tmp_path, "{scene}/rgb/{n}.jpg", "{scene}/d/*.png", "out/{scene}_{n}.jpg")
    assert told(found) == [("s2/rgb/1.jpg", "a.png"), ("s2/rgb/2.jpg", "b.png"), ("s10/rgb/1.jpg", "x.png")]
    make(tmp_path, "s10/d/y.png", "s11/d/y.png")
    with pytest.raises(UsageError, match=r"\{scene\} s10: 1 photo and 2 maps; \{scene\} s11: 0 photos and 1 map"):
        find_by_index(tmp_path, "{scene}/rgb/*.jpg", "{scene}/d/*.png")
    with pytest.raises(UsageError, match=r"'\{scene\}/d/\{take\}\.png' uses the undefined placeholder \{take\} \(it can use \{scene\}\)"):
        find_by_index(tmp_path, "{scene}/rgb/*.jpg", "{scene}/d/{take}.png")


def test_maps_and_previews_are_no_photos(tmp_path: Path) -> None:
    make(tmp_path, *(f"{i}{tail}" for i in range(3) for tail in (".png", "_vis.png", ".npy", "_depth.png")))
    found = find_by_index(tmp_path, "*.png", "*.npy")
    assert told(found) == [(f"{i}.png", f"{i}.npy") for i in range(3)]
    assert len(found.previews) == 6
    found = find_by_index(tmp_path, "?.png", "*_depth.png")
    assert told(found) == [(f"{i}.png", f"{i}_depth.png") for i in range(3)]
    assert told(find_by_index(tmp_path, "*[0-9h].png", "*_depth.png")) == told(found)


def test_nothing_found(tmp_path: Path) -> None:
    make(tmp_path, "rgb/1.jpg", "d/1.png")
    for color, depth in (("rgb/*.png", "d/*"), ("rgb/*", "d/*.npy"), ("d/*", "d/*")):
        with pytest.raises(MissingInputError):
            find_by_index(tmp_path, color, depth)


def test_outputs_that_collide(tmp_path: Path) -> None:
    make(tmp_path, "a/1.jpg", "b/1.jpg", "d/1.png", "d/2.png")
    found = find_by_index(tmp_path, "{folder}/*.jpg", "d/*.png", "out/{stem}.jpg")
    assert [c.differ for c in found.collisions] == [("folder",)]
