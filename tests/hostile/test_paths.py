"""Paths that are no files, names that are no text, templates that are no names: on the command line, as users meet them.

Each is refused or handled; no command waits, none writes anywhere but where it was told to.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import tarfile
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import video_kit
from archive_kit import depth as depth_bytes
from archive_kit import photo as photo_bytes
from photo_kit import gray, plain

from gpudepth.cli.app import run_command

SECONDS = 30
RANGE = ("--near", "0.5", "--far", "12")


class Hangs(BaseException):
    """No error of a program: nothing may catch it."""


@pytest.fixture(autouse=True)
def _alarm() -> Iterator[None]:
    def stop(signum: int, frame: object) -> None:
        raise Hangs

    before = signal.signal(signal.SIGALRM, stop)
    signal.alarm(SECONDS)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a sound photo, map and clip in it, and the working directory."""
    base = tmp_path / "here"
    base.mkdir()
    plain(base / "photo.jpg", 64, 48)
    gray(base / "depth.png")
    np.savez(base / "depth.npz", depths=np.linspace(0.1, 1, 3 * 64 * 48, dtype=np.float32).reshape(3, 48, 64))
    video_kit.colour(base / "colour.mp4", 3, width=64, height=48)
    monkeypatch.chdir(base)
    return base


def _fifo(path: Path) -> None:
    os.mkfifo(path)


def _socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as end:
        end.bind(path.name)     # relative: addresses are short


def _loop(path: Path) -> None:
    path.symlink_to(path.name)


ODD = {"fifo": _fifo, "socket": _socket, "zero": lambda path: path.symlink_to("/dev/zero"), "loop": _loop,
       "dangling": lambda path: path.symlink_to("nothing"), "folder": Path.mkdir,
       "link to fifo": lambda path: (_fifo(path.with_name("pipe")), path.symlink_to("pipe"))}

COMMANDS = {
    "inspect": ("inspect", "X.jpg"),
    "inspect clip": ("inspect", "X.mp4"),
    "check": ("check", "X.heic"),
    "remove": ("remove", "X.jpg", "-o", "out/a.jpg"),
    "extract": ("extract", "X.heic", "-o", "out/a.npy"),
    "extract clip": ("extract", "X.mov", "-o", "out/%06d.npy"),
    "convert": ("convert", "X.plist", "-o", "out/a.npy"),
    "convert map": ("convert", "X.png", *RANGE, "-o", "out/a.npy"),
    "attach to": ("attach", "X.jpg", "depth.png", *RANGE, "-o", "out/a.jpg"),
    "attach to raw": ("attach", "X.dng", "depth.png", *RANGE, "-o", "out/a.dng"),
    **{f"attach {suffix}": ("attach", "photo.jpg", f"X.{suffix}", *RANGE, "-o", "out/a.jpg")
       for suffix in ("png", "npy", "npz", "pfm", "pgm", "exr", "h5", "tiff", "dpt", "bin", "heic")},
    "attach auto": ("attach", "photo.jpg", "X.png", "--preset", "auto", "-o", "out/a.jpg"),
    "attach rows": ("attach", "photo.jpg", "X.raw", *RANGE, "--shape", "64x48", "--dtype", "uint16", "-o", "out/a.jpg"),
    "confidence": ("attach", "photo.jpg", "depth.png", *RANGE, "--confidence", "X.png", "-o", "out/a.jpg"),
    "align": ("attach", "photo.jpg", "depth.png", "--align-to", "X.png", "-o", "out/a.jpg"),
    "donor": ("attach", "photo.jpg", "depth.png", *RANGE, "--profile", "apple-portrait", "--donor", "X.jpg", "-o", "out/a.jpg"),
    "attach clip": ("attach", "X.mp4", "depth.npz", *RANGE, "-o", "out/%06d.jpg"),
    "clip of maps": ("attach", "colour.mp4", "X.npz", *RANGE, "-o", "out/%06d.jpg"),
    "clip of video": ("attach", "colour.mp4", "X.mkv", *RANGE, "-o", "out/%06d.jpg"),
    "run": ("run", "X.yaml", "-q"),
    "merge": ("merge", "X.yaml"),
    "config": ("config", "validate", "X.yaml"),
}


def contents(folder: Path) -> dict[str, Any]:
    """Everything below, by name; of regular files what is in them."""
    return {os.fsencode(p.relative_to(folder)): p.read_bytes() if p.is_file() and not p.is_symlink() else None
            for p in folder.rglob("*")}


