"""Opens both sides of a clip, matches maps to frames, and reads the pairs in order."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

from ...depth.encoding import Relative
from ...errors import GpudepthError, UsageError, counted
from ...pairing.clips import Footage
from ...settings.clip import ClipSettings
from ...settings.settings import Settings
from ...video.matching import Matched, by_place, by_time
from ...video.ordered import prefetch
from ..decode import DepthInput
from ..estimate import Estimator
from .estimated import estimate_maps
from .maps import MapStream, open_maps
from .pictures import PictureStream, open_pictures


@dataclass(frozen=True)
class Read:
    """One frame and its map, as read.

    Attributes:
        frame: Number of the frame.
        map: Number of its map.
        picture: An av.VideoFrame or the path of a photo; None if it could not be decoded.
        depth: The map; None if it could not be decoded.
        error: Why, where that is known.
    """


    frame: int
    map: int
    picture: Any
    depth: DepthInput | None
    error: GpudepthError | None = None


@dataclass(frozen=True)
class Streams:
    """Both sides of a clip.

    Attributes:
        pictures: The colour side.
        maps: The depth side.
        pairs: (frame, map), both rising.
        notes: Remarks for people.
        lost: Number of wanted frames that are missing because the video is cut off.
    """


    pictures: PictureStream
    maps: MapStream
    pairs: tuple[tuple[int, int], ...]
    notes: tuple[str, ...] = ()
    lost: int = 0

    def read(self) -> Iterator[Read]:
        """Yield each pair in order; each side is decoded in its own thread."""
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
                           depth if isinstance(depth, GpudepthError) else self.maps.errors.get(place))


def open_clip(video: Footage, depth: Footage | None, options: ClipSettings, settings: Settings,
              estimator: Estimator | None = None) -> Streams:
    """Open both sides of a clip and match them.

    Args:
        video: The colour side.
        depth: The maps; None if the video holds them or a network estimates them.
        options: Settings of the clip.
        settings: Settings of its frames, with the network if there is one.
        estimator: Keeps the network loaded; None loads it for this clip.

    Raises:
        UsageError: Frames have no map and may not be missing, or wanted frames do not exist.
        NoDepthError: The video holds no depth.
        FileError: A file cannot be read.
    """
    estimates = settings.network is not None
    pictures = open_pictures(video, options, settings.limits, with_depth=depth is None and not estimates)
    if estimates:
        once = not isinstance(options.range, str) and not isinstance(settings.encoding, Relative)
        maps = estimate_maps(pictures, estimator or Estimator(), settings, keep=not once)
        matched = by_place(pictures.count, maps.count)
    else:
        maps = open_maps(depth, video.path, options, settings)
        matched = _match(pictures, maps, options)
    wanted = _wanted(pictures.count, options, video.path)
    pairs = tuple(pair for pair in matched.pairs if pair[0] in wanted)
    alone = [place for place in matched.pictures_alone if place in wanted]
    notes = list(maps.notes)
    if not pairs:
        raise UsageError("no frame has a map", where=video.path, hint=_times(pictures, maps))
    if alone:
        problem = f"{len(alone)} of {len(wanted)} frames have no map, for example frame {alone[0]}"
        if not options.allow_missing:
            raise UsageError(problem, where=video.path, hint=(
                "source.allow_missing: true leaves them out; clip.tolerance and clip.offset define which times match"))
        notes.append(problem)
    if matched.maps_alone and len(wanted) == pictures.count:
        notes.append(f"{len(matched.maps_alone)} of {maps.count} maps belong to no frame")
    return Streams(pictures, maps, pairs, tuple(notes), pictures.lost if options.choice.stop is None else 0)


def _match(pictures: PictureStream, maps: MapStream, options: ClipSettings) -> Matched:
    way = options.match or ("time" if pictures.times and maps.times else "index")
    if way == "time":
        if not (pictures.times and maps.times):
            side = "maps" if pictures.times else "pictures"
            raise UsageError(f"the {side} have no times", hint="set clip.fps: 30, or clip.match: index")
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
    """Return the number of the first frame, 0 or 1, of a sequence with gaps. Raises UsageError if it may be either."""
    if numbers[0] == 0 or numbers[-1] == pictures - 1:
        return 0
    if numbers[-1] == pictures:
        return 1
    raise UsageError(f"there are {pictures} frames and maps numbered {numbers[0]} to {numbers[-1]}: it is unknown "
                     "which map belongs to the first frame", hint="use clip.match: time with clip.fps and clip.offset")


def _wanted(count: int, options: ClipSettings, where: Path) -> range:
    choice = options.choice
    if choice.start >= count:
        raise UsageError(f"the video has {counted(count, 'frame')}, but clip.frames starts at {choice.start}",
                         where=where)
    return range(choice.start, min(count, choice.stop or count), choice.stride)


def _times(pictures: PictureStream, maps: MapStream) -> str:
    if not (pictures.times and maps.times):
        return "check clip.match and clip.frames"
    spans = [f"{float(t[0]):.3f} to {float(t[-1]):.3f} s" for t in (pictures.times, maps.times)]
    return f"pictures are from {spans[0]}, maps from {spans[1]}; clip.offset is added to the times of maps"


def _to_the_end(maps: Iterator[tuple[int, DepthInput]]) -> Iterator[tuple[int, DepthInput] | GpudepthError]:
    """Yield maps and, if they end early, the error last, so that the frames before it are processed."""
    try:
        yield from maps
    except GpudepthError as error:
        yield error
