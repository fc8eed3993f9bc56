"""What a newcomer meets: half-right commands in a fresh folder, each answered by what is wrong and what to type next."""

from __future__ import annotations

import shlex
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from photo_kit import gray, heic, plain
from PIL import Image

import gpudepth
from gpudepth.batch.ledger import Ledger
from gpudepth.cli.app import run_command

JOB = """\
source: {color: "photos/*", depth: "depth/{stem}.png"}
encoding: {near: 0.5, far: 12}
output: {path: "out/{stem}.heic", transcode: true}
"""
JOBS = {"job": JOB, "typo": JOB.replace("near", "naer"), "words": JOB.replace("12", "twelve"),
        "twice": JOB + "encoding: {near: 1, far: 2}\n", "tabs": 'source:\n\tcolor: "a"\n', "open": "source: {color: [\n",
        "swapped": JOB.replace("far: 12", "far: 0.1"), "nophotos": JOB.replace("photos/*", "photo/*"),
        "nomaps": JOB.replace("depth/{", "depht/{"), "onefile": JOB.replace("{stem}.heic", "all.heic"),
        "placeholder": JOB.replace("{stem}.png", "{step}.png"), "kept": JOB.replace(", transcode: true", ""),
        "nomeaning": "".join(JOB.splitlines(keepends=True)[::2]), "text": "just text\n", "nothing": "",
        "relative": JOB.replace("near: 0.5, far: 12", "preset: midas"),
        "preset": JOB.replace("near: 0.5, far: 12", "preset: midsa")}


@pytest.fixture(scope="module")
def fresh(tmp_path_factory: pytest.TempPathFactory) -> Path:
    at = tmp_path_factory.mktemp("fresh")
    for name in ("photos", "depth", "empty", "done/out"):
        (at / name).mkdir(parents=True)
    for n in (1, 2):
        plain(at / f"photos/p{n}.jpg", 64, 48)
        gray(at / f"depth/p{n}.png")
    heic(at / "photo.heic", 64, 48)
    heic(at / "other.heic", 64, 48)
    plain(at / "photo.jpg", 64, 48)
    plain(at / "picture.png", 64, 48)
    gray(at / "map.png")
    metres = np.linspace(2, 8, 64 * 48, dtype=np.float32).reshape(48, 64)
    np.save(at / "metres.npy", metres)
    np.save(at / "relative.npy", metres * 40 - 200)
    np.savez(at / "two.npz", near=metres, far=metres)
    holes = metres.copy()
    holes[:4] = np.nan
    np.save(at / "holes.npy", holes)
    Image.fromarray((metres * 1000).astype(np.uint16)).save(at / "mm.png")
    gray(at / "turned.png", 48, 64)
    gray(at / "square.png", 48, 48)
    ramp = np.linspace(0, 1, 64 * 48).reshape(48, 64)
    import cv2

    cv2.imwrite(str(at / "coloured.png"), cv2.applyColorMap((ramp * 255).astype(np.uint8), cv2.COLORMAP_INFERNO))
    gpudepth.attach(at / "photo.heic", metres, at / "has.heic")
    (at / "notes.txt").write_text("x")
    (at / "text.jpg").write_text("hello")
    (at / "empty.jpg").touch()
    (at / "cut.heic").write_bytes((at / "photo.heic").read_bytes()[:-20])
    for name, text in JOBS.items():
        (at / f"{name}.yaml").write_text(text)
    (at / "done/out/gpudepth-ledger.jsonl").touch()
    return at


