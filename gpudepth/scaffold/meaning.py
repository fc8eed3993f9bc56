"""What the values of a map mean, as far as the map itself tells: the `encoding:` of a job, and how sure it is."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import GpudepthError, UsageError
from ..maps import presets
from ..maps.reader import read_map
from ..maps.recognise import recognise
from ..settings.settings import AUTO

NEAR, FAR = 0.5, 10.0               # what stands in for what only the user knows
_INDOORS = (200, 20_000)            # millimetres that depth sensors give


@dataclass(frozen=True)
class EncodingGuess:
    """encoding: the section, in order; None where the maps know themselves. said: what it was concluded from. unsure:
    what the user has to look at. holes: share of the map without a value. size: width, height."""

    encoding: dict[str, Any] | None
    said: list[str]
    unsure: list[str] = field(default_factory=list)
    holes: float = 0.0
    size: tuple[int, int] = (0, 0)
    accuracy: str = "relative"


def meaning_of(path: Path) -> EncodingGuess:
    """Raises what reading the map raises."""
    try:
        found = recognise(path)
    except UsageError:
        found = None
    if found is not None and found.preset is None:
        return EncodingGuess(None, [found.why])
    try:
        codes = read_map(path, key=presets.find(found.preset).key if found and found.preset else None)
    except GpudepthError:
        if found is None:
            raise
        codes = None
    values = None if codes is None else codes.codes
    size = (0, 0) if values is None else (values.shape[1], values.shape[0])
    if found is not None and found.preset is not None:
        preset = presets.find(found.preset)
        if found.parameters:    # which may be others for each map
            return EncodingGuess({"preset": AUTO}, [f"{preset.about} ({found.why})"], [], _holes(values, zero=True),
                           size, preset.accuracy)
        encoding: dict[str, Any] = {"preset": found.preset}
        unsure = []
        for name in preset.needs:
            if name not in ("near", "far"):
                unsure.append(f"encoding.{name} is not known: {preset.note or preset.about}")
            encoding[name] = {"near": NEAR, "far": FAR}.get(name, 1.0)
        if preset.relative:
            unsure.append("near and far: the model is right up to scale and shift, only you know how far things are")
        return EncodingGuess(encoding, [f"{preset.about} ({found.why})"], unsure, _holes(values, zero=True), size,
                       preset.accuracy)
    assert codes is not None and values is not None
    return _floats(values, size, path.parent.name) if codes.max_code is None else _codes(values, codes.max_code, size)


def _holes(values: Any, *, zero: bool) -> float:
    if values is None:
        return 0.0
    bad = ~np.isfinite(values) | ((values == 0) if zero else False)
    return float(np.mean(bad))


def _span(values: Any, *, zero: bool) -> tuple[float, float]:
    good = values[np.isfinite(values) & ((values != 0) if zero else True)]
    return (float(good.min()), float(good.max())) if good.size else (0.0, 0.0)


def _codes(values: Any, top: int, size: tuple[int, int]) -> EncodingGuess:
    lo, hi = _span(values, zero=True)
    holes = _holes(values, zero=True)
    about = f"codes from {lo:.0f} to {hi:.0f} of {top}" + (f", {holes:.1%} are 0" if holes else "")
    if top == 65535 and lo >= _INDOORS[0] and hi <= _INDOORS[1]:
        return EncodingGuess({"kind": "depth", "scale": "mm"}, [about], [
            f"scale: as millimetres they are {lo / 1000:.2g} to {hi / 1000:.2g} m; 1/5000 is TUM's, 1/256 KITTI's"],
            holes, size, "absolute")
    return EncodingGuess({"kind": "gray", "near": NEAR, "far": FAR, "white": "near"}, [about], [
        "near and far: the metres at both ends of gray, which the map does not say",
        "white: near, as MiDaS and Depth Anything write maps; far, as in Apple's article",
        "curve: depth if gray is linear in metres, disparity if in 1/metres"], 0.0, size)


def _floats(values: Any, size: tuple[int, int], folder: str) -> EncodingGuess:
    lo, hi = _span(values, zero=False)
    about = f"floats from {lo:.4g} to {hi:.4g}"
    holes = _holes(values, zero=False)
    if lo >= 0 and hi <= 1.0001 and folder == "depth_npy":
        return EncodingGuess({"preset": "marigold", "near": NEAR, "far": FAR}, [f"{about}, in a folder as Marigold's"],
                             [
            "near and far: only you know how far away things are"], holes, size)
    if lo >= 0 and hi <= 1.0001:
        return EncodingGuess({"kind": "gray", "near": NEAR, "far": FAR, "white": "near"}, [about], [
            "near and far: the metres at both ends of 0…1, which the map does not say",
            "white: near where 1 is close, as most models have it; far where 1 is far"], holes, size)
    if lo > 0.05 and hi < 1000:
        return EncodingGuess({"kind": "depth"}, [about], [
            "kind: metres, as metric models write them. Of a relative one (MiDaS, Depth Anything): preset: "
            "depth-anything-v2, near: …, far: …"], _holes(values, zero=True), size, "absolute")
    return EncodingGuess({"preset": "depth-anything-v2", "near": NEAR, "far": FAR}, [about], [
        "preset: of a relative model, large is near; marigold where large is far; kind: depth where they are metres",
        "near and far: only you know how far away things are"], holes, size)
