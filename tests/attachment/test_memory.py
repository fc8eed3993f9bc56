"""Attaching copies a file in pieces: memory does not grow with it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from photo_kit import gray, heic

from gpudepth.containers.heif.file import HeifFile
from gpudepth.containers.heif.rewrite import Rewriter
from gpudepth.formats.bytesource import ByteSource

SCRIPT = """
import resource, sys
from gpudepth import attach
attach(sys.argv[1], sys.argv[2], sys.argv[3], near=0.5, far=12)
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="ru_maxrss is in kilobytes on Linux only")
def test_a_200_mb_photo_costs_no_more_than_a_small_one(tmp_path: Path) -> None:
    small = heic(tmp_path / "small.heic", 64, 48)
    large = tmp_path / "large.heic"
    with ByteSource(small) as source:
        file = HeifFile(source)
        edit = Rewriter(file)
        edit.refer("cdsc", edit.add("mime", bytes(200 << 20), content_type=b"application/octet-stream"), 1)
        with large.open("wb") as out:
            edit.splice().write(out)
    depth = gray(tmp_path / "d.png", 32, 24)
    peak = {}
    for photo in (small, large):
        run = subprocess.run([sys.executable, "-c", SCRIPT, str(photo), str(depth), str(tmp_path / "o.heic")],
                             capture_output=True, text=True, check=True)
        peak[photo] = int(run.stdout)
    assert (tmp_path / "o.heic").stat().st_size > 200 << 20
    assert peak[large] - peak[small] < 32 << 20
