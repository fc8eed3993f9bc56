"""A worker's side of a device: `compute.interface.Backend` by calls to the process that owns it.

Arrays on the device are `DeviceArray`s, which the owner frees when the worker drops them. A worker that uses several
threads has a connection for each.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from typing import Any, TypeVar, cast

import numpy as np
from numpy.typing import NDArray

from ...compute.cpu import NumpyBackend
from ...compute.interface import Array, Backend, Filled, Span
from ...depth.numeric import Linear
from ...depth.pixel_format import PixelFormat, Quantity
from ...errors import DeviceError, DeviceMemoryError
from ..memory import MemoryLease
from .connection import DeviceLink, OwnerConnection
from .owner import Ref

T = TypeVar("T")


class DeviceArray:
    """An array on a device, which its owner frees when this object goes.

    Attributes:
        shape: Its shape.
        dtype: Its dtype.
        size: Number of elements.
        ndim: Number of dimensions.
        nbytes: Number of bytes.
    """

    __array_ufunc__ = None      # numpy must not take it for a sequence

    def __init__(self, ref: Ref, freed: deque[int]) -> None:
        self.ref, self._freed = ref, freed
        self.shape, self.dtype = ref.shape, np.dtype(ref.dtype)
        self.ndim, self.size = len(self.shape), int(np.prod(self.shape))
        self.nbytes = self.size * self.dtype.itemsize

    def __del__(self) -> None:
        self._freed.append(self.ref.number)

    def __array__(self, *_: Any, **__: Any) -> Any:
        raise TypeError("the array is on a device: Backend.host copies it to the host")


class RemoteBackend:
    """The back end of a worker that sends its maps to the owner of a device.

    Args:
        link: How the owner is reached.
        lease: The memory of the worker, to which the memory that is shared with the owner is charged.
    """

    def __init__(self, link: DeviceLink, lease: MemoryLease | None = None) -> None:
        self.link, self.lease, self._own = link, lease or MemoryLease(), threading.local()

    @property
    def name(self) -> str:
        """See `Backend.name`."""
        return self.link.name

    @property
    def connection(self) -> OwnerConnection:
        """The connection of this thread."""
        if not hasattr(self._own, "connection"):
            self._own.connection = OwnerConnection(self.link, self.lease.charge)
        found: OwnerConnection = self._own.connection
        return found

    def attempt(self, work: Callable[[Backend], T]) -> T:
        """See `Backend.attempt`: an item is tried twice on the device, then on numpy.

        After an error of the device the second try is made with a fresh owner. After a full memory it may succeed
        because other items have ended.
        """
        for _ in range(2):
            try:
                return work(self)
            except (DeviceError, DeviceMemoryError) as error:
                failure = error
                if isinstance(error, DeviceError):
                    self._disconnect()
                self._begin_again()
        if self.link.required:
            raise failure
        return work(NumpyBackend())

    def _begin_again(self) -> None:
        """Count the memory of the item from the start. That of clips, which have threads, is not counted."""
        if threading.current_thread() is threading.main_thread():
            self.lease.release()
            self.charge_again()

    def charge_again(self) -> None:
        """Charge the memory of this thread's connection, which stays for the next item."""
        if hasattr(self._own, "connection"):
            self.lease.charge(self._own.connection.slot.size)

    def _disconnect(self) -> None:
        if hasattr(self._own, "connection"):
            self._own.connection.close()
            del self._own.connection

    def put(self, values: Array) -> Array:
        """See `Backend.put`."""
        there: Any = values
        if isinstance(there, DeviceArray):
            return values
        narrow = values.dtype.kind == "f" and values.dtype.itemsize == 8    # as `compute.launch.Launcher.put`
        dtype = np.dtype(np.float32) if narrow else values.dtype.newbyteorder("=")
        connection, size = self.connection, int(np.prod(values.shape)) * dtype.itemsize
        start = connection.reserve(size)
        with np.errstate(over="ignore"):
            np.copyto(connection.slot.array(start, values.shape, dtype), values, casting="same_kind")
        return self._array(connection.call("put", start, values.shape, dtype.str))

    def host(self, values: Array) -> NDArray[Any]:
        """See `Backend.host`."""
        there: Any = values
        if not isinstance(there, DeviceArray):
            return values
        connection = self.connection
        start = connection.reserve(there.nbytes)
        connection.call("get", there.ref, start)
        copy = connection.slot.array(start, there.shape, there.dtype).copy()
        connection.reuse()
        return copy

    def _array(self, ref: Ref) -> Array:
        return cast(Array, DeviceArray(ref, self.connection.freed))

    def _run(self, method: str, *args: Any, **named: Any) -> Any:
        """Call an operation; arrays of the host are put on the device first."""
        def there(value: Any) -> Any:
            value = self.put(value) if isinstance(value, np.ndarray) else value
            keep.append(value)
            return value.ref if isinstance(value, DeviceArray) else value

        keep: list[Any] = []
        given = {name: there(value) for name, value in named.items()}
        result = self.connection.call(method, *map(there, args), **given)
        parts = result if isinstance(result, tuple) else (result,)
        if any(not isinstance(part, Ref) for part in parts):    # numbers of the result: the device has finished
            self.connection.reuse()
        made = tuple(self._array(part) if isinstance(part, Ref) else part for part in parts)
        return made if isinstance(result, tuple) else made[0]

    def convert(self, codes: Array, rule: Linear, fmt: PixelFormat, *, factor: NDArray[np.float32] | None = None,
                out: Array | None = None) -> Array:
        """See `Backend.convert`; `out` must be None."""
        assert out is None
        return cast(Array, self._run("convert", codes, rule, fmt, factor=factor))

    def convert_span(self, codes: Array, rule: Linear, fmt: PixelFormat) -> tuple[Array, Span]:
        """See `Backend.convert_span`."""
        return cast(tuple[Array, Span], self._run("convert_span", codes, rule, fmt))

    def keep_codes(self, codes: Array, rule: Linear, fmt: PixelFormat) -> tuple[Array, Span] | None:
        """See `Backend.keep_codes`."""
        return None

    def span(self, values: Array) -> Span:
        """See `Backend.span`."""
        return cast(Span, self._run("span", values))

    def quantise(self, values: Array, lo: float, hi: float, fmt: PixelFormat) -> Array:
        """See `Backend.quantise`."""
        return cast(Array, self._run("quantise", values, lo, hi, fmt))

    def load(self, codes: Array, lo: float, hi: float, stored: PixelFormat, native: PixelFormat) -> Array:
        """See `Backend.load`."""
        return cast(Array, self._run("load", codes, lo, hi, stored, native))

    def cast(self, values: Array, fmt: PixelFormat) -> Array:
        """See `Backend.cast`."""
        return cast(Array, self._run("cast", values, fmt))

    def clip(self, values: Array, lo: float, hi: float) -> Array:
        """See `Backend.clip`."""
        return cast(Array, self._run("clip", values, lo, hi))

    def mask(self, values: Array, confidence: Array) -> Array:
        """See `Backend.mask`."""
        return cast(Array, self._run("mask", values, confidence))

    def positive(self, values: Array) -> Array:
        """See `Backend.positive`."""
        return cast(Array, self._run("positive", values))

    def crop(self, values: Array, box: tuple[int, int, int, int]) -> Array:
        """See `Backend.crop`."""
        return cast(Array, self._run("crop", values, box))

    def sample(self, values: Array, every: int) -> NDArray[Any]:
        """See `Backend.sample`."""
        return cast(NDArray[Any], self._run("sample", values, every))

    def reciprocal_to(self, values: Array, fmt: PixelFormat) -> Array:
        """See `Backend.reciprocal_to`."""
        return cast(Array, self._run("reciprocal_to", values, fmt))

    def orient(self, values: Array, orientation: int) -> Array:
        """See `Backend.orient`."""
        return cast(Array, self._run("orient", values, orientation))

    def fill(self, values: Array, how: str, quantity: Quantity) -> tuple[Array, Filled]:
        """See `Backend.fill`."""
        return cast(tuple[Array, Filled], self._run("fill", values, how, quantity))

    def resize(self, values: Array, width: int, height: int, method: str = "area") -> Array:
        """See `Backend.resize`."""
        return cast(Array, self._run("resize", values, width, height, method))

    def upsample(self, values: Array, guide: NDArray[np.uint8], confidence: NDArray[np.uint8] | None = None) -> Array:
        """See `Backend.upsample`."""
        return cast(Array, self._run("upsample", values, guide, confidence))

    def inpaint(self, values: Array, guide: NDArray[np.uint8] | None = None) -> tuple[Array, Filled]:
        """See `Backend.inpaint`."""
        return cast(tuple[Array, Filled], self._run("inpaint", values, guide))

    def median(self, values: Array, size: int) -> Array:
        """See `Backend.median`."""
        return cast(Array, self._run("median", values, size))

    def bilateral(self, values: Array, radius: int, guide: NDArray[np.uint8] | None = None) -> Array:
        """See `Backend.bilateral`."""
        return cast(Array, self._run("bilateral", values, radius, guide))

    def affine(self, values: Array, scale: float, shift: float) -> Array:
        """See `Backend.affine`."""
        return cast(Array, self._run("affine", values, scale, shift))

    def blend(self, values: Array, before: Array, guide: NDArray[np.uint8], guide_before: NDArray[np.uint8],
              share: float) -> Array:
        """See `Backend.blend`."""
        return cast(Array, self._run("blend", values, before, guide, guide_before, share))

    def changes(self, guide: NDArray[np.uint8], guide_before: NDArray[np.uint8], limit: int) -> int:
        """See `Backend.changes`."""
        return cast(int, self._run("changes", guide, guide_before, limit))

    def unchanged(self, values: Array, guide: NDArray[np.uint8], guide_before: NDArray[np.uint8], limit: int) -> Array:
        """See `Backend.unchanged`."""
        return cast(Array, self._run("unchanged", values, guide, guide_before, limit))
