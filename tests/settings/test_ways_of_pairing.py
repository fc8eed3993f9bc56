"""Jobs that pair by lists, transforms.json, time and place in the order: run, resumed, in shards."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from photo_kit import gray, heic, plain
from PIL import Image

import gpudepth
from gpudepth.batch import runner
from gpudepth.batch.runner import run
from gpudepth.errors import JobError, UsageError

REST = """
encoding: {near: 0.5, far: 12}
output:   {path: "out/{stem}.heic"}
run:      {workers: 1}
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Four photos and maps whose names have nothing in common but their times."""
    for i in range(4):
        (tmp_path / "a").mkdir(exist_ok=True)
        (tmp_path / "b").mkdir(exist_ok=True)
        heic(tmp_path / "a" / f"{i}.00.heic", 64, 48)
        gray(tmp_path / "b" / f"{i}.01.png", 32, 24, 60000 - 10000 * i)
    return tmp_path


def job(folder: Path, source: str, rest: str = REST) -> Path:
    path = folder / "job.yaml"
    path.write_text(f"source: {source}\n{rest}")
    return path


def far_ends(folder: Path) -> list[float]:
    """Of each output: which map went into it shows in its range."""
    found = []
    for path in sorted((folder / "out").glob("*.heic")):
        data = gpudepth.read(path)
        assert data is not None
        found.append(round(float(data.depth().max()), 1))
    return found


RANGES = [round(0.5 + 11.5 * (60000 - 10000 * i) / 65535, 1) for i in range(4)]


def test_lists(folder: Path) -> None:
    rows = ["color,depth,id,out", *(f"a/{i}.00.heic,b/{i}.01.png,scene{i}," for i in range(3)), "a/3.00.heic,b/3.01.png,last,elsewhere/x.heic"]
    (folder / "pairs.csv").write_text("\n".join(rows))
    path = job(folder, "{pairs: pairs.csv}", REST.replace("{stem}", "{id}"))
    assert run(path).describe() == "4 done, 0 already done, 0 failed"
    assert sorted(p.name for p in (folder / "out").glob("*.heic")) == ["scene0.heic", "scene1.heic", "scene2.heic"]
    assert (folder / "elsewhere" / "x.heic").is_file()
    assert far_ends(folder) == RANGES[:3]
    assert run(path).describe() == "0 done, 4 already done, 0 failed"
    (folder / "pairs.csv").write_text("color,depth,dept\na,b,c\n")
    with pytest.raises(JobError, match=r"pairs\.csv:1: unknown column 'dept'"):
        run(path)


def test_lists_name_what_comes_beside(folder: Path) -> None:
    for i in range(2):
        with Image.open(folder / "b" / f"{i}.01.png") as image:
            np.save(folder / f"metric{i}.npy", (1 + np.asarray(image)[2::4, 2::4] / 20000).astype(np.float32))
        np.save(folder / f"trust{i}.npy", np.full((6, 8), 2, np.uint8))
    rows = [json.dumps({"color": f"a/{i}.00.heic", "depth": f"b/{i}.01.png", "metric": f"metric{i}.npy", "confidence": f"trust{i}.npy"}) for i in range(2)]
    (folder / "pairs.jsonl").write_text("\n".join(rows))
    rest = REST.replace("encoding: {near: 0.5, far: 12}", "refine: {align: {curve: depth}, confidence: {highest: 2}}")
    path = job(folder, "{pairs: pairs.jsonl}", rest)
    summary = run(path)
    assert summary.describe() == "2 done, 0 already done, 0 failed"
    assert all("relative depth, aligned by" in row.summary for row in summary.rows)
    assert far_ends(folder) == [pytest.approx(4, rel=0.05), pytest.approx(3.5, rel=0.05)]
    np.save(folder / "trust0.npy", np.full((6, 8), 1, np.uint8))
    assert run(path).describe() == "1 done, 1 already done, 0 failed"
    with pytest.raises(UsageError, match="nothing is aligned to them"):
        run(job(folder, "{pairs: pairs.jsonl}"))
    with pytest.raises(UsageError, match=r"leave refine\.align\.to out"):
        run(job(folder, "{pairs: pairs.jsonl}", rest.replace("curve: depth", "to: 'm.npy', curve: depth")))
    (folder / "pairs.jsonl").write_text('{"color": "a/0.00.heic", "depth": "b/0.01.png"}')
    with pytest.raises(UsageError, match=r"there are no metric samples to align to: a/0\.00\.heic"):
        run(job(folder, "{pairs: pairs.jsonl}", rest))


def test_transforms(folder: Path) -> None:
    frames = [{"file_path": f"a/{i}.00.heic", **({"depth_file_path": f"b/{i}.01.png"} if i < 3 else {})} for i in range(4)]
    (folder / "transforms.json").write_text(json.dumps({"fl_x": 1, "frames": frames}))
    with pytest.raises(UsageError, match="no map for some photos"):
        run(job(folder, "{transforms: transforms.json}"))
    assert run(job(folder, "{transforms: transforms.json, allow_missing: true}")).describe() == "3 done, 0 already done, 0 failed"
    assert far_ends(folder) == RANGES[:3]


def test_by_time_and_by_place(folder: Path) -> None:
    assert run(job(folder, "{color: 'a/{time}.heic', depth: 'b/{time}.png', match: time}")).done == 4
    assert far_ends(folder) == RANGES
    for name, other in (("a", "heic"), ("b", "png")):
        files = sorted((folder / name).glob(f"*.{other}"))
        (folder / f"{name}.txt").write_text("".join(f"{f.stem} {name}/{f.name}\n" for f in files))
    assert run(job(folder, "{color: a.txt, depth: b.txt, match: time, tolerance: 0.05}")).skipped == 4
    path = job(folder, "{color: 'a/*', depth: 'b/*', match: index, color_start: 1, depth_start: 1}")
    assert runner.plan(path).items[0].key == "a/1.00.heic"
    assert run(path).skipped == 3
    keys = [{i.key for i in runner.plan(path, shard=(s, 2)).items} for s in range(2)]
    assert keys[0] | keys[1] == {"a/1.00.heic", "a/2.00.heic", "a/3.00.heic"}
    assert not keys[0] & keys[1]
    with pytest.raises(UsageError, match="as many photos as maps"):
        run(job(folder, "{color: 'a/*', depth: 'b/*', match: index, color_start: 1}"))


def test_missing_maps_of_a_list(folder: Path) -> None:
    (folder / "pairs.csv").write_text("color,depth\na/0.00.heic,b/0.01.png\na/1.00.heic,b/none.png\n")
    with pytest.raises(JobError, match=r"pairs\.csv:3: depth 'b/none\.png' does not exist"):
        run(job(folder, "{pairs: pairs.csv}"))
    assert not (folder / "out").exists()
    summary = run(job(folder, "{pairs: pairs.csv, allow_missing: true}"))
    assert summary.describe() == "1 done, 0 already done, 0 failed"
    assert "left out: 1 photo without a map" in summary.plan.notes


def test_a_list_in_shards_and_with_another_map(folder: Path) -> None:
    text = "color,depth\n" + "".join(f"a/{i}.00.heic,b/{i}.01.png\n" for i in range(4))
    (folder / "pairs.csv").write_text(text)
    path = job(folder, "{pairs: pairs.csv}")
    assert sum(run(path, shard=(s, 2)).done for s in range(2)) == 4
    assert run(path).done == 4
    (folder / "pairs.csv").write_text(text.replace("b/2.01.png", "b/0.01.png").replace("b/0.01.png", "b/3.01.png", 1))
    assert [row.key for row in run(path).rows] == ["a/0.00.heic", "a/2.00.heic"]
    assert far_ends(folder) == [RANGES[3], RANGES[1], RANGES[0], RANGES[3]]


def test_samples_by_template_and_confidence_by_list(folder: Path) -> None:
    (folder / "pairs.csv").write_text("color,depth,confidence\na/0.00.heic,b/0.01.png,trust.npy\na/1.00.heic,b/1.01.png,\n")
    for name in ("trust", "0.00_lidar", "1.00_lidar"):
        np.save(folder / f"{name}.npy", np.ones((6, 8), np.float32))
    rest = REST.replace("encoding:", "refine: {align: {to: '{stem}_lidar.npy'}, confidence: {}}\nencoding:")
    items = runner.plan(job(folder, "{pairs: pairs.csv}", rest)).items
    assert [[path.name for path in item.side_inputs.paths()] for item in items] == [["0.00_lidar.npy", "trust.npy"], ["1.00_lidar.npy"]]
    with pytest.raises(UsageError, match=r"leave refine\.confidence\.path out"):
        runner.plan(job(folder, "{pairs: pairs.csv}", rest.replace("confidence: {}", "confidence: {path: trust.npy}")))


def test_confidence_that_no_photo_has(folder: Path) -> None:
    rest = REST.replace("encoding:", "refine: {confidence: {highest: 2}}\nencoding:")
    (folder / "pairs.csv").write_text("color,depth\na/0.00.heic,b/0.01.png\n")
    for source in ("{color: 'a/*', depth: 'b/*', match: index}", "{pairs: pairs.csv}"):
        with pytest.raises(UsageError, match=r"refine\.confidence is set, but no photo has a confidence map"):
            runner.plan(job(folder, source, rest))


def test_rows_whose_output_is_no_such_container(folder: Path) -> None:
    (folder / "pairs.csv").write_text("color,depth,out\na/0.00.heic,b/0.01.png,x.jpg\n")
    with pytest.raises(UsageError, match=r"x\.jpg does not end in \.heic, as output\.container: heic requires"):
        runner.plan(job(folder, "{pairs: pairs.csv}", REST.replace("{path", "{container: heic, path")))
    (folder / "pairs.csv").write_text("color,depth,out\na/0.00.heic,b/0.01.png,x.txt\n")
    with pytest.raises(UsageError, match=r"x\.txt cannot be written: no format with that suffix"):
        runner.plan(job(folder, "{pairs: pairs.csv}"))


def test_times_that_do_not_meet_say_what_they_were_judged_by(folder: Path) -> None:
    source = "{color: 'a/{time}.heic', depth: 'b/{time}.*', match: time, offset: 0.5}"
    with pytest.raises(UsageError, match=r"source\.tolerance is 0\.02, source\.offset 0\.5; each map is used once"):
        run(job(folder, source))
    assert run(job(folder, source.replace("0.5", "0.99, allow_missing: true"))).done == 3
    assert far_ends(folder) == RANGES[:3]
    assert sorted(p.name for p in (folder / "out").glob("*.heic")) == ["1.00.heic", "2.00.heic", "3.00.heic"]


def test_previews_of_a_model_do_not_become_photos(folder: Path) -> None:
    for name in ("x", "x_depth"):
        plain(folder / "a" / f"{name}.png", 64, 48)
    np.save(folder / "a" / "x_raw_depth_meter.npy", np.linspace(1, 4, 32 * 24, dtype=np.float32).reshape(24, 32))
    rest = REST.replace("{near: 0.5, far: 12}", "{kind: depth}").replace("{path", "{transcode: true, path")
    summary = run(job(folder, "{color: 'a/*.png', depth: 'a/{stem}_raw_depth_meter.npy'}", rest))
    assert [(row.key, row.status) for row in summary.rows] == [("a/x.png", "ok")]
    assert any("1 preview of maps" in note for note in summary.plan.notes)
