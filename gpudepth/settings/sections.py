"""Sections of a job other than `source:` and `encoding:`, and the network of `source.depth`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, Field, ValidationError, create_model, model_validator

from ..compute.threads import available_cores
from ..depth import encoding as enc
from ..depth.encoding import Depth, parse_scale
from ..errors import GpudepthError, UsageError
from ..limits import Limits
from ..maps import presets
from ..maps.network import LARGEST, Network
from .clip import ClipSettings
from .declare import specs, unknown
from .options import EncodingOptions
from .schema import (
    ByteSize,
    Config,
    Scale,
    as_value_error,
    attributes_of,
    field,
    first_problem,
    plain_section,
    section,
)
from .settings import AUTO, Settings
from .values import Confidence, Resize

ResizeConfig: Any = section(Resize, "refine.resize", called="ResizeConfig",
                            doc= "width and height in display orientation, or long_side.",
                            check=True)
ClipConfig: Any = section(ClipSettings, "source.clip", "Which frames of a video are taken, and how maps go to them.",
                          called="ClipConfig", check=True)


class AlignConfig(Config):
    """What relative maps are fitted to, scale and shift."""

    to: str | None = Field(None, description="A template of metric depth, sparse or small; left out where source.pairs "
                           "names it.")
    scale: Scale | None = Field(None,
                                description="One unit of it in metres; without one, floats are metres and a photo "
                                "with depth knows itself.")
    curve: Literal["depth", "disparity"] | None = Field(
        None, description="What the relative map is linear in: disparity (MiDaS, Depth Anything; the default) or depth "
        "(Marigold).")

    @property
    def encoding(self) -> Depth | None:
        """Return the encoding of the metric depth, if it is named."""
        return Depth(parse_scale(self.scale)) if self.scale else None


class ConfidenceConfig(section(Confidence, "refine.confidence")):  # type: ignore[misc]
    """How far each pixel is to be trusted, 0 not at all: of the metric depth, or without it of the map."""

    path: str | None = Field(None,
                             description="A template of maps of confidence; left out where source.pairs names it.")


class RefineConfig(section(Settings, "refine")):  # type: ignore[misc]
    """What is done to maps between decoding and storing, in the order of the work."""

    confidence: ConfidenceConfig | None = Field(None, description="How far pixels are to be trusted: below.")
    align: AlignConfig | None = Field(None, description="What relative maps are fitted to: below.")
    resize: ResizeConfig | None = Field(None, description="The size of the map: below.")


MapConfig: Any = section(Settings, "map", "What is stored.", called="MapConfig")


class OutputConfig(section(Settings, "output")):  # type: ignore[misc]
    """Where outputs go, and in which layout."""

    path: str = Field(description="A template of the same placeholders (with source.pairs {id} and {stem}, for rows "
                      "without out; the ledger lies in its folder). Its suffix names the format. For clips: with "
                      "{frame}, or a movie: .mov (an experiment), .mp4 (Android's MP4-AT) or .mkv (depth video alone). "
                      "A .plist (ImageIO's dictionary), .hdis and its like, .npy, .npz or .pfm holds the map alone, in "
                      "`orientation`.")
    tars: int | None = Field(None, ge=1, le=65536, description="How many tar files outputs are members of, for a path "
                             "such as out/{tar}.tar/{stem}.heic, as WebDataset reads them.")
    container: str | None = Field(None, description="Confirms what the suffix of `path` says: heic, jpeg, dng, "
                                  "dictionary.")
    donor: str | None = Field(None,
                              description="For the profile apple-portrait: a photo in Portrait mode that gives its "
                              "rendering parameters.")


class RunConfig(Config):
    """How a run is done. Nothing here decides the bytes of outputs."""

    backend: Literal["auto", "numpy", "cupy"] = Field(
        "auto", description="auto decides once per run, by the operations and sizes of its items.")
    devices: Literal["auto"] | Annotated[list[Annotated[int, Field(ge=0)]], Field(min_length=1)] = Field(
        "auto", description="Numbers of the GPUs, each with a process that owns it; auto: all that CUDA shows.")
    workers: Annotated[int, Field(ge=1, le=1024)] | Literal["auto"] = Field(
        "auto", description="Processes, each with one item in flight; auto: one per core.")
    memory: ByteSize = Field(2 << 30,
                             description="Bytes of decoded pictures and maps that all workers hold together, by "
                             "what headers declare; 0: any.")
    deterministic: bool = Field(True, description="The same input gives the same bytes; false lets an encoder be used "
                                "for more than one frame of a clip, a little faster.")
    on_existing: Literal["resume", "overwrite", "error"] = Field(
        "resume", description="What to do about outputs that are not in the ledger.")
    on_error: Literal["continue", "stop"] = Field("continue", description="Go on with the next item, or stop.")
    ledger: str | None = Field(None, description="The path of the ledger, relative to the job file.")
    ledger_rows: int = Field(500, ge=1,
                             description="Rows of a part, where outputs and ledger are in an object store: a "
                             "killed run redoes no more.")
    progress_seconds: float = Field(10.0, gt=0, description="Seconds between lines of progress where there is no "
                                    "terminal.")
    heartbeat: str | None = Field(None, description="A file, relative to the job file, that is replaced every few "
                                  "seconds while the run is alive, and says how far it is.")

    @property
    def device_numbers(self) -> list[int] | None:
        """The numbers of the GPUs; None for all."""
        return None if self.devices == "auto" else self.devices

    def processes(self, auto: int | None = None) -> int:
        """Return how many workers there are; auto: what that word means, all cores without."""
        return self.workers if self.workers != "auto" else auto or available_cores()


_BYTES = ("max_decoded_bytes", "max_file", "max_metadata", "max_xmp", "max_list", "max_movie", "max_moov",
          "max_archive")
_Limits: Any = plain_section(Limits, describe=attributes_of(Limits), bytes_of=_BYTES, written=dict.fromkeys(
    (name for name in Limits.__dataclass_fields__ if name not in _BYTES), Annotated[int, Field(ge=0)]))


class LimitsConfig(_Limits):  # type: ignore[misc]
    """What a file may ask for; 0 switches a limit off."""

    seconds_per_item: float = Field(120.0, ge=0, description="An item that takes longer is ended; of a clip: a frame.")

    def limits(self) -> Limits:
        """Return the limits of readers."""
        return Limits(**self.model_dump(exclude={"seconds_per_item"}))


def _size(value: Any) -> Any:
    """518, 640x384, or [640, 384]."""
    if isinstance(value, int) and not isinstance(value, bool):
        return value, value
    if isinstance(value, str):
        width, _, height = value.lower().replace("×", "x").partition("x")
        if not (width.isdecimal() and height.isdecimal()):
            raise ValueError(f"{value!r} is not a size: 518, or 640x384")
        return int(width), int(height)
    return value


def _three(value: Any) -> Any:
    """One number for all channels, or "0.5,0.5,0.5" as options have it."""
    if isinstance(value, str):
        value = [float(part) for part in value.split(",")]
    return (value,) * 3 if isinstance(value, int | float) and not isinstance(value, bool) else value


_DEVICES: dict[str, Any] = {"numpy": "cpu", "cupy": "cuda"}
_COLOR = Annotated[tuple[float, float, float], BeforeValidator(_three)]
_Network: Any = plain_section(
    Network, describe={
        "kind": "onnx.", "size": "Size of the input, 518 or 640x384, for networks that take any.",
        "fit": "letterbox (the picture's shape, the rest filled with the mean color), stretch, or aspect (the input "
               "gets the picture's shape, in multiples of `multiple`).",
        "multiple": "What both sides of the input are multiples of, with fit: aspect.",
        "mean": "Mean of the colors, 0 to 1 (ImageNet's unless named), or 0 to 255.",
        "std": "Standard deviation of the colors, as mean.", "colors": "Order of the channels.",
        "output": "Name of the output, where there are several.",
        "batch": "Photos that go in together, with one worker.",
        "device": "auto: CUDA where run.backend and onnxruntime have it."}, extra={"kind": (Literal["onnx"], ...)},
    exclude={"model"},
    written={"size": Annotated[tuple[int, int] | None, BeforeValidator(_size)], "mean": _COLOR, "std": _COLOR,
             "multiple": Annotated[int, Field(ge=1, le=LARGEST)], "batch": Annotated[int, Field(ge=1, le=1024)]})


class NetworkConfig(_Network):  # type: ignore[misc]
    """A network that depth is estimated with: an .onnx file that takes a picture (N, 3, H, W) and gives a map
    (N, H, W)."""

    model: str = Field(description="The .onnx file, relative to the job file.")

    @model_validator(mode="after")
    def _check(self) -> NetworkConfig:
        try:
            self.network(Path(), "auto")
        except GpudepthError as error:
            raise as_value_error(error) from None
        return self

    def network(self, base: Path, backend: str) -> Network:
        """Return the network. backend: of the job, which decides where it runs unless `device` does."""
        fields = self.model_dump(exclude={"kind", "model", "device"})
        device = self.device if self.device != "auto" else _DEVICES.get(backend, "auto")
        return Network(base / self.model, device=device, **fields)


def network_of(model: Path, options: dict[str, Any], backend: str) -> Network:
    """Return the network of an .onnx file and of settings as `source.depth` has them. Raises UsageError."""
    Network(model).check()
    known = [name for name in NetworkConfig.model_fields if name not in ("kind", "model")]
    for name in options:
        if name not in known:
            raise unknown(name, known, "--network")
    try:
        config: NetworkConfig = NetworkConfig.model_validate({"kind": "onnx", "model": str(model), **options})
        return config.network(Path(), backend)
    except ValidationError as error:
        raise first_problem(error, "--network") from None


class EncodingSection(Config):
    """A section that must make a valid encoding: its errors become the job's."""

    @model_validator(mode="after")
    def _check(self) -> EncodingSection:
        try:
            encoding(self)
        except GpudepthError as error:
            raise as_value_error(error) from None
        return self


