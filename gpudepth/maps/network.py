"""Runs depth networks in the user's ONNX files with onnxruntime: a picture goes in, a map comes out.

A network has one input, (N, 3, H, W) or (N, H, W, 3), of floats or bytes, and an output (N, H, W), (N, 1, H, W),
(N, H, W, 1) or (H, W). As with maps in files, the encoding defines what its values mean.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from ..errors import (
    BackendError,
    FileError,
    LimitError,
    MalformedError,
    UnsupportedError,
    UsageError,
    listing,
    missing_file,
)
from ..formats.bytesource import ByteSource
from ..limits import DEFAULT, Limits
from .letterbox import FITS, Fit, Letterbox

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)      # of ImageNet, from torchvision
ANY_SIZE, MULTIPLE = 518, 14        # Depth Anything's, for networks that accept any size
LARGEST = 4096
SOURCES = ("models: Depth Anything V2 (Small: Apache-2.0; Base and Large: CC-BY-NC-4.0, not for commercial use; the "
           "licence of the metric ones is not stated), MiDaS (MIT), Depth Pro (weights under Apple's own terms); "
           "as ONNX from Hugging Face's onnx-community, or by torch.onnx.export")
_TYPES = {"tensor(float)": np.float32, "tensor(float16)": np.float16, "tensor(double)": np.float64,
          "tensor(uint8)": np.uint8}


@dataclass(frozen=True)
class Network:
    """A depth network and how pictures are fed to it.

    Attributes:
        model: Path of the .onnx file.
        size: (width, height) of the input, for networks that accept any size. None means 518, or what the file
            declares.
        fit: How a picture is fitted; see `Letterbox.of`. None means letterbox, or aspect where any size is accepted.
        multiple: Sides are multiples of this, for aspect.
        mean: Mean of each colour, 0…1, or 0…255 where a value is larger than 1. Not used by networks that take bytes.
        std: Standard deviation of each colour, in the same unit.
        colors: Order of the channels.
        output: Name of the output, where there are several.
        batch: Number of photos that are processed together.
        device: "auto" uses CUDA where onnxruntime supports it, otherwise the CPU.
    """

    model: Path
    size: tuple[int, int] | None = None
    fit: Fit | None = None
    multiple: int = MULTIPLE
    mean: tuple[float, float, float] = MEAN
    std: tuple[float, float, float] = STD
    colors: Literal["rgb", "bgr"] = "rgb"
    output: str | None = None
    batch: int = 1
    device: Literal["auto", "cpu", "cuda"] = "auto"

    def __post_init__(self) -> None:
        if self.fit not in (None, *FITS):
            raise UsageError(f"unknown fit {self.fit!r}", hint="use " + " or ".join(FITS))
        if self.size is not None and not all(0 < side <= LARGEST for side in self.size):
            raise UsageError(f"the input size {self.size[0]}×{self.size[1]} is out of range",
                             hint=f"use 1 to {LARGEST} pixels per side")
        if not 1 <= self.multiple <= LARGEST or self.batch < 1:
            raise UsageError("multiple and batch must be at least 1")
        if not all(s > 0 for s in self.std):
            raise UsageError("std must be positive")

    def check(self) -> None:
        """Raise MissingInputError when the file does not exist."""
        if not self.model.is_file():
            raise missing_file(self.model, "the model does not exist", SOURCES)

    def digest(self) -> str:
        """Return the SHA-256 of the file, of its separate weights, and of all settings that influence the map.

        Raises:
            MissingInputError: The model does not exist.
            FileError: A file cannot be read.
        """
        import hashlib

        self.check()
        model, *weights = [_sha256(path) for path in (self.model, *self._weights())]
        settings = (self.size, self.fit, self.multiple, self.mean, self.std, self.colors, self.output)
        return hashlib.sha256(repr((model, settings, *weights)).encode()).hexdigest()

    def _weights(self) -> list[Path]:
        """Return the separate weight files of a large network, which are in the same folder.

        Hugging Face names them model.onnx_data, PyTorch model.onnx.data; there may be numbered ones.
        """
        try:
            return sorted(path for path in self.model.parent.iterdir()
                          if path.name.startswith((f"{self.model.name}_data", f"{self.model.name}.data"))
                          and path.is_file())
        except OSError as error:
            raise FileError(f"the folder cannot be read: {error.strerror}", where=str(self.model.parent)) from None


def _sha256(path: Path) -> str:
    import hashlib

    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise FileError(f"the file cannot be read: {error.strerror}", where=str(path)) from None


@dataclass(frozen=True)
class PictureInput:
    """What a network takes, known to processes that do not load it.

    Attributes:
        network: The network.
        fixed: Its fixed (width, height), if it has one.
        count: Its fixed number of pictures, if it has one.
        takes_bytes: Whether its input is bytes.
    """

    network: Network
    fixed: tuple[int, int] | None
    count: int | None
    takes_bytes: bool

    @property
    def batch(self) -> int:
        """Return how many pictures are processed together."""
        return self.count or self.network.batch

    def letterbox(self, picture: tuple[int, int]) -> Letterbox:
        """Return the letterbox for a picture of (width, height) as displayed."""
        size = self.fixed or self.network.size or (ANY_SIZE, ANY_SIZE)
        fit = self.network.fit or ("letterbox" if self.fixed or self.network.size else "aspect")
        return Letterbox.of(picture, size, fit, self.network.multiple)

    def normalised(self, picture: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Normalise a picture.

        Args:
            picture: (H, W, 3) sRGB bytes.

        Returns:
            (H, W, 3) float32 in the range the network was trained on; unchanged values for networks that take bytes.
        """
        if self.takes_bytes:
            return (picture[..., ::-1] if self.network.colors == "bgr" else picture).astype(np.float32)
        mean, std = (np.asarray(v, np.float32) for v in (self.network.mean, self.network.std))
        scale = np.float32(1 if max(*self.network.mean, *self.network.std) > 1 else 255)
        out: NDArray[np.float32] = (picture.astype(np.float32) / scale - mean) / std
        return out[..., ::-1] if self.network.colors == "bgr" else out


