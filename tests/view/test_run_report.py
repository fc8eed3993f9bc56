"""Reports: every item of a ledger, worst first, in one page of bounded size."""

from __future__ import annotations

import base64
import io
import json
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from run_kit import finish, make

from gpudepth.batch.ledger import LEDGER, Row
from gpudepth.cli.app import run_command
from gpudepth.depth.calibration import Calibration
from gpudepth.depth.data import DepthData
from gpudepth.depth.pixel_format import FDEP
from gpudepth.errors import MissingInputError, UsageError
from gpudepth.view import report as module
from gpudepth.view.depth_view import DepthView
from gpudepth.view.report import in_script, report
from gpudepth.view.thumbnail import Sizes, Thumbnail, ThumbnailRequest, _focal
from gpudepth.view.thumbnail import make as thumbnail


@pytest.fixture
def job(tmp_path: Path) -> Path:
    """Six photos, one of them damaged."""
    job = make(tmp_path, 6)
    (tmp_path / "c/00003.jpg").write_bytes(b"\xff\xd8 and no more")
    assert finish(job) == 3
    return job


def data(page: str) -> dict:
    return json.loads(re.search(r'<script type="application/json" id="data">(.*?)</script>', page, re.S)[1])


def test_all_items(job: Path) -> None:
    page = report(job.parent / "out").html()
    held = data(page)
    items = held["items"]
    assert sorted(item["key"] for item in items) == [f"c/{n:05d}.jpg" for n in range(6)]
    assert items[0]["key"] == "c/00003.jpg"
    assert not items[0]["ok"]
    assert items[0]["message"]
    assert held["facts"]["done"] == 5
    assert held["facts"]["failed"] == 1
    assert held["facts"]["bytes"] == sum(p.stat().st_size for p in (job.parent / "out").glob("*.jpg"))
    assert set(held["facts"]["stages"]) >= {"read", "encode", "write"}
    scores = [item["score"] for item in items if item.get("score") is not None]
    assert scores == sorted(scores)
    for item in items[1:]:
        with Image.open(io.BytesIO(base64.b64decode(item["picture"]))) as picture:
            assert picture.format == "JPEG"
        assert item["near"] < item["far"]


def test_the_map_of_a_thumbnail(job: Path) -> None:
    """Its codes say the distances of the file within half a step."""
    import gpudepth

    out = job.parent / "out/00001.jpg"
    small = thumbnail(ThumbnailRequest(out, Sizes(160, 16)))
    with Image.open(io.BytesIO(small.map)) as image:
        codes = np.asarray(image).astype(float)
    disparity = small.lo + (small.hi - small.lo) * (codes - 1) / 254
    found = gpudepth.read(out)
    assert found is not None
    wanted = np.clip(found.disparity(), small.lo, small.hi)
    assert codes.shape == wanted.shape
    assert np.abs(disparity - wanted).max() <= (small.hi - small.lo) / 254 * 0.51


def test_two_rows_of_one_output(job: Path) -> None:
    """A photo that was renamed has a new key, and its old row stays in the ledger."""
    ledger = job.parent / "out/gpudepth-ledger.jsonl"
    row = next(line for line in ledger.read_text().splitlines() if "c/00001.jpg" in line)
    ledger.write_text(ledger.read_text() + row.replace("c/00001.jpg", "c/00001.JPG") + "\n")
    items = {item["key"]: item for item in data(report(ledger).html())["items"]}
    assert items["c/00001.jpg"]["picture"] == items["c/00001.JPG"]["picture"] != ""


def test_a_ledger_that_lies_elsewhere(job: Path, tmp_path: Path) -> None:
    ledger = tmp_path / "ledger.jsonl"
    ledger.write_bytes((job.parent / "out/gpudepth-ledger.jsonl").read_bytes())
    found = report(ledger, outputs=job.parent / "out")
    assert found.facts()["done"] == 5
    assert all(item.thumbnail is not None for item in found.items if item.row.status == "ok")
    assert run_command(["report", str(ledger), "--outputs", str(job.parent / "out")]) == 0
    assert all(item.get("picture") for item in data((tmp_path / "report.html").read_text())["items"] if item["ok"])


def test_outputs_that_are_gone(job: Path) -> None:
    (job.parent / "out/00002.jpg").unlink()
    entry = next(i for i in data(report(job.parent / "out").html())["items"] if i["key"] == "c/00002.jpg")
    assert entry["ok"]
    assert "map" not in entry
    assert "no such file" in entry["message"].lower() or "does not exist" in entry["message"]


