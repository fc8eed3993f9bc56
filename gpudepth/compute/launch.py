"""Defines the device that kernels run on, moves arrays to it and back, and launches kernels."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import update_wrapper
from typing import Any, Concatenate, ParamSpec, Protocol, TypeVar, cast

import numpy as np
from numpy.typing import NDArray

from ..errors import counted
from .checks import expect
from .cpu import NumpyBackend
from .interface import Array

T = TypeVar("T")
P = ParamSpec("P")
L = TypeVar("L", bound="Launcher")
I32, U32, F32 = np.int32, np.uint32, np.float32
MAX_ROWS = 65535    # the most rows of a grid
MAX_CONSTANTS = 64  # tables that stay on a device


class KernelDevice(Protocol):
    """Arrays and launches. Its arrays have shape, dtype, strides and view() as in numpy."""

    name: str

    def array(self, values: NDArray[Any]) -> Any:
        """Return a contiguous copy of a host array on the device."""

    def empty(self, shape: tuple[int, ...], dtype: Any) -> Any:
        """Return a new, uninitialised array on the device."""

    def zeros(self, shape: tuple[int, ...], dtype: Any) -> Any:
        """Return a new array of zeros on the device, without a copy from the host."""

    def host(self, values: Any) -> NDArray[Any]:
        """Return a copy of a device array on the host."""

    def owns(self, values: Any) -> bool:
        """Return whether an array is on the device, so that it can be used in place."""

    def own(self, values: Any) -> Any:
        """Return such an array as one of this device, contiguous, without a copy if possible."""

    def launch(self, module: str, kernel: str, grid: tuple[int, int], block: tuple[int, int], *args: Any) -> None:
        """Run a kernel. Arguments are arrays (None is a null pointer) and numpy's int32, uint32 and float32."""

    def synchronize(self) -> None:
        """Wait until everything that was queued on the device is done. Raises DeviceError, as any method may."""

    def stream(self) -> AbstractContextManager[Any]:
        """Return a queue of its own for what is called inside its `with`, in one thread."""

    def finish(self) -> None:
        """Wait for the current stream."""

    def lock_pages(self, memory: NDArray[Any]) -> Callable[[], None]:
        """Lock the pages of host memory, so that copies run beside other work; return what unlocks them."""

    def upload(self, source: NDArray[Any]) -> Any:
        """Return an array on the device, to which locked memory is copied on the current stream."""

    def download(self, values: Any, to: NDArray[Any]) -> None:
        """Copy a device array into locked memory on the current stream."""


@dataclass
class Transfers:
    """Copies between the host and a device.

    Attributes:
        uploads: Number of copies to the device.
        upload_bytes: Their bytes.
        downloads: Number of copies from the device, those of single numbers included.
        download_bytes: Their bytes.
    """

    uploads: int = 0
    upload_bytes: int = 0
    downloads: int = 0
    download_bytes: int = 0

    def describe(self) -> str:
        """Return, for example, `12 uploads of 3.4 MB, 36 downloads of 1.2 MB`."""
        return (f"{counted(self.uploads, 'upload')} of {self.upload_bytes / 1e6:.4g} MB, "
                f"{counted(self.downloads, 'download')} of {self.download_bytes / 1e6:.4g} MB")


class Constants:
    """The tables that stay on a device, for any number of streams and threads."""

    def __init__(self, device: KernelDevice) -> None:
        self.device, self._held = device, OrderedDict[int, tuple[NDArray[Any], Any]]()
        self._lock = threading.Lock()

    def get(self, table: NDArray[Any], upload: Callable[[NDArray[Any]], Any]) -> Any:
        """Return a table on the device, where `upload` puts it the first time. Nobody may change the table."""
        with self._lock:
            held = self._held.get(id(table))
            if held is not None:
                self._held.move_to_end(id(table))
                return held[1]
            there = upload(table)
            self.device.synchronize()       # other streams use it as well
            self._held[id(table)] = table, there
            if len(self._held) > MAX_CONSTANTS:
                self.device.synchronize()   # kernels that use the oldest one may still be running
                self._held.popitem(last=False)
            return there


