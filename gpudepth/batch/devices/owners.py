"""A run's side of its devices: starts the processes that own them, watches them, starts one again after an error."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import secrets
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

from ...compute.launch import Transfers
from ...errors import BackendError, DeviceError
from ...limits import DEFAULT, Limits
from ...maps.network import Network
from ..processes import without_main
from .connection import DeviceLink
from .owner import Ready, Setup, serve

MOST_RESTARTS = 4       # of one owner in a run
START_SECONDS = 120.0   # until the first message: CUDA, CuPy and the kernels of a machine that never compiled them
END_SECONDS = 2.0


@dataclass
class _Owner:
    """One owner and its present process.

    Attributes:
        setup: What it owns.
        device: What it owns, for people.
        process: Its process.
        pipe: Its pipe.
        counts: Transfers so far.
        lost: Whether it is not started again, as a shared number.
        restarts: How often it was started again.
        reason: Why its last process ended.
        deadline: When it must be ready after it was started again; None if it is.
    """

    setup: Setup
    device: str
    process: BaseProcess
    pipe: Connection
    counts: Any
    lost: Any
    restarts: int = 0
    reason: str = ""
    deadline: float | None = None


@dataclass
class Owners:
    """The owners of a run. A context manager that ends them.

    Attributes:
        required: As in `DeviceLink`.
        found: The owners.
    """

    required: bool = False
    found: list[_Owner] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.context = multiprocessing.get_context("spawn")     # CUDA does not survive a fork

    @classmethod
    def start(cls, name: str, devices: Sequence[int] | None = None, *, required: bool = False,
              network: Network | None = None, threads: int = 0, limits: Limits = DEFAULT) -> Owners:
        """Start an owner for each device.

        Args:
            name: The name of the back end; "numpy" starts an owner of the network alone.
            devices: The numbers of the devices; None means all that CUDA shows.
            required: As in `DeviceLink`.
            network: A depth network that they load.
            threads: Threads of the network on the CPU.
            limits: What the network's file may ask for.

        Raises:
            BackendError: A device cannot be used.
            GpudepthError: The network cannot be loaded.
        """
        owners = cls(required)
        setup = Setup("", b"", None if name == "numpy" else name, network=network, threads=threads, limits=limits)
        try:
            first, *others = devices or [0]
            seen = owners._add(replace(setup, device=first))
            if devices is None:
                others = list(range(1, seen))
            for device in others:
                owners._add(replace(setup, device=device))
        except BaseException:
            owners.stop()
            raise
        return owners

    def _add(self, setup: Setup) -> int:
        """Start an owner; return how many devices it sees."""
        setup = replace(setup, address=_address(), key=secrets.token_bytes(32))
        device = f"GPU {setup.device}" if setup.backend == "cupy" else setup.backend or "the network"
        counts, lost = self.context.RawArray("q", 4), self.context.RawValue("b", 0)
        process, pipe = self._spawn(setup, counts)
        owner = _Owner(setup, device, process, pipe, counts, lost)
        self.found.append(owner)
        return self._ready(owner).devices

    def _spawn(self, setup: Setup, counts: Any) -> tuple[BaseProcess, Connection]:
        ours, theirs = self.context.Pipe()
        process = self.context.Process(target=serve, args=(setup, counts, theirs), daemon=True)
        with without_main():
            process.start()
        theirs.close()
        return process, ours

    def _ready(self, owner: _Owner) -> Ready:
        """Wait for the first message of an owner. Raises what it raises."""
        try:
            if not owner.pipe.poll(START_SECONDS):
                raise BackendError(f"{owner.device} was not ready within {START_SECONDS:g} s", hint=_hint(owner))
            message: Ready = owner.pipe.recv()
        except (EOFError, OSError):
            owner.process.join()
            raise DeviceError(f"the process that owns {owner.device} ended while it started (exit status "
                              f"{owner.process.exitcode})", hint=_hint(owner)) from None
        if message.error is not None:
            raise message.error
        return message

    @property
    def links(self) -> tuple[DeviceLink, ...]:
        """How workers reach the owners."""
        return tuple(DeviceLink(one.setup.backend or "numpy", one.device, one.setup.address, one.setup.key, one.lost,
                                self.required, one.setup.backend is not None, one.setup.network is not None)
                     for one in self.found)

    def watch(self, warn: Callable[[str], None]) -> None:
        """Start owners again whose processes ended; `warn` receives a line about each. It waits for nothing."""
        for owner in self.found:
            if owner.lost.value:
                continue
            if owner.process.is_alive() and not self._late(owner):
                continue
            self._note_reason(owner)
            owner.pipe.close()
            if owner.restarts < MOST_RESTARTS and owner.deadline is None:
                owner.restarts += 1
                warn(f"{owner.device} stopped ({owner.reason}); it is started again, and what it was computing is "
                     "repeated")
                owner.process, owner.pipe = self._spawn(owner.setup, owner.counts)
                owner.deadline = time.monotonic() + START_SECONDS
                continue
            owner.lost.value = 1
            computes = "the run ends, because it names this back end" if self.required else "numpy computes its items"
            warn(f"{owner.device} stopped again ({owner.reason}); "
                 + (computes if owner.setup.backend else "each worker loads it"))

    def _late(self, owner: _Owner) -> bool:
        """Return whether an owner that was started again is not ready in time, or cannot work."""
        deadline = owner.deadline
        if deadline is None:
            return False
        with contextlib.suppress(EOFError, OSError):
            if owner.pipe.poll():
                message: Ready = owner.pipe.recv()
                if message.error is None:
                    owner.deadline = None
                    return False
                owner.reason = message.error.message
                return True
        if time.monotonic() < deadline:
            return False
        owner.process.kill()
        owner.reason = f"not ready within {START_SECONDS:g} s"
        return True

    @staticmethod
    def _note_reason(owner: _Owner) -> None:
        """Keep what an owner said before it ended, or its exit status."""
        if owner.process.exitcode is None:
            return
        owner.reason = f"exit status {owner.process.exitcode}"
        with contextlib.suppress(EOFError, OSError):
            while owner.pipe.poll():
                message = owner.pipe.recv()
                error = message.error if isinstance(message, Ready) else message
                owner.deadline = owner.deadline if error is not None else None      # it had been ready
                owner.reason = error.message if error is not None else owner.reason

    def transfers(self) -> Iterator[tuple[str, Transfers]]:
        """Yield the copies to and from each device since the run began."""
        for owner in self.found:
            if owner.setup.backend is not None:
                yield owner.device, Transfers(*owner.counts)

    def stop(self) -> None:
        """End the owners."""
        for owner in self.found:
            owner.pipe.close()      # they end when their pipe does
        for owner in self.found:
            owner.process.join(END_SECONDS)
            if owner.process.exitcode is None:
                owner.process.kill()
                owner.process.join()


def _hint(owner: _Owner) -> str | None:
    return "‹backend=numpy› gives the same results" if owner.setup.backend else None


def _address() -> str:
    """Return an address for a socket: on Linux one without a file, which nothing has to delete."""
    name = f"gpudepth-{os.getpid()}-{secrets.token_hex(8)}"
    return f"\0{name}" if sys.platform == "linux" else str(Path(tempfile.gettempdir()) / name)
