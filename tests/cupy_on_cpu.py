"""A stand-in for the part of CuPy that `compute.cuda` uses, where there is no GPU. Kernels run as g++ built them.

It is as unhelpful as a GPU: numpy cannot read its arrays; what is queued on a stream runs late, at random moments
between the work of other streams, in order on its own stream, and reads pinned memory only then. So a buffer that is
reused too early, or a result that is read before its event, gives wrong numbers. Memory comes from a pool with an arena
for each stream, as CuPy's does: a block that Python has dropped is handed out again at once, to who asks on the stream
that it was made on, though other streams may still use it.
"""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Callable
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
from support.hostcc import HostDevice

_HOST = HostDevice()


class Stream:
    """A queue of things to do."""

    every: list[Stream] = []  # noqa: RUF012
    stack: list[Stream] = []  # noqa: RUF012
    chance = np.random.default_rng(0)

    def __init__(self, non_blocking: bool = False) -> None:
        self.queue: deque[Callable[[], None]] = deque()
        Stream.every.append(self)

    def __enter__(self) -> Stream:
        Stream.stack.append(self)
        return self

    def __exit__(self, *error: object) -> None:
        Stream.stack.pop()

    def add(self, what: Callable[[], None]) -> None:
        self.queue.append(what)
        for stream in Stream.every:
            while stream.queue and Stream.chance.random() < 0.2:
                stream.queue.popleft()()

    def synchronize(self) -> None:
        while self.queue:
            self.queue.popleft()()


NULL = Stream()


def now() -> Stream:
    return Stream.stack[-1] if Stream.stack else NULL


class Event:
    def __init__(self, disable_timing: bool = False) -> None:
        self.reached, self.stream = True, NULL

    def record(self, stream: Stream) -> None:
        self.reached, self.stream = False, stream
        stream.add(self._reach)

    def _reach(self) -> None:
        self.reached = True

    def synchronize(self) -> None:
        while not self.reached:
            self.stream.queue.popleft()()


class ndarray:  # noqa: N801 - CuPy's name
    """On the device."""

    __array_ufunc__ = None

    def __init__(self, memory: Any, home: Stream | None = None) -> None:
        self.memory, self.home = memory, home

    def __del__(self) -> None:
        if self.home is not None:
            ARENAS[id(self.home), self.memory.shape, self.memory.dtype.str].append(self.memory)

    def __array__(self, *_: Any, **__: Any) -> Any:
        raise TypeError("Implicit conversion to a NumPy array is not allowed.")

    @property
    def device(self) -> Any:
        return SimpleNamespace(id=0)

    @property
    def data(self) -> Any:
        return SimpleNamespace(ptr=self.memory.ctypes.data)

    def copy(self) -> ndarray:
        return self.astype(self.dtype)

    @property
    def __cuda_array_interface__(self) -> dict[str, Any]:
        return {"version": 3, "memory": self.memory}

    shape = property(lambda self: self.memory.shape)
    dtype = property(lambda self: self.memory.dtype)
    size = property(lambda self: self.memory.size)
    strides = property(lambda self: self.memory.strides)
    ndim = property(lambda self: self.memory.ndim)
    itemsize = property(lambda self: self.memory.itemsize)
    nbytes = property(lambda self: self.memory.nbytes)

    def view(self, dtype: Any) -> ndarray:
        return self._part(self.memory.view(dtype))

    def reshape(self, *shape: Any) -> ndarray:
        return self._part(self.memory.reshape(*shape))

    def __getitem__(self, key: Any) -> ndarray:
        return self._part(self.memory[key])

    def _part(self, memory: Any) -> ndarray:
        part = ndarray(memory)
        part.whole = self       # type: ignore[attr-defined]    # alive as long
        return part

    def __setitem__(self, key: Any, value: Any) -> None:
        assert isinstance(value, ndarray)
        assert value.dtype == self.dtype
        target, source = self.memory, value.memory
        now().add(lambda: target.__setitem__(key, source))

    def astype(self, dtype: Any) -> ndarray:
        out = block(self.shape, dtype)
        target, source = out.memory, self.memory
        now().add(lambda: np.copyto(target, source, casting="unsafe"))
        return out

    def set(self, source: Any, stream: Stream | None = None) -> None:
        assert source.shape == self.shape
        assert source.dtype == self.dtype
        target = self.memory
        (stream or now()).add(lambda: np.copyto(target, source))

    def get(self, stream: Stream | None = None, out: Any = None, blocking: bool = True) -> Any:
        there = stream or now()
        target = np.empty(self.shape, self.dtype) if out is None else out
        source = self.memory
        there.add(lambda: np.copyto(target, source))
        if blocking:
            there.synchronize()
        return target


