from __future__ import annotations

import os
import random
import re
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gpudepth.errors import MissingInputError, UsageError
from gpudepth.pairing.by_name import find_pairs
from gpudepth.pairing.pairs import Pairing, natural_key
from gpudepth.pairing.templates import Template


def make(base: Path, *names: str) -> None:
    for name in names:
        (base / name).parent.mkdir(parents=True, exist_ok=True)
        (base / name).write_bytes(b"x")


def told(found: Pairing, base: Path) -> list[tuple[str, str]]:
    return [(pair.key, pair.depth.relative_to(base).as_posix()) for pair in found.pairs]


# templates

def test_format_and_match() -> None:
    template = Template("image_02/{drive}/{frame}.png")
    assert template.names == {"drive", "frame"}
    assert template.format({"drive": "0001", "frame": "5", "stem": "5"}) == "image_02/0001/5.png"
    assert template.match("IMAGE_02/a/b.PNG") == {"drive": "a", "frame": "b"}
    assert template.match("image_02/a/b/c.png") is None
    assert template.match("image_02/a/.png") is None
    assert Template("{a}_{b}.png").match("x_y_z.png") == {"a": "x", "b": "y_z"}
    assert Template("{s}/{s}.png").match("x/x.png") == {"s": "x"}
    assert Template("{s}/{s}.png").match("x/y.png") is None
    assert Template("a[1]+?/{s}.png").match("a[1]+?/x.png") == {"s": "x"}
    assert Template("./depth//{stem}.*").match("depth/a.b.tiff") == {"stem": "a.b"}


@pytest.mark.parametrize("text", [
    "{}", "{stem", "stem}", "{0}", "{stem.name}", "{stem!r}", "{stem:>5}", "{stem[0]}", "{{stem}}", "{a b}", "", " ",
    "*.png", "depth/*/{stem}.png", "{stem}.*.png", "a\0b",
])
def test_malformed_templates(text: str) -> None:
    with pytest.raises(UsageError):
        Template(text)


@pytest.mark.parametrize("value", ["", "..", "a/b", "a\\b", "a\0", "/"])
def test_values_that_are_no_file_name(value: str) -> None:
    with pytest.raises(UsageError, match="cannot be part of a file name"):
        Template("out/{stem}.heic").format({"stem": value})


def test_unknown_names_list_the_known() -> None:
    with pytest.raises(UsageError, match=r"placeholder \{frame\} \(it can use \{drive\}, \{stem\}\)"):
        Template("{frame}").format({"stem": "a", "drive": "b"})


@given(st.text(st.characters(exclude_characters="/\\\0{}", exclude_categories=["Cs"]), min_size=1).filter(
    lambda text: text not in {".", ".."}))
def test_match_undoes_format(value: str) -> None:
    template = Template("depth/x_{stem}.png")
    assert template.match(template.format({"stem": value})) == {"stem": value}


@given(st.text(max_size=30), st.text(max_size=30))
def test_templates_never_surprise(text: str, path: str) -> None:
    try:
        template = Template(text)
    except UsageError:
        return
    template.match(path)


# order

def test_natural_order() -> None:
    names = ["b2", "a", "b10", "B1", "b1/x", "b/2", "b/10", "b/09", "img2.png", "img10.png", "img1.png", "1", "x1y2"]
    want = ["1", "a", "b/2", "b/09", "b/10", "B1", "b1/x", "b2", "b10", "img1.png", "img2.png", "img10.png", "x1y2"]
    for seed in range(5):
        random.Random(seed).shuffle(names)
        assert sorted(names, key=natural_key) == want


# pairs

def test_stem_in_another_folder(tmp_path: Path) -> None:
    make(tmp_path, "photos/img10.HEIC", "photos/img2.heic", "photos/notes.txt", "depth/img2.png", "depth/img10.PNG",
         "depth/img3.png", "photos/img7.heic", "photos/.DS_Store", "photos/._img2.heic", "depth/._img2.png")
    found = find_pairs(tmp_path, "photos/*.heic", "depth/{stem}.png", "out/{stem}.heic")
    assert told(found, tmp_path) == [("photos/img2.heic", "depth/img2.png"), ("photos/img10.HEIC", "depth/img10.PNG")]
    assert found.unmatched_color == (tmp_path / "photos/img7.heic",)
    assert found.unmatched_depth == (tmp_path / "depth/img3.png",)
    assert not found.duplicates and not found.collisions
    assert [pair.output for pair in found.pairs] == [tmp_path / "out/img2.heic", tmp_path / "out/img10.heic"]
    assert found.pairs[0].fields == {"stem": "img2"}


