"""A worker's connection to the process that owns a device: calls and answers, and the memory that both share."""

from __future__ import annotations

import contextlib
import os
import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from multiprocessing.connection import Client, Connection
from multiprocessing.reduction import send_handle
from typing import Any

from ...errors import DeviceError
from .owner import Call, Reply
from .slot import Slot

RESTART_SECONDS = 120.0     # in which a new owner may start
RETRY_SECONDS = 0.1


@dataclass(frozen=True)
class DeviceLink:
    """How a worker reaches the owner of a device.

    Attributes:
        name: The name of the back end.
        device: What the owner owns, for people.
        address: Where the owner listens.
        key: The secret by which it recognises workers.
        lost: A shared number that is not 0 when the owner is not started again.
        required: Whether numpy must not compute in its place, because the back end was named explicitly.
        computes: Whether the owner has a device.
        estimates: Whether the owner has a network.
    """

    name: str
    device: str
    address: str
    key: bytes
    lost: Any
    required: bool = False
    computes: bool = True
    estimates: bool = False


class OwnerConnection:
    """One connection to an owner, with a slot that grows as needed. Raises DeviceError when the owner is gone.

    Args:
        link: How the owner is reached.
        charge: Called with the bytes of the slot, and with those that it grows by.
    """

    def __init__(self, link: DeviceLink, charge: Callable[[int], None] = lambda size: None) -> None:
        self.link, self.charge, self.freed, self.slot = link, charge, deque[int](), Slot.create(1)
        charge(self.slot.size)
        self._pipe = self._connect()
        self._send_slot()

    def _connect(self) -> Connection:
        """Connect; wait for an owner that is being started again."""
        deadline = time.monotonic() + RESTART_SECONDS
        while True:
            try:
                return Client(self.link.address, authkey=self.link.key)
            except (OSError, EOFError):
                if self.link.lost.value or time.monotonic() > deadline:
                    raise DeviceError(f"the process that owns {self.link.device} is gone") from None
                time.sleep(RETRY_SECONDS)

    def call(self, method: str, *args: Any, **named: Any) -> Any:
        """Return the result of a call. Raises what the owner raises."""
        freed = tuple(self.freed.popleft() for _ in range(len(self.freed)))
        return self._answer(Call(method, args, named, freed))

    def _answer(self, call: Call) -> Any:
        with self._broken():
            self._pipe.send(call)
            reply: Reply = self._pipe.recv()
        if reply.error is not None:
            if reply.bug:
                reply.error.add_note(reply.bug)
            raise reply.error
        return reply.result

    @contextlib.contextmanager
    def _broken(self) -> Iterator[None]:
        try:
            yield
        except (OSError, EOFError):
            raise DeviceError(f"the process that owns {self.link.device} stopped") from None

    def _send_slot(self) -> None:
        with self._broken():
            self._pipe.send(Call("slot", (self.slot.size,)))
            send_handle(self._pipe, self.slot.descriptor, os.getpid())
            reply: Reply = self._pipe.recv()
        if reply.error is not None:
            raise reply.error
        self.slot.close()       # the memory stays as long as it is mapped

    def reserve(self, size: int) -> int:
        """Return where `size` bytes lie in the slot, which grows if it has to."""
        start = self.slot.reserve(size)
        if start is None:
            larger = Slot.create(max(size, 2 * self.slot.size))     # whose pages are used when they are written
            self.charge(larger.size - self.slot.size)
            self.slot = larger
            self._send_slot()       # the owner finishes the copies from the old one first
            start = self.slot.reserve(size)
        assert start is not None
        return start

    def reuse(self) -> None:
        """Reuse the slot from its start, after a call that waited for the device."""
        self.slot.used = 0

    def close(self) -> None:
        """Close the connection."""
        self._pipe.close()
