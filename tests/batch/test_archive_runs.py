"""Jobs over archives: the same files come out as from folders, nothing is unpacked, what is bad fails alone."""

from __future__ import annotations

import io
import json
import os
import struct
import tarfile
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from archive_kit import capture, depth, encoded, lzfse, metadata, npy, photo, tar, zipped
from photo_kit import heic

import gpudepth
from gpudepth import resources
from gpudepth.batch.plan import make_plan
from gpudepth.batch.runner import run
from gpudepth.batch.summary import RunSummary
from gpudepth.errors import JobError, UsageError
from gpudepth.settings.job import parse_job

MM = "encoding: {kind: depth, scale: mm}\nrun: {workers: 1}\n"
ZIP = 'source: {archive: "*.zip", color: "rgb/*", depth: "depth/{stem}.*"}\noutput: {path: "out/{archive}/{stem}.jpg"}\n' + MM
SHARDS = 'source: {shards: "s/*.tar"}\noutput: {path: "out/{shard}/{key}.jpg"}\n' + MM
R3D = 'source: {archive: "*.r3d"}\noutput: {path: "out/{archive}/{frame}.jpg"}\nrefine: {fill: nearest}\nrun: {workers: 1}\n'


def do(base: Path, text: str, **settings: Any) -> RunSummary:
    (base / "job.yaml").write_text(text)
    return run(base / "job.yaml", settings=[f"{k}={v}" for k, v in settings.items()])


def outputs(base: Path) -> dict[str, bytes]:
    return {p.relative_to(base).as_posix(): p.read_bytes() for p in sorted(base.rglob("*")) if p.is_file() and p.suffix != ".jsonl"}


def failures(summary: RunSummary) -> dict[str, tuple[str, str]]:
    return {r.key: (r.error, r.message) for r in summary.rows if r.status != "ok"}


def test_archives_give_what_folders_give(tmp_path: Path) -> None:
    files = {f"rgb/{i}.jpg": photo(64 + i, 48) for i in range(3)} | {f"depth/{i}.png": depth(32, 24, 500 + i) for i in range(3)}
    for name, data in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(data)
    folder = 'source: {color: "rgb/*", depth: "depth/{stem}.png"}\noutput: {path: "plain/{stem}.jpg"}\n' + MM
    assert do(tmp_path, folder).done == 3
    zipped(tmp_path / "a.zip", files)
    tar(tmp_path / "s/a.tar", {f"{i}.{kind}": files[name] for i in range(3) for kind, name in (
        ("jpg", f"rgb/{i}.jpg"), ("depth.png", f"depth/{i}.png"))})
    assert do(tmp_path, ZIP).done == 3
    assert outputs(tmp_path / "out/a") == outputs(tmp_path / "plain")
    assert do(tmp_path, SHARDS.replace("out/", "tar/"), **{"run.workers": 2}).done == 3
    assert outputs(tmp_path / "tar/a") == outputs(tmp_path / "plain")
    extracted = [p for p in tmp_path.rglob("*") if p.name in ("0.png", "0.depth.png") and p.parent.name != "depth"]
    assert extracted == []


def test_every_kind_of_map_is_read_from_memory(tmp_path: Path) -> None:
    h5py, exr = pytest.importorskip("h5py"), pytest.importorskip("OpenEXR")
    metres = np.linspace(1, 3, 24 * 32, dtype=np.float32).reshape(24, 32)
    with h5py.File(tmp_path / "3.h5", "w") as file:
        file["depth"] = metres
    exr.File({"type": exr.scanlineimage}, {"Z": metres}).write(str(tmp_path / "4.exr"))
    pfm = b"Pf\n32 24\n-1.0\n" + metres[::-1].astype("<f4").tobytes()
    maps = {"1.npy": npy(metres), "2.pfm": pfm, **{n: (tmp_path / n).read_bytes() for n in ("3.h5", "4.exr")}}
    zipped(tmp_path / "a.zip", {f"depth/{n}": data for n, data in maps.items()} | {f"rgb/{n[0]}.jpg": photo() for n in maps})
    summary = do(tmp_path, ZIP.replace("scale: mm", "scale: m"))
    assert failures(summary) == {}
    found = [gpudepth.read(tmp_path / f"out/a/{i}.jpg") for i in range(1, 5)]
    assert found[0] is not None and np.abs(found[0].depth() - metres).max() < 0.1
    assert all(f is not None and np.array_equal(f.map, found[0].map) for f in found)


