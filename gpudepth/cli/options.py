"""Defines the options that several commands share, and turns their values into settings."""

from __future__ import annotations

import logging
import shlex
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from ..containers import registry
from ..errors import UsageError
from ..settings.declare import specs
from ..settings.options import ALL, item_settings, names
from ..settings.settings import Settings
from ..settings.values import pair as two_numbers


def _completion(choices: Callable[[], Sequence[str]]) -> Callable[[str], list[str]]:
    """Return the function that completes an option's value in a shell."""
    def complete(typed: str) -> list[str]:
        return [one for one in choices() if one.startswith(typed)]
    return complete


def _presets() -> list[str]:
    from ..maps.presets import PRESETS

    return ["auto", *(p.name for p in PRESETS)]


def _verbose(on: bool) -> bool:
    if on:
        logging.getLogger("gpudepth").setLevel(logging.INFO)
    return on


Photo = Annotated[Path, typer.Argument(show_default=False, help=(
    "The photo: HEIC, JPEG or DNG. PNG, TIFF and WebP are encoded as HEIC."))]
MaybeDepth = Annotated[Path | None, typer.Argument(show_default=False, help=(
    "The map: PNG, TIFF, PGM, PFM, .npy, .npz; or a photo that holds depth."))]
Out = Annotated[Path | None, typer.Option("-o", "--output", show_default=False, help="The file to write.")]
InPlace = Annotated[bool, typer.Option("--in-place", help="Overwrite the photo, completely or not at all.")]


def _option(name: str, **more: Any) -> Any:
    """Return the option of a setting that `gpudepth.settings` declares."""
    spec = next(specs(cls)[name] for cls in ALL if name in specs(cls))
    choices = [str(one) for one in spec.choices or ()]
    if choices:
        more.setdefault("metavar", "|".join(choices))
        more.setdefault("autocompletion", _completion(lambda: choices))
    elif spec.metavar:
        more.setdefault("metavar", spec.metavar)
    return typer.Option(*(spec.flag, *more.pop("also", ())), help=spec.help, show_default=bool(spec.default), **more)


Near = Annotated[float | None, _option("near")]
Far = Annotated[float | None, _option("far")]
White = Annotated[str, _option("white")]
Curve = Annotated[str, _option("curve")]
DisparityRange = Annotated[str | None, _option("disparity_range")]
Metric = Annotated[bool, typer.Option("--metric", help="The values are metres: the same as --values depth.")]
Values = Annotated[str | None, _option("values")]
PresetName = Annotated[str | None, _option("preset", autocompletion=_completion(_presets))]
FocalPx = Annotated[float | None, _option("focal_px")]
Baseline = Annotated[float | None, _option("baseline_m")]
Doffs = Annotated[float | None, _option("doffs")]
Scale = Annotated[str | None, _option("scale")]
Offset = Annotated[float, _option("offset")]
Invalid = Annotated[list[int] | None, _option("invalid")]
Clamp = Annotated[str | None, _option("clamp")]
ResizeTo = Annotated[str | None, _option("resize")]
ResizeMethod = Annotated[str | None, _option("resize_method")]
Smoothing = Annotated[str | None, _option("smooth")]
AlignTo = Annotated[Path | None, _option("align_to")]
AlignScale = Annotated[str | None, _option("align_scale")]
AlignIn = Annotated[str | None, _option("align_in")]
ConfidenceMap = Annotated[Path | None, _option("confidence")]
HighestConfidence = Annotated[int | None, _option("confidence_highest")]
LeastConfidence = Annotated[float | None, _option("confidence_least")]
Fill = Annotated[str | None, _option("fill")]
Fit = Annotated[str, _option("fit")]
Turn = Annotated[int, _option("turn")]
ColorTransform = Annotated[str | None, _option("color_transform")]
Shape = Annotated[str | None, _option("shape")]
Dtype = Annotated[str | None, _option("dtype")]
RowBytes = Annotated[int | None, _option("bytes_per_row")]
Coded = Annotated[bool, typer.Option("--coded", help=(
    "The map is oriented as the photo's pixels are stored, before rotation."))]
Format = Annotated[str, _option("pixel_format")]
Bits = Annotated[int | None, _option("bits")]
Crf = Annotated[int | None, _option("crf")]
JpegQuality = Annotated[int | None, _option("jpeg_quality")]
Compression = Annotated[str | None, _option("compression")]
Profile = Annotated[str | None, _option("profile", autocompletion=_completion(registry.profiles))]
Also = Annotated[list[str] | None, _option("also")]
DonorPhoto = Annotated[Path | None, _option("donor")]
Trailer = Annotated[str, _option("trailer")]
Accuracy = Annotated[str | None, _option("accuracy")]
Calibration = Annotated[str, _option("calibration")]
ReplaceDepth = Annotated[bool, typer.Option("--replace-depth", help="Replace depth that the photo holds already.")]
Transcode = Annotated[bool, typer.Option("--transcode", help="Allow a JPEG photo to be re-encoded as HEIC.")]
Quality = Annotated[int, _option("photo_quality", also=("--quality",))]
Key = Annotated[str | None, _option("key")]
Estimate = Annotated[Path | None, typer.Option("--estimate", metavar="MODEL", show_default=False, help=(
    "Instead of a map: the ONNX file of a depth network (gpudepth[estimate]). --preset (depth-anything-v2 with "
    "--near and --far…) or --metric defines its output."))]
