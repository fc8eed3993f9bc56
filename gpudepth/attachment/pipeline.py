"""The road of one item: intake → shape → range → codes → container → file."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..compute import Backend, Span
from ..containers import registry
from ..containers.base import CodedMap, Container, Edit, Picture, capabilities
from ..containers.heif import photo_encoder as photo_room
from ..depth import numeric
from ..depth import orientation as exif
from ..depth.calibration import Calibration
from ..depth.data import Storage
from ..depth.pixel_format import FDEP, FDIS, PixelFormat, Quantity, quantity_of
from ..errors import GpudepthError, HolesError, RangeError, UnsupportedError, UsageError
from ..formats.bytesource import ByteSource, Input, VirtualFile, as_input
from ..limits import Limits
from ..maps.scene_linear import displayed
from ..settings.settings import Settings
from ..timing import stage
from .decode import DepthInput
from .guide import Guide
from .output import atomic
from .precision import warn_if_coarse
from .prepare import shape
from .side_inputs import NO_SIDE_INPUTS, SideInputs

SAME_RANGE = 1 / 64  # of a code: what a container may round an end of the range by


@dataclass(frozen=True)
class Outcome:
    """What became of one item. width × height is the map as displayed; storage is in the native quantity; changes are
    the photo's own tags that are not what they were."""

    output: Path
    said: str
    pixel_format: PixelFormat
    storage: Storage
    width: int
    height: int
    warnings: tuple[str, ...] = ()
    filled: int = 0
    changes: tuple[str, ...] = ()

    @property
    def metres(self) -> tuple[float, float]:
        """(nearest, farthest) depth that the file holds; farthest may be inf."""
        return metres_of(self.storage.lo, self.storage.hi, self.pixel_format)

    def to_dict(self) -> dict[str, Any]:
        """For JSON; far is None for infinity."""
        near, far = self.metres
        return {
            "output": str(self.output), "said": self.line(), "native_format": self.pixel_format.name,
            "stored_format": self.storage.format.name, "min": self.storage.lo, "max": self.storage.hi,
            "near": near, "far": far if far != float("inf") else None, "width": self.width, "height": self.height,
            "filled": self.filled, "warnings": list(self.warnings), "changes": list(self.changes)}

    def notices(self) -> tuple[str, ...]:
        """Warnings and changes, as lines."""
        return (*self.warnings, *(f"changed: {change}" for change in self.changes))

    def line(self) -> str:
        """`black = 12.00 m, white = 0.50 m, linear in depth, 768×576, hdis as L008`."""
        stored = "" if self.storage.format == self.pixel_format else f" as {self.storage.format}"
        return f"{self.said}, {self.width}×{self.height}, {self.pixel_format}{stored}"


def metres_of(lo: float, hi: float, fmt: PixelFormat) -> tuple[float, float]:
    """A range in a native format's quantity → (nearest, farthest) metres; 1/0 is inf."""
    if quantity_of(fmt) is Quantity.DEPTH:
        return lo, hi
    return (1 / hi if hi else float("inf")), (1 / lo if lo else float("inf"))


def run_item(photo: str | Input, depth: DepthInput, out: str | Path, settings: Settings, backend: Backend, *,
             side_inputs: SideInputs = NO_SIDE_INPUTS, make_folder: bool = False) -> Outcome:
    """Attach one map to one photo and write `out`. Nothing is left behind when it fails.

    beside   metric depth to align the map to, and its confidence

    Raises errors of `gpudepth.errors` only, unless there is a bug.
    """
    photo, out = as_input(photo), Path(out)
    target = target_of(out)
    settings = settings.resolve_preset(depth)
    photo = displayed(photo, settings.color_transform, settings.limits)
    with ByteSource(photo, settings.limits) as source:
        container = _container(photo, source, target, out, settings)
        picture = container.picture(source) if container else photo_room.picture(photo, settings.limits)
        try:
            guide = Guide(photo, settings.orientation, settings.limits)
            prepared = prepare(depth, picture, settings, backend, target, guide=guide, side_inputs=side_inputs)
        except GpudepthError as error:
            if error.where is None and isinstance(depth, str | Path | VirtualFile):
                error.where = str(depth)
            raise
        coded = prepared.coded
        stat = photo.stat()
        if container is None:
            with stage("encode"):
                data = photo_room.encode_photo(photo, settings.photo_quality, settings.limits, settings.exif_turn)
            with ByteSource(data) as encoded:
                edit = _attach(target, encoded, coded, replace(settings, turn=0), photo)
                _write(edit, out, stat, make_folder=make_folder)
        else:
            edit = _attach(container, source, coded, settings, photo)
            _write(edit, out, stat, make_folder=make_folder)
    return outcome_of(out, prepared, picture, settings, edit)