def test_resume_knows_members(tmp_path: Path) -> None:
    members = {f"{i}.{kind}": data for i in range(2) for kind, data in (("jpg", photo()), ("depth.png", depth(32, 24, 500 + i)))}
    shard = tar(tmp_path / "s/a.tar", members)
    assert do(tmp_path, SHARDS).done == 2
    assert do(tmp_path, SHARDS).skipped == 2
    row = json.loads((tmp_path / "out/gpudepth-ledger.jsonl").read_text().splitlines()[0])
    assert row["photo"]["archive"] == [shard.stat().st_size, 512]
    assert row["photo"]["size"] == len(members["0.jpg"])
    os.utime(shard)                                                 # touched: the bytes decide
    assert do(tmp_path, SHARDS).skipped == 2
    tar(shard, {"new.txt": b"x", **members})                        # moved inside: the bytes decide
    assert do(tmp_path, SHARDS).skipped == 2
    tar(shard, members | {"1.depth.png": depth(32, 24, 900)})       # one of them changed
    again = do(tmp_path, SHARDS)
    assert (again.done, again.skipped) == (1, 1)


def test_hostile_members_fail_alone(tmp_path: Path) -> None:
    good = {"rgb/good.jpg": photo(), "depth/good.png": depth()}
    names = ["empty", "text", "nested", "bomb", "crypt", "crc"]
    maps = {"empty": b"", "text": b"hello", "nested": (zipped(tmp_path / "n", good)).read_bytes(),
            "bomb": npy(np.zeros((1 << 11, 1 << 12), np.float32)), "crypt": depth(), "crc": depth()}
    path = zipped(tmp_path / "a.zip", good | {f"rgb/{n}.jpg": photo() for n in names} | {f"depth/{n}.png": maps[n] for n in names}
                  | {"../../evil.jpg": b"x", "/abs.jpg": b"x"})
    raw = bytearray(path.read_bytes())
    directory = raw.index(b"PK\1\2")
    struct.pack_into("<H", raw, raw.index(b"depth/crypt.png", directory) - 46 + 8, 1)   # central directory: encrypted
    for start, back in ((directory, 30), (0, 16)):      # CRC-32, in both headers
        at = raw.index(b"depth/crc.png", start) - back
        raw[at : at + 4] = b"\0\0\0\0"
    path.write_bytes(raw)
    before = sorted(p for p in tmp_path.rglob("*"))
    summary = do(tmp_path, ZIP)
    failed = failures(summary)
    assert summary.done == 1 and gpudepth.read(tmp_path / "out/a/good.jpg") is not None
    assert {key.removeprefix("a.zip/").removeprefix("rgb/"): error for key, (error, _) in failed.items()} == {
        "empty.jpg": "TruncatedError", "text.jpg": "UnsupportedError", "nested.jpg": "UnsupportedError",
        "bomb.jpg": "LimitError", "crypt.jpg": "UnsupportedError", "crc.jpg": "MalformedError",
        "../../evil.jpg": "UnsupportedError", "/abs.jpg": "UnsupportedError"}
    assert all("a.zip" in message for _, message in failed.values())
    new = {p.relative_to(tmp_path).as_posix() for p in set(tmp_path.rglob("*")) - set(before)}
    assert new == {"job.yaml", "out", "out/gpudepth-ledger.jsonl", "out/a", "out/a/good.jpg"}
    assert failures(do(tmp_path, ZIP)).keys() == failed.keys()      # again; what is done stays done


def test_archives_that_are_cut_off_fail_alone(tmp_path: Path) -> None:
    members = {f"{i}.{kind}": data for i in range(3) for kind, data in (("jpg", photo()), ("depth.png", depth()))}
    whole = tar(tmp_path / "s/a.tar", members).read_bytes()
    (tmp_path / "s/b.tar").write_bytes(whole[: whole.index(b"2.depth.png") + 700])
    (tmp_path / "s/c.tar").write_bytes(whole[:100])
    summary = do(tmp_path, SHARDS)
    assert summary.done == 5
    failed = failures(summary)
    assert {key: error for key, (error, _) in failed.items()} == {
        "s/b.tar": "TruncatedError", "s/b.tar/2.jpg": "TruncatedError", "s/c.tar": "UnsupportedError"}
    plan = make_plan(parse_job(SHARDS), tmp_path)
    assert any(line.startswith("  s/b.tar: cannot be done: ") for line in plan.lines())
    parts = [make_plan(parse_job(SHARDS), tmp_path, (i, 3)) for i in range(3)]
    assert sorted(r.key for part in parts for r in part.refused) == ["s/b.tar", "s/c.tar"]


