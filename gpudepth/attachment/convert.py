"""Converts depth from one kind of file to another: the photo with another layout, or the map alone."""

from __future__ import annotations

import contextlib
import math
from dataclasses import dataclass, replace
from pathlib import Path

from ..compute import Backend
from ..containers import registry
from ..containers.base import Container, Donates, Donor, HoldsCodes, Picture
from ..containers.dictionary import Dictionary
from ..depth import orientation
from ..depth.calibration import Calibration
from ..depth.data import DepthData, Storage
from ..depth.pixel_format import PixelFormat, quantity_of
from ..errors import GpudepthError, NoDepthError, RangeError, UnsupportedError, UsageError
from ..formats.bytesource import ByteSource, Input, VirtualFile
from ..settings.settings import Settings
from ..timing import StageTimes
from . import export
from .decode import DepthInput
from .output import Written
from .photo import Guide, file_guide, open_photo
from .pipeline import Outcome, run_item, with_preset_reason
from .prepare import PreparedMap, prepare_map
from .side_inputs import NO_SIDE_INPUTS, SideInputs

EXPORTED = 12       # bytes of memory per pixel to write a map alone, as measured
_LEFT_OUT = ("the rendering parameters of Portrait mode (RenderingParameters, SimulatedAperture) were left out; "
             "‹profile=apple-portrait› keeps them")


@dataclass(frozen=True)
class _Source:
    """What is to be converted.

    Attributes:
        photo: Whether it is a photo that holds its map.
        alone: Whether it is a dictionary, which holds a map alone.
        data: Its depth, if it holds depth in metres.
        donor: What it provides as a donor.
    """

    photo: bool
    alone: bool = False
    data: DepthData | None = None
    donor: Donor | None = None


def convert(source: str | Path, out: str | Path, settings: Settings, backend: Backend, *,
            pixel_format: PixelFormat | None = None) -> Outcome:
    """Convert a photo with depth, or a map whose encoding the settings name, to what the suffix of `out` says.

    Into a photo of the same kind: depth is written again with the layout of `settings.profile`. Its codes and range
    stay the same unless the profile limits the size of the map; the picture is not changed. The profile apple-portrait
    keeps the rendering parameters of Portrait mode; other profiles leave them out, with a warning. Into a dictionary,
    bare rows or an array file: the map alone.

    Args:
        source: The photo or map.
        out: The file to write.
        settings: The settings.
        backend: Computes.
        pixel_format: The native format; None keeps that of the source (array files: metres).

    Raises:
        NoDepthError: The source holds no depth.
        UsageError: The settings do not fit the source.
        GpudepthError: As `run_item` raises.
    """
    source, out, settings = Path(source), Path(out), settings.resolve_preset(source)
    opened = _open(source, settings)
    if opened.data is None and settings.encoding is None:
        raise NoDepthError("the file holds no depth", where=source,
                           hint="for a plain map, define its values: ‹near› and ‹far›, or ‹metric=True›")
    own = opened.data.pixel_format if opened.data is not None else settings.pixel_format
    settings = replace(settings, pixel_format=pixel_format or own)
    if out.suffix.lower() in export.SUFFIXES:
        guide = file_guide(source, settings.orientation, settings.limits) if opened.photo and not opened.alone else None
        return export_item(None, source, out, settings, backend, pixel_format=pixel_format, guide=guide)
    if not opened.photo or opened.alone:
        raise UsageError("the file is a map, not a photo", where=source,
                         hint=f"gpudepth attach PHOTO {source.name} -o {out.name} adds it to a photo")
    portrait = settings.profile == "apple-portrait"
    # the codes are kept, so that a JPEG's own coding is the only loss, and it is made as small as possible
    settings = replace(settings, replace_depth=True, jpeg_quality=settings.jpeg_quality or 100,
                       donor=settings.donor or (opened.donor if portrait else None))
    outcome = run_item(source, source, out, settings, backend)
    if opened.donor is not None and not portrait:
        outcome = replace(outcome, warnings=(*outcome.warnings, _LEFT_OUT))
    return outcome