def test_pages_have_a_limit(job: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "BYTES", 5000)
    items = data(report(job.parent / "out").html())["items"]
    held = sum(len(base64.b64decode(i.get("picture", ""))) + len(base64.b64decode(i.get("map", ""))) for i in items)
    assert 0 < held <= 5000
    assert items[1]["picture"]          # the worst keep theirs
    assert not items[-1]["picture"]
    assert all("score" in item for item in items[1:])


def test_what_is_held_meanwhile_has_a_limit_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of any number of items, in any order, the worst keep their pictures."""
    monkeypatch.setattr(module, "BYTES", 1000)
    scores = np.random.default_rng(1).permutation(500) / 500
    items = [module.ReportItem(Row(f"{n}", "ok", "j"), Path("o"), Thumbnail(bytes(60), bytes(40), 0, 1, 1, float(score), 4, 3, 0)) for n, score in enumerate(scores)]
    pictured, most = module._Pictured(), 0
    for item in items:
        pictured.add(item)
        most = max(most, sum(len(i.thumbnail.picture + i.thumbnail.map) for i in items if i.thumbnail) - 100 * (len(items) - items.index(item) - 1))
    pictured.keep()
    assert most <= 2100
    assert {item.thumbnail.score for item in items if item.thumbnail and item.thumbnail.picture} == {n / 500 for n in range(10)}


def test_a_ledger_names_nothing_outside_of_its_folder(job: Path) -> None:
    """Nor does a photo that was called otherwise before take the picture of the one that is there."""
    ledger = job.parent / "out" / LEDGER
    row = next(json.loads(line) for line in ledger.read_text().splitlines() if "c/00001.jpg" in line)
    (job.parent / "secret.jpg").write_bytes((job.parent / "out/00001.jpg").read_bytes())
    for key, output in (("up", "../secret.jpg"), ("far", str(job.parent / "secret.jpg")), ("before", "00001.jpg")):
        with ledger.open("a") as file:
            file.write(json.dumps({**row, "key": key, "output": output}) + "\n")
    entries = {entry["key"]: entry for entry in data(report(job.parent / "out").html())["items"]}
    for key in ("up", "far"):
        assert "outside" in entries[key]["message"] and "map" not in entries[key]
    assert entries["before"]["map"] == entries["c/00001.jpg"]["map"] != ""


@pytest.mark.parametrize(("fx", "side", "focal"), [(600, 800, 0.75), (0, 800, 0.8), (-600, 800, 0.8), (3e38, 1e-300, 0.8), (1, 0, 0.8), (np.nan, 8, 0.8)])
def test_a_focal_length_that_is_none(fx: float, side: float, focal: float) -> None:
    """One file with odd numbers makes no page that nothing parses."""
    data = DepthData(np.ones((6, 8), np.float32), FDEP, calibration=Calibration(np.diag([fx, fx, 1.0]), side, side * 0.75))
    with np.errstate(all="ignore"):
        assert _focal(DepthView("a", data)) == focal


def test_sizes() -> None:
    few, many = Sizes.within(10**6), Sizes.within(18_000)
    assert few == Sizes(360, 360)
    assert 150 < many.picture < 360
    assert 96 <= many.map < many.picture
    assert Sizes.within(1) == Sizes(96, 96)


def test_nothing_in_a_name_ends_the_script() -> None:
    assert "<" not in in_script({"key": "</script><script>alert(1)</script>"})
    assert json.loads(in_script({"key": "</script>\u2028"})) == {"key": "</script>\u2028"}


def test_what_is_no_run(tmp_path: Path) -> None:
    with pytest.raises(MissingInputError, match="the ledger does not exist"):
        report(tmp_path)
    (tmp_path / "gpudepth-ledger.0-of-2.jsonl").touch()
    with pytest.raises(MissingInputError, match=r"gpudepth merge job\.yaml"):
        report(tmp_path)
    (tmp_path / LEDGER).write_text("rubbish\n")
    with pytest.raises(UsageError, match="the ledger has no rows"):
        report(tmp_path)


def test_the_verb(job: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = job.parent / "out"
    assert run_command(["report", str(out)]) == 0
    assert capsys.readouterr().out == f"{out / 'report.html'}\n"
    assert run_command(["report", str(out / "gpudepth-ledger.jsonl"), "-o", str(job.parent / "r.html")]) == 0
    text = (job.parent / "r.html").read_text()
    assert "http://" not in re.sub(r'<script type="text/plain" id="three">.*?</script>', "", text, flags=re.S)
    assert "src=" not in re.sub(r"<script.*?</script>", "", text, flags=re.S)
    assert run_command(["report", str(out), "-o", str(job.parent / "r.txt")]) == 2
    assert run_command(["report", str(job.parent / "c")]) == 2
