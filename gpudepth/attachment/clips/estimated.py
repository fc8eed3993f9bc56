"""Maps of a clip that a depth network estimates from its pictures.

The network sees each picture upright, and its maps are upright. A clip with one range for all frames is read twice. The
maps of the first pass are kept in a temporary file that has no name, up to `KEPT` bytes; further ones are estimated
again.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from contextlib import closing
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...errors import GpudepthError
from ...formats.bytesource import as_input
from ...maps.reader import SourceMap
from ...maps.scene_linear import displayed
from ...settings.settings import Settings
from ..estimate import Estimator
from ..photo import Guide, file_guide, frame_guide
from .maps import Maps, MapStream
from .pictures import PictureStream
from .still import rgb

KEPT = 4 << 30      # bytes; about 4,000 maps of 518×518 pixels


def estimate_maps(pictures: PictureStream, estimator: Estimator, settings: Settings, *, keep: bool) -> MapStream:
    """Return the maps that the network of the settings estimates from the pictures of a clip.

    Args:
        pictures: The pictures.
        estimator: Keeps the network loaded.
        settings: Settings of the frames.
        keep: Whether the maps are read more than once.
    """
    kept, errors = _Kept(KEPT if keep else 0), dict[int, GpudepthError]()
    assert settings.network is not None
    model = as_input(settings.network.model)

    def estimate(wanted: Sequence[int]) -> Maps:
        if not wanted:
            return
        with closing(pictures.read(wanted)) as frames:      # type: ignore[type-var]
            size = estimator.batch(settings)
            while part := list(islice(frames, size)):
                made = estimator.estimate_guides([_guide(picture, pictures, settings) for _, picture in part], settings)
                for (place, _), found in zip(part, made, strict=True):
                    if isinstance(found, GpudepthError):
                        errors[place] = found
                    else:
                        kept.add(place, found.codes)
                        yield place, found

    def read(wanted: Sequence[int]) -> Maps:
        """Yield the maps in order: those that are kept, and those that are estimated."""
        with closing(estimate([p for p in wanted if p not in kept and p not in errors])) as estimated:  # type: ignore[type-var]
            ahead = next(estimated, None)
            for place in wanted:
                if ahead is not None and ahead[0] == place:
                    yield ahead
                    ahead = next(estimated, None)
                elif place in kept:
                    yield place, SourceMap(kept.get(place), None, 1, model)

    return MapStream(pictures.count, pictures.times, read, pictures.numbers, errors=errors)


def _guide(picture: Any, pictures: PictureStream, settings: Settings) -> Callable[[], Guide]:
    """Return a function that opens a picture upright; the file of a photo, or a frame."""
    if isinstance(picture, Path):
        return lambda: file_guide(displayed(picture, settings.color_transform, settings.limits), "display",
                                  settings.limits)
    return lambda: frame_guide(lambda: rgb(picture), pictures.orientation, "display")


class _Kept:
    """Maps in a temporary file, by the place of their frame. A full disk ends the keeping, not the clip.

    Args:
        most: The most bytes of maps.
    """

    def __init__(self, most: int) -> None:
        self.most, self._end = most, 0
        self._file: Any = None
        self._places: dict[int, tuple[int, tuple[int, ...]]] = {}

    def __contains__(self, place: int) -> bool:
        return place in self._places

    def __del__(self) -> None:
        if self._file is not None:
            self._file.close()

    def add(self, place: int, values: NDArray[np.float32]) -> None:
        """Keep a map if there is space for it."""
        if self._end + values.nbytes > self.most:
            return
        try:
            if self._file is None:
                self._file = tempfile.TemporaryFile(buffering=0, prefix="gpudepth-")    # noqa: SIM115 (closed above)
            self._file.seek(self._end)
            whole = self._file.write(values.data) == values.nbytes
        except OSError:
            whole = False
        if not whole:
            self.most = 0
            return
        self._places[place] = self._end, values.shape
        self._end += values.nbytes

    def get(self, place: int) -> NDArray[np.float32]:
        """Return a map that is kept."""
        start, shape = self._places[place]
        values = np.empty(shape, np.float32)
        self._file.seek(start)
        self._file.readinto(values.data.cast("B"))
        return values
