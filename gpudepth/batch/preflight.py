"""Warns of a loss of precision before a run starts, by the range that the encoding names or that of a few maps.

Maps are read in a worker, so that one which kills or hangs its reader does no harm here.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ..attachment.decode import decode_map
from ..attachment.export import MAPS_ALONE
from ..attachment.photo import read_picture
from ..attachment.precision import predict_rounding
from ..compute import backend
from ..containers import registry
from ..containers.base import Container, capabilities
from ..depth.encoding import DisparityRange, Encoding, Gray, Relative, ZBuffer
from ..depth.pixel_format import Quantity, metre_range, quantity_of
from ..errors import counted, render
from ..maps.record3d import read_capture
from ..settings.options import key
from ..settings.settings import Settings
from .plan import select
from .work_item import PhotoItem
from .workers import WorkerContext, run_tasks

SAMPLES = 8


@dataclass(frozen=True)
class RangeProbe:
    """The task of a worker: to find the range of one map."""

    item: PhotoItem
    settings: Settings


@dataclass(frozen=True)
class ProbedRange:
    """The range of a map.

    Attributes:
        near: Nearest metres; NaN for a map without values.
        far: Farthest metres.
        preset_reason: Which preset was recognised, and why.
    """


    near: float
    far: float
    preset_reason: str = ""


def probe_range(task: RangeProbe, worker: WorkerContext) -> ProbedRange:
    """Return the range of one item's map, as it would be stored. Raises what reading it raises."""
    item, settings = task.item, task.settings.resolve_preset(task.item.depth)
    picture = read_picture(item.photo, settings.limits)
    frame = picture.size(display=settings.orientation == "display")
    size = read_capture(item.camera, settings.limits).depth if item.camera else None
    decoded = decode_map(item.depth, settings, backend("numpy"), frame, size)
    span = decoded.span or backend("numpy").span(decoded.values)
    if not span.valid:
        return ProbedRange(math.nan, math.nan, settings.preset_reason)
    return ProbedRange(*metre_range(span.lo, span.hi, quantity_of(decoded.fmt)), settings.preset_reason)


def precision_warnings(items: Sequence[PhotoItem], settings: Settings, seconds: float,
            among: int | None = None) -> tuple[list[str], list[str]]:
    """Return warnings about ranges that cost too much precision, and notes about presets that were recognised.

    Maps that are aligned first, or that keep the codes of their files, are not examined.

    Args:
        items: The items.
        settings: Their settings.
        seconds: Time limit of a map.
        among: Number of all items, where these are some of them.
    """
    stored = select(items, lambda item: item.output.suffix.lower() not in MAPS_ALONE)
    if settings.align is not None or (settings.encoding is None and settings.auto is None) or not stored:
        return [], []
    container = registry.by_suffix(stored[0].output.suffix)
    named = known_range(settings.encoding)
    if named is not None:
        return _warn(*named, settings, container, "the range that the encoding names"), []
    if settings.network is not None:      # its maps do not exist yet
        return [], []
    found, notes = _probe(evenly(stored, SAMPLES), settings, seconds)
    near = min((s.near for s in found if s.near > 0), default=math.nan)
    far = max((s.far for s in found if math.isfinite(s.far)), default=math.nan)
    number = among or len(items)
    of = f"{len(found)} of {number} maps" if len(found) < number else counted(number, "map")
    return _warn(near, far, settings, container, f"the range of {'the map' if number == 1 else of}"), notes


def _probe(items: Sequence[PhotoItem], settings: Settings, seconds: float) -> tuple[list[ProbedRange], list[str]]:
    """Return the ranges of maps that can be read, and notes about presets."""
    found, notes = [], []
    for done in run_tasks(probe_range, [RangeProbe(item, settings) for item in items], 1, seconds):
        if done.error is None:
            found.append(done.result)
            if done.result.preset_reason:
                notes.append(f"{done.task.item.key}: preset auto recognised its map as {done.result.preset_reason}")
        elif settings.auto is not None:
            notes.append(f"{done.task.item.key}: preset auto: {done.error}")
    return found, notes


def other_formats(items: Sequence[PhotoItem], settings: Settings) -> list[str]:
    """Return a warning about photos that fail because they would have to be re-encoded, judging by a few suffixes."""
    odd = [item for item in evenly(items, SAMPLES) if _needs_encoding(item, settings)]
    if not odd:
        return []
    photo, output = odd[0].photo, odd[0].output
    return [f"{photo} cannot become {output}: photos keep their format; use output.path: …{photo.suffix}, a job for "
            "each format, or output.transcode: true to make a HEIC from a JPEG"]


def _needs_encoding(item: PhotoItem, settings: Settings) -> bool:
    photo, output = (registry.by_suffix(file.suffix) for file in (item.photo, item.output))
    if photo is None or output is None or item.output.suffix.lower() in MAPS_ALONE or photo.name == output.name:
        return False
    return not (settings.transcode and capabilities(photo).transcodes and capabilities(output).encodes)


def known_range(encoding: Encoding | None) -> tuple[float, float] | None:
    """Return the nearest and farthest metres of an encoding; None for encodings without ends."""
    if isinstance(encoding, Gray | ZBuffer | Relative):
        return encoding.near, encoding.far
    if isinstance(encoding, DisparityRange):
        lo, hi = sorted((encoding.black, encoding.white))
        return metre_range(lo, hi, Quantity.DISPARITY)
    return None


def evenly(items: Sequence[Any], count: int) -> list[Any]:
    """Return at most `count` evenly chosen items, including the first and the last."""
    if len(items) <= count:
        return list(items)
    if count == 1:
        return [items[0]]
    return [items[round(i * (len(items) - 1) / (count - 1))] for i in range(count)]


def _warn(near: float, far: float, settings: Settings, container: Container | None, of: str) -> list[str]:
    if settings.clamp is not None:
        near, far = max(near, settings.clamp[0]), min(far, settings.clamp[1])
    if container is None or not 0 < near < far < math.inf:
        return []
    bits = settings.bits or container.bits[0]
    found = predict_rounding(near, far, quantity_of(settings.pixel_format), bits, most_bits=max(container.bits), of=of)
    return [render(warning, key) for warning in found]
