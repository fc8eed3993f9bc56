"""The command line as a user types it."""

from __future__ import annotations

import ctypes
import json
import os
import subprocess
import sys
from pathlib import Path

import cupy_on_cpu
import numpy as np
import pytest
from kernel_kit import host
from photo_kit import gray, heic, plain
from PIL import Image

from gpudepth.cli.app import run_command
from gpudepth.compute import probe


def cli(*arguments: object) -> int:
    return run_command([str(a) for a in arguments])


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    return heic(tmp_path / "photo.heic", 128, 96, 6)


@pytest.fixture
def depth(tmp_path: Path) -> Path:
    return gray(tmp_path / "depth.png", 48, 64)


def test_attach_inspect_extract_remove(tmp_path: Path, photo: Path, depth: Path,
                                       capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "out.heic"
    assert cli("attach", photo, depth, "--near", 0.5, "--far", 12, "-o", out) == 0
    said = capsys.readouterr()
    assert said.out == f"{out}\n"
    assert said.err == "black = 0.50 m, white = 12.00 m, linear in depth, 48×64, hdis as L008\n"

    assert cli("inspect", out, "--json") == 0
    report = json.loads(capsys.readouterr().out)
    assert (report["container"], report["width"], report["height"]) == ("heif", 96, 128)
    d = report["depth"]
    assert {k: d[k] for k in ("quantity", "native_format", "stored_format", "width", "height", "accuracy", "quality",
                              "filtered", "calibration")} == {
        "quantity": "disparity", "native_format": "hdis", "stored_format": "L008", "width": 48, "height": 64,
        "accuracy": "relative", "quality": "high", "filtered": True, "calibration": None}
    assert (d["min"], d["max"]) == pytest.approx((1 / 12, 2), rel=1e-3)
    assert [a["kind"] for a in report["auxiliary"]] == ["depth"]
    assert cli("inspect", out) == 0
    assert "0.5 m to 12 m" in capsys.readouterr().out

    for suffix in ("npy", "npz", "pfm", "png", "tiff"):
        assert cli("extract", out, "-o", tmp_path / f"depth.{suffix}") == 0
    metres = np.load(tmp_path / "depth.npy")
    assert metres.shape == (64, 48)
    assert metres[0, 0] == pytest.approx(0.5, rel=1e-3)
    assert cli("extract", out, "--values", "disparity", "--coded", "-o", tmp_path / "disparity.npy") == 0
    assert np.load(tmp_path / "disparity.npy").shape == (48, 64)

    assert cli("remove", out, "-o", tmp_path / "plain.heic") == 0
    assert (tmp_path / "plain.heic").read_bytes() == photo.read_bytes()


@pytest.mark.parametrize(("options", "said"), [
    (["--near", "0.5", "--far", "12", "--white", "near"], "black = 12.00 m, white = 0.50 m, linear in depth"),
    (["--near", "0.5", "--far", "12", "--curve", "disparity"], "black = 0.50 m, white = 12.00 m, linear in disparity"),
    (["--disparity-range", "1.25,5"], "black = 0.80 m, white = 0.20 m, linear in disparity"),
    (["--scale", "1/256", "--fill", "nearest"], "depth = value · 1/256 m"),
    (["--scale", "mm", "--fill", "far", "--clamp", "0.3,20"], "depth = value · 1/1000 m"),
    (["--near", "0.5", "--far", "12", "--format", "fdep", "--bits", "12"], "fdep as L012"),
    (["--near", "0.5", "--far", "12", "--resize", "24x32"], "24×32"),
    (["--near", "0.5", "--far", "12", "--resize", "32"], "24×32"),
])
def test_attach_says_what_it_understood(tmp_path: Path, photo: Path, depth: Path, options: list[str], said: str,
                                        capsys: pytest.CaptureFixture[str]) -> None:
    assert cli("attach", photo, depth, *options, "-o", tmp_path / "o.heic") == 0
    assert said in capsys.readouterr().err


def test_attach_from_npy_and_from_a_photo(tmp_path: Path, photo: Path, depth: Path) -> None:
    np.save(tmp_path / "d.npy", np.linspace(1, 5, 48 * 64, dtype=np.float32).reshape(64, 48))
    assert cli("attach", photo, tmp_path / "d.npy", "--metric", "-o", tmp_path / "a.heic") == 0
    assert cli("attach", photo, tmp_path / "d.npy", "--values", "depth", "-o", tmp_path / "b.heic") == 0
    assert (tmp_path / "a.heic").read_bytes() == (tmp_path / "b.heic").read_bytes()
    assert cli("attach", photo, tmp_path / "a.heic", "-o", tmp_path / "c.heic") == 0
    assert (tmp_path / "a.heic").read_bytes() == (tmp_path / "c.heic").read_bytes()
    assert cli("attach", photo, depth, "--near", 1, "--far", 2, "--in-place") == 0


@pytest.mark.parametrize(("arguments", "code", "message"), [
    (["attach", "photo.heic", "depth.png", "--near", "12", "--far", "0.5", "-o", "o.heic"], 2, "near (12 m) must be"),
    (["attach", "photo.heic", "depth.png", "--near", "0", "--far", "5", "-o", "o.heic"], 2, "--format hdep"),
    (["attach", "photo.heic", "depth.png", "--near", "1", "-o", "o.heic"], 2, "go together"),
    (["attach", "photo.heic", "depth.png", "-o", "o.heic"], 2, "--near 0.5 --far 12 are the metres at black and white"),
    (["attach", "photo.heic", "depth.png", "--near", "1", "--far", "2"], 2, "-o"),
    (["attach", "photo.heic", "depth.png", "--near", "1", "--far", "2", "--metric", "-o", "o.heic"], 2, "both define"),
    (["attach", "photo.heic", "none.png", "--near", "1", "--far", "2", "-o", "o.heic"], 2, "the file does not exist"),
    (["attach", "none.heic", "depth.png", "--near", "1", "--far", "2", "-o", "o.heic"], 2, "the file does not exist"),
    (["attach", "photo.heic", "wide.png", "--near", "1", "--far", "2", "-o", "o.heic"], 1, "--fit crop"),
    (["attach", "photo.heic", "depth.png", "--scale", "mm", "-o", "o.heic"], 1, "--fill nearest"),
    (["attach", "photo.heic", "depth.png", "--near", "1", "--far", "2", "-o", "no/o.heic"], 74, "does not exist"),
    (["attach", "photo.heic", "depth.png", "--near", "1", "--far", "2", "-o", "o.bmp"], 2, "suffix"),
    (["attach", "photo.heic", "depth.png", "--near", "1", "--far", "2", "-o", "o.jpg"], 1, "photos keep their format"),
    (["attach", "photo.heic", "depth.png", "--near", "1", "--far", "2", "--bits", "9", "-o", "o.heic"], 2, "8, 10, 12 or 16"),
    (["attach", "photo.heic", "depth.png", "--near", "1", "--far", "2", "--backend", "cupy", "-o", "o.heic"], 1, "cupy"),
    (["attach", "photo.heic", "depth.png", "--resize", "axb", "--near", "1", "--far", "2", "-o", "o.heic"], 2, "188x250"),
    (["attach", "photo.heic", "depth.png", "--clamp", "1", "--near", "1", "--far", "2", "-o", "o.heic"], 2, "two distances"),
    (["attach", "photo.jpg", "depth.png", "--near", "1", "--far", "2", "-o", "o.heic"], 2, "--transcode"),
    (["attach", "cut.heic", "depth.png", "--near", "1", "--far", "2", "-o", "o.heic"], 1, "cut.heic: mdat"),
    (["attach", "empty.heic", "depth.png", "--near", "1", "--far", "2", "-o", "o.heic"], 1, "empty"),
    (["extract", "photo.heic", "-o", "d.npy"], 1, "holds no depth"),
    (["extract", "depth.png", "-o", "d.npy"], 1, "the format of this file cannot hold depth"),
    (["remove", "photo.heic", "-o", "x.heic"], 1, "no depth to remove"),
    (["inspect", "none.heic"], 2, "the file does not exist"),
    (["nonsense"], 2, "No such command"),
    (["attach", "--nonsense"], 2, "No such option"),
    (["demo"], 2, "pass either a folder or --fixtures DIR"),
    (["run", "none.yaml"], 2, "no such job file"),
    (["run", "bad.yaml"], 2, "bad.yaml:2: encoding.naer: unknown key; did you mean near?"),
    (["run", "good.yaml", "--shard", "x"], 2, "not I/N"),
])
def test_exit_codes_and_messages(tmp_path: Path, photo: Path, depth: Path, arguments: list[str], code: int, message: str,
                                 capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    gray(tmp_path / "wide.png", 100, 40)
    plain(tmp_path / "photo.jpg", 96, 128)
    (tmp_path / "cut.heic").write_bytes(photo.read_bytes()[:-50])
    (tmp_path / "empty.heic").write_bytes(b"")
    (tmp_path / "bad.yaml").write_text("source: {color: a, depth: b}\nencoding: {naer: 1}\noutput: {path: c}\nx: 1\n")
    (tmp_path / "good.yaml").write_text("source: {color: a, depth: b}\noutput: {path: c}\n")
    before = sorted(p.name for p in tmp_path.iterdir())
    assert cli(*arguments) == code
    said = capsys.readouterr()
    assert message in said.err
    assert said.out == ""
    assert "Traceback" not in said.err
    assert sorted(p.name for p in tmp_path.iterdir()) == before


def test_all_job_mistakes_are_printed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "bad.yaml"
    path.write_text("source: {color: a}\nencoding: {naer: 1}\nx: 1\n")
    assert cli("config", "validate", path) == 2
    said = capsys.readouterr().err
    for part in ("bad.yaml:1: source.depth: is missing", "bad.yaml:2: encoding.naer", "bad.yaml:3: x: unknown key",
                 "output: is missing"):
        assert part in said


def test_run_dry_run_and_config(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "photos").mkdir()
    (tmp_path / "depth").mkdir()
    for i in range(3):
        heic(tmp_path / "photos" / f"a{i}.heic", 64, 48)
        gray(tmp_path / "depth" / f"a{i}.png", 32, 24)
    job = tmp_path / "job.yaml"
    job.write_text('source: {color: "photos/*.heic", depth: "depth/{stem}.png"}\nencoding: {near: 1, far: 4}\n'
                   'output: {path: "out/{stem}.heic"}\nrun: {workers: 1}\n')
    assert cli("run", job, "--dry-run") == 0
    assert "3 items" in capsys.readouterr().out
    assert not (tmp_path / "out").exists()
    assert cli("run", job, "--json") == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert lines[-1] == {"done": 3, "skipped": 0, "failed": 0}
    gray(tmp_path / "depth" / "a1.png", 99, 24)
    assert cli("run", job, "--set", "encoding.far=5") == 3
    said = capsys.readouterr()
    assert "1 of 3 items failed" in said.err
    assert said.out.count("out/a") == 2
    assert cli("config", "validate", job) == 0
    assert cli("config", "show", job, "--set", "encoding.far=7") == 0
    assert "far: 7.0" in capsys.readouterr().out
    assert cli("config", "schema") == 0
    assert json.loads(capsys.readouterr().out.partition("valid\n")[2] or "{}") is not None


def test_help_of_every_verb(capsys: pytest.CaptureFixture[str]) -> None:
    for verb in ("attach", "extract", "inspect", "remove", "run", "demo", "config"):
        assert cli(verb, "--help") == 0
        said = capsys.readouterr().out
        assert "Usage: gpudepth" in said
        if verb != "config":
            assert f"gpudepth {verb}" in said.partition("\n")[2]
    assert cli("--version") == 0
    assert capsys.readouterr().out.startswith("gpudepth ")


def test_a_bug_is_exit_code_70(photo: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    from gpudepth import api

    monkeypatch.setattr(api, "inspect", lambda path: 1 // 0)
    assert cli("inspect", photo) == 70
    said = capsys.readouterr().err
    assert "ZeroDivisionError" in said and "report it" in said


def test_names_that_are_no_text(tmp_path: Path, photo: Path, depth: Path) -> None:
    """Spaces, newlines, bytes that are no UTF-8: results name them byte for byte."""
    for name in (b"a b.heic", b"new\nline.heic", b"caf\xe9.heic", "日本.heic".encode()):
        odd = os.fsencode(tmp_path) + b"/" + name
        Path(os.fsdecode(odd)).write_bytes(photo.read_bytes())
        out = odd + b".out.heic"
        command = [sys.executable, "-m", "gpudepth", "attach", odd, str(depth), "--near", "1", "--far", "2", "-o", out]
        run = subprocess.run(command, capture_output=True, check=False)
        assert (run.returncode, run.stdout) == (0, out + b"\n"), run.stderr
        for verb in ("inspect", "extract"):
            more = ["-o", odd + b".npy"] if verb == "extract" else ["--json"]
            again = subprocess.run([sys.executable, "-m", "gpudepth", verb, out, *more], capture_output=True, check=False)
            assert again.returncode == 0, again.stderr
        missing = subprocess.run([sys.executable, "-m", "gpudepth", "inspect", odd + b"x"], capture_output=True,
                                 env={**os.environ, "PYTHONIOENCODING": "ascii"}, check=False)
        assert missing.returncode == 2 and b"the file does not exist" in missing.stderr


def test_as_a_process(tmp_path: Path, photo: Path, depth: Path) -> None:
    """The installed entry point, in a locale that is not UTF-8."""
    environment = {**os.environ, "LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONIOENCODING": ""}
    run = subprocess.run([sys.executable, "-m", "gpudepth", "attach", str(photo), str(depth), "--near", "0.5", "--far",
                          "12", "-o", str(tmp_path / "o.heic")], capture_output=True, env=environment, check=False)
    assert run.returncode == 0, run.stderr


def test_refining_from_the_command_line(tmp_path: Path, photo: Path, capsys: pytest.CaptureFixture[str]) -> None:
    metres = np.linspace(1, 4, 48 * 64, dtype=np.float32).reshape(64, 48)
    metres[10:14, 10:14] = np.nan
    np.save(tmp_path / "depth.npy", metres)
    out = tmp_path / "out.heic"
    assert cli("attach", photo, tmp_path / "depth.npy", "--metric", "--resize", "96x128", "--resize-method", "guided", "--smooth",
               "median3", "--fill", "inpaint", "-o", out) == 0
    said = capsys.readouterr().err
    assert "96×128" in said
    assert "% of the map (inpaint)" in said

    np.save(tmp_path / "relative.npy", 5 / metres + 2)
    np.save(tmp_path / "lidar.npy", metres[2::4, 2::4])
    np.save(tmp_path / "trust.npy", np.full((16, 12), 2, np.uint8))
    assert cli("attach", photo, tmp_path / "relative.npy", "--align-to", tmp_path / "lidar.npy", "--fill", "nearest", "--confidence",
               tmp_path / "trust.npy", "--confidence-highest", 2, "-o", out, "--json") == 0
    report = json.loads(capsys.readouterr().out)
    assert "aligned by" in report["said"]
    assert report["near"] == pytest.approx(1, rel=0.05)

    for wrong in (["--align-scale", "mm"], ["--align-in", "depth"], ["--resize-method", "cubic", "--resize", "99"], ["--smooth", "gauss"],
                  ["--fill", "magic"], ["--confidence-highest", "2"], ["--resize-method", "guided"], ["--smooth", ""],
                  ["--confidence", tmp_path / "trust.npy", "--confidence-highest", "0"], ["--align-to", tmp_path / "lidar.npy", "--align-in", "time"]):
        assert cli("attach", photo, tmp_path / "depth.npy", "--metric", "-o", out, *wrong) == 2, wrong


def test_bench(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    assert cli("bench", "--megapixels", 0.001, "--seconds", 0, "--backend", "numpy") == 0
    said = capsys.readouterr().out.splitlines()
    assert said[-1] == "GPU: not measured; gpudepth doctor shows the reason"
    assert any(line.startswith("upsample") for line in said)
    assert cli("bench", "--megapixels", 0.001, "--seconds", 0, "--only", "median", "--json", "--backend", "numpy") == 0
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [row["stage"] for row in rows] == ["median 3×3", "median 5×5"]
    assert set(rows[0]["numpy"]) == {"ms", "gb_per_s", "copies"}
    assert cli("bench", "--megapixels", 1e6) == 2
    assert cli("bench", "--only", "nothing", "--megapixels", 0.001, "--seconds", 0) == 2

    host()
    for name, module in cupy_on_cpu.modules().items():
        monkeypatch.setitem(sys.modules, name, module)
    monkeypatch.setattr(probe, "_driver", lambda: None)
    probe._steps.cache_clear()
    try:
        assert cli("bench", "--megapixels", 0.001, "--seconds", 0, "--json", "--backend", "cupy") == 0
    finally:
        probe._steps.cache_clear()
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert all(set(row) == {"stage", "numpy", "cupy, there", "cupy, trip"} for row in rows)


def test_presets(tmp_path: Path, photo: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli("presets") == 0
    assert "tum-rgbd" in capsys.readouterr().out
    assert cli("presets", "middlebury") == 0
    assert "baseline_m (needed)" in capsys.readouterr().out
    assert cli("presets", "--json") == 0
    assert {"name", "stated in", "needs"} <= set(json.loads(capsys.readouterr().out.splitlines()[0]))
    assert cli("presets", "middleburry") == 2
    codes = np.linspace(5000, 20000, 48 * 64).astype(np.uint16).reshape(64, 48)
    Image.fromarray(codes).save(tmp_path / "tum.png")
    out = tmp_path / "out.heic"
    assert cli("attach", photo, tmp_path / "tum.png", "--preset", "tum-rgbd", "-o", out, "--json") == 0
    report = json.loads(capsys.readouterr().out)
    assert (report["near"], report["far"]) == (pytest.approx(1, rel=1e-3), pytest.approx(4, rel=1e-3))
    assert cli("inspect", out) == 0
    assert "accuracy absolute" in capsys.readouterr().out
    assert cli("attach", photo, tmp_path / "tum.png", "--preset", "midas", "--near", 1, "--far", 4, "-o", out, "--json") == 0
    assert json.loads(capsys.readouterr().out)["said"].startswith("smallest = 4.00 m, largest = 1.00 m, linear in disparity")
    np.save(tmp_path / "lidar.npy", (codes / 5000).astype(np.float32))
    assert cli("attach", photo, tmp_path / "tum.png", "--preset", "marigold", "--align-to", tmp_path / "lidar.npy", "-o", out) == 0
    assert "relative depth, aligned by" in capsys.readouterr().err
    assert cli("convert", tmp_path / "tum.png", "--preset", "tum-rgbd", "-o", tmp_path / "m.npy") == 0
    assert np.load(tmp_path / "m.npy")[0, 0] == pytest.approx(1, rel=1e-3)
    for wrong in (["--preset", "midas"], ["--preset", "tum-rgbd", "--metric"], ["--preset", "nothing"], ["--metric", "--focal-px", "3"],
                  ["--preset", "kitti-disparity", "--focal-px", "700"]):
        assert cli("attach", photo, tmp_path / "tum.png", "-o", out, *wrong) == 2, wrong


def test_doctor(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli("doctor") == 0
    said = capsys.readouterr().out
    for word in ("machine", "processors", "extras", "gpudepth[estimate]", "packages", "numpy", "codecs", "ok  HEVC depth", "8, 10 and 12 bits", "gpu", "wanted", "device", "trial", "back end"):
        assert word in said
    assert cli("doctor", "--json") == 0
    rooms = json.loads(capsys.readouterr().out)
    for private in (str(Path.home()), os.environ.get("USER", "nobody-at-all"), str(Path.cwd())):
        assert private == "root" or private not in said
    assert [f["name"] for f in rooms["gpu"]][:6] == ["wanted", "cupy", "device", "capability", "kernels", "trial"]


def test_what_runs_where(tmp_path: Path, photo: Path, depth: Path) -> None:
    """A photo is processed by numpy, which looks for no GPU; cupy is an error where there is none."""
    def lines(*options: str, **env: str) -> list[str]:
        done = subprocess.run([sys.executable, "-m", "gpudepth", "attach", photo, depth, "--near", "1", "--far", "2", "-o", tmp_path / "o.heic", *options],
                              capture_output=True, text=True, check=False, env={**os.environ, "GPUDEPTH_BACKEND": "", **env})
        assert done.returncode == (1 if "cupy" in options else 0), done.stderr
        return done.stderr.splitlines()

    assert len(lines()) == 1
    assert len(lines("-v")) == 1
    assert len(lines(GPUDEPTH_BACKEND="numpy")) == 1
    try:
        ctypes.CDLL("libcuda.so.1")
        pytest.skip("there is a driver here")
    except OSError:
        assert "error: the back end cupy cannot be used: " in lines("--backend", "cupy")[0]


def test_merge(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("photos", "depth"):
        (tmp_path / name).mkdir()
    for i in range(4):
        heic(tmp_path / "photos" / f"{i}.heic", 64, 48)
        gray(tmp_path / "depth" / f"{i}.png")
    (tmp_path / "depth" / "2.png").write_bytes(b"")
    job = tmp_path / "job.yaml"
    job.write_text('source: {color: "photos/*", depth: "depth/{stem}.png"}\nencoding: {near: 1, far: 2}\n'
                   'output: {path: "out/{stem}.heic"}\nrun: {workers: 1}\n')
    assert cli("merge", job) == 2
    assert "no shard has run" in capsys.readouterr().err
    assert cli("run", job, "--engine", "local", "--shards", 2, "-q") == 3
    assert cli("run", job, "--engine", "local", "--shards", 2, "-q", "--exit-zero") == 0
    capsys.readouterr()
    assert cli("merge", job) == 3
    said = capsys.readouterr()
    assert said.out == f"{tmp_path / 'out' / 'gpudepth-ledger.jsonl'}\n"
    assert said.err.startswith("failed: photos/2.heic: ")
    assert "\n3 done, 1 failed, 0 missing\n" in said.err
    assert cli("merge", job, "--json") == 3
    report = json.loads(capsys.readouterr().out)
    assert (report["done"], report["shards"], report["left"][0]["key"]) == (3, ["0/2", "1/2"], "photos/2.heic")
    gray(tmp_path / "depth" / "2.png")
    assert cli("run", job, "--shard", "0/2", "-q") == 0
    assert cli("run", job, "--shard", "1/2", "-q") == 0
    assert cli("merge", job) == 0


def test_sigterm_ends_any_verb(tmp_path: Path) -> None:
    """Also one that is process 1 of a container: it has a handler."""
    process = subprocess.Popen([sys.executable, "-u", "-m", "gpudepth", "demo", str(tmp_path / "demo")],
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert "rendering" in process.stdout.readline()
    process.terminate()
    _, errors = process.communicate(timeout=60)
    assert (process.returncode, errors) == (143, "")


@pytest.mark.parametrize(("words", "wanted"), [("gpudepth pre", {"presets", "preview"}), ("gpudepth config sch", {"schema"}),
                                               ("gpudepth attach --preset kitti", {"kitti-depth", "kitti-disparity"})])
def test_shells_complete(words: str, wanted: set[str]) -> None:
    environment = {**os.environ, "_GPUDEPTH_COMPLETE": "bash_complete", "COMP_WORDS": words, "COMP_CWORD": str(len(words.split()) - 1)}
    done = subprocess.run([Path(sys.executable).with_name("gpudepth")], env=environment, capture_output=True, text=True, check=True)
    assert {line.removeprefix("plain,") for line in done.stdout.split()} == wanted
