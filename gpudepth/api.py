"""What `import gpudepth` offers.

    read(path)                       depth out of a file, in metres
    attach(photo, depth, out, …)     depth into a photo, its picture untouched
    from_model(depth, near, far)     what a depth model returned, as depth data
    convert(path, out)               depth from one kind of file into another
    remove(path, out)                depth out of the way
    inspect(path)                    what a file says of its depth
    check(path)                      does it conform, rule by rule
    run(job)                         a job file over a folder
"""

from __future__ import annotations

import functools
import warnings
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from numpy.typing import NDArray

from .attachment.check import check_file
from .attachment.decode import DepthInput
from .attachment.inspection import Report
from .attachment.output import atomic
from .attachment.side_inputs import SideInputs
from .containers import registry
from .containers.heif.photo_encoder import DEFAULT_QUALITY
from .containers.rules import Verdicts
from .deprecated import renamed_keywords as _renamed
from .depth.data import DepthData
from .depth.encoding import Depth, Encoding, Relative
from .depth.pixel_format import PixelFormat, native
from .errors import UsageError, render
from .formats.bytesource import ByteSource
from .limits import DEFAULT, Limits
from .maps.network import Network
from .maps.tensors import as_map, is_map
from .settings.declare import unknown
from .settings.options import item_settings, names
from .settings.settings import Settings
from .settings.values import Fill, Fit, Method, Orientation
from .video import checks

if TYPE_CHECKING:
    from .batch.runner import RunSummary

renamed_keywords = functools.partial(_renamed, unknown)


def read(path: str | Path, *, orientation: Orientation = "display", limits: Limits = DEFAULT) -> DepthData | None:
    """The depth of a photo, or None when it holds none: a map (H, W), float16 or float32, in metres or 1/metres.

    path          HEIC, AVIF, JPEG (Apple's layout, GDepth, Dynamic Depth), DNG, an ImageIO dictionary
    orientation   "display": as the photo is shown. "coded": as its pixels are stored; `DepthData.orientation` says
                  how to turn it
    limits        what the file may ask for before anything is decoded

    Raises FileError and its kin for damaged files, MissingInputError.
    Source: ISO/IEC 23008-12 (HEIF), Apple's AVDepthData and ImageIO, Google's depth map metadata, Adobe's DNG 1.7.
    """
    with ByteSource(path, limits) as source:
        data = registry.require(source).read(source)
    return data if data is None or orientation == "coded" else data.displayed()


