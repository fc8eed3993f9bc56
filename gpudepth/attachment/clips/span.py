"""Finds the range that the codes of all frames of a clip share: a named one, or that of all maps in a first pass.

Gray maps and relative models name their ends, near and far, so that no map has to be decoded to find them. Other
encodings and depth in metres need the first pass, which converts maps without refining them, because no refinement
leaves the range of its input. Floats of relative models have one scale for a whole clip: the least and the greatest
value of all frames are near and far.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from functools import partial
from math import isfinite
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...compute import Backend
from ...depth import numeric
from ...depth.encoding import DisparityRange, Encoding, Gray, Relative
from ...depth.pixel_format import PixelFormat, Quantity, quantity_of
from ...errors import RangeError, UsageError
from ...maps.reader import SourceMap, read_map
from ...pairing.clips import Footage
from ...settings.clip import ClipSettings
from ...settings.settings import Settings
from ...video.ordered import ordered_map, prefetch
from ..decode import DecodedMap, DepthInput, decode_map, finite_ends, working_format
from ..encode import outward
from ..estimate import Estimator
from ..prepare import clamp_ends
from .maps import MapStream


@dataclass(frozen=True)
class ClipContext:
    """How a clip is processed.

    Attributes:
        options: Settings of the clip.
        settings: Settings of its frames.
        backend: Computes.
        threads: Number of threads of encoders and decoders.
        heartbeat: Called now and then with the number of frames that are done.
        estimator: Keeps the network of the settings loaded, if there is one.
    """

    options: ClipSettings
    settings: Settings
    backend: Backend
    threads: int = 1
    heartbeat: Callable[[int], None] = lambda _: None
    estimator: Estimator | None = None

    def resolve_preset(self, depth: Footage | None) -> ClipContext:
        """Return the context with the preset that `auto` finds for the first depth file. Raises UsageError."""
        return replace(self, settings=self.settings.resolve_preset(depth.path)) if depth is not None else self


@dataclass(frozen=True)
class ClipSpan:
    """The range of a clip.

    Attributes:
        span: As in `Settings`; None for a range per frame.
        encoding: The encoding of the settings, completed with the range of the clip.
        summary: The range in words.
    """

    span: tuple[float, float] | None
    encoding: Encoding | None
    summary: str = ""


def find_span(maps: MapStream, places: Sequence[int], context: ClipContext) -> ClipSpan:
    """Find the range of a clip. Raises UsageError for an alignment, RangeError when no frame holds a value."""
    options, settings = context.options, context.settings
    if settings.align is not None:
        raise UsageError("a clip cannot be aligned, because each frame would get its own scale",
                         hint="use ‹near› and ‹far› for the clip, or align single frames with gpudepth attach")
    encoding = settings.encoding
    if isinstance(encoding, Relative):
        encoding = _extremes(encoding, maps, places, context)
        settings = replace(settings, encoding=encoding)
    if options.range == "frame":
        return ClipSpan(None, encoding, ", each frame over its own range")
    if not isinstance(options.range, str):
        return ClipSpan(span_of(options.range, settings.pixel_format), encoding)
    if options.range == "auto":
        named = _named_ends(settings)
        if named is not None:
            for _, first in maps.read(places[:1]):      # fails here if the maps and the settings do not fit together
                context.backend.attempt(partial(_decode, first, settings))
            return ClipSpan(named, encoding, ", all over the range that the encoding names")
    return ClipSpan(_scan(maps, places, replace(context, settings=settings)), encoding, ", all over one range")


def _decode(depth: DepthInput, settings: Settings, backend: Backend) -> DecodedMap:
    return decode_map(depth, settings, backend, None)


def _named_ends(settings: Settings) -> tuple[float, float] | None:
    """Return the range of all maps if the encoding names its ends and the native format can hold them."""
    encoding = settings.encoding
    if isinstance(encoding, Gray | DisparityRange):
        codes, top = (0.0, 1.0), None
    elif isinstance(encoding, Relative):
        codes, top = (0.0, 255.0), 255      # integers of any width have the same ends
        if encoding.low is not None and encoding.high is not None:
            codes, top = (encoding.low, encoding.high), None
    else:
        return None
    fmt = working_format(settings)
    rule = encoding.linear(quantity_of(fmt), top)
    lo, hi = _in_native_format(numeric.pack(numeric.values(np.array(codes, np.float32), rule), fmt), fmt, settings)
    return (lo, hi) if isfinite(lo) and isfinite(hi) else None


def _in_native_format(ends: NDArray[Any], fmt: PixelFormat, settings: Settings) -> tuple[float, float]:
    """Return the least and the greatest of two values of a working format, clamped, in the native format."""
    if settings.clamp is not None:
        ends = np.clip(ends, *map(ends.dtype.type, clamp_ends(quantity_of(fmt), settings.clamp)))
    if fmt != settings.pixel_format:
        same = quantity_of(fmt) is quantity_of(settings.pixel_format)
        ends = numeric.pack(ends.astype(np.float32) if same else numeric.reciprocal(ends), settings.pixel_format)
    return float(ends.min()), float(ends.max())


def _scan(maps: MapStream, places: Sequence[int], context: ClipContext) -> tuple[float, float]:
    """Return the least and the greatest value of all maps. Raises RangeError when no frame holds a value."""
    settings = context.settings

    def span(entry: tuple[int, DepthInput]) -> tuple[float, float]:
        return context.backend.attempt(partial(ends_of, entry))

    def ends_of(entry: tuple[int, DepthInput], backend: Backend) -> tuple[float, float]:
        taken = _decode(entry[1], settings, backend)
        found = taken.span or backend.span(backend.put(taken.values))
        return _in_native_format(np.array([found.lo, found.hi], taken.fmt.dtype), taken.fmt, settings)

    los, his = [], []
    for lo, hi in ordered_map(span, prefetch(maps.read(places)), context.threads):
        context.heartbeat(0)
        if isfinite(lo):
            los.append(lo)
        if isfinite(hi):
            his.append(hi)
    if not los or not his:
        raise RangeError("no frame holds a finite value", hint="check the scale and the invalid codes")
    return min(los), max(his)


def span_of(metres: tuple[float, float], fmt: PixelFormat) -> tuple[float, float]:
    """Return the range of near and far metres in a native format's quantity, widened to halves."""
    near, far = metres
    return outward(near, far) if quantity_of(fmt) is Quantity.DEPTH else outward(1 / far, 1 / near)


def _extremes(encoding: Relative, maps: MapStream, places: Sequence[int], context: ClipContext) -> Encoding:
    """Return the encoding of a relative model, whose floats are least and greatest over all frames of the clip.

    Integers run from 0 to their largest; only the first map is read to learn that it holds them.
    """

    def ends(entry: tuple[int, DepthInput]) -> tuple[float, ...] | None:
        source = entry[1]
        if isinstance(source, str) or hasattr(source, "__fspath__"):
            source = read_map(source, limits=context.settings.limits, key=context.settings.key)
        codes = source.codes if isinstance(source, SourceMap) else np.asarray(source)
        return finite_ends(codes) if codes.dtype.kind == "f" else ()

    floats: list[tuple[float, ...]] = []
    with closing(ordered_map(ends, prefetch(maps.read(places)), context.threads)) as found:    # type: ignore[type-var]
        for number, pair in enumerate(found):
            context.heartbeat(0)
            if pair == () and number == 0:
                return encoding
            if pair:
                floats.append(pair)
    if not floats:
        return encoding
    return encoding.between(min(pair[0] for pair in floats), max(pair[1] for pair in floats))
