"""Pairs by name in a table: the same as those of the same rules in plain Python."""

from __future__ import annotations

import os
import random
from pathlib import Path

import pairs_in_memory
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gpudepth.errors import GpudepthError, OutputError
from gpudepth.pairing import pair_table
from gpudepth.pairing.by_name import find_pairs
from gpudepth.pairing.pairs import Pairing, natural_bytes, natural_key


def make(base: Path, *names: str) -> None:
    for name in names:
        (base / name).parent.mkdir(parents=True, exist_ok=True)
        (base / name).touch()


def told(found: Pairing) -> tuple[object, ...]:
    return (list(found.pairs), list(found.unmatched_color), list(found.unmatched_depth), found.duplicates, found.collisions,
            list(found.previews), found.names)


def same(base: Path, color: str, depth: str, output: str | None = None) -> Pairing | GpudepthError:
    """What both find; or what both refuse, in the same words."""
    try:
        expected = pairs_in_memory.find_pairs(base, color, depth, output)
    except GpudepthError as error:
        with pytest.raises(type(error)) as caught:
            find_pairs(base, color, depth, output, on_disk=True)
        assert str(caught.value) == str(error)
        return error
    found = find_pairs(base, color, depth, output, on_disk=True)
    assert told(found) == told(expected) == told(find_pairs(base, color, depth, output))
    return found


NAMES = {
    "plain": ["p/a.jpg", "p/b.jpg", "p/c10.jpg", "p/c9.jpg", "d/a.png", "d/b.png", "d/c9.png", "d/c10.png"],
    "left over": ["p/a.jpg", "p/b.jpg", "p/z.jpg", "d/b.png", "d/c.png", "d/C2.png"],
    "case": ["p/A.JPG", "p/b.jpg", "d/A.PNG", "d/b.Png"],
    "several maps": ["p/a.jpg", "p/b.jpg", "d/a.png", "d/a.npy", "d/b.png"],
    "beside": ["p/a.png", "p/a_depth.png", "p/b.png", "p/b_depth.png", "p/b_depth_depth.png"],
    "previews": ["p/a.jpg", "p/b.jpg", "d/a.npz", "d/a.jpg", "d/b.npz", "d/b.jpg", "d/b_vis.png", "p/a_vis.png", "p/a_raw.npz"],
    "folders": ["p/one/1.jpg", "p/two/1.jpg", "p/two/2.jpg", "d/one/1.png", "d/two/1.png", "d/two/2.png", "d/1.png", "d/2.png"],
    "drives": ["p/0001/5.png", "p/0002/5.png", "p/0002/6.png", "d/0001/5.png", "d/0002/5.png", "d/0003/5.png"],
    "strange": ["p/" + os.fsdecode(b"\xff\n'\"") + ".jpg", "d/" + os.fsdecode(b"\xff\n'\"") + ".png", "p/ü{}.jpg", "d/ü{}.png", "p/.h.jpg"],
    "nothing": ["x/a.txt"],
}
JOBS = [
    ("p/*.jpg", "d/{stem}.png", "out/{stem}.jpg"), ("p/*", "d/{stem}.*", "out/{stem}.jpg"), ("**/*.jpg", "d/{stem}.npz", "out/{stem}.jpg"),
    ("p/*", "p/{stem}_depth.png", "out/{stem}.heic"), ("p/*", "p/{stem}_depth.png", None), ("p/**/*.jpg", "d/{stem}.png", "out/{stem}.jpg"),
    ("p/{folder}/*.jpg", "d/{folder}/{stem}.png", "out/{folder}/{stem}.jpg"), ("p/{folder}/*", "d/{folder}/{stem}.*", "out/{stem}.jpg"),
    ("p/{drive}/{frame}.png", "d/{drive}/{frame}.png", "out/{drive}/{frame}.heic"), ("p/*", "d/{stem}.png", "p/{stem}.jpg"),
    ("p/*", "d/{stem}.png", "out/same.jpg"), ("**/**/*", "{stem}.png", "out/{stem}.heic"), ("**/*", "p/{stem}.jpg", "d/{stem}.png"),
    ("p/*", "d/{other}.png", "out/{stem}.jpg"), ("p/*", "d/{stem}.png", "out/{stem}.*"), ("**/*", "d/{stem}.npz", "out/{stem}.jpg"),
]


@pytest.mark.parametrize("kind", NAMES)
def test_what_is_found_in_memory(tmp_path: Path, kind: str) -> None:
    make(tmp_path, *NAMES[kind])
    for color, depth, output in JOBS:
        same(tmp_path, color, depth, output)


