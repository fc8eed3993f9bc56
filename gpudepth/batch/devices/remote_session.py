"""A worker's side of a depth network that the owner of a device keeps loaded."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ...errors import DeviceError
from ...limits import Limits
from ...maps.network import PictureInput, Session
from .connection import DeviceLink, OwnerConnection


class RemoteSession:
    """A depth network that the owner of a device keeps loaded: `attachment.estimate.PictureSession`.

    Args:
        link: How the owner is reached.
        threads: Threads of a network that is loaded here, when the owner is gone for good.
        limits: What the network's file may ask for.
    """

    def __init__(self, link: DeviceLink, threads: int, limits: Limits) -> None:
        self.link, self.threads, self.limits = link, threads, limits
        self._connection = OwnerConnection(link)
        self.picture_input: PictureInput = self._connection.call("picture_input")
        self._local: Session | None = None

    def run(self, pictures: Sequence[NDArray[np.float32]]) -> list[NDArray[np.float32]]:
        """See `maps.network.Session.run`. A process that ends while it computes is waited for once."""
        if self._local is not None:
            return self._local.run(pictures)
        try:
            return self._estimate(pictures)
        except DeviceError:
            self._connection.close()
        try:
            self._connection = OwnerConnection(self.link)
            return self._estimate(pictures)
        except DeviceError:
            self._local = Session(self.picture_input.network, threads=self.threads, limits=self.limits)
            return self._local.run(pictures)

    def _estimate(self, pictures: Sequence[NDArray[np.float32]]) -> list[NDArray[np.float32]]:
        connection, stack = self._connection, np.stack(pictures)
        connection.reuse()
        start = connection.reserve(stack.nbytes)        # a map is usually a third of its picture
        connection.slot.array(start, stack.shape, np.float32)[...] = stack
        found = connection.call("estimate", start, stack.shape)
        return [one if isinstance(one, np.ndarray) else
                connection.slot.array(one[0], one[1:], np.float32).copy() for one in found]
