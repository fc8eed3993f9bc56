"""The range that the codes of all frames of a clip share: named, or found in a first pass over its maps.

Maps are converted and not refined: no step of that leaves the range of what goes in. Models that are right up to scale
and shift have one scale for a whole clip, too: the least and greatest of all frames are near and far.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from math import isfinite

import numpy as np

from ...compute import Backend
from ...depth import numeric
from ...depth.encoding import Encoding, Relative
from ...depth.pixel_format import PixelFormat, Quantity, quantity_of
from ...errors import RangeError, UsageError
from ...maps.reader import SourceMap, read_map
from ...pairing.clips import Footage
from ...settings.clip import ClipOptions
from ...settings.settings import Recipe
from ...video.ordered import ahead, in_order
from ..decode import DepthInput, finite_ends, take
from ..pipeline import outward
from ..refine import clamp
from .maps import MapStream


@dataclass(frozen=True)
class Means:
    """What a clip is worked on with. threads: of encoders and the like. alive: called now and then with the number of
    frames that are done."""

    options: ClipOptions
    recipe: Recipe
    backend: Backend
    threads: int = 1
    alive: Callable[[int], None] = lambda _: None

    def settled(self, depth: Footage | None) -> Means:
        """With the preset that `auto` asks for, of the first file of the depth. Raises UsageError."""
        return replace(self, recipe=self.recipe.settled(depth.path)) if depth is not None else self


@dataclass(frozen=True)
class Found:
    """span: as of `Recipe`, None for a range of each frame's own. encoding: the recipe's, with what had to be found."""

    span: tuple[float, float] | None
    encoding: Encoding | None
    said: str = ""


def find_span(maps: MapStream, places: Sequence[int], means: Means) -> Found:
    """Raises UsageError for an alignment, RangeError when no frame holds a value."""
    options, recipe, backend = means.options, means.recipe, means.backend
    if recipe.align is not None:
        raise UsageError("frames are not aligned one by one: each would get a scale of its own",
                         hint="near and far for the clip; or align single frames with gpudepth attach")
    encoding = recipe.encoding
    if isinstance(encoding, Relative):
        encoding = _extremes(encoding, maps, places, means)
        recipe = replace(recipe, encoding=encoding)
    if options.range == "frame":
        return Found(None, encoding, ", each frame over its own range")
    if not isinstance(options.range, str):
        return Found(span_of(options.range, recipe.pixel_format), encoding)
    fmt = recipe.pixel_format

    def span(entry: tuple[int, DepthInput]) -> tuple[float, float]:
        taken = take(entry[1], recipe, backend, None)
        found = taken.span or backend.span(taken.values)
        ends = np.array([found.lo, found.hi], taken.fmt.dtype)
        if recipe.clamp is not None:
            ends = clamp(ends, quantity_of(taken.fmt), recipe.clamp)
        if taken.fmt != fmt:
            same = quantity_of(taken.fmt) is quantity_of(fmt)
            ends = numeric.pack(ends.astype(np.float32) if same else numeric.reciprocal(ends), fmt)
        return float(ends.min()), float(ends.max())

    los, his = [], []
    for lo, hi in in_order(span, ahead(maps.read(places)), means.threads):
        means.alive(0)
        if isfinite(lo):
            los.append(lo)
        if isfinite(hi):
            his.append(hi)
    if not los or not his:
        raise RangeError("no frame holds a finite value", hint="check the scale, and what counts as invalid")
    return Found((min(los), max(his)), encoding, ", all over one range")


def span_of(metres: tuple[float, float], fmt: PixelFormat) -> tuple[float, float]:
    """Near and far in metres → the range in a native format's quantity, widened to halves."""
    near, far = metres
    return outward(near, far) if quantity_of(fmt) is Quantity.DEPTH else outward(1 / far, 1 / near)


def _extremes(encoding: Relative, maps: MapStream, places: Sequence[int], means: Means) -> Encoding:
    """Of a model's floats, near and far belong to the least and greatest of the whole clip; codes have their own."""

    def ends(entry: tuple[int, DepthInput]) -> tuple[float, float] | None:
        source = entry[1]
        if isinstance(source, str) or hasattr(source, "__fspath__"):
            source = read_map(source, limits=means.recipe.limits, key=means.recipe.key)
        codes = source.codes if isinstance(source, SourceMap) else np.asarray(source)
        return finite_ends(codes) if codes.dtype.kind == "f" else None

    found = []
    for pair in in_order(ends, ahead(maps.read(places)), means.threads):
        means.alive(0)
        found.append(pair)
    floats = [pair for pair in found if pair is not None]
    if not floats:
        return encoding
    return encoding.between(min(lo for lo, _ in floats), max(hi for _, hi in floats))