def _open(path: Path, settings: Settings) -> _Source:
    """Read the depth of a file. Raises UsageError for an encoding of depth that has a range."""
    with ByteSource(path, settings.limits) as source:
        container = registry.find(source)
        if container is None:
            return _Source(photo=False)
        alone = isinstance(container, Dictionary)
        if settings.encoding is None:
            data = container.read(source)
            donor = _donor(container, source) if data is not None else None
            return _Source(data is not None, alone, data, donor)
        photo = isinstance(container, HoldsCodes) and container.codes(source) is not None
        if not photo and _has_depth(container, source):
            raise UsageError("‹near›, ‹far› and other encodings do not apply to depth that has a range in metres",
                             where=path, hint="leave them out")
        return _Source(photo, alone)


def _donor(container: Container, source: ByteSource) -> Donor | None:
    """Return what a Portrait photo provides; None for any other file."""
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
                make_folder: bool = False, times: StageTimes | None = None, written: Written | None = None) -> Outcome:
    """Write a map alone, as it would be attached to `photo`: cut to its aspect and refined as the settings say.

    Pixels without a value stay NaN.

    Args:
        photo: The photo; None writes the map as it is.
        depth: The map.
        out: The file to write.
        settings: The settings.
        backend: Computes.
        pixel_format: As in `convert`.
        guide: The pixels of the photo that the map comes from, without `photo`.
        side_inputs: What belongs to the map.
        make_folder: Whether to make missing folders of `out`.
        times: Measures the stages.
        written: As in `run_item`.

    Raises:
        RangeError: The map holds no value.
        GpudepthError: As `run_item` raises.
    """
    out, settings = Path(out), settings.resolve_preset(depth)
    if photo is None:
        prepared = prepare_map(depth, None, settings, backend, guide=guide, side_inputs=side_inputs, times=times)
        data = _upright(prepared, None, settings, backend)
    else:
        with open_photo(photo, settings.limits, settings.color_transform or "srgb") as opened:
            frame = opened.picture.size(display=settings.orientation == "display")
            prepared = prepare_map(depth, frame, settings, backend,
                                   guide=opened.guide(settings.orientation), side_inputs=side_inputs, times=times)
            data = _upright(prepared, opened.picture, settings, backend)
    settings.limits.charge(data.width * data.height * EXPORTED)
    lo, hi = data.range()
    if math.isnan(lo):
        raise RangeError("the map holds no finite value", hint="check its scale and its invalid codes",
                         where=str(depth) if isinstance(depth, str | Path | VirtualFile) else None)
    export.save(data, out, quantity_of(pixel_format) if pixel_format else export.usual_quantity(data, out),
                make_folder=make_folder, written=written)
    return Outcome(out, with_preset_reason(prepared.summary, settings), settings.pixel_format,
                   Storage(settings.pixel_format, lo, hi), data.width, data.height, prepared.warnings, prepared.filled)


def _upright(prepared: PreparedMap, picture: Picture | None, settings: Settings, backend: Backend) -> DepthData:
    """Return a map in the orientation in which it is written."""
    values, calibration = prepared.values, prepared.calibration
    shown = settings.orientation == "display"
    wanted_shown = shown if picture is None else settings.export_orientation == "display"
    turn = settings.exif_turn if wanted_shown else 1
    if picture is not None and shown != wanted_shown:
        turn = orientation.then(orientation.inverse(picture.orientation) if shown else picture.orientation, turn)
    if turn != 1:
        values = backend.orient(backend.put(values), turn)
        calibration = calibration.oriented(turn) if calibration else None
    if settings.calibration != "source":
        calibration = _exif_calibration(picture, shown=wanted_shown) if settings.calibration == "exif" else None
    stored = 1
    if not wanted_shown:
        origin = picture or prepared.source
        stored = origin.orientation if origin else 1
    return DepthData(backend.host(values), settings.pixel_format, orientation=stored, calibration=calibration,
                     **prepared.declared(settings))


def _exif_calibration(picture: Picture | None, *, shown: bool) -> Calibration | None:
    if picture is None or not picture.focal35:
        return None
    return Calibration.from_focal35(picture.focal35, *picture.size(display=shown))
