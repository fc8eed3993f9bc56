"""One item out of and into a store, fsspec's in memory."""

from __future__ import annotations

import secrets
from pathlib import Path

import pytest
from photo_kit import gray, plain

from gpudepth.batch.job_hash import JobHash
from gpudepth.batch.work_item import ItemContext, PhotoItem, Task
from gpudepth.depth.encoding import Gray
from gpudepth.errors import AspectError, FileError, GpudepthError, LimitError
from gpudepth.limits import Limits
from gpudepth.pairing.stores import RemoteFile, Target, list_objects, put_bytes
from gpudepth.settings.settings import Settings

pytest.importorskip("fsspec")
RECIPE = Settings(encoding=Gray(0.5, 12.0))


@pytest.fixture
def url(tmp_path: Path) -> str:
    url = f"memory://bucket{secrets.token_hex(4)}"
    put_bytes(f"{url}/p/a.jpg", plain(tmp_path / "a.jpg", 64, 48).read_bytes())
    put_bytes(f"{url}/d/a.png", gray(tmp_path / "a.png", 32, 24).read_bytes())
    (tmp_path / "scratch").mkdir()
    return url


def stored(url: str, key: str) -> RemoteFile:
    [found] = [one for one in list_objects(url) if one.url == f"{url}/{key}"]
    return found


def task(item: PhotoItem, folder: Path, settings: Settings = RECIPE) -> Task:
    return Task(item, settings, "numpy", "job", scratch=str(folder / "scratch"))


def test_the_same_bytes_as_on_a_disk(url: str, tmp_path: Path) -> None:
    here = PhotoItem("k", tmp_path / "a.jpg", tmp_path / "a.png", tmp_path / "out.jpg", "out.jpg")
    row = here.run(task(here, tmp_path), ItemContext())
    there = PhotoItem("k", stored(url, "p/a.jpg"), stored(url, "d/a.png"), Target(f"{url}/out/out.jpg"), "out.jpg")
    made = there.run(task(there, tmp_path), ItemContext())
    out = stored(url, "out/out.jpg")
    assert out.read() == (tmp_path / "out.jpg").read_bytes()
    assert (made.output, made.output_size, made.output_sha256, made.output_etag) == ("out.jpg", out.size, row.output_sha256, out.etag)
    assert made.photo and row.photo and (made.photo.sha256, made.photo.inode, made.photo.etag) == (
        row.photo.sha256, 0, stored(url, "p/a.jpg").etag)
    assert made.summary == row.summary and made.warnings == row.warnings
    assert made.done(JobHash("job"), there.inputs, there.output) and not list((tmp_path / "scratch").iterdir())
    put_bytes(f"{url}/out/out.jpg", b"x")
    assert not made.done(JobHash("job"), there.inputs, there.output)
    assert type(made).from_json(made.to_json()) == made


def test_names_longer_than_file_systems_have_them(url: str, tmp_path: Path) -> None:
    """Keys have up to 1024 bytes, three for each of these characters."""
    name = "深" * 300
    for key, kind in (("p/a.jpg", "jpg"), ("d/a.png", "png")):
        put_bytes(f"{url}/{key[0]}/{name}.{kind}", stored(url, key).read())
    item = PhotoItem("k", stored(url, f"p/{name}.jpg"), stored(url, f"d/{name}.png"), Target(f"{url}/out/{name}.jpg"), f"{name}.jpg")
    row = item.run(task(item, tmp_path), ItemContext())
    assert row.output_size == stored(url, f"out/{name}.jpg").size and row.done(JobHash("job"), item.inputs, item.output)


def test_errors_name_what_is_in_the_store(url: str, tmp_path: Path) -> None:
    put_bytes(f"{url}/d/wide.png", gray(tmp_path / "w.png", 32, 8).read_bytes())
    put_bytes(f"{url}/d/junk.png", b"junk")
    photo, target = stored(url, "p/a.jpg"), Target(f"{url}/out/a.jpg")
    for key, kind in (("d/wide.png", AspectError), ("d/junk.png", GpudepthError)):
        with pytest.raises(kind) as caught:
            PhotoItem("k", photo, stored(url, key), target, "a.jpg").run(task(PhotoItem("k", photo, photo, target, ""), tmp_path), ItemContext())
        assert f"{url}/{key}" in str(caught.value) and "scratch" not in str(caught.value)
    small = Settings(encoding=RECIPE.encoding, limits=Limits(max_file=50))
    item = PhotoItem("k", photo, stored(url, "d/a.png"), target, "a.jpg")
    with pytest.raises(LimitError, match="max_file"):
        item.run(task(item, tmp_path, small), ItemContext())
    put_bytes(f"{url}/d/a.png", b"other")
    with pytest.raises(FileError, match="changed after it was listed"):
        item.run(task(item, tmp_path), ItemContext())
    assert not target.exists() and not list((tmp_path / "scratch").iterdir())


def test_names_longer_than_files_have(url: str, tmp_path: Path) -> None:
    long = "x" * 400 + ".jpg"
    put_bytes(f"{url}/p/{long}", (tmp_path / "a.jpg").read_bytes())
    item = PhotoItem("k", stored(url, f"p/{long}"), stored(url, "d/a.png"), Target(f"{url}/out/{long}"), long)
    assert item.run(task(item, tmp_path), ItemContext()).status == "ok"
