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

import warnings
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
from .containers.rules import Verdicts
from .depth.data import DepthData
from .depth.encoding import Depth, Encoding, Gray, Relative
from .depth.pixel_format import PixelFormat, native
from .errors import UsageError
from .formats.bytesource import ByteSource
from .limits import DEFAULT, Limits
from .maps.network import Network
from .maps.tensors import as_map, is_map
from .settings.settings import Method, Resize, Settings, Smooth
from .video import checks

if TYPE_CHECKING:
    from .batch.runner import RunSummary

Orientation = Literal["display", "coded"]


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


def attach(
    photo: str | Path, depth: Any = None, out: str | Path | None = None, *,
    near: float | None = None, far: float | None = None, curve: Literal["depth", "disparity"] = "depth",
    white: Literal["far", "near"] = "far", encoding: Encoding | None = None, preset: str | None = None,
    pixel_format: str | PixelFormat = "hdis", profile: str | None = None, replace_depth: bool = False,
    resize: tuple[int, int] | int | None = None, method: Method = "area", smooth: str | None = None,
    metric: DepthInput | None = None, confidence: str | Path | NDArray[Any] | None = None,
    donor: str | Path | None = None, estimate: str | Path | Network | None = None, in_place: bool = False,
    backend: str = "auto", **options: Any,
) -> Path:
    """Attach a depth map to a photo without re-encoding the picture; returns the path written.

    photo         HEIC, JPEG or DNG; PNG, TIFF and others are encoded into a HEIC, once
    depth         a map file, a file that holds depth, a DepthData, or an array (H, W) of any library (numpy, torch,
                  CuPy…, Pillow): uint8 and uint16 are gray codes, floats are gray 0…1 with near and far, and metres
                  without. One on a GPU is converted where it lies. `from_model` is for what relative models return
    estimate      instead of a map: the ONNX file of a network that makes one of the photo (extra `estimate`), or a
                  `gpudepth.maps.network.Network`
    near, far     metres at the ends of gray; `white` says which end is far; `curve` what is linear in gray
    encoding      any rule of `gpudepth.depth.encoding` instead
    preset        what a data set, a sensor or a model writes, by name (`gpudepth presets`); takes near and far where it
                  needs them
    resize        (width, height) in display orientation, or the long side
    method        of the resize: area, bilinear, nearest, or guided: along the edges of the photo
    smooth        median3, median5, bilateral or bilateral1…bilateral8
    metric        depth in metres, sparse or small, that a relative map is aligned to; what the map's own values are
                  is then theirs up to scale and shift, in disparity (or in depth: align="depth")
    confidence    a map of how far each pixel is to be trusted, 0 not at all: of `metric`, or without it of `depth`
    pixel_format  what the values are stored as: "hdis", "fdis" (disparity, 1/metres), "hdep", "fdep" (depth, metres)
    profile       the layout that is written, by name; None: the container's first
    replace_depth   put the new map in the place of an old one
    donor         for the profile apple-portrait: a photo of Portrait mode that gives its rendering parameters
    out           where to write; the suffix is the photo's, or .heic
    backend       auto, numpy or cupy; the bits are the same
    in_place      write over the photo (the file is replaced whole or not at all)
    recipe        any other field of `gpudepth.settings.settings.Settings`: fill, clamp, fit, bits, crf, accuracy…

    Warns (UserWarning) of what is right but not good: a range that wastes the codes, a signature that breaks; and of
    each tag of the photo's own that a profile changes.
    Raises errors of `gpudepth.errors`; nothing is left behind when it does.
    Source: Apple, "Creating auxiliary depth data manually" (gray to depth and disparity); AVDepthData, ImageIO.
    """
    from .attachment.estimate import estimated
    from .attachment.pipeline import run_item
    from .compute import backend as make_backend

    if (out is None) != in_place:
        raise UsageError("name an output, or in_place=True to write over the photo")
    if (depth is None) != (estimate is not None):
        raise UsageError("a map, or estimate=: one of the two")
    if is_map(depth):
        depth = as_map(depth)
    if preset is not None and encoding is not None:
        raise UsageError("preset and encoding both say what the values mean: give one of them")
    if encoding is None and preset is None and (near is not None or far is not None):
        if near is None or far is None:
            raise UsageError("near and far go together")
        encoding = Gray(near, far, curve, white)
    aligned = metric is not None
    dtype = getattr(depth, "dtype", None)
    floats = getattr(dtype, "kind", "") == "f" or "float" in str(dtype)
    if floats and encoding is None and preset is None and not aligned:
        encoding = Depth()
    named = options.get("align")
    if aligned:
        options.setdefault("align", "disparity")
    size = resize if resize is None or isinstance(resize, tuple) else (resize,)
    shape = None
    if size is not None:
        shape = Resize(*size, method=method) if len(size) == 2 else Resize(long_side=size[0], method=method)
    settings = Settings(encoding=encoding, pixel_format=native(pixel_format), profile=profile, resize=shape,
                      replace_depth=replace_depth, donor=registry.donor(donor) if donor is not None else None,
                      donor_white=white, smooth=Smooth.parse(smooth) if smooth else None,
                      network=estimate if isinstance(estimate, Network | None) else Network(Path(estimate)), **options)
    if preset is not None:
        settings = settings.with_preset(preset, align=named, near=near, far=far)
    if estimate is not None:
        depth = estimated(photo, settings)
    outcome = run_item(photo, depth, photo if out is None else out, settings, make_backend(backend),
                       side_inputs=SideInputs(metric, confidence))
    for warning in outcome.notices():
        warnings.warn(warning, stacklevel=2)
    return outcome.output


def from_model(depth: Any, near: float | None = None, far: float | None = None, *,
               quantity: Literal["disparity", "depth"] = "disparity", preset: str | None = None,
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


def convert(path: str | Path, out: str | Path, *, pixel_format: str | PixelFormat | None = None,
            profile: str | None = None, also: tuple[str, ...] = (), donor: str | Path | None = None,
            encoding: Encoding | None = None, backend: str = "auto", **options: Any) -> Path:
    """Depth from one kind of file into another; returns the path written.

    path          a photo that holds depth, or a map (H, W) in a file
    out           its suffix says what is written

    Into a photo of the same kind: its depth laid out as `profile` says, `also` beside it, codes and range kept; the
    picture is not touched. Into .plist, .hdis and its like, .npy, .npz, .pfm, .tiff, .png: the map alone.

    pixel_format  None keeps the source's own; array files then hold metres, float32
    profile, also   the layouts that are written
    donor         as of `attach`
    encoding      what the values of a plain map mean
    backend       as of `attach`
    recipe        any other field of `gpudepth.settings.settings.Settings`

    Warns as `attach` does. Raises what `attach` raises; NoDepthError when there is none.
    Source: as of `read` and `attach`.
    """

    from .attachment.convert import convert as run_convert
    from .compute import backend as make_backend

    fmt = native(pixel_format) if pixel_format is not None else None
    settings = Settings(encoding=encoding, profile=profile, also=tuple(also),
                      donor=registry.donor(donor) if donor is not None else None, **options)
    outcome = run_convert(path, out, settings, make_backend(backend), pixel_format=fmt)
    for warning in outcome.notices():
        warnings.warn(warning, stacklevel=2)
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
