"""The road of one item: intake → fit → clamp, resize, fill → range → codes → container → file."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..compute import Backend
from ..containers import registry
from ..containers.base import CodedMap, Container, Edit, Picture
from ..containers.heif import photo as photo_room
from ..containers.heif.heif import Heif
from ..depth import orientation as exif
from ..depth.calibration import Calibration
from ..depth.data import Storage
from ..depth.pixel_format import FDEP, FDIS, PixelFormat, Quantity, quantity_of
from ..errors import AspectError, GpudepthError, HolesError, RangeError, UnsupportedError, UsageError
from ..formats.bytesource import ByteSource
from .intake import DepthInput, Intake, take
from .output import atomic
from .precision import warn_if_coarse
from .recipe import Recipe

ASPECT_TOLERANCE = 0.01


@dataclass(frozen=True)
class Outcome:
    """What became of one item. width × height is the map as displayed; storage is in the native quantity."""

    output: Path
    said: str
    pixel_format: PixelFormat
    storage: Storage
    width: int
    height: int
    warnings: tuple[str, ...] = ()
    filled: int = 0

    @property
    def metres(self) -> tuple[float, float]:
        """(nearest, farthest) depth that the file holds; farthest may be inf."""
        lo, hi = self.storage.lo, self.storage.hi
        if quantity_of(self.pixel_format) is Quantity.DEPTH:
            return lo, hi
        return (1 / hi if hi else float("inf")), (1 / lo if lo else float("inf"))

    def line(self) -> str:
        """`black = 12.00 m, white = 0.50 m, linear in depth, 768×576, hdis as L008`."""
        return f"{self.said}, {self.width}×{self.height}, {self.pixel_format} as {self.storage.format}"


def run_item(photo: str | Path, depth: DepthInput, out: str | Path, recipe: Recipe, backend: Backend, *,
             make_folder: bool = False) -> Outcome:
    """Attach one map to one photo and write `out`. Nothing is left behind when it fails.

    Raises errors of `gpudepth.errors` only, unless there is a bug.
    """
    photo, out = Path(photo), Path(out)
    target = _target(out)
    with ByteSource(photo, recipe.limits) as source:
        container = _container(photo, source, target, out, recipe)
        picture = container.picture(source) if container else photo_room.picture(photo, recipe.limits)
        try:
            prepared = prepare(depth, picture, recipe, backend, target)
        except GpudepthError as error:
            if error.where is None and isinstance(depth, str | Path):
                error.where = str(depth)
            raise
        coded = prepared.coded
        stat = os.stat(photo)  # noqa: PTH116
        if container is None:
            data = photo_room.encode_photo(photo, recipe.photo_quality, recipe.limits)
            with ByteSource(data) as encoded:
                edit = _attach(target, encoded, coded, recipe, photo)
                _write(edit, out, stat, make_folder=make_folder)
        else:
            edit = _attach(container, source, coded, recipe, photo)
            _write(edit, out, stat, make_folder=make_folder)
    width, height = exif.size(picture.orientation, coded.codes.shape[1], coded.codes.shape[0])
    warnings = [*edit.warnings, *prepared.warnings]
    if recipe.calibration == "exif" and coded.calibration is None:
        warnings.append(f"{photo.name} names no 35 mm focal length in its Exif: no calibration was written")
    return Outcome(out, prepared.said, coded.pixel_format, coded.storage, width, height, tuple(warnings),
                   prepared.filled)


@dataclass(frozen=True)
class Prepared:
    """A map as codes, and what there is to say about it."""

    coded: CodedMap
    said: str
    warnings: list[str]
    filled: int


def prepare(depth: DepthInput, picture: Picture, recipe: Recipe, backend: Backend, container: Container) -> Prepared:
    """A map for a picture: everything up to the codes that `container` stores."""
    display = recipe.orientation == "display"
    frame = (picture.width, picture.height) if display else (picture.coded_width, picture.coded_height)
    intake = take(depth, recipe, backend, frame)
    values, calibration = _fit(intake, frame, recipe, depth)
    if recipe.clamp is not None:
        values = _clamp(values, quantity_of(intake.fmt), recipe.clamp)
    if recipe.resize is not None:
        width, height = recipe.resize.target(values.shape[1], values.shape[0])
        recipe.limits.check_picture(width, height, 4, where="resize")
        values = backend.resize(values, width, height, recipe.resize.method)
    filled = 0
    if recipe.fill is not None:
        values, report = backend.fill(values, recipe.fill, quantity_of(intake.fmt))
        filled = report.count
    if display and picture.orientation != 1:
        values = backend.orient(values, exif.inverse(picture.orientation))
        calibration = calibration.oriented(exif.inverse(picture.orientation)) if calibration else None
    if intake.fmt != recipe.pixel_format:
        with np.errstate(over="ignore"):
            values = values.astype(recipe.pixel_format.dtype)
    storage = _storage(values, recipe, backend, container)
    codes = backend.quantise(values, storage.lo, storage.hi, storage.format)
    data = intake.data
    coded = CodedMap(
        codes, storage, recipe.pixel_format, _calibration(calibration, picture, recipe),
        accuracy=recipe.accuracy or (data.accuracy if data else "relative"),
        quality=recipe.quality or (data.quality if data else "high"),
        filtered=recipe.filtered if recipe.filtered is not None else (data.filtered if data else True),
        crf=recipe.crf, jpeg_quality=recipe.jpeg_quality, compression=recipe.compression)
    warnings = warn_if_coarse(values, storage, recipe.pixel_format, max(container.bits))
    return Prepared(coded, intake.said, warnings, filled)


def _calibration(source: Calibration | None, picture: Picture, recipe: Recipe) -> Calibration | None:
    """The calibration to write, in pixels of the coded picture it will lie beside."""
    size = picture.coded_width, picture.coded_height
    if recipe.calibration == "none":
        return None
    if recipe.calibration == "exif":
        return Calibration.from_focal35(picture.focal35, *size) if picture.focal35 else None
    return source.scaled(*size) if source else None


def _fit(intake: Intake, frame: tuple[int, int], recipe: Recipe,
         depth: DepthInput) -> tuple[NDArray[Any], Calibration | None]:
    """The map, cut to the photo's aspect when asked; raises AspectError when it differs and was not."""
    values, calibration = intake.values, intake.calibration
    height, width = values.shape
    ratio = (width * frame[1]) / (height * frame[0])
    # a pixel more or less is rounding, not another field of view
    slack = max(ASPECT_TOLERANCE, 0.75 / min(width, height))
    if abs(ratio - 1) <= slack or recipe.fit == "stretch":
        return values, calibration
    if recipe.fit == "error":
        turned = abs((height * frame[1]) / (width * frame[0]) - 1) <= slack
        name = depth if isinstance(depth, str | Path) else "map"
        hint = ("it fits turned by 90°: it may be in the photo's stored orientation, --orientation coded"
                if turned else "--fit crop cuts the map to the photo's aspect, --fit stretch bends it")
        raise AspectError(f"the map is {width}×{height} and the photo {frame[0]}×{frame[1]}: "
                          f"the aspects differ by {abs(ratio - 1):.1%}", where=name, hint=hint)
    if ratio > 1:
        new_w, new_h = max(1, round(height * frame[0] / frame[1])), height
    else:
        new_w, new_h = width, max(1, round(width * frame[1] / frame[0]))
    x, y = (width - new_w) // 2, (height - new_h) // 2
    if calibration is not None:
        calibration = calibration.scaled(width, height).cropped(x, y, new_w, new_h)
    return np.ascontiguousarray(values[y : y + new_h, x : x + new_w]), calibration


