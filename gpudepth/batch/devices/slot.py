"""Memory that a worker and the owner of a device share, through which maps and codes pass between them.

The memory has no name: `memfd_create` makes it and its descriptor is passed on, because /dev/shm of a container often
has 64 MB.
"""

from __future__ import annotations

import mmap
import os
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

ALIGNMENT = 64      # bytes, of each array in a slot
LEAST = 1 << 22


class Slot:
    """Shared memory that holds several arrays one after the other.

    Args:
        descriptor: The memory's file descriptor, which the slot closes.
        size: Its bytes.
    """

    def __init__(self, descriptor: int, size: int) -> None:
        self.descriptor, self.size, self.used = descriptor, size, 0
        self.bytes = np.frombuffer(mmap.mmap(descriptor, size), np.uint8)

    @classmethod
    def create(cls, size: int) -> Slot:
        """Return a slot of `size` bytes, rounded up to a power of two."""
        size = max(LEAST, 1 << (size - 1).bit_length())
        descriptor = os.memfd_create("gpudepth", os.MFD_CLOEXEC)
        os.ftruncate(descriptor, size)
        return cls(descriptor, size)

    def reserve(self, size: int) -> int | None:
        """Return where `size` bytes may be written; None if they do not fit."""
        start = -(-self.used // ALIGNMENT) * ALIGNMENT
        if start + size > self.size:
            return None
        self.used = start + size
        return start

    def array(self, start: int, shape: tuple[int, ...], dtype: Any) -> NDArray[Any]:
        """Return the array at a place, without a copy."""
        size = prod(shape) * np.dtype(dtype).itemsize
        found: NDArray[Any] = self.bytes[start:start + size].view(dtype).reshape(shape)
        return found

    def close(self) -> None:
        """Close the descriptor; the memory goes with the last array in it."""
        if self.descriptor >= 0:
            os.close(self.descriptor)
            self.descriptor = -1