_OWN = {"doffs": "Pixels between the principal points.", "far": "Metres at the far plane.",
        "reversed": "1 is the near plane.",
        "ndc": "OpenGL's −1 to 1.", "cx": "Principal point in pixels; the middle unless named.",
        "cy": "Principal point in pixels; the middle unless named.", "preset": "A name of `gpudepth presets`, or auto."}
"""What leaves say that only some kinds have."""


def _kind(kind: str, doc: str, **defaults: Any) -> type[EncodingSection]:
    """A model of the settings of one kind. defaults: of each leaf; `...` keeps the declared one, () requires a value;
    a tuple (type, default) is a leaf that only this kind has."""
    leaves = {spec.leaf: spec for spec in specs(EncodingOptions).values()}
    fields: dict[str, Any] = {
        "kind": (Literal[kind], Field(kind if kind == "gray" else ..., description="Which kind it is."))}
    for name, default in defaults.items():
        if isinstance(default, tuple) and default:
            fields[name] = (default[0], Field(default[1], description=_OWN[name]))
        else:
            fields[name] = field(leaves[name], default)
            if default == ():
                fields[name] = (float, Field(..., description=leaves[name].help))
    name = "ZBufferConfig" if kind == "zbuffer" else f"{kind.capitalize()}Config"
    return create_model(name, __base__=EncodingSection, __doc__=doc, __module__=__name__, **fields)