class Session:
    """A loaded network.

    Args:
        network: The network.
        threads: Number of CPU threads; 0 means all.
        limits: What the file may ask for.

    Raises:
        MissingInputError: The model does not exist.
        LimitError: It asks for too much.
        MalformedError: onnxruntime refuses the file.
        UnsupportedError: Its inputs or outputs are not those of a depth network.
        BackendError: CUDA was requested and is not available.
    """

    def __init__(self, network: Network, *, threads: int = 0, limits: Limits = DEFAULT) -> None:
        self.network, self.where = network, str(network.model)
        with ByteSource(network.model, limits) as source:   # it exists, is a regular file and not too large
            if source.size == 0:
                raise MalformedError("the file is empty", where=self.where)
        runtime = _runtime()
        options = runtime.SessionOptions()
        options.intra_op_num_threads, options.log_severity_level = threads, 4
        providers = _providers(runtime, network.device)
        with _onnx(self.where, "load it"):
            self.session = runtime.InferenceSession(self.where, options, providers=providers)
        if network.device == "cuda" and "CUDAExecutionProvider" not in self.session.get_providers():
            raise BackendError("onnxruntime supports CUDA but cannot use it here", hint="run gpudepth doctor")
        self.input, self.channels_last, self.fixed = self._input()
        self.output = self._output()

    def _input(self) -> tuple[Any, bool, tuple[int, int] | None]:
        """Return the input, whether its channels are last, and its fixed (width, height), if it has one."""
        found = self.session.get_inputs()
        takes = "the network takes " + ", ".join(f"{i.name} {i.type} {i.shape}" for i in found)
        if len(found) != 1 or len(found[0].shape) != 4 or found[0].type not in _TYPES:
            raise UnsupportedError(f"{takes}; a depth network takes one picture, (N, 3, H, W)", where=self.where)
        shape = found[0].shape
        last = shape[3] == 3 and shape[1] != 3
        if not last and isinstance(shape[1], int) and shape[1] != 3:
            raise UnsupportedError(f"{takes}; a picture has 3 channels", where=self.where)
        height, width = shape[1:3] if last else shape[2:4]
        if not (isinstance(width, int) and isinstance(height, int)):
            return found[0], last, None
        if not (0 < width <= LARGEST and 0 < height <= LARGEST):
            raise UnsupportedError(f"{takes}; at most {LARGEST} pixels per side are supported", where=self.where)
        self._check_fixed(width, height)
        return found[0], last, (width, height)

    def _check_fixed(self, width: int, height: int) -> None:
        """Raise UsageError for settings that a network with a fixed size does not take."""
        if self.network.size not in (None, (width, height)):
            raise UsageError(f"the network only takes {width}×{height} pixels", where=self.where,
                             hint="leave out the size")
        if self.network.fit == "aspect":
            raise UsageError("fit aspect requires a network that accepts any size; this one has a fixed size",
                             where=self.where, hint="use letterbox or stretch")

    def _output(self) -> str:
        names = [o.name for o in self.session.get_outputs()]
        wanted = self.network.output or names[0]
        if wanted not in names:
            raise UsageError(f"the network has no output {wanted!r}", where=self.where,
                             hint="it has " + listing(names, len(names)))
        return str(wanted)

    @property
    def picture_input(self) -> PictureInput:
        """How pictures are made into what the network takes."""
        first = self.input.shape[0]
        return PictureInput(self.network, self.fixed, first if isinstance(first, int) else None,
                            _TYPES[self.input.type] is np.uint8)

    def run(self, pictures: Sequence[NDArray[np.float32]]) -> list[NDArray[np.float32]]:
        """Run the network.

        Args:
            pictures: Filled letterboxes (H, W, 3) of one size. If they are fewer than a fixed batch, the last is
                repeated.

        Returns:
            An output (h, w) float32 for each picture.
        """
        count = len(pictures)
        fixed = self.input.shape[0] if isinstance(self.input.shape[0], int) else count
        if count > fixed:
            return [out for i in range(0, count, fixed) for out in self.run(pictures[i : i + fixed])]
        stack = np.stack([*pictures, *[pictures[-1]] * (fixed - count)])
        if not self.channels_last:
            stack = stack.transpose(0, 3, 1, 2)
        kind = _TYPES[self.input.type]
        stack = np.rint(stack).clip(0, 255) if kind is np.uint8 else stack
        with _onnx(self.where, "run it"):
            out = self.session.run([self.output], {self.input.name: np.ascontiguousarray(stack, kind)})[0]
        return self._maps(out, fixed)[:count]

    def _maps(self, out: Any, count: int) -> list[NDArray[np.float32]]:
        shape = out.shape
        if out.ndim == 4 and 1 in (shape[1], shape[3]):
            out = out[:, 0] if shape[1] == 1 else out[..., 0]
        elif out.ndim == 2 and count == 1:
            out = out[None]
        if out.ndim != 3 or len(out) != count or 0 in out.shape or out.dtype.kind not in "fui":
            names = [o.name for o in self.session.get_outputs()]
            raise UnsupportedError(f"the output {self.output} is {out.dtype} {shape}; a map is (N, H, W)",
                                   where=self.where, hint="choose another output: " + listing(names, len(names)))
        return [np.asarray(one, np.float32) for one in out]