@dataclass(frozen=True)
class Prepared:
    """A map as codes, and what there is to say about it."""

    coded: CodedMap
    said: str
    warnings: list[str]
    filled: int


def outcome_of(out: Path, prepared: Prepared, picture: Picture, settings: Settings, edit: Edit) -> Outcome:
    """What there is to say of a photo that was written."""
    coded = prepared.coded
    width, height = exif.size(exif.then(picture.orientation, settings.exif_turn), coded.codes.shape[1],
                              coded.codes.shape[0])
    warnings = [*edit.warnings, *prepared.warnings]
    if settings.calibration == "exif" and coded.calibration is None:
        warnings.append(f"{out.name}: the photo names no 35 mm focal length in its Exif: no calibration was written")
    return Outcome(out, prepared.said, coded.pixel_format, coded.storage, width, height, tuple(warnings),
                   prepared.filled, tuple(edit.changes))


def prepare(depth: DepthInput, picture: Picture, settings: Settings, backend: Backend, container: Container, *,
            guide: Guide | None = None, side_inputs: SideInputs = NO_SIDE_INPUTS) -> Prepared:
    """A map for a picture: everything up to the codes that `container` stores."""
    display = settings.orientation == "display"
    frame = (picture.width, picture.height) if display else (picture.coded_width, picture.coded_height)
    shaped = shape(depth, frame, settings, backend, guide=guide, side_inputs=side_inputs)
    values, codes, calibration, data = shaped.values, shaped.codes, shaped.calibration, shaped.source
    if display and picture.orientation != 1:
        turn = exif.inverse(picture.orientation)
        values = backend.orient(values, turn)
        codes = None if codes is None else exif.apply(turn, codes)
        calibration = calibration.oriented(turn) if calibration else None
    warnings: list[str] = []
    if codes is not None and data is not None and data.storage is not None:
        storage, codes, exact = keep_codes(codes, data.storage, settings, backend, container)
        if not exact and storage.format.bits < data.storage.format.bits:
            warnings = [f"the {data.storage.format.bits}-bit codes it was read from are stored with "
                        f"{storage.format.bits} bits"]
    else:
        storage = _storage(shaped.span or backend.span(values), settings, container)
        codes = backend.quantise(values, storage.lo, storage.hi, storage.format)
        warnings = warn_if_coarse(values, codes, storage, settings.pixel_format, max(container.bits))
    coded = CodedMap(
        codes, storage, settings.pixel_format, _calibration(calibration, picture, settings),
        accuracy=settings.accuracy or (data.accuracy if data else "relative"),
        quality=settings.quality or (data.quality if data else "high"),
        filtered=settings.filtered if settings.filtered is not None else (data.filtered if data else True),
        crf=settings.crf, jpeg_quality=settings.jpeg_quality, compression=settings.compression)
    return Prepared(coded, said_of(shaped.said, settings), [*shaped.warnings, *warnings], shaped.filled)


def said_of(said: str, settings: Settings) -> str:
    """What was understood, and before it how the preset was found."""
    return f"{settings.preset_reason}: {said}" if settings.preset_reason else said


