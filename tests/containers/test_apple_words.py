"""`check` refuses words that Apple's schema does not have."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from photo_kit import heic, plain

import gpudepth


@pytest.mark.parametrize("name", ["p.heic", "p.jpg"])
@pytest.mark.parametrize(("good", "bad"), [(b"relative", b"relativx"), (b"high", b"hihi"), (b"True", b"true")])
def test_words(tmp_path: Path, name: str, good: bytes, bad: bytes) -> None:
    make = heic if name.endswith("heic") else plain
    out = gpudepth.attach(make(tmp_path / name, 64, 48), np.linspace(1, 3, 24 * 32, dtype=np.float32).reshape(24, 32),
                          tmp_path / f"o{name}")
    assert gpudepth.check(out).conforms
    data = out.read_bytes()
    at = data.index(b"Accuracy") if good == b"relative" else data.index(b"Quality" if good == b"high" else b"Filtered")
    place = data.index(good, at)
    out.write_bytes(data[:place] + bad + data[place + len(good):])
    broken = {f.rule: f.found for f in gpudepth.check(out).findings if f.verdict == "fail"}
    assert bad.decode() in broken["words"]
    assert not gpudepth.check(out).conforms
