"""Both sides of a clip, opened and matched: which map goes to which frame, then one pair after another."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

from ...errors import GpudepthError, UsageError
from ...pairing.clips import Footage
from ...settings.clip import ClipSettings
from ...settings.settings import Settings
from ...video.matching import Matched, by_place, by_time
from ...video.ordered import prefetch
from ..decode import DepthInput
from .maps import MapStream, open_maps
from .pictures import PictureStream, open_pictures


@dataclass(frozen=True)
class Read:
    """One frame, read and not yet worked on. picture: an av.VideoFrame, or a photo's path; depth: its map. None for
    what did not come out of the decoder; error: why, where that is known."""

    frame: int
    map: int
    picture: Any
    depth: DepthInput | None
    error: GpudepthError | None = None


@dataclass(frozen=True)
class Streams:
    """pairs: (frame, map), both rising. lost: wanted frames that a video has lost, as it was cut off."""

    pictures: PictureStream
    maps: MapStream
    pairs: tuple[tuple[int, int], ...]
    notes: tuple[str, ...] = ()
    lost: int = 0

    def read(self) -> Iterator[Read]:
        """Each pair, in order, its sides decoded on threads of their own."""
        pictures = prefetch(self.pictures.read([p for p, _ in self.pairs]))
        maps = prefetch(_to_the_end(self.maps.read([m for _, m in self.pairs])))
        with closing(pictures), closing(maps):  # type: ignore[type-var]
            picture, depth = next(pictures, None), next(maps, None)
            for frame, place in self.pairs:
                while picture is not None and picture[0] < frame:
                    picture = next(pictures, None)
                while isinstance(depth, tuple) and depth[0] < place:
                    depth = next(maps, None)
                yield Read(frame, place, picture[1] if picture is not None and picture[0] == frame else None,
                           depth[1] if isinstance(depth, tuple) and depth[0] == place else None,
                           depth if isinstance(depth, GpudepthError) else None)


def open_clip(video: Footage, depth: Footage | None, options: ClipSettings, settings: Settings) -> Streams:
    """Open both sides and match them. depth None: the video holds it.

    Raises UsageError for frames without a map, unless they may be missing, and for frames that are not there;
    NoDepthError, FileError's kinds.
    """
    pictures = open_pictures(video, options, settings.limits, with_depth=depth is None)
    maps = open_maps(depth, video.path, options, settings)
    matched = _match(pictures, maps, options)
    wanted = _wanted(pictures.count, options, video.path)
    pairs = tuple(pair for pair in matched.pairs if pair[0] in wanted)
    alone = [place for place in matched.pictures_alone if place in wanted]
    notes = list(maps.notes)
    if not pairs:
        raise UsageError("no frame has a map", where=video.path, hint=_times(pictures, maps))
    if alone:
        said = f"{len(alone)} of {len(wanted)} frames have no map, frame {alone[0]} for one"
        if not options.allow_missing:
            raise UsageError(said, where=video.path, hint=(
                "source.allow_missing: true leaves them out; clip.tolerance and clip.offset say which times agree"))
        notes.append(said)
    if matched.maps_alone and len(wanted) == pictures.count:
        notes.append(f"{len(matched.maps_alone)} of {maps.count} maps belong to no frame")
    return Streams(pictures, maps, pairs, tuple(notes), pictures.lost if options.choice.stop is None else 0)


def _match(pictures: PictureStream, maps: MapStream, options: ClipSettings) -> Matched:
    way = options.match or ("time" if pictures.times and maps.times else "index")
    if way == "time":
        if not (pictures.times and maps.times):
            side = "maps" if pictures.times else "pictures"
            raise UsageError(f"the {side} have no times", hint="clip.fps: 30 gives them some; or clip.match: index")
        tolerance = Fraction(str(options.tolerance)) if options.tolerance else None
        return by_time(pictures.times, maps.times, tolerance, Fraction(str(options.offset)))
    numbers = maps.numbers
    if numbers and pictures.numbers:
        return _by_number(pictures.numbers, numbers)
    if numbers and len(numbers) != pictures.count:
        first = _first(numbers, pictures.count)
        return _by_number(range(pictures.count), [n - first for n in numbers])
    return by_place(pictures.count, maps.count, allow_missing=options.allow_missing)


def _by_number(pictures: Sequence[int], maps: Sequence[int]) -> Matched:
    return by_time([Fraction(n) for n in pictures], [Fraction(n) for n in maps], Fraction(0))


def _first(numbers: Sequence[int], pictures: int) -> int:
    """The number of the first frame, 0 or 1, of a sequence with gaps. Raises UsageError when it may be either."""
    if numbers[0] == 0 or numbers[-1] == pictures - 1:
        return 0
    if numbers[-1] == pictures:
        return 1
    raise UsageError(f"{pictures} frames, and maps numbered {numbers[0]} to {numbers[-1]}: it is not clear which of "
                     "them is the first frame's", hint="clip.match: time, with clip.fps and clip.offset, says so")


def _wanted(count: int, options: ClipSettings, where: Path) -> range:
    choice = options.choice
    if choice.start >= count:
        raise UsageError(f"has {count} frames, and clip.frames starts at {choice.start}", where=where)
    return range(choice.start, min(count, choice.stop or count), choice.stride)


def _times(pictures: PictureStream, maps: MapStream) -> str:
    if not (pictures.times and maps.times):
        return "clip.match, clip.frames"
    said = [f"{float(t[0]):.3f} to {float(t[-1]):.3f} s" for t in (pictures.times, maps.times)]
    return f"pictures {said[0]}, maps {said[1]}: clip.offset is added to the maps' times"


def _to_the_end(maps: Iterator[tuple[int, DepthInput]]) -> Iterator[tuple[int, DepthInput] | GpudepthError]:
    """The error last, where maps end early: the frames before it are done all the same."""
    try:
        yield from maps
    except GpudepthError as error:
        yield error
