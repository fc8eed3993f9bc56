"""Depth estimated from the photo itself: by a network that is loaded once in each worker, several photos at a time.

A worker that is given a photo, and told which ones come next to it, estimates all of them and keeps the maps until they
are asked for. A photo that cannot be decoded, or that the network fails over, fails alone, when it is its turn.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..compute.threads import available_cores
from ..errors import GpudepthError
from ..formats.bytesource import Input, as_input
from ..limits import Limits
from ..maps.network import Letterbox, Network, Session
from ..maps.reader import SourceMap
from ..maps.scene_linear import displayed
from ..settings.settings import Settings
from ..timing import stage
from .guide import Guide


@dataclass
class _Loaded:
    """Of this process: the network, what its file was, and maps (or errors) that nobody asked for yet."""

    network: Network | None = None
    file: tuple[int, ...] = ()
    session: Session | None = None
    ready: dict[str, SourceMap | GpudepthError] = field(default_factory=dict)


_HERE = _Loaded()


def estimated(photo: str | Input, settings: Settings, ahead: Sequence[Input] = (),
              heartbeat: Callable[[int], None] = lambda done: None) -> SourceMap:
    """The map of a photo, upright, float32 as the network gives it. ahead: photos that come next.

    Raises what loading and running the network raise, and what decoding the photo does.
    """
    assert settings.network is not None
    settings.check_network()
    with stage("estimate"):
        session = _session(settings.network, settings.threads, settings.limits)
        key = str(photo)
        if key not in _HERE.ready:
            _HERE.ready.clear()     # what is left is of a run that went another way
            _fill(session, [as_input(one) for one in (photo, *ahead)], settings.limits, settings.color_transform,
                  heartbeat)
        found = _HERE.ready.pop(key)
    if isinstance(found, GpudepthError):
        raise found
    return found


def _session(network: Network, threads: int, limits: Limits) -> Session:
    network.check()
    seen = network.model.stat()
    file = (seen.st_size, seen.st_mtime_ns, seen.st_ino)
    if _HERE.network != network or _HERE.file != file or _HERE.session is None:
        _HERE.network, _HERE.session = None, None       # two of them may not fit
        _HERE.session = Session(network, threads=threads or available_cores(), limits=limits)
        _HERE.network, _HERE.file = network, file
        _HERE.ready.clear()
    return _HERE.session


def _fill(session: Session, photos: Sequence[Input], limits: Limits, transform: str | None,
          heartbeat: Callable[[int], None]) -> None:
    """Estimate, those of one size together."""
    groups: dict[tuple[int, int], list[tuple[Input, Letterbox, tuple[int, int], NDArray[Any]]]] = {}
    for n, photo in enumerate(photos):
        heartbeat(n)        # the time limit is for one
        try:
            guide = Guide(displayed(photo, transform, limits), "display", limits)
            size = guide.size
            box = session.letterbox(size)
            picture = session.normalised(guide.at(box.inner_width, box.inner_height))
        except GpudepthError as error:
            _HERE.ready[str(photo)] = error
            continue
        groups.setdefault((box.width, box.height), []).append((photo, box, size, box.fill(picture)))
    for group in groups.values():
        for start in range(0, len(group), session.batch):
            part = group[start : start + session.batch]
            heartbeat(len(photos))
            outputs = _outputs(session, [picture for *_, picture in part])
            for (photo, box, size, _), out in zip(part, outputs, strict=True):
                _HERE.ready[str(photo)] = out if isinstance(out, GpudepthError) else SourceMap(
                    np.ascontiguousarray(box.cut(out, size)), None, 1, as_input(session.network.model))


def _outputs(session: Session, pictures: list[NDArray[Any]]) -> list[NDArray[np.float32] | GpudepthError]:
    """What the network says of each: where it fails over some, they go in alone, and those fail that are to blame."""
    try:
        return [*session.run(pictures)]
    except GpudepthError as error:
        if len(pictures) == 1:
            return [error]
    return [out for picture in pictures for out in _outputs(session, [picture])]