MEANT = "--near 0.5 --far 12"
CASES = [
    # attach: what goes where
    ("attach photo.heic", 2, "the output is missing", "-o photo_out.heic", "--in-place"),
    (f"attach photo.heic {MEANT} -o o.heic", 2, "the map is missing", "gpudepth attach PHOTO MAP"),
    (f"attach photo.hiec map.png {MEANT} -o o.heic", 2, "the file does not exist", "did you mean photo.heic?"),
    (f"attach photos/p3.jpg map.png {MEANT} -o o.jpg", 2, "photos/p3.jpg: the file does not exist"),
    (f"attach fotos/p1.jpg map.png {MEANT} -o o.jpg", 2, "no folder fotos", "did you mean photos?"),
    (f"attach photos depth {MEANT} -o out", 2, "attach takes one photo", "gpudepth init ."),
    (f"attach photo.heic depth {MEANT} -o o.heic", 1, "is a folder", "gpudepth init FOLDER"),
    (f"attach map.png photo.heic {MEANT} -o o.heic", 2, "the photo comes first", "gpudepth attach photo.heic map.png"),
    (f"attach map.png photo.jpg {MEANT} -o o.heic", 2, "the photo comes first", "gpudepth attach photo.jpg map.png"),
    (f"attach photo.heic other.heic {MEANT} -o o.heic", 1, "other.heic: the file holds no depth", "the second argument"),
    (f"attach photo.heic map.png {MEANT} -o photo.heic", 2, "the output would overwrite its own input", "--in-place"),
    (f"attach photo.heic map.png {MEANT} --in-place -o o.heic", 2, "use either -o or --in-place, not both"),
    (f"attach photo.heic map.png {MEANT} -o no/o.heic", 74, "no does not exist", "mkdir -p no"),
    (f"attach photo.heic map.png {MEANT} -o empty", 2, "is a folder", "-o empty/out.heic"),
    (f"attach photo.heic map.png {MEANT} -o o", 2, "no suffix", "-o o.heic"),
    (f"attach photo.heic map.png {MEANT} -o o.jpg", 1, "photos keep their format", "-o o.heic"),
    (f"attach photo.jpg map.png {MEANT} -o o.heic", 2, "re-encodes the picture", "-o o.jpg", "--transcode"),
    (f"attach picture.png map.png {MEANT} -o o.jpg", 1, "cannot hold depth itself", "-o o.heic"),
    (f"attach has.heic map.png {MEANT} -o o.heic", 1, "already has depth", "--replace-depth"),
    (f"attach text.jpg map.png {MEANT} -o o.jpg", 1, "the format of this file cannot hold depth"),
    (f"attach empty.jpg map.png {MEANT} -o o.jpg", 1, "the file is empty"),
    (f"attach cut.heic map.png {MEANT} -o o.heic", 1, "cut.heic: mdat", "exceeds the file"),
    (f"attach photo.heic map.png {MEANT} -o f/%06d.heic", 1, "is a still picture", "-o out.heic"),
    # attach: what the map means
    ("attach photo.heic map.png -o o.heic", 2, "nothing defines what the values of the map mean", MEANT, "--metric", "--scale mm", "gpudepth presets"),
    ("attach photo.heic map.png --near 12 --far 0.5 -o o.heic", 2, "must be smaller than far", "--white near"),
    ("attach photo.heic map.png --near 0.5 -o o.heic", 2, "go together", MEANT),
    ("attach photo.heic map.png --near 0,5 --far 12 -o o.heic", 2, "'--near'", "'0,5' is not a valid float"),
    (f"attach photo.heic metres.npy {MEANT} -o o.heic", 2, "holds floats from 2 to 8", "--metric"),
    ("attach photo.heic relative.npy --metric -o o.heic", 1, "no finite value", "--fill nearest", "the values may not be metres, which are never negative"),
    (f"attach photo.heic coloured.png {MEANT} -o o.heic", 1, "coloured with a palette", "--grayscale"),
    (f"attach photo.heic turned.png {MEANT} -o o.heic", 1, "fits after a turn by 90°", "--coded"),
    (f"attach photo.heic square.png {MEANT} -o o.heic", 1, "aspects differ by 25.0%", "--fit crop"),
    ("attach photo.heic holes.npy --metric -o o.heic", 1, "256 of 3,072 pixels", "--fill nearest"),
    ("attach photo.heic two.npz --metric -o o.heic", 1, "more than one array", "--key"),
    ("attach photo.heic map.png --preset midas -o o.heic", 2, "only correct up to scale and shift", MEANT, "--align-to"),
    ("attach photo.heic map.png --preset midsa -o o.heic", 2, "unknown preset", "did you mean midas?"),
    ("attach photo.heic map.png --preset kitty -o o.heic", 2, "did you mean kitti-depth or kitti-disparity?"),
    (f"attach photo.heic has.heic {MEANT} -o o.heic", 2, "do not apply to depth that has a range in metres", "leave them out"),
    (f"attach photo.heic notes.txt {MEANT} -o o.heic", 1, "not a known kind of map", "PNG"),
    (f"attach photo.heic map.png {MEANT} --backend cupy -o o.heic", 1, "cannot be used", "gpudepth doctor", "--backend numpy"),
    (f"attach photo.heic map.png {MEANT} --fill neerest -o o.heic", 2, "expected nearest, far, near or inpaint"),
    ("attach photo.heic --estimate m.onnx --preset midas --near 1 --far 2 -o o.heic", 2, "the model does not exist", "ONNX"),
    # the other verbs on files
    ("convert photo.heic -o o.plist", 1, "holds no depth", "--near and --far"),
    ("convert has.heic", 2, "the output is missing", "-o has_out.heic"),
    ("extract photo.heic -o d.npy", 1, "holds no depth", "gpudepth inspect"),
    ("extract photos -o d", 2, "a folder requires --as LAYOUT", "--as png16"),
    ("extract photos --as png16 -o ds", 2, "no photo with depth"),
    ("extract nothing --as png16 -o ds", 2, "the file or folder does not exist"),
    ("extract has.heic --as png61 -o ds", 2, "unknown layout", "one of png16"),
    ("inspect photos", 1, "the path is a folder", "give a file in it"),
    ("inspect photo.hiec", 2, "did you mean photo.heic?"),
    ("remove photo.heic -o p.heic", 1, "the photo has no depth to remove"),
    ("remove has.heic -o p.jpg", 2, "the output must be a heif file like has.heic", "-o p.heic"),
    ("preview photo.heic", 1, "holds no depth", "gpudepth attach photo.heic MAP"),
    ("preview photos", 2, "a folder requires --sheet", "gpudepth preview photos --sheet -o sheet.png"),
    ("preview photos --sheet", 2, "--sheet requires an output in .png", "-o sheet.png"),
    ("presets kitti", 2, "did you mean kitti-depth or kitti-disparity?"),
    ("presets nope", 2, "unknown preset", "gpudepth presets lists them"),
    ("bench --only nope", 2, "no stage has 'nope' in its name", "gpudepth bench lists all stages"),
    ("demo", 2, "pass either a folder or --fixtures DIR", "gpudepth demo demo-out"),
    ("check", 2, "pass either files to check or --apple-report", "gpudepth check out.heic"),
    ("atach photo.heic", 2, "Did you mean 'attach'?"),
    # jobs
    ("run nothing.yml", 2, "no such job file", "did you mean nothing.yaml?"),
    ("run nowhere.yaml", 2, "no such job file", "gpudepth init FOLDER"),
    ("run .", 2, "expected a job file", "did you mean job.yaml?"),
    ("run photos", 2, "expected a job file", "gpudepth init photos"),
    ("run photo.heic", 2, "not a UTF-8 text file"),
    ("run text.yaml", 2, "a job is a mapping"),
    ("run nothing.yaml", 2, "source: is missing", "output: is missing"),
    ("run open.yaml", 2, "open.yaml:2: not YAML", "brackets and quotes are closed"),
    ("run tabs.yaml", 2, "tabs.yaml:2: there is a tab; YAML is indented with spaces"),
    ("run twice.yaml", 2, "twice.yaml:4: encoding is there twice (first in line 2)"),
    ("run typo.yaml", 2, "typo.yaml:2: encoding.naer: unknown key; did you mean near?"),
    ("config validate typo.yaml", 2, "did you mean near?"),
    ("run words.yaml", 2, "words.yaml:2: encoding.far", "it is 'twelve'"),
    ("run swapped.yaml", 2, "swapped.yaml:2: encoding", "must be smaller than far"),
    ("run relative.yaml", 2, "relative.yaml:2: encoding: the preset midas", "encoding.near: 0.5"),
    ("run preset.yaml", 2, "preset.yaml:2: encoding", "did you mean midas?"),
    ("run nophotos.yaml", 2, "the folder named by 'photo/*' does not exist", "photos/"),
    ("run nomaps.yaml", 2, "no map for some photos", "did you mean depth?", "source.allow_missing: true"),
    ("run placeholder.yaml", 2, "undefined placeholder {step}", "{stem}"),
    ("run onefile.yaml", 2, "would write the same file", "{stem}"),
    ("run job.yaml --set encoding.fra=12", 2, "did you mean far?"),
    ("run job.yaml --set encoding.far", 2, "not key=value", "--set encoding.far=12"),
    ("run job.yaml --shard 4/4", 2, "shards are numbered from 0", "--shard 0/4 to 3/4"),
    ("run job.yaml --shard 0/0", 2, "shards are numbered from 0", "--shard 0/1"),
    ("run job.yaml --shard 1", 2, "is not I/N", "--shard 0/4"),
    ("run job.yaml --engine ray", 2, "the number of shards", "--shards 4"),
    ("run job.yaml --engine rya", 2, "unknown engine", "one of local, ray, dask"),
    ("run job.yaml --plan none.jsonl", 2, "the plan does not exist", "gpudepth plan job.yaml -o none.jsonl"),
    ("run job.yaml --sample 2", 2, "--sample requires --dry-run"),
    ("run job.yaml --set output.path=photos/{stem}.jpg", 2, "it is an input", "another folder"),
    ("run job.yaml --set run.backend=cupy", 1, "cannot be used", "gpudepth doctor"),
    ("merge job.yaml", 2, "no shard has run here", "gpudepth run job.yaml --shard 0/4"),
    ("plan job.yaml -o no/plan.jsonl", 74, "no does not exist", "mkdir -p no"),
    ("report empty", 2, "the ledger does not exist", "output.path"),
    ("report done", 2, "the ledger does not exist", "gpudepth report done/out"),
    ("report job.yaml", 2, "the ledger has no rows"),
    ("init nothing", 2, "the folder does not exist"),
    ("init photo.heic", 2, "a folder is expected", "gpudepth init ."),
    ("init empty", 2, "no photos with maps were found", "gpudepth demo demo-out"),
    ("init photos", 2, "no photos with maps", "gpudepth extract photos", "--estimate MODEL.onnx", "the folder above"),
    ("init .", 2, "the job exists already", "--force"),
]