def test_named_placeholders(tmp_path: Path) -> None:
    make(tmp_path, "image_02/d1/5.png", "image_02/d1/6.png", "image_02/d2/5.png", "gt/d1/5_d.png", "gt/d2/5_d.png")
    found = find_pairs(tmp_path, "image_02/{drive}/{frame}.png", "gt/{drive}/{frame}_d.png", "out/{drive}_{stem}.heic")
    assert told(found, tmp_path) == [("image_02/d1/5.png", "gt/d1/5_d.png"), ("image_02/d2/5.png", "gt/d2/5_d.png")]
    assert found.pairs[1].fields == {"stem": "5", "drive": "d2", "frame": "5"}
    assert found.pairs[1].output == tmp_path / "out/d2_5.heic"
    assert [path.name for path in found.unmatched_color] == ["6.png"]


def test_same_folder_suffix(tmp_path: Path) -> None:
    make(tmp_path, "a.png", "a_depth.png", "b.png", "b_depth.png", "c.png")
    found = find_pairs(tmp_path, "*.png", "{stem}_depth.png")
    assert told(found, tmp_path) == [("a.png", "a_depth.png"), ("b.png", "b_depth.png")]
    assert found.unmatched_color == (tmp_path / "c.png",) and found.unmatched_depth == ()
    assert found.pairs[0].output is None


def test_color_template_with_literal_around_stem(tmp_path: Path) -> None:
    make(tmp_path, "f-1.color.png", "f-1.depth.png", "f-2.color.png", "f-2.depth.png")
    found = find_pairs(tmp_path, "{stem}.color.png", "{stem}.depth.png")
    assert told(found, tmp_path) == [("f-1.color.png", "f-1.depth.png"), ("f-2.color.png", "f-2.depth.png")]


def test_fixed_names_per_folder(tmp_path: Path) -> None:
    make(tmp_path, "Shelves/im0.png", "Shelves/disp0.pfm", "Piano/im0.png", "Piano/disp0.pfm")
    found = find_pairs(tmp_path, "{scene}/im0.png", "{scene}/disp0.pfm", "out/{scene}.heic")
    assert told(found, tmp_path) == [("Piano/im0.png", "Piano/disp0.pfm"), ("Shelves/im0.png", "Shelves/disp0.pfm")]


def test_any_suffix(tmp_path: Path) -> None:
    make(tmp_path, "p/a.jpg", "p/b.jpg", "p/c.jpg", "d/a.npy", "d/b.png", "d/b.npy", "d/c.x.png")
    found = find_pairs(tmp_path, "p/*.jpg", "d/{stem}.*")
    assert told(found, tmp_path) == [("p/a.jpg", "d/a.npy")]
    assert [(d.key, d.paths, d.shared) for d in found.duplicates] == [
        ("p/b.jpg", (tmp_path / "d/b.npy", tmp_path / "d/b.png"), False)]
    assert found.unmatched_color == (tmp_path / "p/c.jpg",)
    assert found.unmatched_depth == (tmp_path / "d/c.x.png",)
    make(tmp_path, "s/a.heic", "s/a.png", "s/b.heic")
    beside = find_pairs(tmp_path, "s/*.heic", "s/{stem}.*")
    assert told(beside, tmp_path) == [("s/a.heic", "s/a.png")]
    assert (beside.unmatched_color, beside.unmatched_depth) == ((tmp_path / "s/b.heic",), ())


def test_a_file_is_not_its_own_map_nor_photo_and_map_at_once(tmp_path: Path) -> None:
    make(tmp_path, "a.png", "b.jpg", "b.png")
    assert find_pairs(tmp_path, "a.png", "{stem}.png").unmatched_color == (tmp_path / "a.png",)
    assert told(find_pairs(tmp_path, "*", "{stem}.*"), tmp_path) == [("b.jpg", "b.png")]