@renamed_keywords(method="resize_method", align="align_in")
def attach(
    photo: str | Path, depth: Any = None, out: str | Path | None = None, *,
    near: float | None = None, far: float | None = None, white: Literal["far", "near"] = "far",
    curve: Literal["depth", "disparity"] = "depth", disparity_range: tuple[float, float] | None = None,
    metric: bool | DepthInput = False, values: Literal["depth", "disparity"] | None = None,
    scale: str | float | None = None, offset: float = 0.0, invalid: Sequence[int] | None = None,
    preset: str | None = None, focal_px: float | None = None, baseline_m: float | None = None,
    doffs: float | None = None, encoding: Encoding | None = None,
    clamp: tuple[float, float] | None = None, smooth: str | None = None,
    resize: tuple[int, int] | int | str | None = None, resize_method: Method | None = None, fill: Fill | None = None,
    fit: Fit = "error", align_to: DepthInput | None = None, align_scale: str | float | None = None,
    align_in: Literal["depth", "disparity"] | None = None, confidence: str | Path | NDArray[Any] | None = None,
    confidence_highest: int | None = None, confidence_least: float | None = None,
    estimate: str | Path | Network | None = None, key: str | None = None, shape: str | None = None,
    dtype: str | None = None, bytes_per_row: int | None = None, orientation: Orientation = "display",
    turn: Literal[0, 90, 180, 270] = 0, color_transform: str | None = None,
    pixel_format: str | PixelFormat = "hdis", bits: Literal[8, 10, 12, 16] | None = None, crf: int | None = None,
    jpeg_quality: int | None = None, compression: Literal["none", "deflate", "ljpeg", "jpegxl"] | None = None,
    accuracy: Literal["relative", "absolute"] | None = None, quality: Literal["high", "low"] | None = None,
    filtered: bool | None = None, calibration: Literal["source", "exif", "none"] = "source",
    profile: str | None = None, also: Sequence[str] = (), donor: str | Path | None = None,
    trailer: Literal["keep", "drop", "refuse"] = "keep", replace_depth: bool = False, transcode: bool = False,
    photo_quality: int = DEFAULT_QUALITY, in_place: bool = False, backend: str = "auto", limits: Limits = DEFAULT,
) -> Path:
    """Attach a depth map to a photo without re-encoding the picture.

    The values of the map mean depth by exactly one of: `near` and `far`; `disparity_range`; `metric`, `values` or
    `scale`; `preset`; `encoding`. A file that holds depth, a `DepthData` and an array of floats (metres) need none.

        gpudepth.attach("photo.heic", "depth.png", "out.heic", near=0.5, far=12, white="near")
        gpudepth.attach("photo.jpg", "lidar.png", "out.jpg", scale="mm", fill="nearest")

    Args:
        photo: HEIC, JPEG or DNG; PNG, TIFF and others are encoded as HEIC, once.
        depth: A map file, a file that holds depth, a `DepthData`, or an array (H, W) of any library (numpy, torch,
            CuPy, Pillow, …). Integers are codes; floats are gray 0…1 with near and far, and metres without. An array
            on a GPU is converted there. Use `from_model` for what relative models return.
        out: The file to write; its suffix is the photo's, or .heic.
        near: Metres at the near end of gray.
        far: Metres at the far end of gray.
        white: The end that white is: "far" (Apple's article) or "near" (most depth networks).
        curve: The quantity that is linear in gray.
        disparity_range: 1/metres at black and at white, instead of near and far.
        metric: The values are metres.
        values: What the values are: "depth" (metres) or "disparity" (1/metres).
        scale: One unit of the values in metres: 0.001, "1/256", "mm", "cm".
        offset: Added after the scale, in metres or 1/metres.
        invalid: Codes that mean no value; 0 unless named.
        preset: What a data set, a sensor or a model writes (`gpudepth presets`), or "auto".
        focal_px: For presets: the focal length in pixels of the map.
        baseline_m: For presets of stereo: metres between the cameras.
        doffs: For the preset middlebury: pixels between the principal points.
        encoding: Any rule of `gpudepth.depth.encoding`.
        clamp: (min, max) in metres; values outside are moved to these ends.
        smooth: "median3", "median5", or "bilateral1" to "bilateral8".
        resize: (width, height) as displayed, or the long side, in pixels.
        resize_method: "area", "bilinear", "nearest", or "guided", along the edges of the photo.
        fill: What pixels without a value get: "nearest", "far", "near" or "inpaint".
        fit: What to do with a map of another aspect than the photo: "error", "crop" or "stretch".
        align_to: Depth in metres, sparse or small, that a relative map is fitted to, scale and shift.
        align_scale: One unit of it in metres.
        align_in: The quantity that the relative map is linear in; "disparity" unless named.
        confidence: A map of how far each pixel is to be trusted, 0 not at all.
        confidence_highest: The code that means certain; the dtype's maximum unless named.
        confidence_least: Codes below it count as pixels without a value.
        estimate: Instead of a map: the ONNX file of a network (extra `estimate`), or a `Network`.
        key: Which array of an .npz or HDF5 file.
        shape: "WxH" of a file that is rows of numbers without a header.
        dtype: The type of these numbers, "float32" unless named; "float32be" is big-endian.
        bytes_per_row: Bytes from one of these rows to the next.
        orientation: The map is oriented as the photo is displayed, or as its pixels are "coded".
        turn: Degrees clockwise that picture and map are turned by in their metadata.
        color_transform: How a scene-linear photo (OpenEXR) becomes colors: "srgb" or "reinhard".
        pixel_format: "hdis", "fdis" (disparity, 1/metres), "hdep" or "fdep" (depth, metres).
        bits: Bits per stored value; the container's default unless named.
        crf: Rate factor of lossy HEVC; lossless unless named.
        jpeg_quality: Of a map in a JPEG photo; Apple's quantization table unless named.
        compression: Of a map in a DNG; "deflate" unless named.
        accuracy: What the file says of the depth; what the map says, or "relative", unless named.
        quality: What the file says of the depth.
        filtered: What the file says of the depth.
        calibration: Where the camera calibration comes from.
        profile: The layout to write; the container's first unless named.
        also: Further layouts in a JPEG file: "gdepth", "dynamic-depth".
        donor: For the profile apple-portrait: a photo in Portrait mode that gives its rendering parameters.
        trailer: What to do with bytes after the last image of a JPEG file.
        replace_depth: Replace depth that the photo holds already.
        transcode: Allow a JPEG photo to be re-encoded as HEIC.
        photo_quality: HEIC quality of a photo that has to be encoded; -1 is lossless.
        in_place: Write over the photo; the file is replaced whole or not at all.
        backend: "auto", "numpy" or "cupy"; the bits are the same.
        limits: What a file may ask for.

    Returns:
        The path that was written.

    Raises:
        UsageError: For a keyword that nobody knows, or a value that it cannot have.
        GpudepthError: Of `gpudepth.errors`; nothing is left behind.

    Warns:
        UserWarning: Of what is right but not good: a range that wastes codes, a signature that breaks; and of each tag
            of the photo that a profile changes.

    Source: Apple, "Creating auxiliary depth data manually" (gray to depth and disparity); AVDepthData, ImageIO.
    """
    given = dict(locals())
    from .attachment.estimate import estimated
    from .attachment.pipeline import run_item
    from .compute import backend as make_backend

    if (out is None) != in_place:
        raise UsageError("name an output, or ‹in_place=True› to write over the photo")
    if (depth is None) != (estimate is not None):
        raise UsageError("pass either a depth map or ‹estimate›")
    if not isinstance(metric, bool):
        warnings.warn("metric= with a map is now align_to=", DeprecationWarning, stacklevel=3)
        given["align_to"], given["metric"] = metric, False
    if turn in _EXIF_TURNS:
        warnings.warn("turn= takes degrees now, not an Exif orientation", DeprecationWarning, stacklevel=3)
        given["turn"] = _EXIF_TURNS[turn]
    if is_map(depth):
        depth = as_map(depth)
    kind = getattr(depth, "dtype", None)
    floats = getattr(kind, "kind", "") == "f" or "float" in str(kind)
    settings = _settings(given, encoding=encoding, floats=floats, limits=limits,
                         network=estimate if isinstance(estimate, Network | None) else Network(Path(estimate)))
    if estimate is not None:
        depth = estimated(photo, settings)
    outcome = run_item(photo, depth, photo if out is None else out, settings, make_backend(backend),
                       side_inputs=SideInputs(given["align_to"], confidence))
    for warning in outcome.notices():
        warnings.warn(render(warning), stacklevel=3)
    return outcome.output