def tree(folder: Path) -> set[Path]:
    return set(folder.rglob("*"))


@pytest.mark.parametrize(("line", "code", "words"), [(line, code, words) for line, code, *words in CASES],
                         ids=[line for line, *_ in CASES])
def test_what_happened_and_what_to_type_next(
        fresh: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], line: str, code: int,
        words: list[str]) -> None:
    monkeypatch.chdir(fresh)
    before = tree(fresh)
    assert run_command(shlex.split(line)) == code
    out, err = capsys.readouterr()
    for word in words:
        assert word in err, err
    assert "Traceback" not in err
    assert out == ""
    assert tree(fresh) == before


def test_names_can_be_pasted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
                             capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(tmp_path)
    photo, map_ = heic(tmp_path / "my photo.heic", 64, 48), gray(tmp_path / "my map.png")
    assert run_command(["attach", str(photo), str(map_)]) == 2
    assert "-o 'my photo_out.heic'" in capsys.readouterr().err
    assert run_command(["attach", map_.name, photo.name, "--near", "1", "--far", "2", "-o", "o.heic"]) == 2
    assert "gpudepth attach 'my photo.heic' 'my map.png'" in capsys.readouterr().err
    assert run_command(["attach", photo.name, map_.name, "--near", "1", "--far", "2", "-o", "a b/o.heic"]) == 74
    assert "mkdir -p 'a b'" in capsys.readouterr().err


