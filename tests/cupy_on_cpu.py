"""A stand-in for the part of CuPy that `compute.cuda` uses, where there is no GPU. Kernels run as g++ built them.

It is as unhelpful as a GPU: numpy cannot read its arrays; what is queued on a stream runs late, at random moments
between the work of other streams, in order on its own stream, and reads pinned memory only then. So a buffer that is
reused too early, or a result that is read before its event, gives wrong numbers. Memory comes from a pool with an arena
for each stream, as CuPy's does: a block that Python has dropped is handed out again at once, to who asks on the stream
that it was made on, though other streams may still use it.

It can be a bad GPU: `Faults` makes one that fails after a number of launches, for good, or that is full.
"""

from __future__ import annotations

import threading
from collections import defaultdict, deque
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
from support.hostcc import HostDevice

_HOST = HostDevice()
_LOCK = threading.RLock()       # what is queued runs in whichever thread comes by
_OWN = threading.local()        # a thread's streams and its device


class OutOfMemoryError(MemoryError):
    pass


class CUDARuntimeError(RuntimeError):
    pass


class CUDADriverError(RuntimeError):
    pass


@dataclass
class Faults:
    """How bad the GPU is.

    Attributes:
        launches: Number of launches after which it fails for good; 0 is never.
        token: A file without which it does not fail, and which it deletes: so many processes fail as files are made.
        memory: Its bytes.
        devices: How many there are.
        capability: Its compute capability, times ten.
        largest: The largest array in bytes.
    """

    launches: int = 0
    token: str = ""
    memory: int = 1 << 40
    devices: int = 1
    capability: str = "80"
    largest: int = 1 << 40
    broken: bool = False
    done: int = 0
    taken: int = 0

    def launch(self) -> None:
        self.done += 1
        if self.launches and self.done == self.launches:
            try:
                if self.token:
                    Path(self.token).unlink()
                self.broken = True
            except FileNotFoundError:
                pass

    def check(self) -> None:
        if self.broken:
            raise CUDARuntimeError("cudaErrorIllegalAddress: an illegal memory access was encountered")

    def take(self, size: int) -> None:
        if size > self.largest or self.taken + size > self.memory:
            raise OutOfMemoryError(f"Out of memory allocating {size:,} bytes")
        self.taken += size


FAULTS = Faults()


class Stream:
    """A queue of things to do."""

    every: list[Stream] = []  # noqa: RUF012
    chance = np.random.default_rng(0)

    def __init__(self, non_blocking: bool = False) -> None:
        self.queue: deque[Callable[[], None]] = deque()
        Stream.every.append(self)

    def __enter__(self) -> Stream:
        _stack().append(self)
        return self

    def __exit__(self, *error: object) -> None:
        _stack().pop()

    def add(self, what: Callable[[], None]) -> None:
        FAULTS.check()
        with _LOCK:
            self.queue.append(what)
            for stream in list(Stream.every):
                while stream.queue and Stream.chance.random() < 0.2:
                    stream.queue.popleft()()

    def synchronize(self) -> None:
        FAULTS.check()
        with _LOCK:
            while self.queue:
                self.queue.popleft()()


NULL = Stream()


def _stack() -> list[Stream]:
    if not hasattr(_OWN, "stack"):
        _OWN.stack = []
    found: list[Stream] = _OWN.stack
    return found


def now() -> Stream:
    return _stack()[-1] if _stack() else NULL


class Device:
    """cupy.cuda.Device."""

    def __init__(self, number: int | None = None) -> None:
        self.id = getattr(_OWN, "device", 0) if number is None else number
        self.compute_capability = FAULTS.capability

    def use(self) -> None:
        _OWN.device = self.id

    def __enter__(self) -> Device:
        self.before = getattr(_OWN, "device", 0)
        self.use()
        return self

    def __exit__(self, *error: object) -> None:
        _OWN.device = self.before

    def synchronize(self) -> None:
        for stream in list(Stream.every):
            stream.synchronize()


class ndarray:  # noqa: N801 - CuPy's name
    """On the device."""

    __array_ufunc__ = None

    def __init__(self, memory: Any, home: Stream | None = None) -> None:
        self.memory, self.home = memory, home
        self.device = Device()

    def __del__(self) -> None:
        if self.home is not None:
            ARENAS[id(self.home), self.memory.shape, self.memory.dtype.str].append(self.memory)

    def __array__(self, *_: Any, **__: Any) -> Any:
        raise TypeError("Implicit conversion to a NumPy array is not allowed.")

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
    FAULTS.take(size)
    raw = np.full(size + 16, 77, np.uint8)
    start = -raw.ctypes.data % 16
    return ndarray(raw[start : start + size].view(dtype).reshape(shape), home)


def free_all_blocks() -> None:
    FAULTS.taken -= sum(memory.nbytes for free in ARENAS.values() for memory in free)
    ARENAS.clear()


class RawModule:
    def __init__(self, path: str) -> None:
        assert Path(path).is_file()
        self.name = Path(path).name.split("-")[0]

    def get_function(self, kernel: str) -> Callable[..., None]:
        def launch(grid: Any, block: Any, args: tuple[Any, ...]) -> None:
            FAULTS.launch()
            FAULTS.check()
            taken = tuple(a.memory if isinstance(a, ndarray) else None if type(a) is np.uintp else a for a in args)
            now().add(lambda: _HOST.launch(self.name, kernel, grid, block, *taken))
        return launch


def modules(**faults: Any) -> dict[str, ModuleType]:
    """cupy, for sys.modules, on a GPU with these `Faults`."""
    FAULTS.__dict__.update(Faults(**faults).__dict__)

    def set_limit(size: int) -> None:
        FAULTS.memory = min(FAULTS.memory, size)

    def zeros(shape: Any, dtype: Any) -> ndarray:
        out = block(shape, dtype)
        now().add(lambda memory=out.memory: memory.fill(0))
        return out

    cupy = ModuleType("cupy")
    runtime = SimpleNamespace(
        CUDARuntimeError=CUDARuntimeError, getDeviceCount=lambda: FAULTS.devices, driverGetVersion=lambda: 12090,
        getDeviceProperties=lambda _: {"name": b"Paper tiger", "totalGlobalMem": 8 << 30},
        memGetInfo=lambda: (FAULTS.memory - FAULTS.taken, FAULTS.memory),
        hostRegister=lambda address, size, flags: None, hostUnregister=lambda address: None)
    cuda = SimpleNamespace(
        Device=Device, Stream=Stream, get_current_stream=now, runtime=runtime,
        driver=SimpleNamespace(CUDADriverError=CUDADriverError), memory=SimpleNamespace(OutOfMemoryError=OutOfMemoryError))
    vars(cupy).update(
        __version__="stand-in", ndarray=ndarray, array=array, empty=block, zeros=zeros, asnumpy=lambda a: a.get(),
        RawModule=RawModule, asarray=lambda a: ndarray(a.__cuda_array_interface__["memory"]),
        from_dlpack=lambda a: ndarray(a.memory),
        ascontiguousarray=lambda a: a if a.memory.flags.c_contiguous else a.copy(),
        get_default_memory_pool=lambda: SimpleNamespace(free_all_blocks=free_all_blocks, set_limit=set_limit), cuda=cuda)
    return {"cupy": cupy}
