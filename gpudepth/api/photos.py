"""Writes photos with depth: `attach`, `convert` and `remove`, and `from_model` for the output of networks."""

from __future__ import annotations

import functools
import warnings
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from numpy.typing import NDArray

from ..attachment.decode import DepthInput
from ..attachment.output import atomic
from ..attachment.side_inputs import SideInputs
from ..containers import registry
from ..containers.base import PHOTO_QUALITY
from ..deprecated import renamed_keywords as _renamed
from ..depth.data import DepthData
from ..depth.encoding import Depth, Encoding, Relative
from ..depth.pixel_format import PixelFormat, native
from ..errors import UsageError, render
from ..formats.bytesource import ByteSource
from ..formats.hevc.effort import Effort
from ..limits import DEFAULT, Limits
from ..maps.network import Network
from ..maps.tensors import as_map, is_map
from ..settings.declare import unknown
from ..settings.options import item_settings, names
from ..settings.settings import Settings
from ..settings.values import Bits, Compression, Fill, Fit, Method, Orientation

if TYPE_CHECKING:
    from ..attachment.estimate import Estimator

renamed_keywords = functools.partial(_renamed, unknown)


@renamed_keywords(method="resize_method", align="align_in")
def attach(
    photo: str | Path, depth: Any = None, out: str | Path | None = None, *, near: float | None = None,
    far: float | None = None, white: Literal["far", "near"] = "far", curve: Literal["depth", "disparity"] = "depth",
    disparity_range: tuple[float, float] | None = None, metric: bool | DepthInput = False,
    values: Literal["depth", "disparity"] | None = None, scale: str | float | None = None, offset: float = 0.0,
    invalid: Sequence[int] | None = None, preset: str | None = None, focal_px: float | None = None,
    baseline_m: float | None = None, doffs: float | None = None, encoding: Encoding | None = None,
    clamp: tuple[float, float] | None = None, smooth: str | None = None,
    resize: tuple[int, int] | int | str | None = None, resize_method: Method | None = None, fill: Fill | None = None,
    fit: Fit = "error", align_to: DepthInput | None = None, align_scale: str | float | None = None,
    align_in: Literal["depth", "disparity"] | None = None, confidence: str | Path | NDArray[Any] | None = None,
    confidence_highest: int | None = None, confidence_least: float | None = None,
    estimate: str | Path | Network | None = None, key: str | None = None, shape: str | None = None,
    dtype: str | None = None, bytes_per_row: int | None = None, orientation: Orientation = "display",
    turn: Literal[0, 90, 180, 270] = 0, color_transform: str | None = None, pixel_format: str | PixelFormat = "hdis",
    bits: Bits | None = None, crf: int | None = None, effort: Effort = "balanced", jpeg_quality: int | None = None,
    compression: Compression | None = None, accuracy: Literal["relative", "absolute"] | None = None,
    quality: Literal["high", "low"] | None = None, filtered: bool | None = None,
    calibration: Literal["source", "exif", "none"] = "source", profile: str | None = None, also: Sequence[str] = (),
    donor: str | Path | None = None, trailer: Literal["keep", "drop", "refuse"] = "keep", replace_depth: bool = False,
    transcode: bool = False, photo_quality: int = PHOTO_QUALITY, photo_effort: Effort = "balanced",
    in_place: bool = False, backend: str = "auto", limits: Limits = DEFAULT,
) -> Path:
    """Attach a depth map to a photo without re-encoding the picture.

    Exactly one of these defines what the values of the map mean: `near` and `far`; `disparity_range`; `metric`,
    `values` or `scale`; `preset`; `encoding`. A file that holds depth, a `DepthData` and an array of floats (metres)
    need none of them.

        gpudepth.attach("photo.heic", "depth.png", "out.heic", near=0.5, far=12, white="near")
        gpudepth.attach("photo.jpg", "lidar.png", "out.jpg", scale="mm", fill="nearest")

    Args:
        photo: A HEIC, JPEG or DNG file. PNG, TIFF and other pictures are encoded as HEIC, once.
        depth: A map file, a file that holds depth, a `DepthData`, or an array (H, W) of any library (numpy, torch,
            CuPy, Pillow, …). Integers are codes. Floats are gray 0…1 with `near` and `far`, otherwise metres. An array
            on a GPU is converted on that GPU. Use `from_model` for the output of relative models.
        out: The file to write. Its suffix is that of the photo, or .heic.
        near: Metres at the near end of gray.
        far: Metres at the far end of gray.
        white: The end that white represents: "far" (Apple's article) or "near" (most depth networks).
        curve: The quantity that is linear in gray.
        disparity_range: 1/metres at black and at white, instead of `near` and `far`.
        metric: Whether the values are metres.
        values: What the values are: "depth" (metres) or "disparity" (1/metres).
        scale: One unit of the values in metres: 0.001, "1/256", "mm", "cm".
        offset: Added after the scale, in metres or 1/metres.
        invalid: Codes that represent no value. The default is 0.
        preset: The data set, sensor or model that wrote the map (`gpudepth presets` lists them), or "auto".
        focal_px: For presets: the focal length in pixels of the map.
        baseline_m: For stereo presets: the distance of the cameras in metres.
        doffs: For the preset middlebury: the distance of the principal points in pixels.
        encoding: Any rule of `gpudepth.depth.encoding`.
        clamp: (min, max) in metres. Values outside are set to these ends.
        smooth: "median3", "median5", or "bilateral1" to "bilateral8".
        resize: (width, height) as displayed, or the long side, in pixels.
        resize_method: "area", "bilinear", "nearest", or "guided", which follows the edges of the photo.
        fill: The value of pixels without a value: "nearest", "far", "near" or "inpaint".
        fit: What to do if map and photo differ in aspect: "error", "crop" or "stretch".
        align_to: Metric depth, sparse or small, to which scale and shift of a relative map are fitted.
        align_scale: One unit of `align_to` in metres.
        align_in: The quantity in which the relative map is linear. The default is "disparity".
        confidence: A map of the confidence in each pixel; 0 represents none.
        confidence_highest: The code for full confidence. The default is the maximum of the dtype.
        confidence_least: Pixels with a lower code count as pixels without a value.
        estimate: Instead of a map: the ONNX file of a network (extra `estimate`), or a `Network`.
        key: The array to read from an .npz or HDF5 file.
        shape: "WxH" of a file that contains rows of numbers without a header.
        dtype: The type of these numbers. The default is "float32"; "float32be" is big-endian.
        bytes_per_row: The bytes from one of these rows to the next.
        orientation: Whether the map is oriented as the photo is displayed, or as its pixels are "coded".
        turn: Degrees clockwise by which picture and map are turned in their metadata.
        color_transform: How a scene-linear photo (OpenEXR) becomes colors: "srgb" or "reinhard".
        pixel_format: "hdis", "fdis" (disparity, 1/metres), "hdep" or "fdep" (depth, metres).
        bits: Bits per stored value. The default depends on the container.
        crf: The rate factor of lossy HEVC. The default is lossless.
        effort: The effort of lossless HEVC. Whether hardware decoders accept "fast", which is uncompressed, is unknown.
        jpeg_quality: The quality of a map in a JPEG photo. The default is Apple's quantization table.
        compression: The compression of a map in a DNG file. The default is "deflate".
        accuracy: The accuracy to store. The default is that of the map, or "relative".
        quality: The quality to store: "high" or "low".
        filtered: Whether to mark the depth as filtered.
        calibration: Where the camera calibration comes from.
        profile: The layout to write. The default is the first of the container.
        also: Further layouts in a JPEG file: "gdepth", "dynamic-depth".
        donor: For the profile apple-portrait: a photo taken in Portrait mode that provides its rendering parameters.
        trailer: What to do with bytes after the last image of a JPEG file.
        replace_depth: Whether to replace depth that the photo holds already.
        transcode: Whether a JPEG photo may be re-encoded as HEIC.
        photo_quality: The HEIC quality of a photo that has to be encoded; -1 is lossless.
        photo_effort: The effort of encoding such a photo: "small" compresses best, "fast" takes the least time.
        in_place: Whether to overwrite the photo. The file is replaced completely or not at all.
        backend: "auto", "numpy" or "cupy". All give the same bits.
        limits: The limits for input files.

    Returns:
        The path of the written file.

    Raises:
        UsageError: If a keyword is unknown or has an invalid value.
        GpudepthError: If the map cannot be attached; see `gpudepth.errors`. No partial output remains.

    Warns:
        UserWarning: If the result is correct but not ideal, for example if the range wastes codes or a signature
            becomes invalid, and for each tag of the photo that the profile changes.

    Source: Apple, "Creating auxiliary depth data manually" (gray to depth and disparity); AVDepthData, ImageIO.
    """
    given = dict(locals())
    from ..attachment.pipeline import run_item
    from ..compute import backend as make_backend

    if (out is None) != in_place:
        raise UsageError("pass either out or ‹in_place=True›, which overwrites the photo")
    if (depth is None) != (estimate is not None):
        raise UsageError("pass either depth or ‹estimate›")
    if not isinstance(metric, bool):
        warnings.warn("pass a metric map as align_to= instead of metric=", DeprecationWarning, stacklevel=3)
        given["align_to"], given["metric"] = metric, False
    if turn in _EXIF_TURNS:
        warnings.warn("turn= takes degrees instead of an Exif orientation", DeprecationWarning, stacklevel=3)
        given["turn"] = _EXIF_TURNS[turn]
    if is_map(depth):
        depth = as_map(depth)
    kind = getattr(depth, "dtype", None)
    floats = getattr(kind, "kind", "") == "f" or "float" in str(kind)
    settings = _settings(given, encoding=encoding, floats=floats, limits=limits,
                         network=estimate if isinstance(estimate, Network | None) else Network(Path(estimate)))
    if estimate is not None:
        depth = _estimator().estimate(photo, settings)
    outcome = run_item(photo, depth, photo if out is None else out, settings, make_backend(backend, values=depth),
                       side_inputs=SideInputs(given["align_to"], confidence))
    _warn(outcome.notices())
    return outcome.output