@pytest.mark.parametrize("odd", list(ODD))
@pytest.mark.parametrize("command", list(COMMANDS))
def test_inputs_that_are_no_files(here: Path, odd: str, command: str, capfd: pytest.CaptureFixture[str]) -> None:
    arguments = COMMANDS[command]
    name = next(a for a in arguments if a.startswith("X."))
    ODD[odd](here / name)
    (here / "out").mkdir()
    before = contents(here.parent)
    code = run_command(list(arguments))
    said = capfd.readouterr()
    assert code in (1, 2), said.err
    assert "Traceback" not in said.err
    assert name in said.err + said.out
    assert contents(here.parent) == before


@pytest.mark.parametrize("odd", [o for o in ODD if o != "folder"])
@pytest.mark.parametrize(("source", "suffix"), [
    ('{pairs: "X.csv"}', "csv"), ('{pairs: "X.jsonl"}', "jsonl"), ('{transforms: "X.json"}', "json"),
    ('{match: time, color: "X.txt", depth: "depth.txt"}', "txt"),
    ('{archive: "X.zip", color: "rgb/{stem}.jpg", depth: "depth/{stem}.png"}', "zip"),
    ('{archive: "X.r3d"}', "r3d"), ('{shards: "X.tar"}', "tar"),
    ('{video: "X.mp4", depth: "depth.npz"}', "mp4"), ('{color: "X.jpg", depth: "depth.png"}', "jpg"),
    ('{color: "photo.jpg", depth: "X.png"}', "png")])
def test_inputs_of_a_job_that_are_no_files(here: Path, odd: str, source: str, suffix: str,
                                           capfd: pytest.CaptureFixture[str]) -> None:
    ODD[odd](here / f"X.{suffix}")
    goal = "out/{stem}/{frame}.jpg" if "video" in source else "out/{stem}.jpg"
    (here / "job.yaml").write_text(f'source: {source}\nencoding: {{near: 0.5, far: 12}}\noutput: {{path: "{goal}"}}\n')
    before = contents(here)
    code = run_command(["run", "job.yaml", "-q"])
    said = capfd.readouterr().err
    assert code in (1, 2, 3), said
    assert "Traceback" not in said
    after = {name: data for name, data in contents(here).items() if b"gpudepth" not in name}    # the ledger
    assert {n for n in after if n not in before} <= {b"out", b"out/X"}
    assert all(after[n] == data for n, data in before.items())


NAMES = {"bytes": b"\xff\xfe\x80", "newline": b"a\nerror: b", "escape": b"\x1b[31m\x1b]0;title\x07", "bell": b"\x07\x08\x7f",
         "c1": "\x9b31m".encode(), "long": b"n" * 251, "wide": "深".encode() * 83, "dash": b"-o", "dots": b"x..", "blank": b" ",
         "quote": b"'\"`$(touch evil)`", "braces": b"{stem}{x.__class__}", "percent": b"%s%06d%", "star": b"*[a]?", "tilde": b"~root"}


@pytest.mark.parametrize("odd", list(NAMES))
def test_names(here: Path, odd: str, capfd: pytest.CaptureFixture[str]) -> None:
    """A run over a folder: the photo is done, its neighbour is, and a terminal gets nothing but text."""
    name = os.fsdecode(NAMES[odd])
    for folder in ("c", "d"):
        (here / folder).mkdir()
    for stem in (name, "good"):
        plain(here / "x.jpg", 64, 48).rename(here / f"c/{stem}.jpg")
        gray(here / "x.png").rename(here / f"d/{stem}.png")
    (here / "c/bad.jpg").write_bytes(b"no picture")
    gray(here / "x.png").rename(here / "d/bad.png")
    (here / "job.yaml").write_text('source: {color: "c/*.jpg", depth: "d/{stem}.png"}\nencoding: {near: 0.5, far: 12}\n'
                                   'output: {path: "out/{stem}.jpg"}\nrun: {workers: 1}\n')
    code = run_command(["run", "job.yaml"])
    said = capfd.readouterr()
    assert code == 3, said.err      # bad.jpg
    assert {p.name for p in Path("out").iterdir()} == {f"{name}.jpg", "good.jpg", "gpudepth-ledger.jsonl"}
    readable(said.err)
    rows = [json.loads(line) for line in Path("out/gpudepth-ledger.jsonl").read_text("ascii").splitlines()]
    assert [row["status"] for row in rows if row.get("key", "").endswith(f"{name}.jpg")] == ["ok"]
    assert run_command(["run", "job.yaml", "--dry-run"]) == 0
    readable(capfd.readouterr().err)
    assert not list(here.parent.rglob("evil"))


