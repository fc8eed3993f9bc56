"""A worker's side of a depth network that the owner of a device keeps loaded."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from ...errors import DeviceError
from ...limits import Limits
from ...maps.network import Network, PictureInput, Session
from .connection import DeviceLink, OwnerConnection

T = TypeVar("T")


class RemoteSession:
    """A depth network that the owner of a device keeps loaded: `attachment.estimate.PictureSession`.

    Args:
        link: How the owner is reached.
        network: The network.
        threads: Threads of a network that is loaded here, when the owner is gone for good.
        limits: What the network's file may ask for.
    """

    def __init__(self, link: DeviceLink, network: Network, threads: int, limits: Limits) -> None:
        self.network, self.link, self.threads, self.limits = network, link, threads, limits
        self._connection: OwnerConnection | None = None
        self._local: Session | None = None
        self.picture_input: PictureInput = self._attempt(lambda connection: connection.call("picture_input"),
                                           lambda session: session.picture_input)

    def run(self, pictures: Sequence[NDArray[np.float32]]) -> list[NDArray[np.float32]]:
        """See `maps.network.Session.run`."""
        return self._attempt(lambda connection: self._estimate(connection, pictures),
                             lambda session: session.run(pictures))

    def _attempt(self, remote: Callable[[OwnerConnection], T], local: Callable[[Session], T]) -> T:
        """Ask the owner, once more if it ends meanwhile and is started again; then load the network here."""
        for _ in range(2 if self._local is None else 0):
            try:
                self._connection = self._connection or OwnerConnection(self.link)
                return remote(self._connection)
            except DeviceError:
                if self._connection is not None:
                    self._connection.close()
                self._connection = None
        self._local = self._local or Session(self.network, threads=self.threads, limits=self.limits)
        return local(self._local)

    @staticmethod
    def _estimate(connection: OwnerConnection,
                  pictures: Sequence[NDArray[np.float32]]) -> list[NDArray[np.float32]]:
        stack = np.stack(pictures)
        connection.reuse()
        start = connection.reserve(stack.nbytes)        # a map is usually a third of its picture
        connection.slot.array(start, stack.shape, np.float32)[...] = stack
        found = connection.call("estimate", start, stack.shape)
        return [one if isinstance(one, np.ndarray) else
                connection.slot.array(one[0], one[1:], np.float32).copy() for one in found]
