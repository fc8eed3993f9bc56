"""Guesses from a map what its values mean: the section `encoding` of a job, and what the user must check in it."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import GpudepthError, UsageError
from ..maps import presets
from ..maps.reader import read_map
from ..maps.recognise import Recognised, recognise
from ..settings.settings import AUTO

NEAR, FAR = 0.5, 10.0               # placeholders for distances in metres that only the user knows
_INDOORS = (200, 20_000)            # usual range of depth sensors in millimetres
_DISTANCES = "near and far: only you know the distances"


@dataclass(frozen=True)
class EncodingGuess:
    """The guessed encoding of a map.

    Attributes:
        encoding: The section of the job, in order; None if the maps contain their own encoding.
        reason: What the guess is based on.
        checks: What the user must check; a line that begins with a key is about this key.
        holes: The share of pixels without a value.
        size: (width, height) in pixels.
        accuracy: "relative" or "absolute".
    """

    encoding: dict[str, Any] | None
    reason: str
    checks: list[str] = field(default_factory=list)
    holes: float = 0.0
    size: tuple[int, int] = (0, 0)
    accuracy: str = "relative"


def guess_encoding(path: Path) -> EncodingGuess:
    """Guess the encoding of a map. Raises the errors of reading it."""
    try:
        found = recognise(path)
    except UsageError:
        codes = read_map(path)
        guess = _of_floats(codes.codes, path.parent.name) if codes.max_code is None else _of_codes(
            codes.codes, codes.max_code)
        return replace(guess, size=codes.codes.shape[1::-1])
    if found.preset is None:
        return EncodingGuess(None, found.why)
    try:
        values = read_map(path, key=presets.find(found.preset).key).codes
    except GpudepthError:
        return _of_preset(found, found.preset)
    return replace(_of_preset(found, found.preset), holes=_holes(values, zero=True), size=values.shape[1::-1])


def _of_preset(found: Recognised, name: str) -> EncodingGuess:
    preset = presets.find(name)
    reason = f"{preset.about} ({found.why})"
    if found.parameters:    # they may differ between the maps
        return EncodingGuess({"preset": AUTO}, reason, accuracy=preset.accuracy)
    placeholders = {"near": NEAR, "far": FAR}
    encoding = {"preset": name} | {need: placeholders.get(need, 1.0) for need in preset.needs}
    checks = [f"encoding.{need} is unknown: {preset.note or preset.about}" for need in preset.needs
              if need not in placeholders]
    if preset.relative:
        checks.append("near and far: the model is correct up to scale and shift; only you know the distances")
    return EncodingGuess(encoding, reason, checks, accuracy=preset.accuracy)


def _holes(values: Any, *, zero: bool) -> float:
    return float(np.mean(~_has_value(values, zero=zero)))


def _has_value(values: Any, *, zero: bool) -> Any:
    return np.isfinite(values) & ((values != 0) | (not zero))


def _span(values: Any, *, zero: bool) -> tuple[float, float]:
    good = values[_has_value(values, zero=zero)]
    return (float(good.min()), float(good.max())) if good.size else (0.0, 0.0)


def _of_codes(values: Any, top: int) -> EncodingGuess:
    lo, hi = _span(values, zero=True)
    holes = _holes(values, zero=True)
    reason = f"codes from {lo:.0f} to {hi:.0f} of {top}" + (f", {holes:.1%} are 0" if holes else "")
    if top == 65535 and lo >= _INDOORS[0] and hi <= _INDOORS[1]:
        return EncodingGuess({"kind": "depth", "scale": "mm"}, reason, [
            f"scale: millimetres give {lo / 1000:.2g} to {hi / 1000:.2g} m; TUM uses 1/5000, KITTI 1/256"],
            holes, accuracy="absolute")
    return EncodingGuess({"kind": "gray", "near": NEAR, "far": FAR, "white": "near"}, reason, [
        "near and far: the metres at both ends of gray, which the map does not contain",
        "white: near for maps of MiDaS and Depth Anything; far for those of Apple's article",
        "curve: depth if gray is linear in metres, disparity if it is linear in 1/metres"])


def _of_floats(values: Any, folder: str) -> EncodingGuess:
    lo, hi = _span(values, zero=False)
    reason, holes = f"floats from {lo:.4g} to {hi:.4g}", _holes(values, zero=False)
    ends = {"near": NEAR, "far": FAR}
    if lo >= 0 and hi <= 1.0001 and folder == "depth_npy":
        return EncodingGuess({"preset": "marigold", **ends}, f"{reason}, in a folder named like Marigold's",
                             [_DISTANCES], holes)
    if lo >= 0 and hi <= 1.0001:
        return EncodingGuess({"kind": "gray", **ends, "white": "near"}, reason, [
            "near and far: the metres at both ends of 0…1, which the map does not contain",
            "white: near if 1 is close, as for most models; far if 1 is far"], holes)
    if lo > 0.05 and hi < 1000:
        return EncodingGuess({"kind": "depth"}, reason, [
            "kind: depth for metric models, which write metres. For relative models (MiDaS, Depth Anything) use "
            "preset: depth-anything-v2, near: …, far: …"], _holes(values, zero=True), accuracy="absolute")
    return EncodingGuess({"preset": "depth-anything-v2", **ends}, reason, [
        "preset: for a relative model where large is near; marigold where large is far; kind: depth for metres",
        _DISTANCES], holes)