def readable(text: str) -> None:
    """No control characters but the ends of lines."""
    assert not [c for c in text if (ord(c) < 32 and c != "\n") or 127 <= ord(c) < 160], repr(text)


@pytest.mark.parametrize("odd", [o for o in NAMES if o != "percent"])     # which is the pattern of a clip's frames
def test_names_on_the_command_line(here: Path, odd: str, capfd: pytest.CaptureFixture[str]) -> None:
    name = os.fsdecode(NAMES[odd])
    photo, depth, out = here / f"{name}.jpg", here / f"{name}.png", here / "out" / f"{name}.jpg"
    (here / "photo.jpg").rename(photo)
    (here / "depth.png").rename(depth)
    (here / "out").mkdir()
    assert run_command(["attach", str(photo), str(depth), *RANGE, "-o", str(out)]) == 0, capfd.readouterr().err
    assert run_command(["inspect", str(out)]) == 0
    assert run_command(["extract", str(out), "-o", str(out.with_suffix(".npy"))]) == 0
    readable(capfd.readouterr().err)
    depth.write_bytes(b"no map")
    assert run_command(["attach", str(photo), str(depth), *RANGE, "-o", str(out.with_name("b.jpg"))]) == 1
    said = capfd.readouterr().err
    readable(said)
    assert said.count("\nerror:") == 0
    assert sorted(p.name for p in (here / "out").iterdir()) == sorted([f"{name}.jpg", f"{name}.npy"])


@pytest.mark.parametrize("template", ["out/{x.__class__}.jpg", "out/{stem.__class__}.jpg", "out/{0}.jpg", "out/{stem!r}.jpg",
                                      "out/{stem:>{width}}.jpg", "out/{stem[0]}.jpg", "out/{}.jpg", "out/{stem", "out/stem}.jpg"])
@pytest.mark.parametrize("where", ["output", "depth"])
def test_templates_are_names_and_nothing_else(here: Path, template: str, where: str, capfd: pytest.CaptureFixture[str]) -> None:
    depth, output = ("depth.png", template) if where == "output" else (template, "out/{stem}.jpg")
    (here / "job.yaml").write_text(json.dumps({"source": {"color": "*.jpg", "depth": depth}, "encoding": {"near": 0.5, "far": 12},
                                               "output": {"path": output}}))
    before = contents(here.parent)
    assert run_command(["run", "job.yaml", "-q"]) == 2
    assert "Traceback" not in capfd.readouterr().err
    assert contents(here.parent) == before


