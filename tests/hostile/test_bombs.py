"""Little files that ask for much: refused from their headers, before anything of that size is made."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from bad_files.bombs import bombs, inflating
from bad_files.packets import packets
from bad_files.texts import texts
from conftest import ROOT

SECONDS = 2.0       # of CPU: four times half a second
GROWTH = 64 << 20

# what reads a file of that name
READERS = {"png": "map", "tiff": "map", "pfm": "map", "pgm": "map", "npy": "map", "npz": "map", "exr": "map", "dpt": "map", "bin": "map",
           "bmp": "map", "h5": "map", "jpg": "map", "dng": "read", "heic": "read", "mov": "frames", "avi": "video", "mkv": "video",
           "plist": "read", "zip": "archive", "yaml": "job", "xmp": "packet"}
OTHERS = {"frames.npy": "stack", "frames.npz": "stack", "samples.npy": "stack"}
# whose size is not of what is decoded, that hold no such pictures, or that OpenEXR refuses before us
NO_LIMIT = {"deflated.zip", "window.exr", "window.negative.exr"}

REFUSED = {"laughs.xmp": "document type", "quadratic.xmp": "document type", "external.xmp": "document type", "external.utf16.xmp": "UTF-8",
           "deep.xmp": "limits.max_xmp_nesting", "attribute.xmp": "limits.max_xmp", "attributes.xmp": "limits.max_xmp_attributes",
           "namespace.long.xmp": "a namespace of more than 200", "elements.xmp": "limits.max_xmp_elements", "li.xmp": "limits.max_xmp_items"}


@dataclass(frozen=True)
class Case:
    name: str
    kind: str
    said: str
    seconds: float
    growth: int


def measure(folder: Path, work: list[tuple[str, Path]]) -> list[Case]:
    paths = os.pathsep.join(str(ROOT / part) for part in ("fuzz", "tests", "tests/hostile"))
    arguments = [text for reader, file in work for text in (reader, str(file))]
    done = subprocess.run([sys.executable, Path(__file__).with_name("measure.py"), folder / "kit", *arguments], check=True, timeout=300,
                          stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env={**os.environ, "PYTHONPATH": paths}, text=True)
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(lines) == len(work)
    return [Case(file.name, **line) for (_, file), line in zip(work, lines, strict=True)]


def reader_of(name: str) -> str:
    return OTHERS.get(name, READERS[name.rpartition(".")[2]])


def made(folder: Path, files: Iterator[tuple[str, bytes]]) -> Iterator[Path]:
    for name, data in files:
        (folder / name).write_bytes(data)
        yield folder / name


@pytest.fixture(scope="module")
def refused(tmp_path_factory: pytest.TempPathFactory) -> list[Case]:
    folder = tmp_path_factory.mktemp("bombs")
    return measure(folder, [(reader_of(path.name), path) for path in made(folder, bombs())])


@pytest.mark.parametrize("suffix", ["png", "tiff", "pfm", "pgm", "npy", "npz", "exr", "dpt", "bin", "bmp", "h5", "jpg", "dng", "sps.heic",
                                    "mov", "avi", "mkv", "plist", "zip", "depth.heic"])
def test_bombs(refused: list[Case], suffix: str) -> None:
    """400 megapixels to 65535² × 900."""
    cases = [case for case in refused if case.name.endswith(f".{suffix}")]
    assert cases
    for case in cases:
        assert case.seconds < SECONDS, case
        assert case.growth < GROWTH, case
        if case.name in NO_LIMIT or suffix in ("plist", "depth.heic") or case.name.endswith("mat.h5"):
            assert case.kind in ("MalformedError", "UnsupportedError", "ok"), case
        else:
            assert case.kind in ("LimitError", "UnsupportedError"), case
            assert "limits.max_" in case.said, case


def test_bombs_with_all_their_data(tmp_path: Path) -> None:
    """Of less than 268 megapixels, and packed a thousand times: refused by what so few bytes may hold."""
    cases = measure(tmp_path, [(reader_of(path.name), path) for path in made(tmp_path, inflating())])
    for case in cases:
        assert case.seconds < SECONDS, case
        assert case.growth < (GROWTH if case.name != "16k.one-bit.png" else 10 * GROWTH), case
    said = {case.name: case for case in cases}
    for name in ("16k.png", "16k.rgba.png", "16k.tiff", "float.tiff", "zeros.npz", "display.exr", "15k.avi", "fill.h5"):
        assert said[name].kind == "LimitError", said[name]
        assert "limits.max_ratio" in said[name].said


def test_jobs_and_packets(tmp_path: Path) -> None:
    """Row 20: entities, depth, lengths; tags, aliases, numbers: less than a second each, four on a busy machine."""
    xml = [("packet", path) for path in made(tmp_path, ((f"{name}.xmp", data) for name, data in packets()))]
    yaml = [("job", path) for path in made(tmp_path, ((n, d) for n, d in texts() if n.endswith(".yaml")))]
    assert len(xml) > 30
    assert len(yaml) > 30
    for case in measure(tmp_path, xml + yaml):
        assert case.kind in ("ok", "LimitError", "MalformedError", "UnsupportedError", "TruncatedError", "JobError"), case
        assert case.seconds < 2 * SECONDS, case
        assert case.growth < (3 * GROWTH // 2 if case.kind == "ok" else GROWTH), case       # 15 MiB of one attribute are in order
        if case.name.endswith(".yaml") and case.name != "templates.yaml":       # which says what is wrong when it is run
            assert case.kind == "JobError", case
        elif case.name in REFUSED:
            assert case.kind in ("LimitError", "MalformedError"), case
            assert REFUSED[case.name] in case.said, case
