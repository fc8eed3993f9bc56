"""Prepares a map for a photo: brings it to the photo's aspect, refines it, and converts it to the native format."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from numpy.typing import NDArray

from ..compute import Backend, Span
from ..compute.interface import Array
from ..depth.aspect import compare
from ..depth.calibration import Calibration
from ..depth.data import DepthData
from ..depth.pixel_format import FDIS, PixelFormat, Quantity, quantity_of
from ..errors import AspectError, UsageError
from ..formats.bytesource import VirtualFile
from ..settings.settings import Settings
from ..settings.values import Resize
from ..timing import StageTimes
from .decode import DecodedMap, DepthInput, decode_map
from .photo import Guide
from .side_inputs import NO_SIDE_INPUTS, SideInputs, align_to, read_confidence

if TYPE_CHECKING:       # only clips use it
    from ..compute.refine.temporal import Temporal

RESIZED = 4     # bytes of memory per pixel of a map that is resized, as measured


@dataclass(frozen=True)
class PreparedMap:
    """A map that is ready to be encoded.

    Attributes:
        values: Values (H, W) in the native format of the settings, in the orientation in which they take maps: where
            the back end computes, or on the host for depth data that nothing changed.
        summary: What was understood, for people.
        calibration: The camera of the map, in any resolution.
        source: The depth data that the map came from, if its file or array held depth.
        codes: The codes of `source` (H, W), if nothing changed its values.
        filled: Number of pixels that were filled.
        span: Range of the values, if it is known.
        warnings: Problems, for people.
    """

    values: Array
    summary: str
    calibration: Calibration | None = None
    source: DepthData | None = None
    codes: NDArray[Any] | None = None
    filled: int = 0
    span: Span | None = None
    warnings: tuple[str, ...] = ()

    def declared(self, settings: Settings) -> dict[str, Any]:
        """Return accuracy, quality and filtered: what the settings name, otherwise those of the source."""
        source = self.source
        return {"accuracy": settings.accuracy or (source.accuracy if source else "relative"),
                "quality": settings.quality or (source.quality if source else "high"),
                "filtered": settings.filtered if settings.filtered is not None else source is None or source.filtered}


def prepare_map(depth: DepthInput, frame: tuple[int, int] | None, settings: Settings, backend: Backend, *,
                guide: Guide | None = None, side_inputs: SideInputs = NO_SIDE_INPUTS,
                times: StageTimes | None = None, temporal: Temporal | None = None) -> PreparedMap:
    """Decode a map, cut it to the aspect of a photo, refine it and convert it to the native format.

    Args:
        depth: The map.
        frame: Width and height of the photo in the orientation of the map; None without a photo.
        settings: The settings of the item.
        backend: Computes.
        guide: The pixels of the photo, for refinements along its edges.
        side_inputs: What belongs to the map: metric samples, confidence, the camera.
        times: Measures the stages "read" and "refine".
        temporal: Smooths the frames of a clip, of which this map is the next.

    Raises:
        AspectError: The aspects of map and photo differ.
        GpudepthError: As decoding and refining raise.
    """
    times = times or StageTimes()
    camera = side_inputs.read_camera(settings.limits)
    with times.stage("read"):
        decoded = decode_map(depth, settings, backend, frame, camera.depth if camera else None)
    data = decoded.data
    calibration = data.calibration if data and data.calibration else camera.calibration if camera else None
    current, confidence, warnings = _with_side_inputs(decoded, side_inputs, settings, backend)
    box = None if frame is None else _box(current.values.shape, frame, settings, depth)
    if box is not None:
        x, y, width, height = box
        if calibration is not None:
            calibration = calibration.scaled(*_size(current.values)[::-1]).cropped(x, y, width, height)
        current = replace(current, values=backend.crop(backend.put(current.values), box))
        confidence = confidence if confidence is None else backend.crop(confidence, box)
    with times.stage("refine"):
        current, filled = refine(current, settings, backend, guide=guide, confidence=confidence, temporal=temporal)
    untouched = current.values is decoded.values
    return PreparedMap(_native(current, settings, backend), current.summary, calibration, data,
                       data.codes if data and untouched else None, filled,
                       decoded.span if untouched else None, warnings)


def _with_side_inputs(decoded: DecodedMap, side_inputs: SideInputs, settings: Settings,
                      backend: Backend) -> tuple[DecodedMap, Array | None, tuple[str, ...]]:
    """Return a map aligned to samples, or without the pixels that have no confidence; the confidence; warnings."""
    if settings.align is not None:  # before anything is cut off, because the samples cover the whole field of view
        aligned = align_to(backend.put(decoded.values), side_inputs, settings, backend)
        values = aligned.values if decoded.fmt == FDIS else backend.reciprocal_to(aligned.values, FDIS)
        metric = replace(decoded, values=values, fmt=FDIS, summary=f"{decoded.summary}, {aligned.found}")
        return metric, None, (aligned.warning,) if aligned.warning else ()
    codes = read_confidence(side_inputs, settings, _size(decoded.values))
    if codes is None:
        return decoded, None, ()
    confidence = backend.put(codes)
    return replace(decoded, values=backend.mask(backend.put(decoded.values), confidence)), confidence, ()


def _size(values: Array) -> tuple[int, int]:
    return values.shape[0], values.shape[1]


def _native(current: DecodedMap, settings: Settings, backend: Backend) -> Array:
    """Return the values in the native format."""
    if quantity_of(current.fmt) is not quantity_of(settings.pixel_format):
        return backend.reciprocal_to(backend.put(current.values), settings.pixel_format)
    if current.fmt == settings.pixel_format:
        return current.values
    return backend.cast(backend.put(current.values), settings.pixel_format)


def _box(shape: tuple[int, ...], frame: tuple[int, int], settings: Settings,
         depth: DepthInput) -> tuple[int, int, int, int] | None:
    """Return x, y, width and height of the part that has the photo's aspect; None if nothing is to be cut off.

    Raises AspectError when the aspects differ and the settings neither crop nor stretch.
    """
    height, width = shape
    aspect = compare((width, height), frame, min(width, height))
    if aspect.fits or settings.fit == "stretch":
        return None
    if settings.fit == "error":
        name = str(depth) if isinstance(depth, str | Path | VirtualFile) else "map"
        hint = ("it fits after a turn by 90°: turn it to the photo's display orientation or, if it is oriented as the "
                "photo is stored, use ‹orientation=coded›" if aspect.turned else
                "‹fit=crop› cuts the map to the photo's aspect, ‹fit=stretch› stretches it")
        raise AspectError(f"the map is {width}×{height} but the photo is {frame[0]}×{frame[1]}: their aspects differ "
                          f"by {aspect.off}", where=name, hint=hint)
    if aspect.ratio > 1:
        new_w, new_h = max(1, round(height * frame[0] / frame[1])), height
    else:
        new_w, new_h = width, max(1, round(width * frame[1] / frame[0]))
    return (width - new_w) // 2, (height - new_h) // 2, new_w, new_h


def refine(current: DecodedMap, settings: Settings, backend: Backend, *, guide: Guide | None = None,
           confidence: Array | None = None, temporal: Temporal | None = None) -> tuple[DecodedMap, int]:
    """Clamp, smooth, resize and fill a map, and smooth it over the frames of a clip, in this order.

    Args:
        current: The map: float32 disparity where a step works on that.
        settings: Which steps to take.
        backend: Computes.
        guide: The pixels of the photo.
        confidence: (H, W) uint8, of the values, where the back end computes.
        temporal: Smooths the frames of a clip.

    Returns:
        The map, and the number of pixels that were filled.

    Raises:
        UsageError: If a step needs a photo and the map is alone.
        HolesError: There is no value to fill from.
        LimitError: The map would become larger than the limits allow.
    """
    values, fmt, pictures = current.values, current.fmt, _Pictures(guide, backend)
    if settings.clamp is not None:
        values = backend.clip(backend.put(values), *clamp_ends(quantity_of(fmt), settings.clamp))
    if settings.smooth is not None:
        values = backend.put(values)
        if settings.smooth.method == "median":
            values = backend.median(values, settings.smooth.size)
        else:
            values = backend.bilateral(values, settings.smooth.size, pictures.at(values.shape, "bilateral smoothing"))
    resize, note = _resize(values, settings)
    if resize is not None:
        values = _resized(backend.put(values), resize, settings, backend, pictures=pictures, confidence=confidence)
    filled = 0
    if settings.fill is not None:
        values = backend.put(values)
        if quantity_of(fmt) is not quantity_of(settings.pixel_format):
            # infinite distance is a value of disparity but not of depth; as in a map of depth, it is a hole
            values = backend.positive(values)
        values, filled = _filled(values, settings, backend, fmt, pictures)
    if temporal is not None:
        values = _steadied(backend.put(values), temporal, settings, backend, pictures)
    return replace(current, values=values, summary=current.summary + note), filled


def _steadied(values: Array, temporal: Temporal, settings: Settings, backend: Backend, pictures: _Pictures) -> Array:
    """Return the next frame of a clip, smoothed; values that a scale moves out of the clip's range get its ends."""
    values = temporal.push(values, pictures.at(values.shape, "temporal smoothing")).values
    if not temporal.rescale:
        return values
    if settings.span is not None:
        lo, hi = settings.span
        if quantity_of(settings.pixel_format) is Quantity.DEPTH:
            lo, hi = 1 / hi, 1 / lo if lo > 0 else float("inf")
    elif settings.clamp is not None:
        lo, hi = clamp_ends(Quantity.DISPARITY, settings.clamp)
    else:
        return values
    return backend.clip(values, lo, hi)


