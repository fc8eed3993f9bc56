"""Estimates depth from photos with a network that stays loaded, several photos at a time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from ..compute.threads import available_cores
from ..errors import GpudepthError
from ..formats.bytesource import Input, as_input
from ..limits import Limits
from ..maps.letterbox import Letterbox
from ..maps.network import Network, PictureInput, Session
from ..maps.reader import SourceMap
from ..maps.scene_linear import displayed
from ..settings.settings import Settings
from ..timing import StageTimes
from .photo import Guide, file_guide


class PictureSession(Protocol):
    """A loaded network: `maps.network.Session`, or one in another process."""

    @property
    def picture_input(self) -> PictureInput:
        """See `Session.picture_input`."""

    def run(self, pictures: Sequence[NDArray[np.float32]]) -> list[NDArray[np.float32]]:
        """See `Session.run`."""


class Estimator:
    """Keeps one network loaded, and the maps that it has estimated ahead of their turn.

    A photo that cannot be decoded, or that the network fails on, fails alone, when it is its turn.

    Args:
        session: A network that is loaded already; without one, each network is loaded when it is first used.
    """

    def __init__(self, session: PictureSession | None = None) -> None:
        self._given = session
        self._network: Network | None = None
        self._file: tuple[int, ...] = ()        # the state of the network's file
        self._session: PictureSession | None = None
        self._ready: dict[str, SourceMap | GpudepthError] = {}

    def estimate(self, photo: str | Input, settings: Settings, ahead: Sequence[Input] = (), *,
                 heartbeat: Callable[[int], None] = lambda done: None, times: StageTimes | None = None) -> SourceMap:
        """Estimate the map of a photo in display orientation.

        Args:
            photo: The photo.
            settings: Its settings, with the network.
            ahead: The photos that are asked for next; they are estimated along with this one.
            heartbeat: Called now and then with the number of photos that are decoded.
            times: Measures the stage "estimate".

        Returns:
            float32 values (H, W) as the network returns them.

        Raises:
            GpudepthError: As loading and running the network, and decoding the photo, raise.
        """
        assert settings.network is not None
        settings.check_network()
        with (times or StageTimes()).stage("estimate"):
            session = self._load(settings.network, settings.threads, settings.limits)
            key = str(photo)
            if key not in self._ready:
                self._ready.clear()     # maps that are left were estimated for items which are done otherwise
                photos = [as_input(one) for one in (photo, *ahead)]
                guides = [partial(_file_guide, one, settings) for one in photos]
                self._ready = dict(zip(map(str, photos), _estimated(session, guides, heartbeat), strict=True))
            found = self._ready.pop(key)
        if isinstance(found, GpudepthError):
            raise found
        return found

    def batch(self, settings: Settings) -> int:
        """Return how many pictures the network of the settings takes together. Raises as loading it raises."""
        assert settings.network is not None
        return self._load(settings.network, settings.threads, settings.limits).picture_input.batch

    def estimate_guides(self, guides: Sequence[Callable[[], Guide]],
                        settings: Settings) -> list[SourceMap | GpudepthError]:
        """Estimate the maps of upright pictures, which are decoded one after the other.

        Returns:
            For each picture its map as of `estimate`, or the error of decoding it or of running the network.

        Raises:
            GpudepthError: As loading the network raises.
        """
        assert settings.network is not None
        return _estimated(self._load(settings.network, settings.threads, settings.limits), guides)

    def _load(self, network: Network, threads: int, limits: Limits) -> PictureSession:
        if self._given is not None:
            return self._given
        network.check()
        stat = network.model.stat()
        file = (stat.st_size, stat.st_mtime_ns, stat.st_ino)
        if self._network != network or self._file != file or self._session is None:
            self._network, self._session = None, None       # two sessions may not fit into memory
            self._session = Session(network, threads=threads or available_cores(), limits=limits)
            self._network, self._file = network, file
            self._ready.clear()
        return self._session


def _file_guide(photo: Input, settings: Settings) -> Guide:
    return file_guide(displayed(photo, settings.color_transform, settings.limits), "display", settings.limits)


def _estimated(session: PictureSession, guides: Sequence[Callable[[], Guide]],
               heartbeat: Callable[[int], None] = lambda done: None) -> list[SourceMap | GpudepthError]:
    """Estimate the maps of pictures, those of one size together; return maps and errors in their order."""
    groups: dict[tuple[int, int], list[tuple[int, Letterbox, tuple[int, int], NDArray[Any]]]] = {}
    takes, found = session.picture_input, dict[int, SourceMap | GpudepthError]()
    for n, open_guide in enumerate(guides):
        heartbeat(n)        # the time limit is for one photo
        try:
            guide = open_guide()
            size = guide.size
            box = takes.letterbox(size)
            picture = takes.normalised(guide.at(box.inner_width, box.inner_height))
        except GpudepthError as error:
            found[n] = error
            continue
        groups.setdefault((box.width, box.height), []).append((n, box, size, box.fill(picture)))
    for group in groups.values():
        for start in range(0, len(group), takes.batch):
            part = group[start : start + takes.batch]
            heartbeat(len(guides))
            outputs = _outputs(session, [picture for *_, picture in part])
            for (n, box, size, _), out in zip(part, outputs, strict=True):
                found[n] = out if isinstance(out, GpudepthError) else SourceMap(
                    np.ascontiguousarray(box.cut(out, size)), None, 1, as_input(takes.network.model))
    return [found[n] for n in range(len(guides))]


def _outputs(session: PictureSession, pictures: list[NDArray[Any]]) -> list[NDArray[np.float32] | GpudepthError]:
    """Run the network. When it fails on several pictures, each goes in alone, and the ones at fault return errors."""
    try:
        return [*session.run(pictures)]
    except GpudepthError as error:
        if len(pictures) == 1:
            return [error]
    return [out for picture in pictures for out in _outputs(session, [picture])]
