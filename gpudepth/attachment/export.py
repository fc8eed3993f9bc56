"""Writes depth as .npy, .npz, .pfm, .png (millimetres), .tiff, .exr, .plist, and bare rows such as .hdis."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..containers import dictionary
from ..depth import numeric
from ..depth.data import DATA, DATA_DESCRIPTION, DepthData
from ..depth.pixel_format import Quantity
from ..errors import RangeError, UsageError
from .output import Written, atomic

MILLIMETRES = 1000


def usual_quantity(data: DepthData, path: Path) -> Quantity:
    """Return the default quantity of a suffix: depth; in a dictionary, the quantity of the map."""
    return data.quantity if path.suffix.lower() in dictionary.SUFFIXES else Quantity.DEPTH


def save(data: DepthData, path: str | Path, quantity: str | Quantity = Quantity.DEPTH, *,
         make_folder: bool = False, written: Written | None = None) -> Path:
    """Write float32 values of `quantity` (H, W) as the suffix says; PNG holds 16-bit millimetres, 0 = no value.

    .plist is ImageIO's dictionary in the map's own native format (`quantity` chooses another) as XML, .bplist the same
    in binary; .hdis, .fdis, .hdep and .fdep are bare little-endian rows in that format, with a description in a
    .json beside them.

    Raises UsageError for another suffix or disparity in a PNG, RangeError beyond 65.535 m in a PNG, OutputError.
    """
    path, quantity = Path(path), Quantity(quantity)
    blob = encode(data, quantity, path)
    with atomic(path, make_folder=make_folder, written=written) as file:
        file.write(blob)
    if path.suffix.lower() in _RAW:
        with atomic(path.with_name(path.name + ".json")) as file:
            file.write(_description(data.to(path.suffix.lower()[1:])))
    return path


def encode(data: DepthData, quantity: str | Quantity, path: Path) -> bytes:
    """Return the bytes of a file with a suffix. Raises as `save` does."""
    encoder = _ENCODERS.get(path.suffix.lower())
    if encoder is None:
        raise UsageError(f"maps cannot be written as {path.suffix!r}", where=path,
                         hint="use one of " + ", ".join(_ENCODERS))
    return encoder(data, Quantity(quantity), path)


def save_side_car(data: DepthData, path: str | Path) -> Path:
    """Write the gray picture that some programs read beside a photo (photo.jpg, photo_depth.png): 8 bits, white is
    near.

    Gray is linear in disparity over the map's own range; NaN and infinite distances are black. The suffix is .png or
    .jpg (quality 95).

    Raises UsageError for another suffix, RangeError for a map without any value, OutputError.
    """
    path = Path(path)
    kind = {".png": "PNG", ".jpg": "JPEG", ".jpeg": "JPEG"}.get(path.suffix.lower())
    if kind is None:
        raise UsageError(f"a side-car is a picture, not {path.suffix!r}", where=path,
                         hint="use photo_depth.png or .jpg")
    disparity = data.disparity()
    finite = disparity[np.isfinite(disparity)]
    if not finite.size:
        raise RangeError("the map holds no finite value", where=path)
    lo, hi = float(finite.min()), float(finite.max())
    codes = numeric.store(np.where(np.isfinite(disparity), disparity, lo), lo, hi, 255)
    with atomic(path) as file:
        file.write(picture(codes, kind))
    return path


def _npy(data: DepthData, quantity: Quantity, path: Path) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, data.values(quantity), allow_pickle=False)
    return buffer.getvalue()


def _npz(data: DepthData, quantity: Quantity, path: Path) -> bytes:
    """Return the map under the name of its quantity, with its metadata."""
    fields: dict[str, Any] = {
        str(quantity): data.values(quantity), "unit": quantity.unit, "native_format": data.pixel_format.name,
        "orientation": data.orientation, "accuracy": data.accuracy, "quality": data.quality, "filtered": data.filtered,
    }
    if data.calibration is not None:
        camera = data.calibration.scaled(data.width, data.height)
        fields |= {"intrinsics": camera.intrinsics, "extrinsics": camera.extrinsics}
    buffer = io.BytesIO()
    np.savez(buffer, **fields)
    return buffer.getvalue()


def _pfm(data: DepthData, quantity: Quantity, path: Path) -> bytes:
    from ..maps.netpbm import encode_pfm

    return encode_pfm(data.values(quantity))


def _tiff(data: DepthData, quantity: Quantity, path: Path) -> bytes:
    return picture(data.values(quantity), "TIFF")


def _exr(data: DepthData, quantity: Quantity, path: Path) -> bytes:
    """Return a float channel: Z for depth, or disparity."""
    name = "Z" if quantity is Quantity.DEPTH else str(quantity)
    return exr({name: np.ascontiguousarray(data.values(quantity))}, {}, path)


def exr(channels: dict[str, NDArray[Any]], header: dict[str, Any], path: Path) -> bytes:
    """Return an OpenEXR file (ZIP) of channels (H, W) float16 or float32, with further attributes in `header`.

    Raises UsageError without the package OpenEXR.
    """
    try:
        import OpenEXR
    except ImportError:
        raise UsageError("OpenEXR files need the package OpenEXR", where=path,
                         hint="install it: pip install 'gpudepth[exr]'") from None
    about = {"compression": OpenEXR.ZIP_COMPRESSION, "type": OpenEXR.scanlineimage, **header}
    import tempfile

    with tempfile.TemporaryDirectory(prefix="gpudepth-") as folder:     # the library writes to files only
        draft = Path(folder) / "map.exr"
        OpenEXR.File(about, {name: np.ascontiguousarray(c) for name, c in channels.items()}).write(str(draft))
        return draft.read_bytes()


def _png(data: DepthData, quantity: Quantity, path: Path) -> bytes:
    if quantity is not Quantity.DEPTH:
        raise UsageError("a PNG holds millimetres of depth, not disparity", where=path, hint="use .npy, .pfm or .tiff")
    metres = data.depth()
    finite = np.isfinite(metres)
    top = float(metres[finite].max()) if finite.any() else 0.0
    if top * MILLIMETRES > np.iinfo(np.uint16).max + 0.5:
        raise RangeError(f"the farthest value is {top:.2f} m, but a 16-bit PNG in millimetres ends at 65.535 m",
                         where=path, hint="use .npy, .pfm or .tiff")
    rounded = np.rint(np.where(finite, metres, 0).astype(np.float64) * MILLIMETRES)
    return picture(rounded.clip(0, 65535).astype(np.uint16), "PNG")


def _plist(data: DepthData, quantity: Quantity, path: Path) -> bytes:
    same = {Quantity.DEPTH: {"hdis": "hdep", "fdis": "fdep"}, Quantity.DISPARITY: {"hdep": "hdis", "fdep": "fdis"}}
    fmt = same[quantity].get(data.pixel_format.name, data.pixel_format)
    return dictionary.serialise(data.to(fmt), binary=path.suffix.lower() == ".bplist")


def _raw(data: DepthData, quantity: Quantity, path: Path) -> bytes:
    info = data.to(path.suffix.lower()[1:]).auxiliary_data_info()
    return bytes(info[DATA])


def _description(data: DepthData) -> bytes:
    """Return the keys of ImageIO's DataDescription, with further metadata, as JSON."""
    about = {**data.auxiliary_data_info()[DATA_DESCRIPTION], "PixelFormatName": data.pixel_format.name,
             "unit": data.quantity.unit, "accuracy": data.accuracy, "quality": data.quality, "filtered": data.filtered}
    if data.calibration is not None:
        camera = data.calibration.scaled(data.width, data.height)
        about |= {"intrinsics": camera.intrinsics.tolist(), "extrinsics": camera.extrinsics.tolist()}
    import json

    return (json.dumps(about, indent=1) + "\n").encode()


def picture(values: NDArray[Any], kind: str) -> bytes:
    """Return an array as a picture file by Pillow: PNG, TIFF, or JPEG of quality 95."""
    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(values).save(buffer, kind, **({"quality": 95} if kind == "JPEG" else {}))
    return buffer.getvalue()


_RAW = (".hdis", ".fdis", ".hdep", ".fdep")
_ENCODERS: dict[str, Callable[[DepthData, Quantity, Path], bytes]] = {
    ".npy": _npy, ".npz": _npz, ".pfm": _pfm, ".png": _png, ".tiff": _tiff, ".tif": _tiff, ".exr": _exr,
    **dict.fromkeys(dictionary.SUFFIXES, _plist), **dict.fromkeys(_RAW, _raw),
}
SUFFIXES = tuple(_ENCODERS)
MAPS_ALONE = (*dictionary.SUFFIXES, *_RAW, ".npy", ".npz", ".pfm")  # suffixes that photos never have
