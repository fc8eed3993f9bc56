"""Depth from one kind of file into another: the photo stays the photo, or the map goes out alone."""

from __future__ import annotations

import contextlib
import math
from dataclasses import replace
from pathlib import Path

from ..compute import Backend
from ..containers import registry
from ..containers.base import Container, Donates, Donor, HoldsCodes
from ..containers.dictionary import Dictionary
from ..depth import orientation as exif
from ..depth.calibration import Calibration
from ..depth.data import DepthData, Storage
from ..depth.pixel_format import PixelFormat, quantity_of
from ..errors import GpudepthError, NoDepthError, RangeError, UnsupportedError, UsageError
from ..formats.bytesource import ByteSource, Input, VirtualFile, as_input
from ..maps.scene_linear import displayed
from ..settings.settings import Settings
from . import export
from .decode import DepthInput
from .guide import Guide
from .pipeline import Outcome, photo_of, run_item, said_of
from .prepare import shape
from .side_inputs import NO_SIDE_INPUTS, SideInputs

_LEFT_OUT = ("what Portrait mode renders with (RenderingParameters, SimulatedAperture) is left out: "
             "--profile apple-portrait keeps it")


def convert(source: str | Path, out: str | Path, settings: Settings, backend: Backend, *,
            pixel_format: PixelFormat | None = None) -> Outcome:
    """A photo with depth, or a map whose meaning the recipe names, → `out`, whose suffix says what to write.

    Into a photo of the same kind: the depth is laid out anew as `settings.profile` says, its codes and range kept
    unless the profile limits the map's size; the picture is not touched. What Portrait mode renders with stays in the
    profile apple-portrait, for which a portrait is its own donor; the others leave it out, and a warning says so. Into
    a dictionary, bare rows or an array file: the map alone.

    pixel_format   None keeps the source's own (array files: metres)

    Raises NoDepthError, UsageError, and what `run_item` raises.
    """
    source, out, settings = Path(source), Path(out), settings.resolve_preset(source)
    with ByteSource(source, settings.limits) as opened:
        container = registry.find(opened)
        data, photo, own_donor = None, False, None
        if container is not None and settings.encoding is None:
            data = container.read(opened)
            photo = data is not None
            own_donor = _donor(container, opened) if photo else None
        elif container is not None:
            photo = isinstance(container, HoldsCodes) and container.codes(opened) is not None
            if not photo and _has_depth(container, opened):
                raise UsageError("carries a range already: near, far and the like do not apply", where=source,
                                 hint="leave them out")
    if data is None and settings.encoding is None:
        raise NoDepthError("holds no depth", where=source,
                           hint="of a plain map say what its values mean: --near and --far, or --metric")
    own = data.pixel_format if data is not None else settings.pixel_format
    settings = replace(settings, pixel_format=pixel_format or own)
    if out.suffix.lower() in export.SUFFIXES:
        seen = photo and not isinstance(container, Dictionary)
        guide = Guide(source, settings.orientation, settings.limits) if seen else None
        return export_item(None, source, out, settings, backend, pixel_format=pixel_format, guide=guide)
    if not photo or isinstance(container, Dictionary):
        raise UsageError("is a map and no photo", where=source,
                         hint=f"gpudepth attach PHOTO {source.name} -o {out.name} puts it into one")
    portrait = settings.profile == "apple-portrait"
    # the codes are kept: a JPEG's own coding is then all there is of loss, and as little as it can be
    settings = replace(settings, replace_depth=True, jpeg_quality=settings.jpeg_quality or 100,
                     donor=settings.donor or (own_donor if portrait else None))
    outcome = run_item(source, source, out, settings, backend)
    if own_donor is not None and not portrait:
        outcome = replace(outcome, warnings=(*outcome.warnings, _LEFT_OUT))
    return outcome


def _donor(container: Container, source: ByteSource) -> Donor | None:
    """What a photo of Portrait mode gives; None for any other."""
    if isinstance(container, Donates):
        with contextlib.suppress(NoDepthError, UnsupportedError):
            return container.donor(source)
    return None


def _has_depth(container: Container, source: ByteSource) -> bool:
    with contextlib.suppress(GpudepthError):
        return container.read(source) is not None
    return False


def export_item(photo: str | Input | None, depth: DepthInput, out: str | Path, settings: Settings, backend: Backend, *,
                pixel_format: PixelFormat | None = None, guide: Guide | None = None,
                side_inputs: SideInputs = NO_SIDE_INPUTS,
                make_folder: bool = False) -> Outcome:
    """Write a map alone, as it would go into `photo`: of its aspect, refined as the recipe says.

    Values that are not there stay NaN. pixel_format: as in `convert`. guide: the photo it comes from, without `photo`.
    beside: as in `run_item`.
    """
    out, settings = Path(out), settings.resolve_preset(depth)
    if photo is not None:
        photo = displayed(as_input(photo), settings.color_transform or "srgb", settings.limits)     # a guide's, at most
    picture = None if photo is None else photo_of(photo, settings.limits)
    shown = settings.orientation == "display"
    frame = None
    if picture is not None:
        frame = (picture.width, picture.height) if shown else (picture.coded_width, picture.coded_height)
    if photo is not None:
        guide = Guide(photo, settings.orientation, settings.limits)
    shaped = shape(depth, frame, settings, backend, guide=guide, side_inputs=side_inputs)
    values, calibration, source = shaped.values, shaped.calibration, shaped.source
    wanted_shown = settings.export_orientation == "display" if picture is not None else shown
    turn = 1
    if picture is not None and shown != wanted_shown:
        turn = exif.inverse(picture.orientation) if shown else picture.orientation
        values = backend.orient(values, turn)
        calibration = calibration.oriented(turn) if calibration else None
    if wanted_shown and settings.exif_turn != 1:
        values = backend.orient(values, settings.exif_turn)
        calibration = calibration.oriented(settings.exif_turn) if calibration else None
    if settings.calibration == "none":
        calibration = None
    elif settings.calibration == "exif":
        size = None if picture is None else (picture.width, picture.height)
        if size and not wanted_shown and picture is not None:
            size = picture.coded_width, picture.coded_height
        focal = picture.focal35 if picture is not None else None
        calibration = Calibration.from_focal35(focal, *size) if focal and size else None
    stored = 1 if wanted_shown else (picture.orientation if picture else source.orientation if source else 1)
    data = DepthData(
        values, settings.pixel_format, orientation=stored, calibration=calibration,
        accuracy=settings.accuracy or (source.accuracy if source else "relative"),
        quality=settings.quality or (source.quality if source else "high"),
        filtered=settings.filtered if settings.filtered is not None else (source.filtered if source else True))
    lo, hi = data.range()
    if math.isnan(lo):
        raise RangeError("the map holds no finite value at all", hint="check its scale, and what counts as invalid",
                         where=str(depth) if isinstance(depth, str | Path | VirtualFile) else None)
    export.save(data, out, quantity_of(pixel_format) if pixel_format else export.usual_quantity(data, out),
                make_folder=make_folder)
    return Outcome(out, said_of(shaped.said, settings), settings.pixel_format, Storage(settings.pixel_format, lo, hi),
                   data.width, data.height, shaped.warnings, shaped.filled)