@pytest.mark.parametrize(("line", "word"), [
    ("attach photo.heic mm.png --metric -o {}", "note: all depths are 1,999 m or more; if the values are millimetres, use --scale mm"),
    (f"attach photo.heic mm.png {MEANT} -o {{}}", "note: the map uses only gray from 3% to 12% of white"),
    ("attach photo.heic mm.png --scale mm -o {}", ""), (f"attach photo.heic map.png {MEANT} -o {{}}", "")])
def test_what_looks_odd_is_said_and_done_all_the_same(
        fresh: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], line: str,
        word: str) -> None:
    monkeypatch.chdir(fresh)
    assert run_command(shlex.split(line.format(tmp_path / "o.heic"))) == 0
    err = capsys.readouterr().err
    assert word in err
    assert ("note: " in err) == bool(word)


def test_runs(fresh: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(fresh)
    put = ["--set", f"output.path={tmp_path}/{{stem}}.heic"]
    assert run_command(["run", "kept.yaml", "--dry-run", *put]) == 0
    assert "photos/p1.jpg cannot become" in capsys.readouterr().out
    assert run_command(["run", "nomeaning.yaml", "-q", *put]) == 3
    err = capsys.readouterr().err
    assert "2 of 2 items failed; the first: depth/p" in err
    assert "nothing defines what the values of the map mean" in err
    again = shlex.join(["gpudepth", "run", "nomeaning.yaml", *put])
    assert f"gpudepth report {tmp_path} shows the reasons; {again} retries these items" in err
    with Ledger(tmp_path / "gpudepth-ledger.jsonl"):
        assert run_command(["run", "job.yaml", *put]) == 75
    assert "another run" in capsys.readouterr().err
    assert run_command(["run", "job.yaml", "-q", *put]) == 0
    assert run_command(["run", "job.yaml", "-q", *put]) == 0
    assert "0 done, 2 already done" in capsys.readouterr().err


@pytest.mark.parametrize(("folder", "said"), [
    ("notes.txt", "Not a directory"),
    pytest.param("/proc", "its folder does not take files", marks=pytest.mark.skipif(sys.platform != "linux", reason="no /proc"))])
def test_folders_where_nothing_can_be_written(fresh: Path, monkeypatch: pytest.MonkeyPatch,
                                              capsys: pytest.CaptureFixture[str], folder: str, said: str) -> None:
    monkeypatch.chdir(fresh)
    assert run_command(shlex.split(f"attach photo.heic map.png {MEANT} -o {folder}/o.heic")) == 74
    assert said in capsys.readouterr().err


@pytest.mark.parametrize(("module", "line", "code", "word"), [
    ("onnxruntime", "attach photo.heic --estimate notes.txt --preset midas --near 1 --far 2 -o o.heic", 2, "gpudepth[estimate]"),
    ("OpenEXR", "extract has.heic -o d.exr", 2, "gpudepth[exr]"), ("s3fs", "run job.yaml --set source.color=s3://b/*.jpg", 2, "gpudepth[s3]"),
    ("ray", "run job.yaml --engine ray --shards 2", 2, "gpudepth[ray]"),
    ("cupy", f"attach photo.heic map.png {MEANT} --backend cupy -o o.heic", 1, "gpudepth[gpu]")])
def test_extras_that_are_missing(fresh: Path, module: str, line: str, code: int, word: str) -> None:
    program = f"import sys; sys.modules[{module!r}] = None; from gpudepth.cli.app import run_command; sys.exit(run_command({shlex.split(line)!r}))"
    before = tree(fresh)
    done = subprocess.run([sys.executable, "-c", program], cwd=fresh, capture_output=True, text=True, check=False)
    assert done.returncode == code, done.stderr
    assert f"pip install '{word}'" in done.stderr
    assert tree(fresh) == before