def test_stop_on_errors(tmp_path: Path) -> None:
    tar(tmp_path / "s/a.tar", {"1.jpg": photo(), "1.depth.png": depth(), "../x": b""})
    summary = do(tmp_path, SHARDS, **{"run.on_error": "stop"})
    assert (summary.done, summary.failed) == (0, 1)


def test_keys_that_collide_are_told_before_anything_runs(tmp_path: Path) -> None:
    for i in range(2):
        tar(tmp_path / f"s/{i}.tar", {"1.jpg": photo(), "1.depth.png": depth()})
    with pytest.raises(UsageError, match=r"the same file: .*s/0.tar/1.jpg, s/1.tar/1.jpg.*placeholder to output.path: \{shard\}"):
        do(tmp_path, SHARDS.replace("{shard}/", ""))
    assert not (tmp_path / "out").exists()


def test_a_capture_brings_its_camera_and_its_metres(tmp_path: Path) -> None:
    capture(tmp_path / "a.r3d", frames=2)
    assert failures(do(tmp_path, R3D)) == {}
    data = gpudepth.read(tmp_path / "out/a/1.jpg")
    assert data is not None and (data.width, data.height, data.accuracy) == (192, 256, "absolute")
    assert data.range() == pytest.approx((1 / 4, 1 / 2), rel=1e-3)       # frame 1: 2 to 4 metres
    camera = data.calibration
    assert camera is not None
    assert (camera.focal, camera.center) == ((50, 50), (25, 30))         # of the 48×64 picture, as `metadata` says
    assert (camera.reference_width, camera.reference_height) == (48, 64)


def test_confidence_of_a_capture(tmp_path: Path) -> None:
    capture(tmp_path / "a.r3d", frames=1)
    export = R3D.replace("{frame}.jpg", "{frame}.npy")
    assert do(tmp_path, export.replace("fill: nearest", "")).done == 1
    assert np.isnan(np.load(tmp_path / "out/a/0.npy")).sum() == 1
    assert do(tmp_path, export.replace("fill: nearest", "confidence: {}")).done == 1        # 0: not at all
    holes = np.isnan(np.load(tmp_path / "out/a/0.npy"))
    assert np.array_equal(holes[1:], np.tile(np.arange(192) % 3 == 0, (255, 1)))
    assert do(tmp_path, export.replace("fill: nearest", "confidence: {least: 2}")).done == 1
    assert np.isnan(np.load(tmp_path / "out/a/0.npy"))[1:].mean() == pytest.approx(2 / 3)


def test_captures_of_other_sizes(tmp_path: Path) -> None:
    said = {"dw": 12, "dh": 16}
    small = lzfse(np.full((16, 12), 2, np.float32))
    zipped(tmp_path / "a.r3d", {"metadata": metadata(**said), "rgbd/0.jpg": photo(48, 64), "rgbd/0.depth": small})
    zipped(tmp_path / "b.r3d", {"metadata": metadata(), "rgbd/0.jpg": photo(48, 64), "rgbd/0.depth": small}, zipfile.ZIP_STORED)
    failed = failures(do(tmp_path, R3D))
    assert list(failed) == ["b.r3d/rgbd/0.jpg"] and "256×192 or 640×480" in failed["b.r3d/rgbd/0.jpg"][1]
    data = gpudepth.read(tmp_path / "out/a/0.jpg")
    assert data is not None and (data.width, data.height) == (12, 16)


@pytest.mark.parametrize(("source", "said"), [
    ('{shards: "*.tar", archive: "x.zip"}', "source.archive: source.shards names the files already"),
    ('{shards: "*.tar", color: ["*.jpg"]}', "source.color: '*.jpg' is not an extension"),
    ('{shards: "*.tar", color: []}', "source.color: should be text, or a list of extensions"),
    ('{shards: "*.tar", match: time}', "source.match: applies to color and depth"),
    ('{archive: "*.zip", color: "*.jpg"}', "source.depth: color and depth of an archive go together"),
    ('{archive: "*.zip", color: [jpg], depth: "x"}', "source.color: is one glob or template"),
    ('{color: [jpg], depth: "x"}', "source.color: is one glob or template"),
    ('{color: 3, depth: "x"}', "source.color: should be text"),
    ("{}", "source.color: is missing"),
])
def test_sources_that_make_no_sense(source: str, said: str) -> None:
    with pytest.raises(JobError) as error:
        parse_job(f"source: {source}\noutput: {{path: 'o/{{stem}}.heic'}}\n")
    assert any(said in problem for problem in error.value.problems), error.value.problems