_EXIF_TURNS: dict[int, int] = {1: 0, 6: 90, 3: 180, 8: 270}     # values of turn= in version 0.1


@functools.cache
def _estimator() -> Estimator:
    """The estimator of this program, which keeps the network of the last call loaded."""
    from ..attachment.estimate import Estimator

    return Estimator()


def _warn(notices: Iterable[str]) -> None:
    """Issue warnings at the line that calls a function with `renamed_keywords`."""
    for notice in notices:
        warnings.warn(render(notice), stacklevel=4)


def _settings(given: dict[str, Any], *, limits: Limits, **more: Any) -> Settings:
    """Return the settings that a function's arguments name."""
    return replace(item_settings({k: v for k, v in given.items() if k in names()}, **more), limits=limits)


def from_model(depth: Any, near: float | None = None, far: float | None = None, *,
               quantity: Literal["depth", "disparity"] = "disparity", preset: str | None = None,
               pixel_format: str | PixelFormat = "hdis", backend: str = "auto") -> DepthData:
    """Make depth data of the output of a depth model.

    The result can be passed to `attach`, gives metres with `.depth()`, and is drawn in notebooks.

    Args:
        depth: An array (H, W) or a batch of one, upright as the photo is displayed: numpy, torch, CuPy, JAX…, a Pillow
            image, or the result of transformers' pipeline. NaN and infinity represent no value.
        near: The nearest value of a relative model in metres. Without `near`, `far` and `preset`, the values of the map
            are metres.
        far: The farthest value of a relative model in metres.
        quantity: The quantity of a relative model: "disparity" (large is near: MiDaS, Depth Anything) or "depth"
            (large is far: Marigold).
        preset: The model, by name (`gpudepth presets` lists them), instead of `quantity`.
        pixel_format: "hdis", "fdis" (1/metres), "hdep" or "fdep" (metres): float16 or float32.
        backend: "auto", "numpy" or "cupy". All give the same bits.

    Returns:
        The depth data, in the named pixel format.

    Raises:
        UsageError: If the input is not a map.
        RangeError: If no pixel has a value.

    Source: `depth.encoding.Relative`; the papers and code that `gpudepth presets` names.
    """
    from ..attachment.decode import decode_map
    from ..compute import backend as make_backend

    if (near is None) != (far is None):
        raise UsageError("near and far must be passed together")
    settings = Settings(pixel_format=native(pixel_format), encoding=None if preset else
                      Depth() if near is None or far is None else Relative(near, far, quantity))
    if preset is not None:
        settings = settings.with_preset(preset, near=near, far=far)
    accuracy = settings.accuracy or ("absolute" if near is None else "relative")
    values = as_map(depth)
    engine = make_backend(backend, values=values)
    decoded = decode_map(values, settings, engine, None)
    return DepthData(engine.host(decoded.values), decoded.fmt, accuracy=accuracy)