def test_shared_map_is_told_and_paired(tmp_path: Path) -> None:
    make(tmp_path, "p/a.jpg", "p/a.heic", "d/a.png")
    found = find_pairs(tmp_path, "p/*", "d/{stem}.png", "out/{stem}.heic")
    assert len(found.pairs) == 2
    assert [(d.shared, [p.name for p in d.paths]) for d in found.duplicates] == [(True, ["a.heic", "a.jpg"])]
    assert [(c.keys, c.reason) for c in found.collisions] == [(("p/a.heic", "p/a.jpg"), "several pairs write it")]


def test_output_that_is_an_input(tmp_path: Path) -> None:
    make(tmp_path, "p/a.heic", "p/b.heic", "d/a.png")
    found = find_pairs(tmp_path, "p/a.heic", "d/{stem}.png", "p/{stem}.heic")
    assert [(c.output, c.keys, c.reason) for c in found.collisions] == [
        (tmp_path / "p/a.heic", ("p/a.heic",), "it is an input")]
    (tmp_path / "link").symlink_to("p", target_is_directory=True)
    assert find_pairs(tmp_path, "p/*.heic", "d/{stem}.png", "link/{stem}.heic").collisions
    assert not find_pairs(tmp_path, "p/*.heic", "d/{stem}.png", "q/{stem}.heic").collisions


def test_recursion_does_not_follow_links_to_folders(tmp_path: Path) -> None:
    make(tmp_path, "p/x/a.jpg", "p/b.jpg", "p/.hidden/c.jpg", "d/a.png", "d/b.png")
    (tmp_path / "p/x/loop").symlink_to("..", target_is_directory=True)
    (tmp_path / "alias").symlink_to("p", target_is_directory=True)
    found = find_pairs(tmp_path, "p/**/*.jpg", "d/{stem}.png")
    assert [pair.key for pair in found.pairs] == ["p/b.jpg", "p/x/a.jpg"]
    assert [pair.key for pair in find_pairs(tmp_path, "alias/*.jpg", "d/{stem}.png").pairs] == ["alias/b.jpg"]


def test_globs_ignore_case_and_brackets_may_be_names(tmp_path: Path) -> None:
    make(tmp_path, "Photos [1]/IMG_1.JPG", "Photos [1]/img_2.jpg", "Photos [1]/img_x.jpg", "d/IMG_1.png", "d/img_2.png")
    found = find_pairs(tmp_path, "Photos [1]/IMG_[0-9].jpg", "D/{stem}.png")
    assert told(found, tmp_path) == [("Photos [1]/IMG_1.JPG", "d/IMG_1.png"), ("Photos [1]/img_2.jpg", "d/img_2.png")]
    assert [p.key for p in find_pairs(tmp_path, "photos*/img_[!0-9].j?g", "d/{stem}.png").pairs] == []
    with pytest.raises(UsageError, match="not a valid pattern"):
        find_pairs(tmp_path, "[z-a].jpg", "d/{stem}.png")


def test_absolute_paths(tmp_path: Path) -> None:
    make(tmp_path, "data/p/a.jpg", "data/d/a.png")
    (tmp_path / "job").mkdir()
    for prefix in (f"{tmp_path}/data", "../data"):
        output = f"{tmp_path}/o/{{stem}}.jpg"
        found = find_pairs(tmp_path / "job", f"{prefix}/p/*.jpg", f"{prefix}/d/{{stem}}.png", output)
        assert len(found.pairs) == 1 and found.pairs[0].output == tmp_path / "o/a.jpg"
    assert find_pairs(tmp_path / "job", f"{tmp_path}/data/p/*", f"{tmp_path}/data/d/{{stem}}.png").pairs[0].key == (
        tmp_path / "data/p/a.jpg").as_posix()


def test_what_makes_no_sense(tmp_path: Path) -> None:
    make(tmp_path, "p/a.jpg", "d/a.png")
    for depth, output in (("d/{frame}.png", None), ("d/{stem.x}.png", None), ("d/{stem}.png", "out/../{stem}.jpg"),
                          ("d/{stem}.png", "out/../../{stem}.jpg"), ("d/{stem}.png", "out/{drive}.jpg"),
                          ("d/{stem}.png", "out/{stem}.*"), ("d/*.png", None)):
        with pytest.raises(UsageError):
            find_pairs(tmp_path, "p/*.jpg", depth, output)
    with pytest.raises(UsageError):
        find_pairs(tmp_path, "p/{stem", "d/{stem}.png")


