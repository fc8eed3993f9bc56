from __future__ import annotations

from pathlib import Path

import pytest

from gpudepth.batch.plan import make_plan
from gpudepth.batch.work_item import PhotoItem, in_shard
from gpudepth.errors import UsageError
from gpudepth.settings.job import parse_job


def job(color: str, depth: str, out: str, **extra: str) -> str:
    allow = extra.get("source", "")
    return f'source: {{color: "{color}", depth: "{depth}"{allow}}}\nencoding: {{near: 1, far: 2}}\noutput: {{path: "{out}"}}\n'


def touch(base: Path, *names: str) -> None:
    for name in names:
        (base / name).parent.mkdir(parents=True, exist_ok=True)
        (base / name).touch()


def test_named_placeholders_mean_the_same_everywhere(tmp_path: Path) -> None:
    touch(tmp_path, "image_02/drive_1/001.png", "image_02/drive_2/001.png", "proj/drive_1/001.png",
          "proj/drive_2/001.png", "proj/drive_3/001.png")
    plan = make_plan(parse_job(job("image_02/{drive}/{frame}.png", "proj/{drive}/{frame}.png",
                                   "out/{drive}/{frame}.heic")), tmp_path)
    assert [(i.key, i.depth.relative_to(tmp_path).as_posix(), i.target) for i in plan.items] == [
        ("image_02/drive_1/001.png", "proj/drive_1/001.png", "drive_1/001.heic"),
        ("image_02/drive_2/001.png", "proj/drive_2/001.png", "drive_2/001.heic")]
    assert plan.root == tmp_path / "out"
    assert any("not used: 1 map without a photo" in n for n in plan.notes)
    assert any("drive_1/001.png" in line for line in plan.lines())


def test_colliding_outputs_are_named(tmp_path: Path) -> None:
    touch(tmp_path, "a/d1/001.png", "a/d2/001.png", "z/d1/001.png", "z/d2/001.png")
    with pytest.raises(UsageError, match=r"a/d1/001.png, a/d2/001.png.*another placeholder to output.path: \{d\}\)"):
        make_plan(parse_job(job("a/{d}/{f}.png", "z/{d}/{f}.png", "out/{f}.heic")), tmp_path)


def test_the_same_names_in_two_folders(tmp_path: Path) -> None:
    touch(tmp_path, "p/one/1.jpg", "p/two/1.jpg", "d/1.png")
    with pytest.raises(UsageError, match=r"p/one/1.jpg, p/two/1.jpg.*source.color: photos/\{folder\}"):
        make_plan(parse_job(job("p/**/*.jpg", "d/{stem}.png", "out/{stem}.jpg")), tmp_path)
    plan = make_plan(parse_job(job("p/{folder}/*.jpg", "d/{stem}.png", "out/{folder}/{stem}.jpg")), tmp_path)
    assert [i.target for i in plan.items] == ["one/1.jpg", "two/1.jpg"]


def test_previews_are_told(tmp_path: Path) -> None:
    touch(tmp_path, "p/a.jpg", "depth/a.npz", "depth/a.jpg")
    plan = make_plan(parse_job(job("**/*.jpg", "depth/{stem}.npz", "out/{stem}.jpg")), tmp_path)
    assert [i.key for i in plan.items] == ["p/a.jpg"]
    assert any("not used: 1 preview of maps" in line and "a.jpg" in line for line in plan.lines())


def test_photos_without_maps(tmp_path: Path) -> None:
    touch(tmp_path, "p/a.heic", "p/b.heic", "d/a.png")
    with pytest.raises(UsageError, match=r"no map for some photos: .*b\.heic.*allow_missing"):
        make_plan(parse_job(job("p/*", "d/{stem}.png", "o/{stem}.heic")), tmp_path)
    plan = make_plan(parse_job(job("p/*", "d/{stem}.png", "o/{stem}.heic", source=", allow_missing: true")), tmp_path)
    assert [i.key for i in plan.items] == ["p/a.heic"]


def test_an_output_that_is_an_input(tmp_path: Path) -> None:
    touch(tmp_path, "p/a.heic", "d/a.png")
    with pytest.raises(UsageError, match=r"same file.*another folder"):
        make_plan(parse_job(job("p/*", "d/{stem}.png", "p/{stem}.heic")), tmp_path)


def test_shards_are_stable(tmp_path: Path) -> None:
    items = [PhotoItem(f"p/{i}.heic", tmp_path, tmp_path, tmp_path, "") for i in range(400)]
    parts = [[i.key for i in items if in_shard(i.key, (n, 4))] for n in range(4)]
    assert sorted(k for part in parts for k in part) == sorted(i.key for i in items)
    assert all(70 < len(part) < 130 for part in parts)
    # the first 8 bytes of SHA-256("p/0.heic"), big-endian, are 0 mod 4; a change would make clusters redo their work
    assert [n for n in range(4) if "p/0.heic" in parts[n]] == [0]