@renamed_keywords(method="resize_method")
def convert(
    path: str | Path, out: str | Path, *, pixel_format: str | PixelFormat | None = None, profile: str | None = None,
    also: Sequence[str] = (), donor: str | Path | None = None, near: float | None = None, far: float | None = None,
    white: Literal["far", "near"] = "far", curve: Literal["depth", "disparity"] = "depth",
    disparity_range: tuple[float, float] | None = None, metric: bool = False,
    values: Literal["depth", "disparity"] | None = None, scale: str | float | None = None, offset: float = 0.0,
    invalid: Sequence[int] | None = None, preset: str | None = None, focal_px: float | None = None,
    baseline_m: float | None = None, doffs: float | None = None, encoding: Encoding | None = None,
    clamp: tuple[float, float] | None = None, smooth: str | None = None,
    resize: tuple[int, int] | int | str | None = None, resize_method: Method | None = None, fill: Fill | None = None,
    fit: Fit = "error", key: str | None = None, shape: str | None = None, dtype: str | None = None,
    bytes_per_row: int | None = None, orientation: Orientation = "display", export_orientation: Orientation = "display",
    bits: Bits | None = None, crf: int | None = None, effort: Effort = "balanced", jpeg_quality: int | None = None,
    compression: Compression | None = None, accuracy: Literal["relative", "absolute"] | None = None,
    quality: Literal["high", "low"] | None = None, filtered: bool | None = None,
    calibration: Literal["source", "exif", "none"] = "source", trailer: Literal["keep", "drop", "refuse"] = "keep",
    replace_depth: bool = False, transcode: bool = False, photo_quality: int = PHOTO_QUALITY,
    photo_effort: Effort = "balanced", backend: str = "auto", limits: Limits = DEFAULT,
) -> Path:
    """Convert depth from one kind of file into another.

    If `out` is a photo of the same kind, its depth is written in the layout `profile`, with the layouts of `also`;
    codes and range are kept and the picture is not re-encoded. If `out` is a .plist, .hdis (or similar), .npy, .npz,
    .pfm, .tiff or .png file, only the map is written.

    Args:
        path: A photo that holds depth, or a map (H, W) in a file.
        out: The file to write. Its suffix determines what is written.
        pixel_format: As in `attach`. None keeps that of the source; array files then hold metres, float32.
        profile: As in `attach`.
        also: As in `attach`.
        donor: As in `attach`.
        near: As in `attach`.
        far: As in `attach`.
        white: As in `attach`.
        curve: As in `attach`.
        disparity_range: As in `attach`.
        metric: As in `attach`.
        values: As in `attach`.
        scale: As in `attach`.
        offset: As in `attach`.
        invalid: As in `attach`.
        preset: As in `attach`.
        focal_px: As in `attach`.
        baseline_m: As in `attach`.
        doffs: As in `attach`.
        encoding: As in `attach`.
        clamp: As in `attach`.
        smooth: As in `attach`.
        resize: As in `attach`.
        resize_method: As in `attach`.
        fill: As in `attach`.
        fit: As in `attach`.
        key: As in `attach`.
        shape: As in `attach`.
        dtype: As in `attach`.
        bytes_per_row: As in `attach`.
        orientation: As in `attach`.
        export_orientation: The orientation of maps that are written without a photo.
        bits: As in `attach`.
        crf: As in `attach`.
        effort: As in `attach`.
        jpeg_quality: As in `attach`.
        compression: As in `attach`.
        accuracy: As in `attach`.
        quality: As in `attach`.
        filtered: As in `attach`.
        calibration: As in `attach`.
        trailer: As in `attach`.
        replace_depth: Accepted, and without effect: depth of the source is always replaced.
        transcode: As in `attach`.
        photo_quality: As in `attach`.
        photo_effort: As in `attach`.
        backend: As in `attach`.
        limits: As in `attach`.

    Returns:
        The path of the written file.

    Raises:
        NoDepthError: If the source holds no depth.
        GpudepthError: As in `attach`.

    Source: The sources of `read` and `attach`.
    """
    given = dict(locals())
    from ..attachment.convert import convert as run_convert
    from ..compute import backend as make_backend

    fmt = native(pixel_format) if pixel_format is not None else None
    settings = _settings(given, encoding=encoding, limits=limits)
    outcome = run_convert(path, out, settings, make_backend(backend), pixel_format=fmt)
    _warn(outcome.notices())
    return outcome.output


def remove(path: str | Path, out: str | Path, *, limits: Limits = DEFAULT) -> Path:
    """Remove the depth from a photo, with its metadata and its bytes.

    Args:
        path: The photo.
        out: The file to write. The bytes of the coded picture stay the same.
        limits: The limits for the file.

    Returns:
        The path of the written file.

    Raises:
        NoDepthError: If the photo holds no depth.
        FileError: If the photo is damaged, not supported, or exceeds a limit.
        OutputError: If the output cannot be written.

    Source: The sources of `read`.
    """
    path, out = Path(path), Path(out)
    with ByteSource(path, limits) as source:
        container = registry.require(source)
        if out.suffix.lower() not in (path.suffix.lower(), *container.suffixes):
            raise UsageError(f"the output must be a {container.name} file like {path.name}", where=out,
                             hint=f"-o {out.with_suffix(path.suffix)}")
        edit = container.remove(source)
        with atomic(out, like=path.stat()) as file:
            edit.splice.write(file)
    return out