def test_nothing_found_says_what_was_there(tmp_path: Path) -> None:
    make(tmp_path, *(f"Photos/{name}" for name in ("a.jpg", "b.jpg", "c.png", "README", ".x.jpg", "sub/d.heic")))
    with pytest.raises(MissingInputError, match=re.escape(
            "no file matches 'photos/*.heic' (the folder holds 2 .jpg, 1 .png, 1 without suffix, 1 folder)")):
        find_pairs(tmp_path, "photos/*.heic", "d/{stem}.png")
    with pytest.raises(MissingInputError, match=r"the folder named by 'pictures/raw/\*\.heic' does not exist"):
        find_pairs(tmp_path, "pictures/raw/*.heic", "d/{stem}.png")


def test_folder_that_may_not_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: Path) -> None:
        raise PermissionError(13, "Permission denied", str(path))

    make(tmp_path, "p/a.jpg")
    monkeypatch.setattr(os, "scandir", refuse)
    with pytest.raises(MissingInputError, match="holds nothing"):
        find_pairs(tmp_path, "p/*.jpg", "d/{stem}.png")


def test_special_files_are_no_photos(tmp_path: Path) -> None:
    make(tmp_path, "p/a.jpg", "d/a.png", "d/b.png")
    os.mkfifo(tmp_path / "p/b.jpg")
    (tmp_path / "p/c.jpg").mkdir()
    (tmp_path / "p/d.jpg").symlink_to("nowhere")
    found = find_pairs(tmp_path, "p/*.jpg", "d/{stem}.png")
    assert [pair.key for pair in found.pairs] == ["p/a.jpg"] and not found.unmatched_color


def test_order_does_not_depend_on_the_file_system(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    names = [f"p/{i}.jpg" for i in range(30)] + [f"d/{i}.png" for i in range(5, 40)]
    make(tmp_path, *names)
    first = find_pairs(tmp_path, "p/*.jpg", "d/{stem}.png", "o/{stem}.jpg")
    real = os.scandir

    class Shuffled:
        def __init__(self, path: Path) -> None:
            with real(path) as entries:
                self.entries = list(entries)
            random.shuffle(self.entries)

        def __enter__(self) -> list[os.DirEntry[str]]:
            return self.entries

        def __exit__(self, *_: object) -> None: ...

    monkeypatch.setattr(os, "scandir", Shuffled)
    assert find_pairs(tmp_path, "p/*.jpg", "d/{stem}.png", "o/{stem}.jpg") == first
    assert [pair.key for pair in first.pairs] == [f"p/{i}.jpg" for i in range(5, 30)]


def test_any_depth_many_times(tmp_path: Path) -> None:
    """`**` twice is `**` once; each further one multiplies what has to be tried, so that there are few."""
    from gpudepth.pairing.templates import search, search_names

    deep = tmp_path / "/".join("abcdefgh")
    deep.mkdir(parents=True)
    (deep / "1.jpg").touch()
    assert [p for p, _ in search(tmp_path, "**/**/**/**/**/**/**/{stem}.jpg", glob=True)] == [deep / "1.jpg"]
    assert [n for n, _ in search_names(["a/b/1.jpg"], "/".join(["**"] * 50) + "/{stem}.jpg", glob=True)] == ["a/b/1.jpg"]
    many = "/".join(["**/*"] * 5) + "/{stem}.png"
    for look in (lambda: list(search(tmp_path, many, glob=True)), lambda: list(search_names(["a/b"], many, glob=True))):
        with pytest.raises(UsageError, match=r"has '\*\*' 5 times; at most 4 are supported"):
            look()


@settings(max_examples=300, deadline=None)
@given(st.text("ab*?._", max_size=8), st.text("ab._", min_size=1, max_size=10))
def test_wildcards_are_those_of_fnmatch(pattern: str, name: str) -> None:
    import fnmatch

    from gpudepth.pairing.templates import compile_part

    assert (compile_part(pattern, glob=True).fullmatch(name) is not None) == fnmatch.fnmatchcase(name, pattern)


def test_many_wildcards_end(tmp_path: Path) -> None:
    """They are tried once each, and not in all combinations: this took hours."""
    from gpudepth.pairing.templates import search_names

    assert list(search_names(["a" * 250], "*a" * 20 + "*b", glob=True)) == []
    assert [n for n, _ in search_names(["a" * 250 + "b"], "*a" * 20 + "*b", glob=True)] == ["a" * 250 + "b"]
