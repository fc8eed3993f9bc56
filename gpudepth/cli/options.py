"""Options that several verbs share, each defined once, and what they are made into."""

from __future__ import annotations

import logging
import shlex
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from ..containers import registry
from ..containers.base import Donor
from ..depth import encoding as enc
from ..depth.pixel_format import native
from ..errors import UsageError
from ..maps.raw import RawLayout
from ..settings.settings import FILLS, METHODS, TURNS, Confidence, Resize, Settings, Smooth


def _presets(typed: str) -> list[str]:
    """For shells that complete."""
    from ..maps.presets import PRESETS

    return [name for name in ("auto", *(p.name for p in PRESETS)) if name.startswith(typed)]


def _verbose(on: bool) -> bool:
    if on:
        logging.getLogger("gpudepth").setLevel(logging.INFO)
    return on


Photo = Annotated[Path, typer.Argument(show_default=False, help="The photo: HEIC, JPEG or DNG; or PNG, TIFF, WebP, "
                                                                "encoded once into a HEIC.")]
MaybeDepth = Annotated[Path | None, typer.Argument(help="The map: PNG, TIFF, PGM, PFM, .npy, .npz; or a photo that "
                                                        "holds depth.", show_default=False)]
Out = Annotated[Path | None, typer.Option("-o", "--output", help="Where to write.", show_default=False)]
InPlace = Annotated[bool, typer.Option("--in-place", help="Write over the photo (whole, or not at all).")]
Near = Annotated[float | None, typer.Option(help="Metres at the near end of gray.", show_default=False)]
Far = Annotated[float | None, typer.Option(help="Metres at the far end of gray.", show_default=False)]
White = Annotated[str, typer.Option(help="Which end white is: far (Apple's article) or near (most depth networks).")]
Curve = Annotated[str, typer.Option(help="What is linear in gray: depth or disparity.")]
DisparityRange = Annotated[str | None, typer.Option("--disparity-range", metavar="BLACK,WHITE", show_default=False,
                                                    help="1/metres at black and at white, instead of near and far.")]
Metric = Annotated[bool, typer.Option("--metric", help="The values are metres: the same as --values depth.")]
Values = Annotated[str | None, typer.Option(help="What the values are: depth (metres) or disparity (1/metres).",
                                            show_default=False)]
PresetName = Annotated[str | None, typer.Option("--preset", show_default=False, autocompletion=_presets,
                                                help="What a data set, a sensor or a model writes: kitti-depth, midas… "
                                                     "gpudepth presets lists them; auto recognises what leaves no "
                                                     "doubt.")]
FocalPx = Annotated[float | None, typer.Option("--focal-px", show_default=False,
                                               help="For presets: focal length in pixels of the map.")]
Baseline = Annotated[float | None, typer.Option("--baseline-m", show_default=False,
                                                help="For presets of stereo: metres between the cameras.")]
Doffs = Annotated[float | None, typer.Option("--doffs", show_default=False, help="For the preset middlebury: pixels.")]
Scale = Annotated[str | None, typer.Option(help="One unit of the values, in metres: 0.001, 1/256, mm, cm.",
                                           show_default=False)]
Offset = Annotated[float, typer.Option(help="Added after --scale.")]
Invalid = Annotated[list[int] | None, typer.Option(help="Code that means no value; may be repeated. [default: 0]",
                                                   show_default=False)]
Clamp = Annotated[str | None, typer.Option(metavar="MIN,MAX", help="Metres; values outside are moved to the ends.",
                                           show_default=False)]
ResizeTo = Annotated[str | None, typer.Option("--resize", metavar="WxH|LONG_SIDE", show_default=False,
                                              help="Size of the map as displayed. [default: as it is]")]
ResizeMethod = Annotated[str | None, typer.Option(help="area, bilinear, nearest; or guided: a small map becomes large "
                                                       "along the edges of the photo. [default: area]",
                                                  show_default=False)]
Smoothing = Annotated[str | None, typer.Option("--smooth", show_default=False, metavar="HOW",
                                               help="median3, median5, or bilateral along the photo's colours, of a "
                                                    "radius: bilateral1 to bilateral8.")]
AlignTo = Annotated[Path | None, typer.Option("--align-to", show_default=False, metavar="MAP",
                                              help="Metric depth, sparse or small, that a relative map is fitted to: "
                                                   "scale and shift. A map, or a photo that holds depth.")]
AlignScale = Annotated[str | None, typer.Option("--align-scale", show_default=False,
                                                help="One unit of that map, in metres: 0.001, 1/256, mm.")]
AlignIn = Annotated[str | None, typer.Option("--align-in", show_default=False,
                                             help="What the relative map is linear in: disparity (MiDaS, Depth "
                                                  "Anything) or depth (Marigold). [default: disparity]")]
