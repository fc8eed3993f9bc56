"""Decodes a map: reads a map file, an array or a file that holds depth, and converts it to a native format."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..compute import Backend, Span
from ..compute.interface import Array, on_gpu
from ..containers import registry
from ..containers.base import HoldsCodes, capabilities
from ..depth import orientation
from ..depth.data import DepthData
from ..depth.encoding import Depth, Disparity, DisparityRange, Encoding, Gray, Relative, factor_of
from ..depth.pixel_format import FDEP, FDIS, PixelFormat, Quantity, quantity_of
from ..errors import BackendError, GpudepthError, NoDepthError, RangeError, UsageError
from ..formats.bytesource import ByteSource, Input, as_input
from ..maps.reader import SourceMap, read_map
from ..settings.settings import Settings

# the encodings of values without one that are aligned: the values themselves, up to scale and shift
RELATIVE: dict[str, Encoding] = {"disparity": Disparity(invalid=()), "depth": Depth(invalid=())}

CONVERTED = 4       # bytes of memory per pixel for the converted map and its codes, as measured

DepthInput = str | Input | DepthData | SourceMap | NDArray[Any]


@dataclass(frozen=True)
class DecodedMap:
    """A map and what came with it.

    Attributes:
        values: Values (H, W) in `fmt`, in the orientation that the settings name: where the back end computes, or on
            the host for depth data.
        fmt: Their pixel format: the native format, or float32 where values are refined first.
        summary: What was understood, for people.
        data: The depth data that the map came from, if its file or array held depth.
        span: Range of the values, if the conversion found it.
    """

    values: Array
    fmt: PixelFormat
    summary: str
    data: DepthData | None = None
    span: Span | None = None


def working_format(settings: Settings) -> PixelFormat:
    """Return float32 where values are refined between decoding and packing, and the native format otherwise."""
    if settings.refines:
        return FDEP if settings.align == "depth" else FDIS
    if settings.clamp or settings.resize or settings.longest_side:
        return FDIS if quantity_of(settings.pixel_format) is Quantity.DISPARITY else FDEP
    return settings.pixel_format


def decode_map(depth: DepthInput, settings: Settings, backend: Backend, photo_size: tuple[int, int] | None,
               size: tuple[int, int] | None = None) -> DecodedMap:
    """Read and convert a map.

    Args:
        depth: A file, an array (H, W), or depth that is decoded already.
        settings: What its values mean, its orientation and its limits.
        backend: Converts the values.
        photo_size: Width and height of the photo in the orientation of the map, by which pictures that show photo and
            map side by side are recognised.
        size: Width and height of the map, where its file does not hold them.

    Raises:
        UsageError: Nothing defines what the values mean.
        GpudepthError: As the readers of maps raise.
    """
    if isinstance(depth, DepthData):
        return _from_data(depth, settings, "a depth map")
    if isinstance(depth, SourceMap):
        return _convert_codes(depth, settings, backend)
    if on_gpu(depth):
        return _convert_codes(_wrap(_adopt(depth, backend), settings), settings, backend)
    if isinstance(depth, np.ndarray):
        return _convert_codes(_wrap(depth, settings), settings, backend)
    file = as_input(depth)
    found = _from_container(file, settings, backend) if settings.rows is None else None
    if found is not None:
        return found
    return _convert_codes(read_map(file, limits=settings.limits, key=settings.key, photo_size=photo_size, size=size,
                                rows=settings.rows), settings, backend)


def _from_container(path: Input, settings: Settings, backend: Backend) -> DecodedMap | None:
    """Return the depth of a photo or dictionary, or None if the file is neither."""
    with ByteSource(path, settings.limits) as source:
        container = registry.find(source)
        if container is None:
            return None
        try:
            data = container.read(source)
        except RangeError:
            found = container.codes(source) if isinstance(container, HoldsCodes) else None
            if settings.encoding is None or found is None:
                raise
            turn = container.picture(source).orientation if settings.orientation == "display" else 1
            return _convert_codes(SourceMap(found.codes, 255, turn, path), settings, backend)
    if data is None:
        if capabilities(container).can_be_map and settings.encoding is not None:
            return None
        raise NoDepthError("the file holds no depth", where=str(path),
                           hint="the second argument is the map, or a photo that holds depth")
    if settings.encoding is not None:
        raise UsageError("‹near›, ‹far› and other encodings do not apply to depth that has a range in metres",
                         where=str(path),
                         hint="leave them out (in a job: encoding); its depth is used as it is")
    return _from_data(data, settings, str(path))


def _from_data(data: DepthData, settings: Settings, name: str) -> DecodedMap:
    shown = data.displayed() if settings.orientation == "display" else data
    lo, hi = shown.range()
    summary = f"{shown.quantity} {lo:.4g} to {hi:.4g} {shown.quantity.unit} from {name}"
    shown = shown.to(working_format(settings))
    return DecodedMap(shown.map, shown.pixel_format, summary, shown)


def _adopt(array: Any, backend: Backend) -> Any:
    """Return an array on a GPU for a back end that works there."""
    if backend.name == "numpy":
        raise BackendError(f"the map is on a GPU, but the back end {backend.name} works on the host",
                           hint="use ‹backend=cupy›, or copy the map to the host first")
    from ..compute.cuda import adopt

    return adopt(array)


def _wrap(array: NDArray[Any], settings: Settings) -> SourceMap:
    """Return an array as a source: uint8 and uint16 are codes, floats are values, wider integers are metric codes."""
    if array.ndim != 2 or 0 in array.shape:
        raise UsageError(f"expected a map (height, width), not an array of shape {array.shape}")
    if array.dtype.kind == "f":
        top = None
    elif array.dtype in (np.uint8, np.uint16):
        top = int(np.iinfo(array.dtype).max)
    elif array.dtype.kind in "iu":
        if isinstance(settings.encoding, Gray | DisparityRange):
            raise UsageError(f"the gray level of white is not defined for {array.dtype}",
                             hint="convert the array to uint8 or uint16")
        small = array.min() >= 0 and array.max() <= 65535
        array, top = (array.astype(np.uint16), 65535) if small else (array.astype(np.float64), None)
    else:
        raise UsageError(f"a map cannot hold {array.dtype}", hint="use integers, float16, float32 or float64")
    return SourceMap(array, top, 1, Path("array"))


def _convert_codes(source: SourceMap, settings: Settings, backend: Backend) -> DecodedMap:
    if settings.unpack is not None:
        source = replace(source, codes=settings.unpack(source.codes))
    encoding, relative = _encoding_of(source, settings, backend)
    fmt = working_format(settings)
    height, width = source.codes.shape
    settings.limits.charge(width * height * CONVERTED)
    try:
        rule = encoding.linear(quantity_of(fmt), source.max_code)
    except GpudepthError as error:
        raise error.within(str(source.path)) from None
    if relative:    # values are right up to a shift: 0 and negative ones are values as well
        rule = replace(rule, positive=False)
    _check_gray(source, encoding, backend)
    factor = factor_of(encoding, width, height)
    summary = f"relative {settings.align}" if relative else encoding.describe(source.max_code)
    codes = backend.put(source.codes)
    if source.orientation != 1:
        codes = backend.orient(codes, source.orientation)
        factor = factor if factor is None else orientation.apply(source.orientation, factor)
    if factor is not None or fmt != settings.pixel_format:
        return DecodedMap(backend.convert(codes, rule, fmt, factor=factor), fmt, summary)
    # Nothing else changes the values: one pass finds their range, and they may become stored codes by one table.
    values, span = backend.keep_codes(codes, rule, fmt) or backend.convert_span(codes, rule, fmt)
    return DecodedMap(values, fmt, summary, span=span)


def _encoding_of(source: SourceMap, settings: Settings, backend: Backend) -> tuple[Encoding, bool]:
    """Return the encoding of a map, and whether its values are relative, without an encoding of their own."""
    encoding = settings.encoding or _of_donor(settings)
    if encoding is None and settings.align is not None:
        return RELATIVE[settings.align], True
    if encoding is None and settings.floats_are_metres and source.max_code is None:
        encoding = Depth()
    if encoding is None:
        raise UsageError("nothing defines what the values of the map mean", where=str(source.path), hint=(
            "name the unit of metric samples: ‹align_scale=mm›, 0.001 or 1/256" if settings.floats_are_metres else
            "‹near=0.5› ‹far=12› are the metres at black and white (‹white=near› if white is near); ‹metric=True› if "
            "the values are metres, ‹scale=mm› if they are millimetres; or a preset from gpudepth presets"))
    if isinstance(encoding, Relative) and encoding.low is None and source.max_code is None:
        encoding = encoding.between(*_extremes(source, backend))
    return encoding, False


def _of_donor(settings: Settings) -> Encoding | None:
    """Return the encoding of a gray map, linear in disparity over the range of the donor's map."""
    lo, hi = settings.donor.disparity or (0.0, 0.0) if settings.donor else (0.0, 0.0)
    return Gray(1 / hi, 1 / lo, "disparity", settings.donor_white) if 0 < lo < hi else None


def _extremes(source: SourceMap, backend: Backend) -> tuple[float, float]:
    """Return the smallest and the largest finite value. Raises RangeError."""
    ends = finite_ends(backend.host(source.codes))
    if ends is None:
        raise RangeError("the map holds no finite value", where=str(source.path))
    return ends


def finite_ends(values: NDArray[Any]) -> tuple[float, float] | None:
    """Return the smallest and the largest finite value, or None without finite values."""
    finite = values[np.isfinite(values)]
    return (float(finite.min()), float(finite.max())) if finite.size else None


def _check_gray(source: SourceMap, encoding: Encoding, backend: Backend) -> None:
    """Refuse floats outside 0…1 as gray, because metres taken as gray would be wrong without a message."""
    if source.max_code is None and isinstance(encoding, Gray | DisparityRange):
        codes = backend.host(source.codes)
        finite = codes[np.isfinite(codes)]
        if finite.size and (finite.min() < -1e-3 or finite.max() > 1.001):
            raise UsageError(f"the map holds floats from {finite.min():.4g} to {finite.max():.4g}; gray is from 0 to 1",
                             where=str(source.path),
                             hint="use ‹metric=True› if they are metres; otherwise scale them to 0…1 first")