def _providers(runtime: Any, device: str) -> list[str]:
    there = runtime.get_available_providers()
    if device == "cuda" and "CUDAExecutionProvider" not in there:
        raise BackendError("this onnxruntime does not support CUDA",
                           hint="install onnxruntime-gpu instead of onnxruntime")
    cuda = ["CUDAExecutionProvider"] if device != "cpu" and "CUDAExecutionProvider" in there else []
    return [*cuda, "CPUExecutionProvider"]


def _runtime() -> Any:
    try:
        import onnxruntime
    except ImportError as error:
        raise UsageError(f"running a network requires onnxruntime: {error}",
                         hint="pip install 'gpudepth[estimate]'") from None
    return onnxruntime


@contextlib.contextmanager
def _onnx(where: str, what: str) -> Iterator[None]:
    """Convert errors of onnxruntime, which have no common base class; only its calls may run inside."""
    try:
        yield
    except MemoryError as error:
        raise LimitError("the network does not fit into memory", where=where) from error
    except Exception as error:
        raise _error_of(error, where, what) from None


def _error_of(error: Exception, where: str, what: str) -> FileError:
    lines = str(error).strip().splitlines()
    reason = lines[0][:300] if lines else type(error).__name__
    return MalformedError(f"onnxruntime cannot {what}: {reason}", where=where,
                          hint="check that it is an ONNX model; " + SOURCES if what == "load it" else None)