ConfidenceMap = Annotated[Path | None, typer.Option("--confidence", show_default=False, metavar="MAP",
                                                    help="How far each pixel is to be trusted, 0 not at all: of the "
                                                         "map, or of --align-to's.")]
HighestConfidence = Annotated[int | None, typer.Option("--confidence-highest", show_default=False,
                                                       help="Code that means certain; ARKit's is 2. [default: all "
                                                            "ones; 1 of floats]")]
LeastConfidence = Annotated[float | None, typer.Option("--confidence-least", show_default=False,
                                                help="Pixels with less count as without a value.")]
Fill = Annotated[str | None, typer.Option(help="For pixels without a value: nearest, far, near; or inpaint, smoothly "
                                               "and along the photo's colours.", show_default=False)]
Fit = Annotated[str, typer.Option(help="For a map of another aspect: error, crop or stretch.")]
Turn = Annotated[int, typer.Option(metavar="DEGREES", help="Turn picture and map clockwise, 90, 180 or 270, in their "
                                                           "metadata: phones' exports lie on their side.")]
ColorTransform = Annotated[str | None, typer.Option("--color-transform", show_default=False,
                                                    help="How a scene-linear photo (OpenEXR) becomes colours: srgb, "
                                                         "clipped, or reinhard.")]
Shape = Annotated[str | None, typer.Option(metavar="WxH", show_default=False,
                                           help="The map is rows of numbers without a header, of that size. [default: "
                                                "the photo's, if --dtype is there]")]
Dtype = Annotated[str | None, typer.Option(show_default=False, help="Their kind: float32, float16, uint16, uint8…; "
                                                                    "float32be is big-endian. [default: float32]")]
RowBytes = Annotated[int | None, typer.Option("--bytes-per-row", show_default=False,
                                              help="From one of their rows to the next, where they are padded.")]
Coded = Annotated[bool, typer.Option("--coded", help="The stored orientation of pixels, before rotation.")]
Format = Annotated[str, typer.Option("--format", help="Native format: hdis, fdis, hdep or fdep.")]
Bits = Annotated[int | None, typer.Option(show_default=False, help="Bits per stored value: 8, 10 or 12 in a HEIC, 16 "
                                                                   "or 8 in a DNG. [default: 8; 16 in a DNG]")]
Crf = Annotated[int | None, typer.Option(help="Lossy HEVC with this rate factor. [default: lossless]",
                                         show_default=False)]
JpegQuality = Annotated[int | None, typer.Option(show_default=False, help="Of a map in a JPEG photo. [default: Apple's "
                                                                          "quantisation table; 100 in convert]")]
Compression = Annotated[str | None, typer.Option(show_default=False, help="Of a map in a DNG: none, deflate, ljpeg or "
                                                                          "jpegxl. [default: deflate]")]
Profile = Annotated[str | None, typer.Option(show_default=False, help="Layout to write: apple-depth, article (Apple's "
                                                                      "recipe, literally), apple-portrait, gdepth, "
                                                                      "dynamic-depth, dng. [default: apple-depth; dng "
                                                                      "in a DNG]")]
Also = Annotated[list[str] | None, typer.Option(show_default=False, help="A further layout in a JPEG file: gdepth or "
                                                                         "dynamic-depth; may be repeated.")]
DonorPhoto = Annotated[Path | None, typer.Option("--donor", show_default=False, metavar="PHOTO",
                                                help="For apple-portrait: a photo of Portrait mode that gives its "
                                                     "rendering parameters, aperture and range.")]
Trailer = Annotated[str, typer.Option(help="What follows the last image of a JPEG file: keep, drop or refuse.")]
Accuracy = Annotated[str | None, typer.Option(help="relative or absolute. [default: what the map says, or relative]",
                                              show_default=False)]
Calibration = Annotated[str, typer.Option(help="source (what the depth came with), exif (35 mm focal length), none.")]
ReplaceDepth = Annotated[bool, typer.Option("--replace-depth", help="Put the new map in the place of an old one.")]
Transcode = Annotated[bool, typer.Option("--transcode", help="Allow a JPEG photo to be re-encoded into a HEIC.")]
Quality = Annotated[int, typer.Option(help="HEIC quality of a photo that has to be encoded; -1 is lossless.")]
Key = Annotated[str | None, typer.Option(help="Array of an .npz.", show_default=False)]
Estimate = Annotated[Path | None, typer.Option("--estimate", metavar="MODEL", show_default=False,
                                               help="In the place of a map: an ONNX file of a depth network "
                                                    "(gpudepth[estimate]). What it gives says --preset "
                                                    "(depth-anything-v2 with --near and --far…), or --metric.")]
