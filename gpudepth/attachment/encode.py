"""Encodes a prepared map as the integer codes that a container stores."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from ..compute import Backend, Span
from ..containers.base import CodedMap, Container, Picture
from ..depth import numeric, orientation
from ..depth.calibration import Calibration
from ..depth.data import Storage
from ..depth.pixel_format import FDEP, FDIS
from ..errors import HolesError, RangeError
from ..settings.settings import Settings
from .precision import warn_if_coarse
from .prepare import PreparedMap

SAME_RANGE = 1 / 64  # of a code: how much a container may round an end of the range


def encode_map(prepared: PreparedMap, picture: Picture, settings: Settings, backend: Backend,
               container: Container) -> tuple[CodedMap, PreparedMap]:
    """Encode a map for a picture.

    Args:
        prepared: The map.
        picture: The picture that it belongs to.
        settings: The settings of the item.
        backend: Computes.
        container: The container that stores the codes.

    Returns:
        The codes in the coded orientation of the picture, and the map with warnings about them.

    Raises:
        HolesError: Pixels have no value, and codes cannot express that.
        RangeError: The range does not fit the format.
    """
    codes, calibration, data = prepared.codes, prepared.calibration, prepared.source
    turn = orientation.inverse(picture.orientation) if settings.orientation == "display" else 1
    calibration = calibration.oriented(turn) if calibration and turn != 1 else calibration
    warnings: list[str] = []
    if codes is not None and data is not None and data.storage is not None:
        codes = codes if turn == 1 else orientation.apply(turn, codes)
        storage, codes, exact = keep_codes(codes, data.storage, settings, backend, container)
        if not exact and storage.format.bits < data.storage.format.bits:
            warnings = [f"codes of {data.storage.format.bits} bits are stored with {storage.format.bits} bits"]
    else:
        # Depth data is on the host. Any other map is where the back end computes, or still its codes.
        values = prepared.values if data is None else backend.put(prepared.values)
        storage = _storage(prepared.span or backend.span(values), settings, container)
        coded = backend.quantise(values, storage.lo, storage.hi, storage.format)
        codes = backend.host(coded if turn == 1 else backend.orient(coded, turn))
        warnings = warn_if_coarse(codes, storage, settings.pixel_format, max(container.bits),
                                  lambda every: backend.sample(values, every))
    result = CodedMap(
        codes, storage, settings.pixel_format, _calibration(calibration, picture, settings),
        crf=settings.crf, effort=settings.effort, jpeg_quality=settings.jpeg_quality,
        compression=settings.compression,
        **prepared.declared(settings))
    return result, replace(prepared, warnings=(*prepared.warnings, *warnings))


def keep_codes(codes: NDArray[np.uint8 | np.uint16], old: Storage, settings: Settings, backend: Backend,
               container: Container) -> tuple[Storage, NDArray[np.uint8 | np.uint16], bool]:
    """Convert codes over a range in another file to the codes of a container over the same range.

    Codes stay the same, or are multiplied (from 8 to 16 bits by 257; divided where all of them are multiples), unless
    the container has too few bits or cannot store the range exactly: then they are quantised again, and off by half a
    code at most.

    Returns:
        How the container stores them, the codes, and whether they are exact.
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
    return new, numeric.store(table, new.lo, new.hi, new.format.max_code or 0)[codes], False


def _calibration(source: Calibration | None, picture: Picture, settings: Settings) -> Calibration | None:
    """Return the calibration to write, for the coded picture."""
    size = picture.coded_width, picture.coded_height
    if settings.calibration == "none":
        return None
    if settings.calibration == "exif":
        return Calibration.from_focal35(picture.focal35, *size) if picture.focal35 else None
    return source.scaled(*size) if source else None


def _storage(span: Span, settings: Settings, container: Container) -> Storage:
    """Return how a container stores values of a range."""
    if span.valid == 0:
        raise HolesError("the map holds no valid value", hint="check its scale and its invalid codes")
    if span.valid < span.total and settings.fill is None:
        holes = span.total - span.valid
        hint = ("‹fill=nearest›, far, near or inpaint fills them; ‹clamp› gives infinite distances an end")
        if holes > span.total / 3:
            hint += "; there are so many that the values may not be metres, which are never negative"
        raise HolesError(f"{holes:,} of {span.total:,} pixels ({holes / span.total:.1%}) have no finite value, and the "
                         f"integers that {container.name} stores cannot express that", hint=hint)
    lo, hi = settings.span or (span.lo, span.hi)
    if settings.pixel_format in (FDIS, FDEP):
        lo, hi = outward(lo, hi)
    if not (np.isfinite(lo) and np.isfinite(hi)):
        raise RangeError(f"the range {lo:g} to {hi:g} does not fit half floats", hint="‹clamp=(0.1, 100)› limits it")
    return container.storage(settings.pixel_format, lo, hi, settings.bits)


def outward(lo: float, hi: float) -> tuple[float, float]:
    """Return [lo, hi] widened to half floats, so that XMP, SEI and quantiser hold the same numbers."""
    return numeric.half_outward(lo, up=False), numeric.half_outward(hi, up=True)
