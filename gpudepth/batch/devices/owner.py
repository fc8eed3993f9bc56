"""The process that owns a device: it alone imports CuPy, and computes for all workers of a run.

Each connection has a thread with a stream of its own, so that the copies of one item run beside the kernels of another.
An operation of `Backend` is a message. Arrays stay on the device and are known to the worker by number; the arrays that
a worker puts there, and those that it gets back, lie in a slot. A depth network is loaded here as well, once for all
workers.

    worker                          owner
    Call("slot", size), descriptor  maps the memory and locks its pages
    Call("put", start, shape, …)    copies it to the device: Reply(Ref)
    Call("convert", Ref, …)         computes: Reply(Ref)
    Call("get", Ref, start)         copies it back and waits: Reply(None)
"""

from __future__ import annotations

import contextlib
import os
import signal
import threading
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field
from multiprocessing import AuthenticationError
from multiprocessing.connection import Connection, Listener, answer_challenge, deliver_challenge
from multiprocessing.reduction import recv_handle
from typing import Any

from ...compute import Backend, backend, probe
from ...compute.cuda import CudaDevice
from ...compute.kernels import KernelBackend
from ...compute.launch import Transfers
from ...errors import BackendError, DeviceError, GpudepthError, counted
from ...limits import Limits
from ...maps.network import Network
from .slot import Slot

ACCEPT_SECONDS = 0.01
FAILED = 70         # exit status after an error of the device
OPERATIONS = frozenset(name for name in vars(Backend) if not name.startswith("_")) - {
    "name", "put", "host", "attempt", "keep_codes"}


@dataclass(frozen=True)
class Ref:
    """An array on the device.

    Attributes:
        number: Its number, which is unique in a connection.
        shape: Its shape.
        dtype: Its dtype.
    """

    number: int
    shape: tuple[int, ...]
    dtype: str


@dataclass(frozen=True)
class Call:
    """A request of a worker.

    Attributes:
        method: An operation of `Backend`, or a request of the owner.
        args: Its arguments; arrays are `Ref`.
        named: Its keywords.
        freed: Numbers of the arrays that the worker does not need any more.
    """

    method: str
    args: tuple[Any, ...] = ()
    named: dict[str, Any] = field(default_factory=dict)
    freed: tuple[int, ...] = ()


@dataclass(frozen=True)
class Reply:
    """The answer to a call.

    Attributes:
        result: The result; arrays are `Ref`.
        error: The error that it raises.
        bug: A traceback, if the error is not one of `gpudepth.errors`.
    """

    result: Any = None
    error: GpudepthError | None = None
    bug: str = ""


@dataclass(frozen=True)
class Setup:
    """What a process needs to own a device.

    Attributes:
        address: Where workers connect.
        key: The secret by which they are recognised.
        backend: The name of the back end; None for an owner of a network alone.
        device: The number of the device among those that CUDA shows.
        network: The network that is loaded.
        threads: Threads of the network on the CPU.
        limits: What the network's file may ask for.
    """

    address: str
    key: bytes
    backend: str | None
    device: int = 0
    network: Network | None = None
    threads: int = 0
    limits: Limits = field(default_factory=Limits)


@dataclass(frozen=True)
class Ready:
    """The first message of an owner.

    Attributes:
        name: What it owns, for people.
        devices: Number of devices that it sees.
        error: Why it cannot work.
    """

    name: str = ""
    devices: int = 1
    error: GpudepthError | None = None