NetworkSettings = Annotated[list[str] | None, typer.Option("--network", metavar="KEY=VALUE", show_default=False,
                                                           help="How it is fed: size, fit, mean, std, colors, output…, "
                                                                "as of source.depth in a job; may be repeated.")]
Backend = Annotated[str, typer.Option(help="auto (the GPU where the trip pays, else numpy), numpy or cupy; the results "
                                           "are the same.", envvar="GPUDEPTH_BACKEND")]
Verbose = Annotated[bool, typer.Option("-v", "--verbose", help="Say what runs where, and why.", callback=_verbose)]
Json = Annotated[bool, typer.Option("--json", help="JSON on stdout.")]
JobFile = Annotated[Path, typer.Argument(help="A job file (YAML).", show_default=False)]
Set = Annotated[list[str] | None, typer.Option("--set", metavar="KEY=VALUE", show_default=False,
                                               help="Any leaf of the job: --set encoding.far=12. May be repeated.")]

PlanFile = Annotated[str | None, typer.Option("--plan", metavar="FILE", show_default=False,
                                               help="A plan that gpudepth plan has written, instead of listing and "
                                                    "pairing the files anew.")]
Shard = Annotated[str | None, typer.Option(metavar="I/N", help="Only the I-th of N parts; I counts from 0.",
                                           show_default=False)]

Frames = Annotated[str | None, typer.Option(metavar="A:B", show_default=False,
                                            help="Of a clip: from A, counted from 0, to before B.")]
Stride = Annotated[int, typer.Option(help="Of a clip: every n-th frame.")]
ClipSettings = Annotated[list[str] | None, typer.Option("--clip", metavar="KEY=VALUE", show_default=False,
                                                        help="Of a clip: any key of source.clip in a job, such as "
                                                             "match=index, fps=15, depth_crop=right; may be "
                                                             "repeated.")]


def target(source: Path, output: Path | None, *others: Path | None, in_place: bool) -> Path:
    """Where a verb that makes a photo of a photo writes. others: what it is made of as well. Raises UsageError."""
    if output is None and not in_place:
        suffix = source.suffix if registry.by_suffix(source.suffix) else ".heic"
        raise UsageError("nothing says where to write", hint=(
            f"-o {shlex.quote(f'{source.stem}_out{suffix}')}, or --in-place to write over {source.name}"))
    if output is None:
        return source
    if in_place:
        raise UsageError("-o and --in-place: one of the two", where=output)
    for other in (source, *others):
        if other is not None and other.exists() and output.exists() and output.samefile(other):
            raise UsageError("is what it would be made of", where=output, hint=(
                "--in-place in the place of -o writes over the photo" if other == source else "-o needs another name"))
    return output


def choice(name: str, value: str, allowed: tuple[str, ...]) -> Any:
    """`value` itself; UsageError unless it is allowed."""
    if value not in allowed:
        raise UsageError(f"--{name} {value!r} is not one of {', '.join(allowed)}")
    return value


def shard(text: str | None) -> tuple[int, int] | None:
    """The part that --shard names."""
    if text is None:
        return None
    first, slash, last = text.partition("/")
    if not (slash and first.isdigit() and last.isdigit()):
        raise UsageError(f"--shard {text!r} is not I/N", hint="--shard 0/4")
    return int(first), int(last)


def turn(degrees: int) -> int:
    """The Exif orientation of --turn."""
    if degrees not in TURNS:
        raise UsageError(f"--turn {degrees} is not one of {', '.join(map(str, TURNS))}", hint="degrees, clockwise")
    return TURNS[degrees]


def rows(shape: str | None, dtype: str | None, bytes_per_row: int | None) -> RawLayout | None:
    """The layout of a map without a header; None when no option says that it has none."""
    if shape is None and dtype is None and bytes_per_row is None:
        return None
    return RawLayout.parse(shape, dtype, bytes_per_row)


def pair(name: str, text: str) -> tuple[float, float]:
    """Two numbers with a comma between."""
    try:
        first, second = (float(part) for part in text.split(","))
    except ValueError:
        raise UsageError(f"--{name} {text!r} is not two numbers", hint=f"--{name} 0.3,20") from None
    return first, second


def resize(text: str | None, method: str | None = None) -> Resize | None:
    """ "188x250" or "768"."""
    how = choice("resize-method", method or "area", METHODS)
    if text is None:
        if method is not None:
            raise UsageError("--resize-method says how, and nothing says to what size", hint="--resize 1920")
        return None
    try:
        numbers = [int(part) for part in text.lower().replace("×", "x").split("x")]
    except ValueError:
        numbers = []
    if len(numbers) == 1:
        return Resize(long_side=numbers[0], method=how)
    if len(numbers) == 2:
        return Resize(numbers[0], numbers[1], method=how)
    raise UsageError(f"--resize {text!r} is not a size", hint="--resize 188x250, or --resize 768 for the long side")


