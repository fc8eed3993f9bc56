"""Pairs inside zip and tar archives, by name."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from archive_kit import tar, zipped

from gpudepth.errors import MissingInputError, UsageError
from gpudepth.formats.archive import Member
from gpudepth.pairing.archive import find_in_archives
from gpudepth.pairing.by_name import find_pairs
from gpudepth.pairing.pairs import Pairing
from gpudepth.pairing.templates import search, search_names


def told(found: Pairing, base: Path) -> list[tuple[str, str, str]]:
    return [(p.key, p.depth.relative_to(base).as_posix(), p.output.relative_to(base).as_posix() if p.output else "")
            for p in found.pairs]


@pytest.mark.parametrize("pack", [zipped, tar])
def test_a_folder_in_an_archive(tmp_path: Path, pack: object) -> None:
    members = dict.fromkeys(["rgb/10.jpg", "rgb/2.JPG", "depth/2.png", "depth/10.png", "rgb/11.jpg", "depth/12.png",
                             "__MACOSX/rgb/._2.jpg"], b"x")
    pack(tmp_path / "s" / "one.zip", members)  # type: ignore[operator]
    found = find_in_archives(tmp_path, "s/one.zip", "rgb/*.jpg", "depth/{stem}.png", "out/{archive}_{stem}.heic")
    assert told(found, tmp_path) == [("s/one.zip/rgb/2.JPG", "s/one.zip/depth/2.png", "out/one_2.heic"),
                                     ("s/one.zip/rgb/10.jpg", "s/one.zip/depth/10.png", "out/one_10.heic")]
    assert [p.name for p in found.unmatched_color] == ["11.jpg"]
    assert [p.name for p in found.unmatched_depth] == ["12.png"]
    member = found.input(found.pairs[0].color)
    assert isinstance(member, Member) and member.read() == b"x"
    assert found.names == {"archive", "stem"}


def test_several_archives_and_their_placeholders(tmp_path: Path) -> None:
    for scene in ("b", "a"):
        zipped(tmp_path / f"{scene}.zip", dict.fromkeys([f"{scene}/cam1/i.jpg", f"{scene}/cam1/d.npy"], b""))
    found = find_in_archives(tmp_path, "{scene}.zip", "{top}/{camera}/i.jpg", "{top}/{camera}/d.npy",
                             "o/{scene}/{camera}.jpg")
    assert told(found, tmp_path) == [("a.zip/a/cam1/i.jpg", "a.zip/a/cam1/d.npy", "o/a/cam1.jpg"),
                                     ("b.zip/b/cam1/i.jpg", "b.zip/b/cam1/d.npy", "o/b/cam1.jpg")]


def test_the_same_key_in_two_archives_collides(tmp_path: Path) -> None:
    for scene in ("b", "a"):
        zipped(tmp_path / f"{scene}.zip", dict.fromkeys(["1.jpg", "1.npy"], b""))
    found = find_in_archives(tmp_path, "*.zip", "*.jpg", "{stem}.npy", "o/{stem}.jpg")
    assert [(c.keys, c.differ) for c in found.collisions] == [(("a.zip/1.jpg", "b.zip/1.jpg"), ("archive",))]


def test_an_output_that_is_the_archive(tmp_path: Path) -> None:
    zipped(tmp_path / "a.zip", dict.fromkeys(["1.jpg", "1.npy"], b""))
    found = find_in_archives(tmp_path, "a.zip", "*.jpg", "{stem}.npy", "{archive}.zip")
    assert [c.reason for c in found.collisions] == ["it is an input"]


def test_what_is_wrong_with_archives_is_refused_and_the_rest_found(tmp_path: Path) -> None:
    whole = dict.fromkeys(["1.jpg", "1.npy"], b"x" * 600)
    tar(tmp_path / "a.tar", whole)
    raw = tar(tmp_path / "b.tar", whole | {"2.jpg": b"x" * 600, "2.npy": b"x" * 600}).read_bytes()
    (tmp_path / "b.tar").write_bytes(raw[: 1536 * 3])
    (tmp_path / "c.tar").write_bytes(b"")
    (tmp_path / "d.tar").write_bytes(zipped(tmp_path / "x", whole).read_bytes()[:-5])
    tar(tmp_path / "e.tar", whole | {"../../evil.jpg": b""})
    found = find_in_archives(tmp_path, "*.tar", "*.jpg", "{stem}.npy", "o/{archive}/{stem}.jpg")
    assert [p.key for p in found.pairs] == ["a.tar/1.jpg", "b.tar/1.jpg", "e.tar/1.jpg"]
    assert [p.as_posix() for p in found.unmatched_color] == [(tmp_path / "b.tar/2.jpg").as_posix()]
    assert [(r.key, type(r.error).__name__) for r in found.refused] == [
        ("b.tar", "TruncatedError"), ("c.tar", "TruncatedError"), ("d.tar", "TruncatedError"),
        ("e.tar/../../evil.jpg", "UnsupportedError")]


def test_several_maps_for_one_photo(tmp_path: Path) -> None:
    zipped(tmp_path / "a.zip", dict.fromkeys(["1.jpg", "d/1.npy", "d/1.png"], b""))
    found = find_in_archives(tmp_path, "a.zip", "1.jpg", "d/{stem}.*", "o/{stem}.jpg")
    assert [(d.key, len(d.paths)) for d in found.duplicates] == [("a.zip/1.jpg", 2)]


def test_archives_without_photos_say_what_they_hold(tmp_path: Path) -> None:
    zipped(tmp_path / "a.zip", dict.fromkeys(["rgb/1.png", "rgb/2.png", "readme.txt"], b""))
    with pytest.raises(MissingInputError, match=r"\(a\.zip holds no 'rgb/\*\.jpg'; it has 2 rgb/\*\.png, 1 \*\.txt\)"):
        find_in_archives(tmp_path, "*.zip", "rgb/*.jpg", "d/{stem}.npy")
    zipped(tmp_path / "b.zip", dict.fromkeys(["rgb/1.jpg", "d/1.npy"], b""))
    assert "a.zip holds no" in find_in_archives(tmp_path, "*.zip", "rgb/*.jpg", "d/{stem}.npy").notes[0]
    with pytest.raises(MissingInputError, match="no file matches"):
        find_in_archives(tmp_path, "*.tar", "rgb/*.jpg", "d/{stem}.npy")
    with pytest.raises(UsageError, match="uses the undefined placeholder"):
        find_in_archives(tmp_path, "*.zip", "rgb/*.jpg", "d/{stem}.npy", "o/{frame}.jpg")


TEXTS = ["*.jpg", "**/*.jpg", "a/**/*", "**/b/{x}.jpg", "A/B/?.jpg", "{x}/{x}.jpg", "a/[0-3].jpg", "**/{y}/*.png", "./a//b/1.jpg"]


@pytest.mark.parametrize("text", TEXTS)
def test_names_are_searched_as_folders_are(tmp_path: Path, text: str) -> None:
    """The same files in an archive and in a folder: the same are found, with the same placeholders."""
    picked = random.Random(1)
    names = sorted({"/".join(picked.choice(["a", "b", "c", ".h"]) for _ in range(picked.randint(0, 3)))
                    + f"/{picked.choice('0123ab')}.{picked.choice(['jpg', 'png'])}" for _ in range(400)})
    names = sorted({"a/b/1.jpg", *(name.removeprefix("/") for name in names)})
    for name in names:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    on_disk = {path.relative_to(tmp_path).as_posix(): fields for path, fields in search(tmp_path, text, glob=True)}
    assert dict(search_names(names, text, glob=True)) == on_disk
    assert on_disk


def test_pairs_are_those_of_the_unpacked_folder(tmp_path: Path) -> None:
    names = ["p/1.jpg", "p/2.jpg", "p/2_depth.png", "p/1_depth.png", "p/2_vis.png", "p/3.jpg"]
    for name in names:
        (tmp_path / "f" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "f" / name).write_bytes(b"x")
    zipped(tmp_path / "f.zip", dict.fromkeys(names, b"x"))
    one = find_pairs(tmp_path / "f", "p/*", "p/{stem}_depth.png", "o/{stem}.heic")
    two = find_in_archives(tmp_path, "f.zip", "p/*", "p/{stem}_depth.png", "o/{stem}.heic")
    assert [f"f.zip/{p.key}" for p in one.pairs] == [p.key for p in two.pairs]
    assert [p.name for p in one.unmatched_color] == [p.name for p in two.unmatched_color]
    assert [p.name for p in one.previews] == [p.name for p in two.previews]
