"""`source.depth: {kind: onnx, …}` of a job: the network that depth is estimated with; and the same from options."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, ValidationError, model_validator

from ..errors import UsageError
from ..maps.network import LARGEST, MEAN, MULTIPLE, STD, Fit, Network
from .encoding_records import Config
from .strict_yaml import setting

Colour = tuple[float, float, float]
Device = Literal["auto", "cpu", "cuda"]
_DEVICES: dict[str, Device] = {"numpy": "cpu", "hostcc": "cpu", "cupy": "cuda"}


def _size(value: Any) -> Any:
    """518, 640x384, or [640, 384]."""
    if isinstance(value, int) and not isinstance(value, bool):
        return value, value
    if isinstance(value, str):
        width, _, height = value.lower().replace("×", "x").partition("x")
        if not (width.isdecimal() and height.isdecimal()):
            raise ValueError(f"{value!r} is no size: 518, or 640x384")
        return int(width), int(height)
    return value


def _three(value: Any) -> Any:
    """One number for all channels, or "0.5,0.5,0.5" as options have it."""
    if isinstance(value, str):
        value = [float(part) for part in value.split(",")]
    return (value,) * 3 if isinstance(value, int | float) and not isinstance(value, bool) else value


class NetworkConfig(Config):
    """model: an .onnx file that takes a picture (N, 3, H, W) and gives a map (N, H, W); relative to the job file.

    size: of its input, 518 or 640x384, for networks that take any. fit: letterbox (the picture's shape, the rest filled
    with the mean colour), stretch, or aspect (the input gets the picture's shape, in multiples of `multiple`; for
    networks that take any size, and there what is done unless size is named). mean, std: of the colours, 0 to 1
    (ImageNet's unless named), or 0 to 255. colors: rgb or bgr. output: its name where there are several. batch: photos
    that go in together, with one worker. device: auto (CUDA where run.backend and onnxruntime have it), cpu, cuda.
    """

    kind: Literal["onnx"]
    model: str
    size: Annotated[tuple[int, int] | None, BeforeValidator(_size)] = None
    fit: Fit | None = None
    multiple: int = Field(MULTIPLE, ge=1, le=LARGEST)
    mean: Annotated[Colour, BeforeValidator(_three)] = MEAN
    std: Annotated[Colour, BeforeValidator(_three)] = STD
    colors: Literal["rgb", "bgr"] = "rgb"
    output: str | None = None
    batch: int = Field(1, ge=1, le=1024)
    device: Device = "auto"

    @model_validator(mode="after")
    def _check(self) -> NetworkConfig:
        try:
            self.network(Path(), "auto")
        except UsageError as error:
            raise ValueError(error.message) from None
        return self

    def network(self, base: Path, backend: str) -> Network:
        """backend: of the job, which decides where the network runs unless `device` does."""
        fields = self.model_dump(exclude={"kind", "model", "device"})
        device = self.device if self.device != "auto" else _DEVICES.get(backend, "auto")
        return Network(base / self.model, device=device, **fields)


def from_options(model: Path, settings: Sequence[str], backend: str) -> Network:
    """--estimate MODEL --network KEY=VALUE. Raises UsageError."""
    Network(model).check()
    fields: dict[str, Any] = {"kind": "onnx", "model": str(model)}
    for text in settings:
        name, equals, value = text.partition("=")
        if not equals or name.strip() in ("", "kind", "model"):
            raise UsageError(f"--network {text!r} is not key=value", hint="--network size=518")
        try:
            fields[name.strip()] = value.strip() if "," in value else setting(value.strip())
        except ValueError as error:
            raise UsageError(f"--network {text!r}: {error}") from None
    try:
        return NetworkConfig.model_validate(fields).network(Path(), backend)
    except ValidationError as error:
        first = error.errors()[0]
        name = ".".join(map(str, first["loc"]))
        known = ", ".join(k for k in NetworkConfig.model_fields if k not in ("kind", "model"))
        said = first["msg"].removeprefix("Value error, ")
        raise UsageError(f"--network {name}: {said}", hint=f"it takes {known}") from None