def encoding(*, preset: str | None = None, near: float | None, far: float | None, white: str, curve: str,
             disparity_range: str | None, metric: bool, values: str | None, scale: str | None, offset: float,
             invalid: list[int] | None) -> enc.Encoding | None:
    """The one encoding that the options name, or None when they name none. Raises UsageError for two."""
    kinds = {"--near/--far": near is not None or far is not None, "--disparity-range": disparity_range is not None,
             "--metric/--values": metric or values is not None or scale is not None}
    named = [k for k, given in kinds.items() if given]
    if preset is not None:
        if disparity_range is not None or metric or values is not None or offset or invalid:
            raise UsageError("--preset says what the values mean: leave --metric and the like out")
        return None
    if len(named) > 1:
        raise UsageError(f"{' and '.join(named)} both say what the values mean: give one of them")
    if disparity_range is not None:
        return enc.DisparityRange(*pair("disparity-range", disparity_range))
    if kinds["--metric/--values"]:
        kind = choice("values", values or "depth", ("depth", "disparity"))
        if metric and kind != "depth":
            raise UsageError("--metric means --values depth: give one of them")
        codes = tuple(invalid) if invalid else None
        cls = enc.Depth if kind == "depth" else enc.Disparity
        return cls(enc.parse_scale(scale or "1"), offset, codes)
    if named:
        if near is None or far is None:
            raise UsageError("--near and --far go together", hint="--near 0.5 --far 12")
        which: Literal["far", "near"] = choice("white", white, ("far", "near"))
        what: Literal["depth", "disparity"] = choice("curve", curve, ("depth", "disparity"))
        return enc.Gray(near, far, what, which)
    return None


def with_preset(settings: Settings, name: str | None, *, align_in: Any = None, **parameters: Any) -> Settings:
    """The recipe with what --preset names, behind what is named otherwise. Raises UsageError."""
    if name is None:
        odd = [k for k in ("focal_px", "baseline_m", "doffs") if parameters.get(k) is not None]
        if odd:
            raise UsageError(f"--{odd[0].replace('_', '-')} speaks of --preset, which is not there",
                             hint="gpudepth presets lists them")
        return settings
    return settings.with_preset(name, align=align_in, **parameters)


def engine(name: str) -> Any:
    """The back end for a single photo: all cores work on its map."""
    from ..compute import backend
    from ..compute.cores import available_cores

    return backend(name, threads=available_cores())


def donor(photo: Path | None) -> Donor | None:
    """What the photo of --donor gives."""
    return None if photo is None else registry.donor(photo)


def refinement(*, smooth: str | None = None, align_to: Path | None = None, align_scale: str | None = None,
               align_in: str | None = None, confidence: Path | None = None, confidence_highest: int | None = None,
               confidence_least: float | None = None) -> dict[str, Any]:
    """The fields of a recipe that these options name. Raises UsageError for options that speak of what is not there."""
    if align_to is None and (align_scale is not None or align_in is not None):
        raise UsageError("--align-scale and --align-in speak of --align-to, which is not there")
    if confidence is None and (confidence_highest is not None or confidence_least is not None):
        raise UsageError("--confidence-highest and --confidence-least speak of --confidence, which is not there")
    least = Confidence.least if confidence_least is None else confidence_least
    aligned: Any = choice("align-in", align_in or "disparity", ("disparity", "depth"))
    return {"smooth": Smooth.parse(smooth) if smooth is not None else None,
            "align": aligned if align_to is not None else None,
            "metric_encoding": enc.Depth(enc.parse_scale(align_scale)) if align_scale else None,
            "confidence": Confidence(confidence_highest, least)}


def settings(*, encoding: enc.Encoding | None, clamp: str | None, resize_to: str | None, fill: str | None, fit: str,
           coded: bool, fmt: str, accuracy: str | None, calibration: str, resize_method: str | None = None,
           **rest: Any) -> Settings:
    """The recipe that the options name."""
    return Settings(
        encoding=encoding, pixel_format=native(fmt), clamp=pair("clamp", clamp) if clamp else None,
        resize=resize(resize_to, resize_method), fill=choice("fill", fill, FILLS) if fill else None,
        fit=choice("fit", fit, ("error", "crop", "stretch")), orientation="coded" if coded else "display",
        accuracy=choice("accuracy", accuracy, ("relative", "absolute")) if accuracy else None,
        calibration=choice("calibration", calibration, ("source", "exif", "none")), **rest)