@pytest.mark.parametrize("seed", range(40))
def test_folders_of_any_names(tmp_path: Path, seed: int) -> None:
    """Names that collide, preview and depict one another in all ways."""
    dice = random.Random(seed)
    stems = ["a", "a_depth", "a_vis", "A", "b", "b_depth", "b_depth_vis", "b_raw", "c1", "c01", "c1_colored"]
    make(tmp_path, *{f"{dice.choice('pdp')}/{dice.choice(stems)}.{dice.choice(['png', 'jpg', 'npz', 'png'])}" for _ in range(dice.randint(1, 16))})
    for color, depth, output in JOBS:
        same(tmp_path, color, depth, output)


def test_links(tmp_path: Path) -> None:
    make(tmp_path, "p/a.jpg", "d/a.png", "d/x.png", "p/x.jpg")
    (tmp_path / "out").symlink_to("p")
    (tmp_path / "p/l.jpg").symlink_to("a.jpg")
    (tmp_path / "d/l.png").symlink_to("a.png")
    found = same(tmp_path, "p/*", "d/{stem}.png", "out/{stem}.jpg")
    assert isinstance(found, Pairing) and len(found.collisions) == 3


def test_many_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """More than are remembered."""
    monkeypatch.setattr(pair_table, "MOST_FOLDERS", 2)
    monkeypatch.setattr("gpudepth.pairing.pairs.MOST_FOLDERS", 2)
    make(tmp_path, *(f"p/{n}/i.jpg" for n in range(9)), *(f"d/{n}/i.png" for n in range(9)))
    same(tmp_path, "p/{n}/i.jpg", "d/{n}/i.png", "out/{n}/i.jpg")
    found = same(tmp_path, "p/{n}/i.jpg", "d/{n}/i.png", "p/{n}/i.jpg")
    assert isinstance(found, Pairing) and len(found.collisions) == 9


def test_sequences(tmp_path: Path) -> None:
    make(tmp_path, *(f"p/{n}.jpg" for n in range(12)), *(f"d/{n}.png" for n in range(12)))
    memory, disk = (find_pairs(tmp_path, "p/*", "d/{stem}.png", "out/{stem}.jpg", on_disk=on_disk) for on_disk in (False, True))
    assert len(disk.pairs) == 12
    assert (disk.pairs[10], disk.pairs[-1], list(disk.pairs[2:5])) == (memory.pairs[10], memory.pairs[-1], list(memory.pairs[2:5]))
    with pytest.raises(IndexError):
        disk.pairs[12]
    assert list(zip(disk.pairs, disk.pairs, strict=True)) == [(pair, pair) for pair in memory.pairs]      # at the same time


def test_nothing_is_left_on_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The database has no name from the start."""
    make(tmp_path, *(f"p/{n}.jpg" for n in range(3000)), *(f"d/{n}.png" for n in range(3000)))
    monkeypatch.setattr(pair_table, "CACHE_KIB", 64)
    found = find_pairs(tmp_path, "p/*", "d/{stem}.png", "out/{stem}.jpg", on_disk=True)
    opened = [str(entry.readlink()) for entry in Path("/proc/self/fd").iterdir() if entry.is_symlink()]
    names = [name for name in opened if "etilqs" in name]
    assert names and all(name.endswith("(deleted)") for name in names)
    assert len(found.pairs) == 3000


def test_a_full_disk_is_an_error_of_ours(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make(tmp_path, *(f"p/{n}.jpg" for n in range(900)), *(f"d/{n}.png" for n in range(900)))
    monkeypatch.setattr(pair_table, "_SCHEMA", f"pragma max_page_count = 60; {pair_table._SCHEMA}")
    with pytest.raises(OutputError, match=r"disk is full.*SQLITE_TMPDIR"):
        find_pairs(tmp_path, "p/*", "d/{stem}.png", "out/{stem}.jpg", on_disk=True)


PATHS = st.text(st.characters(exclude_characters="\0"), min_size=1, max_size=12)


@given(st.lists(st.one_of(PATHS, st.from_regex(r"[aAb]{0,2}[0-9]{0,3}(/[a-b]?[0-9]{1,2}[._]?)?", fullmatch=True)), max_size=12))
def test_bytes_sort_as_natural_keys(names: list[str]) -> None:
    paths = [Path(name) for name in names]
    assert sorted(paths, key=natural_bytes) == sorted(paths, key=natural_key)