@pytest.mark.parametrize("value", ["../../evil", "/tmp/evil", "..", ".", "a/../../b", "a\\..\\b", "x\0y", ""])
def test_values_that_would_leave_the_folder(here: Path, value: str, capfd: pytest.CaptureFixture[str]) -> None:
    """What a list says becomes part of an output's name."""
    rows = [{"color": "photo.jpg", "depth": "depth.png", "id": value}]
    (here / "pairs.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (here / "job.yaml").write_text('source: {pairs: "pairs.jsonl"}\nencoding: {near: 0.5, far: 12}\noutput: {path: "out/{id}.jpg"}\n')
    before = contents(here.parent)
    code = run_command(["run", "job.yaml", "-q"])
    said = capfd.readouterr().err
    assert "Traceback" not in said
    new = {n for n, data in contents(here.parent).items() if before.get(n, b"x") != data} - {b"here/out"}
    assert all(n.startswith((b"here/out/", b"here/job")) for n in new), new
    assert code in (0, 1, 2, 3), said
    if ".." in value or "/" in value or "\0" in value:
        assert code != 0, said


MEMBERS = {"rgb/../../../evil": "..", "/abs/rgb/1": "absolute", "rgb/1": "good"}


@pytest.mark.parametrize("kind", ["zip", "tar"])
def test_members_that_would_leave_the_folder(here: Path, kind: str, capfd: pytest.CaptureFixture[str]) -> None:
    path = here / f"scene.{kind}"
    members = {f"rgb/{n}.jpg": photo_bytes() for n in ("../../../evil", "good")} | {"/rgb/abs.jpg": photo_bytes()}
    members |= {f"depth/{n}.png": depth_bytes(64, 48) for n in ("../../../evil", "good", "link", "pipe", "device", "hard")}
    if kind == "zip":
        with zipfile.ZipFile(path, "w") as archive:
            for name, data in members.items():
                archive.writestr(zipfile.ZipInfo(name), data)
            link = zipfile.ZipInfo("rgb/link.jpg")
            link.external_attr = 0o120777 << 16
            archive.writestr(link, "/etc/passwd")
    else:
        import io

        with tarfile.open(path, "w") as tar:
            for name, data in members.items():
                info = tarfile.TarInfo(name)
                info.size = len(data)
                tar.addfile(info, io.BytesIO(data))
            for name, of in (("link", tarfile.SYMTYPE), ("hard", tarfile.LNKTYPE), ("pipe", tarfile.FIFOTYPE), ("device", tarfile.CHRTYPE)):
                info = tarfile.TarInfo(f"rgb/{name}.jpg")
                info.type, info.linkname = of, "/etc/passwd"
                tar.addfile(info)
    (here / "job.yaml").write_text(f'source: {{archive: "scene.{kind}", color: "rgb/{{stem}}.jpg", depth: "depth/{{stem}}.png"}}\n'
                                   'encoding: {kind: depth, scale: mm}\noutput: {path: "out/{stem}.jpg"}\nrun: {workers: 1}\n')
    before = contents(here.parent)
    code = run_command(["run", "job.yaml"])
    said = capfd.readouterr().err
    assert code == 3, said      # members that are no files are named
    assert "link" in said
    new = {n for n in contents(here.parent) if n not in before}
    assert {n for n in new if n.endswith(b".jpg")} == {b"here/out/good.jpg"}
    assert all(n.startswith((b"here/out", b"here/job")) for n in new), new


def test_an_output_that_is_a_link(here: Path) -> None:
    """The link is replaced, what it names stays as it was."""
    (here / "precious.jpg").write_bytes(b"precious")
    (here / "out.jpg").symlink_to("precious.jpg")
    assert run_command(["attach", "photo.jpg", "depth.png", *RANGE, "-o", "out.jpg"]) == 0
    assert (here / "precious.jpg").read_bytes() == b"precious"
    assert not (here / "out.jpg").is_symlink()


@pytest.mark.parametrize("odd", ["fifo", "socket", "zero", "loop", "folder"])
def test_outputs_that_are_no_files(here: Path, odd: str, capfd: pytest.CaptureFixture[str]) -> None:
    """Nothing is written into a pipe or a device: it is refused, or replaced by the file."""
    ODD[odd](here / "X.jpg")
    code = run_command(["attach", "photo.jpg", "depth.png", *RANGE, "-o", "X.jpg"])
    said = capfd.readouterr().err
    assert code in (0, 74), said
    assert "Traceback" not in said
    assert code == 74 if odd == "folder" else (here / "X.jpg").is_file() and not (here / "X.jpg").is_symlink()
    assert not list(here.glob(".gpudepth-*"))


@pytest.mark.parametrize("odd", [o for o in NAMES if o not in ("long", "wide")])
def test_names_of_what_fails(here: Path, odd: str, capfd: pytest.CaptureFixture[str]) -> None:
    """A run, a look, a check: what they say of a bad file of that name is text, and looks like no other message."""
    name = os.fsdecode(NAMES[odd])
    (here / "c").mkdir()
    photo = here / f"c/{name}.jpg"
    photo.write_bytes((here / "photo.jpg").read_bytes()[:500])
    (here / "job.yaml").write_text('source: {color: "c/*.jpg", depth: "depth.png"}\nencoding: {near: 0.5, far: 12}\n'
                                   'output: {path: "out/{stem}.jpg"}\nrun: {workers: 1}\n')
    for command in (["run", "job.yaml"], ["run", "job.yaml", "--dry-run"], ["merge", "job.yaml"], ["inspect", str(photo)], ["check", str(photo)],
                    ["extract", "c", "--as", "npz", "-o", "set"], ["attach", str(photo), "depth.png", *RANGE, "-o", "out/a.jpg"]):
        code = run_command(command)
        said = capfd.readouterr()
        assert code in (0, 1, 2, 3, 4), said.err
        readable(said.err)
        assert "\nerror: b" not in said.err
        if command[0] != "merge":
            readable(said.out)