class Launcher:
    """Moves maps to a device and back, and launches kernels. `cpu` computes what exceeds the limits of a launch.

    Args:
        device: The device.
        constants: The tables that are on the device already, shared with other launchers.

    Attributes:
        transfers: The copies so far.
    """

    def __init__(self, device: KernelDevice, constants: Constants | None = None) -> None:
        self.device, self.constants = device, constants or Constants(device)
        self.cpu = NumpyBackend()
        self.transfers = Transfers()

    def put(self, values: Array) -> Array:
        """See `Backend.put`. Of float64, which kernels do not compute with, the float32 values are copied."""
        there: Array = self._in(self._narrow(values))
        return there

    def _narrow(self, values: Any) -> Any:
        """Return a float64 array of the host as float32, and any other array as it is."""
        if self.device.owns(values) or values.dtype.kind != "f" or values.dtype.itemsize != 8:
            return values
        with np.errstate(over="ignore"):
            return values.astype(F32)

    def _in(self, values: Any) -> Any:
        """Return an array on the device, contiguous and in its byte order."""
        if self.device.owns(values):
            return self.device.own(values)
        values = np.ascontiguousarray(values, values.dtype.newbyteorder("="))
        self.transfers.uploads += 1
        self.transfers.upload_bytes += values.nbytes
        return self.device.array(values)

    def _constant(self, table: NDArray[Any]) -> Any:
        return self.constants.get(table, self._in)

    def _out(self, result: Any, like: Any) -> Array:
        """Move a result to where `like` is: it stays on the device, or is copied to the host."""
        there: Array = result if self.device.owns(like) else self._on_host(result)
        return there

    def _taken(self, values: Any, kinds: str = "") -> Any:
        """Check a map as the numpy back end does; adopt an array of another library on the device."""
        values = self.device.own(values) if self.device.owns(values) else values
        expect(values, kinds)
        return values

    def _on_cpu(self, method: Callable[..., T], values: Any, *args: Any, **named: Any) -> T:
        """Compute on the CPU what exceeds the limits of a launch, and move the result to where the map is."""
        def there(result: Any) -> Any:
            on_device = isinstance(result, np.ndarray) and self.device.owns(values)
            return self._in(result) if on_device else result

        result: Any = method(self._on_host(values), *map(self._on_host, args),
                             **{k: self._on_host(v) for k, v in named.items()})
        moved: Any = tuple(map(there, result)) if isinstance(result, tuple) else there(result)
        return cast(T, moved)

    def _on_host(self, values: Any) -> NDArray[Any]:
        if not self.device.owns(values):
            there: NDArray[Any] = values
            return there
        copy = self.device.host(values)
        self.transfers.downloads += 1
        self.transfers.download_bytes += copy.nbytes
        return copy

    def _too_tall(self, values: Any) -> bool:
        return bool(values.shape[0] > MAX_ROWS or not values.size)

    def _quads(self, module: str, kernel: str, source: Any, out: Any, *args: Any) -> None:
        """Launch one thread for every four pixels of a row; a block lies within one row."""
        height, width = source.shape
        threads = min(256, max(32, 1 << (-(-width // 4) - 1).bit_length()))
        self.device.launch(module, kernel, (-(-width // (4 * threads)), height), (threads, 1), *args)

    def _pixels(self, module: str, kernel: str, out: Any, *args: Any) -> None:
        """Launch one thread for each pixel of `out`."""
        height, width = out.shape[-2:]
        self.device.launch(module, kernel, (-(-width // 32), -(-height // 8)), (32, 8), *args)


def on_device(kinds: str) -> Callable[[Callable[Concatenate[L, Array, P], T]], Callable[Concatenate[L, Array, P], T]]:
    """Check the dtype of a method's map, adopt it, and compute on the CPU if it exceeds the limits of a launch."""
    def decorate(method: Callable[Concatenate[L, Array, P], T]) -> Callable[Concatenate[L, Array, P], T]:
        def run(self: L, values: Array, /, *args: P.args, **named: P.kwargs) -> T:
            values = self._taken(values, kinds)
            if self._too_tall(values):
                result: T = self._on_cpu(getattr(self.cpu, method.__name__), values, *args, **named)
                return result
            return method(self, values, *args, **named)

        update_wrapper(run, method)
        return run

    return decorate