_EXIF_TURNS: dict[int, int] = {1: 0, 6: 90, 3: 180, 8: 270}     # of version 0.1


def _settings(given: dict[str, Any], *, limits: Limits, **more: Any) -> Settings:
    """The settings of a function's arguments."""
    return replace(item_settings({k: v for k, v in given.items() if k in names()}, **more), limits=limits)


def from_model(depth: Any, near: float | None = None, far: float | None = None, *,
               quantity: Literal["depth", "disparity"] = "disparity", preset: str | None = None,
               pixel_format: str | PixelFormat = "hdis", backend: str = "auto") -> DepthData:
    """What a depth model returned, as depth data: for `attach`, for `.depth()` in metres, to look at in a notebook.

    depth         (H, W), or a batch of one; numpy, torch, CuPy, JAX…, Pillow's images, or what transformers' pipeline
                  returns; upright, as the photo is displayed. NaN and infinity are no values
    near, far     metres of the nearest and farthest value of a relative model. Without them, and without a preset, the
                  values are metres
    quantity      what a relative model's values are: "disparity" (large is near: MiDaS, Depth Anything) or "depth"
                  (large is far: Marigold)
    preset        what the model writes, by name (`gpudepth presets`), instead
    pixel_format  hdis, fdis (1/metres), hdep or fdep (metres): float16 or float32
    backend       auto, numpy or cupy; the bits are the same

    Raises UsageError for what is no map, RangeError for one without any value.
    Source: `depth.encoding.Relative`; the papers and code that `gpudepth presets` names.
    """
    from .attachment.decode import decode_map
    from .compute import backend as make_backend

    if (near is None) != (far is None):
        raise UsageError("near and far go together")
    settings = Settings(pixel_format=native(pixel_format), encoding=None if preset else
                      Depth() if near is None or far is None else Relative(near, far, quantity))
    if preset is not None:
        settings = settings.with_preset(preset, near=near, far=far)
    accuracy = settings.accuracy or ("absolute" if near is None else "relative")
    intake = decode_map(as_map(depth), settings, make_backend(backend), None)
    return DepthData(intake.values, intake.fmt, accuracy=accuracy)


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
    bytes_per_row: int | None = None, orientation: Orientation = "display",
    export_orientation: Orientation = "display", bits: Literal[8, 10, 12, 16] | None = None, crf: int | None = None,
    jpeg_quality: int | None = None, compression: Literal["none", "deflate", "ljpeg", "jpegxl"] | None = None,
    accuracy: Literal["relative", "absolute"] | None = None, quality: Literal["high", "low"] | None = None,
    filtered: bool | None = None, calibration: Literal["source", "exif", "none"] = "source",
    trailer: Literal["keep", "drop", "refuse"] = "keep", replace_depth: bool = False, transcode: bool = False,
    photo_quality: int = DEFAULT_QUALITY, backend: str = "auto", limits: Limits = DEFAULT,
) -> Path:
    """Convert depth from one kind of file into another.

    Into a photo of the same kind: its depth is laid out as `profile` says, with `also` beside it; codes and range are
    kept and the picture is not touched. Into .plist, .hdis and its like, .npy, .npz, .pfm, .tiff, .png: the map alone.

    Args:
        path: A photo that holds depth, or a map (H, W) in a file.
        out: The file to write; its suffix says what is written.
        pixel_format: None keeps the source's own; array files then hold metres, float32.
        export_orientation: The orientation of maps that are written alone.
        near, far, white, curve, disparity_range, metric, values, scale, offset, invalid, preset, focal_px, baseline_m:
            What the values of a plain map mean, as in `attach`.
        doffs, encoding, clamp, smooth, resize, resize_method, fill, fit, key, shape, dtype, bytes_per_row, orientation:
            As in `attach`.
        profile, also, donor, bits, crf, jpeg_quality, compression, accuracy, quality, filtered, calibration, trailer:
            What is written, as in `attach`.
        replace_depth, transcode, photo_quality, backend, limits: As in `attach`.

    Returns:
        The path that was written.

    Raises:
        NoDepthError: If the source holds no depth.
        GpudepthError: As in `attach`.

    Source: as of `read` and `attach`.
    """
    given = dict(locals())
    from .attachment.convert import convert as run_convert
    from .compute import backend as make_backend

    fmt = native(pixel_format) if pixel_format is not None else None
    settings = _settings(given, encoding=encoding, limits=limits)
    outcome = run_convert(path, out, settings, make_backend(backend), pixel_format=fmt)
    for warning in outcome.notices():
        warnings.warn(render(warning), stacklevel=3)
    return outcome.output