def _filled(values: Array, settings: Settings, backend: Backend, fmt: PixelFormat,
            pictures: _Pictures) -> tuple[Array, int]:
    """Return a map without holes, and their number."""
    if settings.fill != "inpaint":
        values, report = backend.fill(values, settings.fill or "", quantity_of(fmt))
        return values, report.count
    picture = None
    if pictures.guide is not None:
        span = backend.span(values)     # a photo is decoded only if a hole needs its colours
        picture = pictures.at(values.shape, "inpainting") if span.valid < span.total else None
    values, report = backend.inpaint(values, picture)
    return values, report.count


class _Pictures:
    """The photo at the sizes at which it guides a map, where the back end computes, each copied there once."""

    def __init__(self, guide: Guide | None, backend: Backend) -> None:
        self.guide, self.backend = guide, backend
        self._made: dict[tuple[int, ...], Array] = {}

    def at(self, shape: tuple[int, ...], step: str) -> Array:
        """Return the picture at the size of a map (H, W). Raises UsageError without a photo."""
        if self.guide is None:
            raise UsageError(f"{step} follows the edges of a photo, but there is no photo",
                             hint="attach the map to a photo, or choose another method")
        if shape not in self._made:
            self._made[shape] = self.backend.put(self.guide.at(shape[1], shape[0]))
        return self._made[shape]


def _resize(values: Array, settings: Settings) -> tuple[Resize | None, str]:
    """Return how to resize a map, and a note for people where the profile requires it."""
    longest = settings.longest_side
    if settings.resize is not None or not longest or max(values.shape) <= longest:
        return settings.resize, ""
    return Resize(long_side=longest), (f", reduced from {values.shape[1]}×{values.shape[0]} because {settings.profile} "
                                       f"allows {longest} pixels at most")


def _resized(values: Array, resize: Resize, settings: Settings, backend: Backend, *, pictures: _Pictures,
             confidence: Array | None) -> Array:
    width, height = resize.target(values.shape[1], values.shape[0])
    settings.limits.check_decode(width, height, RESIZED, where="resize")
    if resize.method == "guided":
        return backend.upsample(values, pictures.at((height, width), "guided resizing"), confidence)
    return backend.resize(values, width, height, resize.method)


def clamp_ends(quantity: Quantity, metres: tuple[float, float]) -> tuple[float, float]:
    """Return the least and the greatest value of a quantity for a clamp [min, max] in metres."""
    return metres if quantity is Quantity.DEPTH else (1 / metres[1], 1 / metres[0])
