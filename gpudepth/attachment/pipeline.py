"""Processes one photo: decodes its map, prepares and encodes it, attaches it, and writes the file."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..compute import Backend
from ..containers import registry
from ..containers.base import CodedMap, Container, Edit, Picture, capabilities
from ..depth import orientation
from ..depth.data import Storage
from ..depth.pixel_format import PixelFormat, metre_range, quantity_of
from ..errors import GpudepthError, UnsupportedError, UsageError
from ..formats.bytesource import ByteSource, Input, VirtualFile, as_input
from ..settings.settings import Settings
from ..timing import StageTimes
from .decode import DepthInput
from .encode import encode_map
from .output import Written, atomic
from .photo import Photo, open_photo
from .prepare import PreparedMap, prepare_map
from .side_inputs import NO_SIDE_INPUTS, SideInputs

if TYPE_CHECKING:       # only clips use it
    from ..compute.refine.temporal import Temporal


@dataclass(frozen=True)
class Outcome:
    """The result of one item.

    Attributes:
        output: The file that was written.
        summary: What was understood of the map.
        pixel_format: Native format.
        storage: Stored format and range, in the native quantity.
        width: Width of the map as displayed.
        height: Height of the map as displayed.
        warnings: Problems.
        filled: Number of pixels that were filled.
        changes: The photo's own tags that were changed.
    """

    output: Path
    summary: str
    pixel_format: PixelFormat
    storage: Storage
    width: int
    height: int
    warnings: tuple[str, ...] = ()
    filled: int = 0
    changes: tuple[str, ...] = ()

    @property
    def metres(self) -> tuple[float, float]:
        """Nearest and farthest depth that the file holds, in metres; the farthest may be inf."""
        return metre_range(self.storage.lo, self.storage.hi, quantity_of(self.pixel_format))

    def to_dict(self) -> dict[str, Any]:
        """Return a dictionary for JSON, where far is None if it is infinite."""
        near, far = self.metres
        return {
            "output": str(self.output), "said": self.describe(), "native_format": self.pixel_format.name,
            "stored_format": self.storage.format.name, "min": self.storage.lo, "max": self.storage.hi,
            "near": near, "far": far if far != float("inf") else None, "width": self.width, "height": self.height,
            "filled": self.filled, "warnings": list(self.warnings), "changes": list(self.changes)}

    def notices(self) -> tuple[str, ...]:
        """Return warnings and changes, a line each."""
        return (*self.warnings, *(f"changed: {change}" for change in self.changes))

    def describe(self) -> str:
        """Return, for example, `black = 12.00 m, white = 0.50 m, linear in depth, 768×576, hdis as L008`."""
        stored = "" if self.storage.format == self.pixel_format else f" as {self.storage.format}"
        return f"{self.summary}, {self.width}×{self.height}, {self.pixel_format}{stored}"


def run_item(photo: str | Input, depth: DepthInput, out: str | Path, settings: Settings, backend: Backend, *,
             side_inputs: SideInputs = NO_SIDE_INPUTS, make_folder: bool = False,
             times: StageTimes | None = None, written: Written | None = None,
             temporal: Temporal | None = None) -> Outcome:
    """Attach one map to one photo and write the result. Nothing is left behind when it fails.

    Args:
        photo: The photo.
        depth: The map.
        out: The file to write.
        settings: The settings of the item.
        backend: Computes.
        side_inputs: What belongs to the map: metric samples, confidence, the camera.
        make_folder: Whether to make missing folders of `out`.
        times: Measures the stages.
        written: Gets the size and the hash of the output.
        temporal: Smooths the frames of a clip, of which this photo is the next.

    Raises:
        GpudepthError: The photo or the map cannot be processed. Other exceptions are bugs.
    """
    photo, out, times = as_input(photo), Path(out), times or StageTimes()
    target = target_of(out)
    settings = settings.resolve_preset(depth)
    with open_photo(photo, settings.limits, settings.color_transform) as opened:
        container = _container(opened, target, out, settings)
        picture = opened.picture
        frame = picture.size(display=settings.orientation == "display")
        try:
            prepared = prepare_map(depth, frame, settings, backend, guide=opened.guide(settings.orientation),
                                   side_inputs=side_inputs, times=times, temporal=temporal)
            with times.stage("encode"):
                coded, prepared = encode_map(prepared, picture, settings, backend, target)
        except GpudepthError as error:
            if error.where is None and isinstance(depth, str | Path | VirtualFile):
                error.where = str(depth)
            raise
        stat = opened.path.stat()
        if container is None:
            from ..containers.heif import photo_encoder

            with times.stage("encode"):
                data = photo_encoder.encode_photo(opened.path, settings.photo_quality, settings.limits,
                                                  settings.exif_turn, settings.photo_effort)
            with ByteSource(data) as encoded:
                edit = attach_map(target, encoded, coded, replace(settings, turn=0), name=str(photo), times=times)
                write_edit(edit, out, stat, times, make_folder=make_folder, written=written)
        else:
            edit = attach_map(container, opened.source, coded, settings, name=str(photo), times=times)
            write_edit(edit, out, stat, times, make_folder=make_folder, written=written)
    return outcome_of(out, prepared, coded, picture=picture, settings=settings, edit=edit)


def attach_map(container: Container, source: ByteSource, coded: CodedMap, settings: Settings, *, name: str,
               times: StageTimes) -> Edit:
    """Add codes to a photo called `name`. Raises GpudepthError."""
    try:
        with times.stage("encode"):
            return container.attach(source, coded, settings.placement())
    except GpudepthError as error:
        if error.where and error.where.startswith("bytes"):
            error.where = name + error.where.removeprefix("bytes")
        raise


def write_edit(edit: Edit, out: Path, stat: os.stat_result, times: StageTimes, *, make_folder: bool,
               written: Written | None = None) -> None:
    """Write an edited photo, with the times of `stat`. Raises OutputError."""
    with times.stage("write"), atomic(out, like=stat, make_folder=make_folder, written=written) as file:
        edit.splice.write(file)


def outcome_of(out: Path, prepared: PreparedMap, coded: CodedMap, *, picture: Picture, settings: Settings,
               edit: Edit) -> Outcome:
    """Return the result of a photo that was written."""
    turn = orientation.then(picture.orientation, settings.exif_turn)
    width, height = orientation.size(turn, coded.codes.shape[1], coded.codes.shape[0])
    warnings = (*edit.warnings, *prepared.warnings)
    if settings.calibration == "exif" and coded.calibration is None:
        warnings += (f"{out.name}: no calibration was written, because the photo's Exif has no 35 mm focal length",)
    return Outcome(out, with_preset_reason(prepared.summary, settings), coded.pixel_format, coded.storage, width,
                   height, warnings, prepared.filled, tuple(edit.changes))


def with_preset_reason(summary: str, settings: Settings) -> str:
    """Return a summary, preceded by how the preset was found."""
    return f"{settings.preset_reason}: {summary}" if settings.preset_reason else summary


def target_of(out: Path) -> Container:
    """Return the container that writes files with the suffix of `out`. Raises UsageError."""
    container = registry.by_suffix(out.suffix)
    if container is None:
        known = ", ".join(s for c in registry.containers() for s in c.suffixes)
        if out.is_dir():
            raise UsageError("the output is a folder", where=out, hint=f"use -o {out / 'out.heic'}, or any of {known}")
        if not out.suffix:
            raise UsageError("the output has no suffix, which determines its format", where=out,
                             hint=f"use -o {out}.heic, or any of {known}")
        raise UsageError(f"no format that holds depth has the suffix {out.suffix!r}", where=out,
                         hint=f"use one of {known}")
    return container


def _container(photo: Photo, target: Container, out: Path, settings: Settings) -> Container | None:
    """Return the container to attach to; None for a photo that is encoded as HEIC, once.

    Photos such as PNG or TIFF, which cannot hold depth, are encoded; a JPEG only if the settings allow it.
    """
    container = photo.container
    if container is None and registry.by_suffix(photo.path.suffix) is not None:
        registry.require(photo.source)    # the file is empty, or its name is wrong
    if container is not None and container.name == target.name:
        return container
    if not capabilities(target).encodes:
        kind = f"is {container.name}" if container else "cannot hold depth itself"
        same = out.with_suffix(photo.path.suffix if container else ".heic")
        raise UnsupportedError(f"{photo.path.name} {kind} and {out.name} would be {target.name}: photos keep their "
                               "format, and formats that cannot hold depth become HEIC", where=out,
                               hint=f"use -o {same}")
    if out.suffix.lower() == ".avif":
        raise UnsupportedError("photos are encoded with HEVC, not AV1", where=out, hint="write a .heic")
    can = container is not None and capabilities(container).transcodes
    if container is not None and not (can and settings.transcode):
        lost = "a little quality is lost, and so are further images in the file (gain map, motion photo)"
        hint = (f"-o {out.with_suffix(photo.path.suffix)} keeps it as it is; use ‹transcode=True› for a HEIC"
                if can else None)
        raise UsageError(f"the photo is {container.name.upper()}; making a HEIC re-encodes the picture: {lost}",
                         where=str(photo.path), hint=hint)
    return None