def keep_codes(codes: NDArray[Any], old: Storage, settings: Settings, backend: Backend,
               container: Container) -> tuple[Storage, NDArray[Any], bool]:
    """Codes over the range they had in another file → as `container` stores them, over the same range; and whether
    that is exact.

    The codes themselves stay, or are multiplied (8 → 16 bits: by 257; and divided, where they all are multiples),
    unless the container has too few bits or cannot name the range: then they are stored anew, off by half a code at
    most.
    """
    bits: int | None = settings.bits
    if bits is None and container.bits[0] < old.format.bits:
        bits = min((b for b in container.bits if b >= old.format.bits), default=max(container.bits))
    new = container.storage(settings.pixel_format, old.lo, old.hi, bits)
    top, new_top = old.format.max_code or 0, new.format.max_code or 0
    step = (old.hi - old.lo) / new_top
    if max(abs(new.lo - old.lo), abs(new.hi - old.hi)) <= step * SAME_RANGE:
        if new_top % top == 0:
            return new, codes.astype(new.format.dtype) * new.format.dtype.type(new_top // top), True
        if top % new_top == 0 and not (codes % (top // new_top)).any():
            return new, (codes // (top // new_top)).astype(new.format.dtype), True
    table = numeric.code_values(numeric.Linear(top, old.lo, old.hi), top)
    return new, backend.quantise(table.reshape(1, -1), new.lo, new.hi, new.format).ravel()[codes], False


def _calibration(source: Calibration | None, picture: Picture, settings: Settings) -> Calibration | None:
    """The calibration to write, in pixels of the coded picture it will lie beside."""
    size = picture.coded_width, picture.coded_height
    if settings.calibration == "none":
        return None
    if settings.calibration == "exif":
        return Calibration.from_focal35(picture.focal35, *size) if picture.focal35 else None
    return source.scaled(*size) if source else None


def _storage(span: Span, settings: Settings, container: Container) -> Storage:
    if span.valid == 0:
        raise HolesError("the map holds no valid value at all", hint="check its scale, and what counts as invalid")
    if span.valid < span.total and settings.fill is None:
        holes = span.total - span.valid
        hint = ("--fill nearest, far, near or inpaint says what to put there (refine.fill in a job); --clamp is for "
                "infinite distances")
        if holes > span.total / 3:
            hint += "; so many: are the values metres at all? Negative ones are none"
        raise HolesError(f"{holes:,} of {span.total:,} pixels hold no finite value ({holes / span.total:.1%}), "
                         f"and {container.name} stores integers that cannot say so", hint=hint)
    lo, hi = settings.span or (span.lo, span.hi)
    if settings.pixel_format in (FDIS, FDEP):
        lo, hi = outward(lo, hi)
    if not (np.isfinite(lo) and np.isfinite(hi)):
        raise RangeError(f"the range {lo:g} to {hi:g} does not fit half floats",
                         hint="--clamp 0.1,100 bounds it")
    return container.storage(settings.pixel_format, lo, hi, settings.bits)


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


def target_of(out: Path) -> Container:
    """The container that writes files with the suffix of `out`. Raises UsageError."""
    container = registry.by_suffix(out.suffix)
    if container is None:
        known = ", ".join(s for c in registry.containers() for s in c.suffixes)
        if out.is_dir():
            raise UsageError("is a folder", where=out, hint=f"-o {out / 'out.heic'}, or any of {known}")
        if not out.suffix:
            raise UsageError("has no suffix, which says what to write", where=out,
                             hint=f"-o {out}.heic, or any of {known}")
        raise UsageError(f"no format that holds depth has the suffix {out.suffix!r}", where=out, hint=f"one of {known}")
    return container


def photo_of(photo: str | Input, limits: Limits) -> Picture:
    """What a photo says of itself, whatever its format. Raises FileError's kinds."""
    photo = displayed(as_input(photo), "srgb", limits)      # its size is that of any transform
    with ByteSource(photo, limits) as source:
        container = registry.find(source)
        return container.picture(source) if container else photo_room.picture(photo, limits)


def _container(photo: Input, source: ByteSource, target: Container, out: Path, settings: Settings) -> Container | None:
    """The container to attach to; None for a picture that is encoded into a HEIC, once.

    That is fine for PNG or TIFF, which hold no depth anyway, and a named decision for JPEG.
    """
    container = registry.find(source)
    if container is None and registry.by_suffix(photo.suffix) is not None:
        registry.require(source)    # it is empty, or not what its name says
    if container is not None and container.name == target.name:
        return container
    if not capabilities(target).encodes:
        kind = f"is {container.name}" if container else "can hold no depth itself"
        same = out.with_suffix(photo.suffix if container else ".heic")
        raise UnsupportedError(f"{photo.name} {kind} and {out.name} would be {target.name}: photos keep their format, "
                               "and formats that cannot hold depth become HEIC", where=out, hint=f"-o {same}")
    if out.suffix.lower() == ".avif":
        raise UnsupportedError("photos are encoded with HEVC, not AV1", where=out, hint="write a .heic")
    can = container is not None and capabilities(container).transcodes
    if container is not None and not (can and settings.transcode):
        lost = "a little quality is lost, and so are further images in the file (gain map, motion photo)"
        hint = (f"-o {out.with_suffix(photo.suffix)} keeps it as it is; ‹transcode=True› if a HEIC is wanted"
                if can else None)
        raise UsageError(f"is {container.name.upper()}; a HEIC of it re-encodes the picture: {lost}",
                         where=str(photo), hint=hint)
    return None


def _attach(container: Container, source: ByteSource, coded: CodedMap, settings: Settings, photo: Input) -> Edit:
    try:
        with stage("encode"):
            return container.attach(source, coded, settings.placement())
    except GpudepthError as error:
        if error.where and error.where.startswith("bytes"):
            error.where = str(photo) + error.where.removeprefix("bytes")
        raise


def _write(edit: Edit, out: Path, stat: os.stat_result, *, make_folder: bool) -> None:
    with stage("write"), atomic(out, like=stat, make_folder=make_folder) as file:
        edit.splice.write(file)