def serve(setup: Setup, counts: Any, pipe: Connection) -> None:
    """Run an owner until its pipe to the run is closed.

    Args:
        setup: What it owns.
        counts: A shared array, to which transfers are added: uploads, their bytes, downloads, their bytes.
        pipe: Reports that the owner is ready, and an error of the device.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)    # the run decides what an interrupt means
    threading.Thread(target=_end_with_the_run, args=(pipe,), daemon=True).start()
    try:
        owner = _Owner(setup, counts, pipe)
    except GpudepthError as error:
        pipe.send(Ready(error=error))
        return
    with Listener(setup.address, backlog=64) as listener:
        pipe.send(Ready(owner.name, owner.devices))
        while True:
            try:
                connection = listener.accept()
            except OSError:     # a worker that is killed while it connects, or too many open files
                time.sleep(ACCEPT_SECONDS)
                continue
            threading.Thread(target=_serve, args=(owner, connection, setup.key), daemon=True).start()


def _serve(owner: _Owner, connection: Connection, key: bytes) -> None:
    """Serve a connection once it has shown the key. That is not asked in `accept`, where a stranger could wait."""
    try:
        deliver_challenge(connection, key)
        answer_challenge(connection, key)
    except (AuthenticationError, EOFError, OSError):
        connection.close()
        return
    owner.serve(connection)


def _end_with_the_run(pipe: Connection) -> None:
    """End this process when the run closes its pipe, or is killed."""
    with contextlib.suppress(EOFError, OSError):
        pipe.recv()
    os._exit(0)


class _Owner:
    def __init__(self, setup: Setup, counts: Any, pipe: Connection) -> None:
        self.counts, self.pipe, self.lock = counts, pipe, threading.Lock()
        self.devices, self.name = 1, ""
        self.root: KernelBackend | None = None
        if setup.backend is not None:
            if setup.backend == "cupy":
                probe.check_early()
                self.devices = _select(setup.device)
            found = backend(setup.backend)
            if not isinstance(found, KernelBackend):
                raise BackendError(f"the back end {setup.backend} has no device to own")
            self.root = found
            self.name = found.name
            if isinstance(found.device, CudaDevice):
                found.device.limit_memory()
        self.session: Any = None
        if setup.network is not None:
            from ...maps.network import Session

            self.session = Session(setup.network, threads=setup.threads, limits=setup.limits)
            self.estimating = threading.Lock()

    def serve(self, connection: Connection) -> None:
        """Answer the calls of one worker until it closes its connection."""
        stream = contextlib.nullcontext() if self.root is None else self.root.device.stream()
        with connection, stream:
            client = _Client(self, connection)
            try:
                while True:
                    call = connection.recv()
                    connection.send(client.answer(call))
            except (EOFError, OSError):
                pass
            finally:
                client.close()

    def count(self, transfers: Transfers) -> None:
        """Add the transfers of a connection to those of the run."""
        with self.lock:
            for n, number in enumerate((transfers.uploads, transfers.upload_bytes, transfers.downloads,
                                        transfers.download_bytes)):
                self.counts[n] += number

    def fail(self, error: DeviceError) -> None:
        """End the process after an error of the device, which no later call would survive."""
        with self.lock, contextlib.suppress(OSError):
            self.pipe.send(error)
        os._exit(FAILED)


def _select(device: int) -> int:
    """Make a device of CUDA the current one of this thread; return how many there are."""
    try:
        import cupy

        number = int(cupy.cuda.runtime.getDeviceCount())
    except Exception:       # whatever a broken installation raises: the probe says what is wrong
        return 1
    if device >= number:
        raise BackendError(f"there is no GPU {device}: the driver finds {counted(number, 'device')}",
                           hint="use run.devices: auto")
    cupy.cuda.Device(device).use()
    return number


class _Client:
    """One connection: its arrays, its slot and its stream, which is the current one of this thread."""

    def __init__(self, owner: _Owner, connection: Connection) -> None:
        self.owner, self.connection = owner, connection
        self.backend = owner.root.sibling() if owner.root is not None else None
        self.arrays: dict[int, Any] = {}
        self.made = 0
        self.slot: Slot | None = None
        self.unlock: Callable[[], None] = lambda: None
        self.requests: dict[str, Callable[..., Any]] = {
            "slot": self.attach, "put": self.put, "get": self.get, "estimate": self.estimate,
            "picture_input": lambda: owner.session.picture_input}

    def answer(self, call: Call) -> Reply:
        """Return the reply to a call."""
        for number in call.freed:
            self.arrays.pop(number, None)
        try:
            if call.method in self.requests:
                return Reply(self.requests[call.method](*call.args))
            assert call.method in OPERATIONS and self.backend is not None
            args = [self.there(value) for value in call.args]
            named = {name: self.there(value) for name, value in call.named.items()}
            result = getattr(self.backend, call.method)(*args, **named)
            if isinstance(result, tuple):
                return Reply(tuple(map(self.refer, result)))
            return Reply(self.refer(result))
        except DeviceError as error:
            with contextlib.suppress(OSError):
                self.connection.send(Reply(error=error))
            self.owner.fail(error)
            raise
        except GpudepthError as error:
            return Reply(error=error)
        except MemoryError:
            return Reply(error=GpudepthError("not enough memory for this item on the host",
                                             hint="use run.workers: 1, which leaves more memory for each item"))
        except Exception as error:
            return Reply(error=GpudepthError(f"internal error: {type(error).__name__}: {error}"),
                         bug=traceback.format_exc())
        finally:
            if self.backend is not None:
                self.owner.count(self.backend.transfers)
                self.backend.transfers = Transfers()

    def there(self, value: Any) -> Any:
        return self.arrays[value.number] if isinstance(value, Ref) else value

    def refer(self, value: Any) -> Any:
        """Keep an array of the device; return what the worker knows it by. Other values are sent as they are."""
        assert self.backend is not None
        if not self.backend.device.owns(value):
            return value
        self.made += 1
        self.arrays[self.made] = value
        return Ref(self.made, tuple(value.shape), value.dtype.str)

    def attach(self, size: int) -> None:
        self.detach()
        self.slot = Slot(recv_handle(self.connection), size)
        if self.backend is not None:
            with contextlib.suppress(DeviceError):      # copies from other memory are slower, and just as right
                self.unlock = self.backend.device.lock_pages(self.slot.bytes)

    def put(self, start: int, shape: tuple[int, ...], dtype: str) -> Ref:
        assert self.slot is not None and self.backend is not None
        source = self.slot.array(start, shape, dtype)
        self.backend.transfers.uploads += 1
        self.backend.transfers.upload_bytes += source.nbytes
        ref: Ref = self.refer(self.backend.device.upload(source))
        return ref

    def get(self, ref: Ref, start: int) -> None:
        assert self.slot is not None and self.backend is not None
        to = self.slot.array(start, ref.shape, ref.dtype)
        self.backend.device.download(self.arrays[ref.number], to)
        self.backend.device.finish()
        self.backend.transfers.downloads += 1
        self.backend.transfers.download_bytes += to.nbytes

    def estimate(self, start: int, shape: tuple[int, ...]) -> list[Any]:
        """Run the network on pictures (N, H, W, 3) in the slot; put its maps there, one after the other.

        Returns:
            For each map its place, height and width; the maps themselves if they do not fit into the slot.
        """
        assert self.slot is not None
        pictures = self.slot.array(start, shape, "f4")
        with self.owner.estimating:
            maps = self.owner.session.run(list(pictures))
        if start + sum(values.nbytes for values in maps) > self.slot.size:
            return list(maps)
        end, places = start, list[Any]()
        for values in maps:
            self.slot.array(end, values.shape, "f4")[...] = values
            places.append((end, *values.shape))
            end += values.nbytes
        return places

    def detach(self) -> None:
        if self.slot is not None:
            if self.backend is not None:
                with contextlib.suppress(DeviceError):
                    self.backend.device.finish()
            self.unlock()
            self.unlock = lambda: None
            self.slot.close()
            self.slot = None

    def close(self) -> None:
        with contextlib.suppress(GpudepthError):
            self.detach()
        self.arrays.clear()
