"""Defines the options that several commands share, and turns their values into settings."""

from __future__ import annotations

import functools
import inspect
import logging
import shlex
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import GenericAlias, UnionType
from typing import TYPE_CHECKING, Annotated, Any, Literal, Union, get_args, get_origin

from ..containers import registry
from ..errors import UsageError
from ..settings.clip import ClipSettings
from ..settings.declare import Spec, specs
from .command import Argument, Option

if TYPE_CHECKING:
    from ..settings.settings import Settings


def _presets() -> list[str]:
    from ..maps.presets import PRESETS

    return ["auto", *(p.name for p in PRESETS)]


def _verbose(on: bool) -> bool:
    if on:
        logging.getLogger("gpudepth").setLevel(logging.INFO)
    return on


Photo = Annotated[Path, Argument(help=(
    "The photo: HEIC, JPEG or DNG. PNG, TIFF and WebP are encoded as HEIC."))]
MaybeDepth = Annotated[Path | None, Argument(help=(
    "The map: PNG, TIFF, PGM, PFM, .npy, .npz; or a photo that holds depth."))]
Out = Annotated[Path | None, Option("-o", "--output", show_default=False, help="The file to write.")]
InPlace = Annotated[bool, Option("--in-place", help="Overwrite the photo, completely or not at all.")]


def _option(spec: Spec) -> Any:
    """Return the option of a declared setting."""
    more: dict[str, Any] = {"metavar": spec.metavar} | _MORE.get(spec.name, {})
    choices = [str(one) for one in spec.choices or ()]
    if choices:
        more |= {"metavar": "|".join(choices), "completion": lambda: choices}
    return Option(*(spec.flag, *more.pop("also", ())), help=spec.help, show_default=bool(spec.default), **more)


_MORE: dict[str, dict[str, Any]] = {
    "preset": {"completion": _presets}, "profile": {"completion": registry.profiles},
    "photo_quality": {"also": ("--quality",)}}


def _kind(annotation: Any) -> Any:
    """Return the type of a setting on the command line: text, unless it is a number, a flag, a path or a list."""
    if get_origin(annotation) in (Union, UnionType):        # always with None
        return _kind(get_args(annotation)[0])
    kinds = get_args(annotation)
    if get_origin(annotation) is Literal:
        return type(kinds[0])
    if Ellipsis in kinds:
        return GenericAlias(list, kinds[:1])
    if annotation is Any:
        return Path
    return annotation if annotation in (bool, int, float) else str


def _parameter(spec: Spec) -> inspect.Parameter:
    """Return the parameter of a command for a declared setting, whose value `settings` validates."""
    kind = _kind(spec.annotation)
    default = None if spec.default in (None, ()) else str(spec.default) if kind is str else spec.default
    annotation = Annotated[kind | None if default is None else kind, _option(spec)]     # type: ignore[valid-type]
    return inspect.Parameter(spec.name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=annotation)


def with_settings(*without: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Replace the parameter `given` of a command by an option for each setting that has a flag, except `without`."""
    from ..settings.options import EncodingOptions, MapOptions  # late: few commands have settings
    from ..settings.settings import Settings

    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        shared = {name: _parameter(spec) for cls in (EncodingOptions, MapOptions, Settings)
                  for name, spec in specs(cls).items() if spec.flag and name not in without}
        own = inspect.signature(command, eval_str=True).parameters

        @functools.wraps(command)
        def run(**values: Any) -> None:
            given = {name: values.pop(name) for name in shared}
            command(**values, given=given)

        parameters = [one.replace(kind=inspect.Parameter.KEYWORD_ONLY) for name, parameter in own.items()
                      for one in (shared.values() if name == "given" else [parameter])]
        run.__signature__ = inspect.Signature(parameters)       # type: ignore[attr-defined]
        run.__annotations__ = {one.name: one.annotation for one in parameters}
        return run
    return decorate


Coded = Annotated[bool, Option("--coded", help=(
    "The map is oriented as the photo's pixels are stored, before rotation."))]
Estimate = Annotated[Path | None, Option("--estimate", metavar="MODEL", show_default=False, help=(
    "Instead of a map: the ONNX file of a depth network (gpudepth[estimate]). --preset (depth-anything-v2 with "
    "--near and --far…) or --metric defines its output."))]
NetworkSettings = Annotated[list[str] | None, Option("--network", metavar="KEY=VALUE", show_default=False, help=(
    "A setting of the network: size, fit, mean, std, colors, output…, as in source.depth of a job; may be repeated."))]
Backend = Annotated[str, Option(envvar="GPUDEPTH_BACKEND", help=(
    "auto (the GPU where it is faster, otherwise numpy), numpy or cupy; the results are the same."))]
Verbose = Annotated[bool, Option("-v", "--verbose", callback=_verbose, help=(
    "Show on which device the work runs, and why."))]
Json = Annotated[bool, Option("--json", help="Print JSON on stdout.")]
JobFile = Annotated[Path, Argument(help="A job file (YAML).")]
Set = Annotated[list[str] | None, Option("--set", metavar="KEY=VALUE", show_default=False, help=(
    "Set a key of the job: --set encoding.far=12. May be repeated."))]

PlanFile = Annotated[str | None, Option("--plan", metavar="FILE", show_default=False, help=(
    "A plan file written by gpudepth plan; the files are not listed and paired again."))]
Shard = Annotated[str | None, Option(metavar="I/N", show_default=False, help=(
    "Process only the I-th of N parts; I counts from 0."))]

Frames = Annotated[str | None, _option(specs(ClipSettings)["frames"])]
Stride = Annotated[int, _option(specs(ClipSettings)["stride"])]
ClipOptions = Annotated[list[str] | None, Option("--clip", metavar="KEY=VALUE", show_default=False, help=(
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


def settings(given: Mapping[str, Any], *, coded: bool) -> Settings:
    """Return the settings of a command's options. Raises UsageError."""
    from ..settings.options import item_settings

    return item_settings({**given, "orientation": "coded" if coded else "display"})


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
    from ..settings.values import pair as two_numbers

    try:
        return two_numbers(text)
    except (TypeError, ValueError):
        raise UsageError(f"{option} {text!r} is not two numbers", hint=f"{option} 0.3,20") from None


def engine(name: str) -> Any:
    """Return the back end for a single photo, which uses all cores."""
    from ..compute import backend
    from ..compute.threads import available_cores

    return backend(name, threads=available_cores())