def array(values: Any, order: str = "K") -> ndarray:
    assert type(values) is np.ndarray
    assert values.dtype.isnative
    out, staged = block(values.shape, values.dtype), values.copy()
    target = out.memory
    now().add(lambda: np.copyto(target, staged))
    return out


ARENAS: dict[Any, list[Any]] = defaultdict(list)


def block(shape: Any, dtype: Any) -> ndarray:
    """Memory of the current stream: what was dropped there, or new; with rubbish in it either way. 16 bytes aligned."""
    home, shape = now(), tuple(np.atleast_1d(shape).tolist())
    free = ARENAS[id(home), shape, np.dtype(dtype).str]
    if free:
        return ndarray(free.pop(), home)
    size = int(np.prod(shape)) * np.dtype(dtype).itemsize
    raw = np.full(size + 16, 77, np.uint8)
    start = -raw.ctypes.data % 16
    return ndarray(raw[start : start + size].view(dtype).reshape(shape), home)


class OutOfMemoryError(MemoryError):
    pass


class CUDARuntimeError(RuntimeError):
    pass


class RawModule:
    def __init__(self, path: str) -> None:
        assert Path(path).is_file()
        self.name = Path(path).name.split("-")[0]

    def get_function(self, kernel: str) -> Callable[..., None]:
        def launch(grid: Any, block: Any, args: tuple[Any, ...]) -> None:
            taken = tuple(a.memory if isinstance(a, ndarray) else None if type(a) is np.uintp else a for a in args)
            now().add(lambda: _HOST.launch(self.name, kernel, grid, block, *taken))
        return launch


def modules(*, capability: str = "80", room: int = 1 << 40) -> dict[str, ModuleType]:
    """cupy and cupyx, for sys.modules. room: the largest array in bytes."""
    def empty(shape: Any, dtype: Any) -> ndarray:
        out = block(shape, dtype)
        if out.nbytes > room:
            raise OutOfMemoryError(f"Out of memory allocating {out.nbytes:,} bytes")
        return out

    def zeros(shape: Any, dtype: Any) -> ndarray:
        out = empty(shape, dtype)
        now().add(lambda memory=out.memory: memory.fill(0))
        return out

    def synchronize() -> None:
        for stream in Stream.every:
            stream.synchronize()

    cupy, cupyx = ModuleType("cupy"), ModuleType("cupyx")
    runtime = SimpleNamespace(
        CUDARuntimeError=CUDARuntimeError, getDeviceCount=lambda: 1, driverGetVersion=lambda: 12090,
        getDeviceProperties=lambda _: {"name": b"Paper tiger", "totalGlobalMem": 8 << 30})
    cuda = SimpleNamespace(
        Device=lambda: SimpleNamespace(compute_capability=capability, id=0, synchronize=synchronize), Stream=Stream, Event=Event,
        get_current_stream=now, runtime=runtime, memory=SimpleNamespace(OutOfMemoryError=OutOfMemoryError))
    vars(cupy).update(
        __version__="stand-in", ndarray=ndarray, array=array, empty=empty, zeros=zeros, asnumpy=lambda a: a.get(), RawModule=RawModule,
        asarray=lambda a: ndarray(a.__cuda_array_interface__["memory"]), from_dlpack=lambda a: ndarray(a.memory),
        ascontiguousarray=lambda a: a if a.memory.flags.c_contiguous else a.copy(),
        get_default_memory_pool=lambda: SimpleNamespace(free_all_blocks=lambda: None), cuda=cuda)
    vars(cupyx).update(empty_pinned=lambda shape, dtype: np.full(shape, 99, dtype))
    return {"cupy": cupy, "cupyx": cupyx}