def remove(path: str | Path, out: str | Path, *, limits: Limits = DEFAULT) -> Path:
    """Write the photo without its depth, the depth's metadata and bytes; returns the path written.

    path, out     the photo, and where it goes; all bytes of its picture stay
    limits        as of `read`

    Raises NoDepthError when it holds none, FileError and its kin for damaged files, OutputError.
    Source: as of `read`.
    """
    path, out = Path(path), Path(out)
    with ByteSource(path, limits) as source:
        container = registry.require(source)
        if out.suffix.lower() not in (path.suffix.lower(), *container.suffixes):
            raise UsageError(f"{path.name} is {container.name} and stays so", where=out,
                             hint=f"-o {out.with_suffix(path.suffix)}")
        edit = container.remove(source)
        with atomic(out, like=path.stat()) as file:
            edit.splice.write(file)
    return out


def inspect(path: str | Path, *, limits: Limits = DEFAULT) -> Report:
    """What a file says of its picture, its depth (metres, 1/metres, codes) and its other auxiliary images.

    path          as of `read`
    limits        as of `read`

    Raises FileError and its kin for damaged files, UnsupportedError for what can hold no depth, MissingInputError.
    Source: as of `read`.
    """
    with ByteSource(path, limits) as source:
        return Report.of(registry.require(source).inspect(source), str(path))


def check(path: str | Path, *, profile: str | None = None, limits: Limits = DEFAULT) -> Verdicts:
    """Hold a file against the rules of its container, and of a profile when one is named.

    path          a photo or a clip
    profile       the layout that it is to be of, by name
    limits        as of `read`

    A damaged file, one without depth, or one that can hold none is a verdict and no error.
    Raises MissingInputError, UsageError for a profile that the container does not have.
    Source: each verdict names the rule's own.
    """
    with ByteSource(path, replace(limits, max_file=limits.max_movie)) as source:
        if not checks.is_clip(source):
            limits.check("max_file", source.size, where=str(path))
        return check_file(source, profile)


def run(job: str | Path, *, shard: tuple[int, int] | None = None, engine: str = "local", **options: Any) -> RunSummary:
    """Run a job file: many photos, one set of rules; returns what was done, skipped and failed.

    job           a YAML file, or a `gpudepth.settings.job.Job`; its paths are relative to it
    shard         (i, n): the i-th of n parts, counted from 0
    engine        local, ray or dask
    options       any other argument of `gpudepth.batch.runner.run`, and shards: settings, base, quiet, log_format…

    Items that fail are rows of the ledger, and no errors. Raises JobError, UsageError, MissingInputError before
    anything runs; LockedError; OutputError for a full disk; Interrupted.
    Source: `gpudepth config schema` has every key of a job.
    """
    from .batch.sharded import run as run_job

    return run_job(job, shard=shard, engine=engine, **options)
