"""Where pairing looks: folders and stores, by the same patterns."""

from __future__ import annotations

import secrets
from pathlib import Path

import pytest

from gpudepth.errors import MissingInputError, UsageError
from gpudepth.pairing.by_name import find_pairs
from gpudepth.pairing.catalogue import Catalogue, ObjectsOnDisk
from gpudepth.pairing.stores import display_path, put_bytes

pytest.importorskip("fsspec")


@pytest.fixture
def url() -> str:
    return f"memory://bucket{secrets.token_hex(4)}"


@pytest.mark.parametrize("on_disk", [False, True])
def test_a_catalogue(url: str, tmp_path: Path, on_disk: bool) -> None:
    for name in ("p/a.jpg", "p/B.JPG", "p/deep/c.jpg", "p/.hidden.jpg"):
        put_bytes(f"{url}/{name}", b"x" * len(name))
    where = Catalogue(ObjectsOnDisk() if on_disk else {})
    found = dict(where.search(Path("base"), f"{url}/p/*.jpg", glob=True))
    assert {display_path(path).rpartition("/")[2] for path in found} == {"a.jpg", "B.JPG"}
    assert {path: one.size for path, one in where.objects.items()} == {path: len("p/a.jpg") for path in found}
    assert len(dict(where.search(Path("base"), f"{url}/p/**/*.jpg", glob=True))) == 3
    assert [fields for _, fields in where.search(Path("base"), f"{url}/p/{{d}}/{{n}}.jpg")] == [{"d": "deep", "n": "c"}]
    (tmp_path / "p.jpg").touch()
    assert [path for path, _ in where.search(tmp_path, "{n}.jpg")] == [tmp_path / "p.jpg"]
    assert len(where.objects) == 3      # files are no objects
    del where.objects[next(iter(where.objects))]
    assert len(where.objects) == 2 and Path("none") not in where.objects


@pytest.mark.parametrize("text", ["memory://b", "memory://b/", "memory://*/a", "memory://{x}/a"])
def test_what_is_no_place(text: str) -> None:
    with pytest.raises(UsageError, match="must name a bucket and an object"):
        list(Catalogue({}).search(Path(), text, glob=True))
    with pytest.raises(UsageError, match="must not contain credentials"):
        list(Catalogue({}).search(Path(), "memory://me:word@b/x/*"))


def test_folders_in_keys_and_odd_keys(url: str) -> None:
    for key in ("p/a.jpg", "p/b.jpg", "p/..", "p/x/../c.jpg", "p//a.jpg", "d/a.png", "d//b.png", "d/b.png"):
        put_bytes(f"{url}/{key}", b"x")
    where = Catalogue({})
    found = find_pairs(Path("jobs"), f"{url}/p/*.jpg", f"{url}/d/{{stem}}.png", f"{url}/out/{{stem}}.jpg", look=where.search)
    assert [(pair.key, display_path(pair.depth), display_path(pair.output or Path())) for pair in found.pairs] == [
        (f"{url}/p/{n}.jpg", f"{url}/d/{n}.png", f"{url}/out/{n}.jpg") for n in "ab"]
    assert [where.objects[path].url for pair in found.pairs for path in (pair.color, pair.depth)] == [
        f"{url}/{key}" for key in ("p/a.jpg", "d/a.png", "p/b.jpg", "d/b.png")]


def test_nothing(url: str, tmp_path: Path) -> None:
    assert isinstance(Catalogue({}).nothing(Path(), f"{url}/p/*.jpg"), MissingInputError)
    assert "does not exist" in str(Catalogue({}).nothing(tmp_path, "p/*.jpg"))