_SAMPLES = {"scale": "1", "invalid": ...}
GrayConfig = _kind(
    "gray", "Gray 0 = black … 1 = white: near and far in metres, or `disparity: [at black, at white]` in 1/metres.",
    near=..., far=..., curve=..., white=..., disparity=...)
DepthConfig = _kind("depth", "Metres = value · scale + offset; `scale` may be a number, a fraction (1/256) or a unit "
                    "(mm).", offset=..., **_SAMPLES)
DisparityConfig = _kind("disparity", "1/metres = value · scale + offset.", offset=..., **_SAMPLES)
StereoConfig = _kind("stereo", "Pixels of shift: disparity = (value · scale + doffs) / (focal_px · baseline_m).",
                     focal_px=(), baseline_m=(), doffs=(float, 0.0), **_SAMPLES)
ZBufferConfig = _kind("zbuffer", "A rendered depth buffer. `far: .inf` is allowed; reversed: 1 at the near plane; ndc: "
                      "OpenGL's −1…1.", near=(), far=(float, float("inf")), reversed=(bool, False), ndc=(bool, False))
DistanceConfig = _kind("distance",
                       "Metres along the ray; the focal length, in pixels of the map, turns them into depth "
                       "along the axis.", focal_px=(), cx=(float | None, None), cy=(float | None, None), **_SAMPLES)
PresetConfig = _kind(
    "preset", "What a data set, a sensor or a model writes; `gpudepth presets` lists them and what each takes. A "
    "relative model needs near and far, or `refine.align`. auto: recognized file by file, where there is no doubt.",
    preset=(str, ...), near=..., far=..., scale=..., focal_px=..., baseline_m=..., doffs=...)
EmbeddedConfig = _kind("embedded", "The depth files hold depth and know their own range.")

KINDS: dict[str, type[BaseModel]] = {
    "gray": GrayConfig, "depth": DepthConfig, "disparity": DisparityConfig, "stereo": StereoConfig,
    "zbuffer": ZBufferConfig, "distance": DistanceConfig, "embedded": EmbeddedConfig, "preset": PresetConfig}
AnyEncoding: Any = Annotated[
    GrayConfig | DepthConfig | DisparityConfig | StereoConfig | ZBufferConfig | DistanceConfig | EmbeddedConfig
    | PresetConfig, Field(discriminator="kind")]


def parameters(section: Any) -> dict[str, Any]:
    """Return the parameters of a preset."""
    return dict(section.model_dump(exclude={"kind", "preset"}))


def encoding(section: Any) -> enc.Encoding | None:
    """The rule that a section names; None for depth that knows itself, for auto, and for a relative preset, of which
    `Settings.with_preset` knows whether it is aligned. Raises UsageError."""
    if section.kind == "gray":
        if section.disparity is not None:
            if section.near is not None or section.far is not None:
                raise UsageError("use either near and far or disparity, not both")
            return enc.DisparityRange(*section.disparity)
        if section.near is None or section.far is None:
            raise UsageError("gray needs near and far in metres, or disparity: [at black, at white]")
        return enc.Gray(section.near, section.far, section.curve, section.white)
    if section.kind == "zbuffer":
        return enc.ZBuffer(section.near, section.far, section.reversed, section.ndc)
    if section.kind == "preset":
        return None if section.preset == AUTO else presets.find(section.preset).encoding(
            aligned=True, **parameters(section))
    if section.kind == "embedded":
        return None
    scale = enc.parse_scale(section.scale)
    if section.kind == "stereo":
        return enc.Stereo(section.focal_px, section.baseline_m, section.doffs, scale, section.invalid)
    if section.kind == "distance":
        return enc.Distance(scale, 0.0, section.invalid, section.focal_px, section.cx, section.cy)
    return (enc.Depth if section.kind == "depth" else enc.Disparity)(scale, section.offset, section.invalid)