def _clamp(values: NDArray[Any], quantity: Quantity, metres: tuple[float, float]) -> NDArray[Any]:
    lo, hi = metres if quantity is Quantity.DEPTH else (1 / metres[1], 1 / metres[0])
    clamped: NDArray[Any] = np.clip(values, values.dtype.type(lo), values.dtype.type(hi))
    return clamped


def _storage(values: NDArray[Any], recipe: Recipe, backend: Backend, container: Container) -> Storage:
    span = backend.span(values)
    if span.valid == 0:
        raise HolesError("the map holds no valid value at all", hint="check its scale, and what counts as invalid")
    if span.valid < span.total and recipe.fill is None:
        holes = span.total - span.valid
        raise HolesError(f"{holes:,} of {span.total:,} pixels hold no finite value ({holes / span.total:.1%}), "
                         f"and {container.name} stores integers that cannot say so",
                         hint="name a fill: --fill nearest, far or near; or --clamp for infinite distances")
    lo, hi = span.lo, span.hi
    if recipe.pixel_format in (FDIS, FDEP):
        lo, hi = outward(lo, hi)
    if not (np.isfinite(lo) and np.isfinite(hi)):
        raise RangeError(f"the range {span.lo:g} to {span.hi:g} does not fit half floats",
                         hint="--clamp 0.1,100 bounds it")
    return container.storage(recipe.pixel_format, lo, hi, recipe.bits)


