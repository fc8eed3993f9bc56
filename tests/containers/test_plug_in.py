"""A third party's container, installed by an entry point, with a profile of its own: attached to, run, checked, read."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

MODULE = '''
import io, json

import numpy as np

from gpudepth.containers.base import Capabilities, Contents, Edit, Picture
from gpudepth.containers.rules import Checklist, PRESENT, Rule
from gpudepth.depth.data import DepthData, Storage
from gpudepth.depth.numeric import Linear, code_values
from gpudepth.depth.pixel_format import native, stored
from gpudepth.formats.bytesource import Splice

SHORT = Rule("short", "the file is short", "the format of this test")


class Shop:
    """SHOP, a JSON line with the size, then perhaps MAP!, a JSON line and codes."""

    name, protocol, capabilities = "shop", PROTOCOL_VERSION, Capabilities()
    suffixes, bits, profiles, companions = (".shop",), (8,), ("shop-depth", "shop-raw"), ()

    def sniff(self, head):
        return head.startswith(b"SHOP")

    def storage(self, fmt, lo, hi, bits=None):
        return Storage(stored(8), lo, hi)

    def picture(self, source):
        return Picture(*json.loads(source.read(4, source.size - 4).split(b"\\n")[0]))

    def read(self, source):
        rest = source.read(0, source.size).partition(b"MAP!")[2]
        if not rest:
            return None
        head, codes = rest.split(b"\\n", 1)
        head = json.loads(head)
        codes = np.load(io.BytesIO(codes))
        table = code_values(Linear(255, head["lo"], head["hi"]), 255)
        fmt = native(head["format"])
        return DepthData(table[codes].astype(fmt.dtype), fmt)

    def inspect(self, source):
        return Contents(self.name, self.picture(source), (), self.read(source))

    def attach(self, source, coded, placement=None):
        profile = placement.profile_of(self)
        codes = io.BytesIO()
        np.save(codes, coded.codes)
        head = {"lo": coded.storage.lo, "hi": coded.storage.hi, "format": coded.pixel_format.name, "profile": profile}
        splice = Splice(source)
        splice.keep(0, source.size)
        splice.add(b"MAP!" + json.dumps(head).encode() + b"\\n" + codes.getvalue())
        return Edit(splice)

    def remove(self, source):
        raise NotImplementedError

    def check(self, source, profile=None):
        out = Checklist(profile, source.name)
        out.test(PRESENT, self.read(source) is not None, source.name, "it holds none")
        out.test(SHORT, source.size < 10_000, source.name, f"it has {source.size} bytes")
        return out.findings
'''


def _install(folder: Path, protocol: int) -> dict[str, str]:
    (folder / "shop-1.0.dist-info").mkdir(parents=True)
    (folder / "shop.py").write_text(MODULE.replace("PROTOCOL_VERSION", str(protocol)))
    (folder / "shop-1.0.dist-info/METADATA").write_text("Metadata-Version: 2.1\nName: shop\nVersion: 1.0\n")
    (folder / "shop-1.0.dist-info/entry_points.txt").write_text("[gpudepth.containers]\nshop = shop:Shop\n")
    path = os.pathsep.join(filter(None, [str(folder), os.environ.get("PYTHONPATH", "")]))
    return {**os.environ, "PYTHONPATH": path}


def _run(environment: dict[str, str], folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", "gpudepth", *arguments], cwd=folder, env=environment, text=True,
                          capture_output=True, timeout=120, check=False)


def test_a_profile_of_its_own(tmp_path: Path) -> None:
    environment = _install(tmp_path / "site", 2)
    (tmp_path / "c").mkdir()
    (tmp_path / "d").mkdir()
    for name in ("a", "b"):
        (tmp_path / "c" / f"{name}.shop").write_bytes(b"SHOP[8, 6]\n")
        np.save(tmp_path / "d" / f"{name}.npy", np.linspace(1, 4, 48, dtype=np.float32).reshape(6, 8))
    (tmp_path / "job.yaml").write_text(
        "source: {color: 'c/*.shop', depth: 'd/{stem}.npy'}\nencoding: {kind: depth}\n"
        "output: {path: 'out/{stem}.shop', profile: shop-raw, container: shop}\n")
    made = _run(environment, tmp_path, "attach", "c/a.shop", "d/a.npy", "--metric", "--profile", "shop-raw", "-o", "o.shop")
    assert made.returncode == 0, made.stderr
    assert b'"profile": "shop-raw"' in (tmp_path / "o.shop").read_bytes()
    ran = _run(environment, tmp_path, "run", "job.yaml", "--json")
    assert ran.returncode == 0, ran.stderr
    assert (tmp_path / "out" / "a.shop").read_bytes() == (tmp_path / "o.shop").read_bytes()
    checked = _run(environment, tmp_path, "check", "o.shop", "--profile", "shop-raw", "--json")
    assert checked.returncode == 0, checked.stderr
    assert {f["rule"] for f in json.loads(checked.stdout)["findings"]} == {"depth-present", "short"}
    out = _run(environment, tmp_path, "extract", "o.shop", "-o", "back.npy")
    assert out.returncode == 0, out.stderr
    assert np.abs(np.load(tmp_path / "back.npy") - np.load(tmp_path / "d" / "a.npy")).max() < 0.05
    wrong = _run(environment, tmp_path, "attach", "c/a.shop", "d/a.npy", "--metric", "--profile", "shop-row", "-o", "x.shop")
    assert wrong.returncode == 2
    assert "shop-raw" in wrong.stderr


def test_a_later_protocol_is_refused(tmp_path: Path) -> None:
    environment = _install(tmp_path / "site", 3)
    (tmp_path / "a.shop").write_bytes(b"SHOP[8, 6]\n")
    refused = _run(environment, tmp_path, "inspect", "a.shop")
    assert refused.returncode == 1
    assert "needs version 3 of the container protocol" in refused.stderr


@pytest.mark.parametrize("name", ["heif", "jpeg", "dng", "dictionary"])
def test_ours_have_the_protocol_of_today(name: str) -> None:
    from gpudepth.containers.base import PROTOCOL
    from gpudepth.containers.registry import named

    assert getattr(named(name), "protocol", None) == PROTOCOL