NetworkSettings = Annotated[list[str] | None, typer.Option("--network", metavar="KEY=VALUE", show_default=False, help=(
    "A setting of the network: size, fit, mean, std, colors, output…, as in source.depth of a job; may be repeated."))]
Backend = Annotated[str, typer.Option(envvar="GPUDEPTH_BACKEND", help=(
    "auto (the GPU where it is faster, otherwise numpy), numpy or cupy; the results are the same."))]
Verbose = Annotated[bool, typer.Option("-v", "--verbose", callback=_verbose, help=(
    "Show on which device the work runs, and why."))]
Json = Annotated[bool, typer.Option("--json", help="Print JSON on stdout.")]
JobFile = Annotated[Path, typer.Argument(show_default=False, help="A job file (YAML).")]
Set = Annotated[list[str] | None, typer.Option("--set", metavar="KEY=VALUE", show_default=False, help=(
    "Set a key of the job: --set encoding.far=12. May be repeated."))]

PlanFile = Annotated[str | None, typer.Option("--plan", metavar="FILE", show_default=False, help=(
    "A plan file written by gpudepth plan; the files are not listed and paired again."))]
Shard = Annotated[str | None, typer.Option(metavar="I/N", show_default=False, help=(
    "Process only the I-th of N parts; I counts from 0."))]

Frames = Annotated[str | None, _option("frames")]
Stride = Annotated[int, _option("stride")]
ClipSettings = Annotated[list[str] | None, typer.Option("--clip", metavar="KEY=VALUE", show_default=False, help=(
    "For clips: a key of source.clip in a job, such as match=index, fps=15, depth_crop=right; may be repeated."))]


def target(source: Path, output: Path | None, *others: Path | None, in_place: bool) -> Path:
    """Return the file to write for a photo; `others` are further inputs, which it must not overwrite.

    Raises:
        UsageError: If -o and --in-place are both missing or both given, or if -o names an input.
    """
    if output is None and not in_place:
        suffix = source.suffix if registry.by_suffix(source.suffix) else ".heic"
        raise UsageError("the output is missing", hint=(
            f"-o {shlex.quote(f'{source.stem}_out{suffix}')}, or --in-place to overwrite {source.name}"))
    if output is None:
        return source
    if in_place:
        raise UsageError("use either -o or --in-place, not both", where=output)
    for other in (source, *others):
        if other is not None and other.exists() and output.exists() and output.samefile(other):
            raise UsageError("the output would overwrite its own input", where=output, hint=(
                "--in-place instead of -o overwrites the photo" if other == source else "use another name for -o"))
    return output


def choice(name: str, value: str, allowed: tuple[str, ...]) -> Any:
    """Return `value` if it is allowed; otherwise raise UsageError."""
    if value not in allowed:
        raise UsageError(f"--{name} {value!r} is not one of {', '.join(allowed)}")
    return value


def shard(text: str | None) -> tuple[int, int] | None:
    """Return (i, n) of --shard. Raises UsageError."""
    if text is None:
        return None
    first, slash, last = text.partition("/")
    if not (slash and first.isdigit() and last.isdigit()):
        raise UsageError(f"--shard {text!r} is not I/N", hint="--shard 0/4")
    return int(first), int(last)


def settings(values: Mapping[str, Any]) -> Settings:
    """Return the settings of a command. Raises UsageError.

    Args:
        values: `locals()` at the beginning of the command's function.
    """
    known = {name: value for name, value in values.items() if name in names()}
    if values.get("coded"):
        known["orientation"] = "coded"
    return item_settings(known)


def key_values(option: str, texts: Sequence[str] | None) -> dict[str, Any]:
    """Return the settings of a repeated KEY=VALUE option. Raises UsageError."""
    from ..settings.strict_yaml import setting as parse_value

    out: dict[str, Any] = {}
    for text in texts or ():
        name, equals, value = text.partition("=")
        if not equals or not name.strip():
            raise UsageError(f"{option} {text!r} is not KEY=VALUE", hint=f"{option} size=518" if option == "--network"
                             else f"{option} fps=15")
        try:
            out[name.strip()] = value.strip() if "," in value and "[" not in value else parse_value(value.strip())
        except ValueError as error:
            raise UsageError(f"{option} {text!r}: {error}") from None
    return out


def pair(option: str, text: str) -> tuple[float, float]:
    """Return two numbers that a comma separates. Raises UsageError."""
    try:
        return two_numbers(text)
    except (TypeError, ValueError):
        raise UsageError(f"{option} {text!r} is not two numbers", hint=f"{option} 0.3,20") from None


def engine(name: str) -> Any:
    """Return the back end for a single photo, which uses all cores."""
    from ..compute import backend
    from ..compute.threads import available_cores

    return backend(name, threads=available_cores())