def test_photos_that_guide_or_are_encoded(tmp_path: Path) -> None:
    """HEIC by libheif, PNG by Pillow: both from memory, and as from files."""
    files = {"rgb/1.heic": heic(tmp_path / "1.heic", 64, 48).read_bytes(), "rgb/2.png": photo(kind="PNG")}
    maps = {f"depth/{i}.png": depth(32, 24) for i in (1, 2)}
    rest = 'refine: {resize: {long_side: 64, method: guided}}\noutput: {path: "%s/{stem}.heic"}\n' + MM
    for name, data in (files | maps).items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(data)
    zipped(tmp_path / "a.zip", files | maps)
    inside = 'source: {archive: a.zip, color: "rgb/*", depth: "depth/{stem}.png"}\n' + rest % "zip"
    assert failures(do(tmp_path, inside)) == {}
    assert do(tmp_path, inside.replace("archive: a.zip, ", "").replace("zip/", "plain/")).done == 2
    assert len(outputs(tmp_path / "zip")) == 2
    assert outputs(tmp_path / "zip") == outputs(tmp_path / "plain")


def test_the_example(tmp_path: Path) -> None:
    """configs/shards.yaml on shards such as it speaks of."""
    for i in range(2):
        tar(tmp_path / f"shards/{i:06d}.tar", {"000001.jpg": photo(), "000001.depth.png": depth(), "000002.png": photo(kind="PNG")})
    (tmp_path / "configs").mkdir()
    job = tmp_path / "configs/shards.yaml"
    job.write_text(resources.text("configs", "shards.yaml"), encoding="utf-8")
    assert failures(run(job, settings=["run.workers=1"])) == {}
    assert sorted(outputs(tmp_path / "out")) == ["000000/000001.heic", "000001/000001.heic"]


def test_confidence_and_samples_in_the_archive_or_beside_it(tmp_path: Path) -> None:
    trust = np.full((24, 32), 255, np.uint8)
    trust[:, :8] = 0
    files = {"rgb/1.jpg": photo(), "depth/1.png": depth(32, 24, 500)}
    zipped(tmp_path / "a.zip", files | {"conf/1.png": encoded(trust, "PNG")})
    text = ZIP.replace("{stem}.jpg", "{stem}.npy") + 'refine: {confidence: {path: "conf/{stem}.png"}}\n'
    assert failures(do(tmp_path, text)) == {}
    assert np.array_equal(np.isnan(np.load(tmp_path / "out/a/1.npy")), trust == 0)
    (tmp_path / "conf").mkdir()
    (tmp_path / "conf/1.png").write_bytes(encoded(trust[:, ::-1], "PNG"))
    assert do(tmp_path, text).skipped == 1                          # that in the archive is meant
    zipped(tmp_path / "a.zip", files)
    assert failures(do(tmp_path, text)) == {}
    assert np.array_equal(np.isnan(np.load(tmp_path / "out/a/1.npy")), trust[:, ::-1] == 0)
    (tmp_path / "conf/1.png").unlink()
    with pytest.raises(UsageError, match=r"must match exactly one file for each photo: 0 files for a.zip/rgb/1.jpg"):
        do(tmp_path, text)


def test_links_devices_and_twins_in_a_shard_fail_alone(tmp_path: Path) -> None:
    (tmp_path / "secret.png").write_bytes(depth())
    (tmp_path / "s").mkdir()
    with tarfile.open(tmp_path / "s/a.tar", "w") as archive:
        def add(name: str, data: bytes = b"", kind: bytes = tarfile.REGTYPE, link: str = "") -> None:
            info = tarfile.TarInfo(name)
            info.size, info.type, info.linkname = len(data), kind, link
            archive.addfile(info, io.BytesIO(data))

        for key in ("good", "link", "hard", "device", "twin"):
            add(f"{key}.jpg", photo())
        add("good.depth.png", depth())
        add("link.depth.png", kind=tarfile.SYMTYPE, link="../../secret.png")
        add("hard.depth.png", kind=tarfile.LNKTYPE, link="good.depth.png")
        add("device.depth.png", kind=tarfile.CHRTYPE)
        add("twin.depth.png", depth())
        add("twin.depth.png", depth(32, 24, 900))
    summary = do(tmp_path, SHARDS)
    failed = failures(summary)
    assert summary.done == 1
    assert {key.split("/")[-1]: error for key, (error, _) in failed.items()} == dict.fromkeys(
        ["link.jpg", "hard.jpg", "device.jpg", "twin.jpg"], "UnsupportedError")
    said = {key.split("/")[-1]: message for key, (_, message) in failed.items()}
    assert "is a link to '../../secret.png' instead of a regular file" in said["link.jpg"]
    assert "is a device" in said["device.jpg"] and "the archive has 2 members of this name" in said["twin.jpg"]