def outward(lo: float, hi: float) -> tuple[float, float]:
    """[lo, hi] widened to half floats, so that XMP, SEI and quantiser hold the same numbers."""
    half = np.float16
    with np.errstate(over="ignore"):
        low, high = half(lo), half(hi)
    if float(low) > lo:
        low = np.nextafter(low, half(-np.inf))
    if float(high) < hi:
        high = np.nextafter(high, half(np.inf))
    return float(low), float(high)


def _target(out: Path) -> Container:
    container = registry.by_suffix(out.suffix)
    if container is None:
        known = ", ".join(s for c in registry.containers() for s in c.suffixes)
        raise UsageError(f"no format that holds depth has the suffix {out.suffix!r}", where=out, hint=f"one of {known}")
    return container


def _container(photo: Path, source: ByteSource, target: Container, out: Path, recipe: Recipe) -> Container | None:
    """The container to attach to; None for a picture that is encoded into a HEIC, once.

    That is fine for PNG or TIFF, which hold no depth anyway, and a named decision for JPEG.
    """
    container = registry.find(source)
    if container is not None and container.name == target.name:
        return container
    if not isinstance(target, Heif):
        kind = container.name if container else "no file that can hold depth"
        raise UnsupportedError(f"{photo.name} is {kind} and {out.name} would be {target.name}: depth is attached "
                               "without re-encoding, so both are the same format", where=out,
                               hint="give the output the suffix of the photo, or write a .heic")
    if out.suffix.lower() == ".avif":
        raise UnsupportedError("photos are encoded with HEVC, not AV1", where=out, hint="write a .heic")
    if container is not None and (container.name != "jpeg" or not recipe.transcode):
        lost = "a little quality is lost, and so are further images in the file (gain map, motion photo)"
        hint = f"--transcode if that is wanted, or write a {photo.suffix}" if container.name == "jpeg" else None
        raise UsageError(f"is {container.name.upper()}; a HEIC of it is encoded anew: {lost}", where=photo, hint=hint)
    return None


def _attach(container: Container, source: ByteSource, coded: CodedMap, recipe: Recipe, photo: Path) -> Edit:
    try:
        return container.attach(source, coded, recipe.placement())
    except GpudepthError as error:
        if error.where and error.where.startswith("bytes"):
            error.where = str(photo) + error.where.removeprefix("bytes")
        raise


def _write(edit: Edit, out: Path, stat: os.stat_result, *, make_folder: bool) -> None:
    with atomic(out, like=stat, make_folder=make_folder) as file:
        edit.splice.write(file)
