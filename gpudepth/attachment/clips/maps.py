"""The depth side of a clip, whatever holds it, as one thing: how many maps, when they are shown, and one after another.

    a sequence of files                  PNG, EXR, .npy…: paths, read where the map is needed
    .npz, .npy of (T, H, W)              arrays
    depth video that knows its metres    Apple's tracks, MP4-AT, LeRobot's, our Matroska: DepthData
    any other video                      codes: gray, luma, or a hue; half a frame of a video with both side by side
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path

from ...errors import NoDepthError, UnsupportedError, UsageError
from ...limits import Limits
from ...maps.reader import SourceMap
from ...maps.stacks import is_stack_file, read_stack
from ...maps.video_codes import codes
from ...pairing.clips import Footage
from ...settings.clip import Box, ClipSettings
from ...settings.settings import Settings
from ...video import frames as clip
from ...video import reader as video_room
from ...video.matching import Choice
from ...video.mp4at import reader as mp4at_reader
from ...video.quicktime import reader
from ...video.reader import StreamInfo, Video, read_video
from ..decode import DepthInput

LOSSY = ("h264", "hevc", "vp8", "vp9", "av1", "mpeg4", "mpeg2video", "mjpeg", "theora")

Maps = Iterator[tuple[int, DepthInput]]


@dataclass(frozen=True)
class MapStream:
    """count maps; times: when each is shown, in seconds, or None. numbers: of a sequence's names. read: the wanted
    places, which rise → (place, map); what cannot be read is left out, or raises where that is known only later."""

    count: int
    times: tuple[Fraction, ...] | None
    read: Callable[[Sequence[int]], Maps]
    numbers: tuple[int, ...] | None = None
    notes: tuple[str, ...] = ()


def open_maps(depth: Footage | None, video: Path, options: ClipSettings, settings: Settings) -> MapStream:
    """depth: None when the video holds it. Raises NoDepthError, UsageError for an encoding of what knows itself,
    FileError's kinds."""
    fps = Fraction(str(options.fps)) if options.fps else None
    if depth is not None and depth.sequence:
        return _sequence(depth, fps)
    path = video if depth is None else depth.path
    if depth is not None and is_stack_file(path):
        stack = read_stack(path, settings.key, limits=settings.limits)
        return MapStream(stack.maps, steady(range(stack.maps), fps), stack.frames)
    known = _known(path, settings)
    if known is not None:
        return known
    return _codes(path, options, settings.limits, embedded=depth is None)


def box_of(crop: str | Box | None, width: int, height: int, where: str) -> Box | None:
    """x, y, width, height of a half, or of a box that has to lie inside. Raises UsageError."""
    if crop is None:
        return None
    if isinstance(crop, str):
        across, down = width // 2, height // 2
        return {"left": (0, 0, across, height), "right": (width - across, 0, across, height),
                "top": (0, 0, width, down), "bottom": (0, height - down, width, down)}[crop]
    if crop[0] + crop[2] > width or crop[1] + crop[3] > height:
        raise UsageError(f"{where} {list(crop)} does not lie inside frames of {width}×{height}")
    return crop


def _sequence(depth: Footage, fps: Fraction | None) -> MapStream:
    files = depth.files

    def read(wanted: Sequence[int]) -> Maps:
        return ((place, files[place]) for place in wanted)

    return MapStream(len(files), depth.times or steady(depth.numbers or range(len(files)), fps), read, depth.numbers)


def steady(numbers: Sequence[int], fps: Fraction | None) -> tuple[Fraction, ...] | None:
    """When frames of these numbers are shown; the first at 0, and gaps stay gaps."""
    return tuple((n - numbers[0]) / fps for n in numbers) if fps else None


def _known(path: Path, settings: Settings) -> MapStream | None:
    """A depth video that says what its values mean, or None."""
    if not clip.is_clip(path, settings.limits):
        return None
    try:
        about = clip.about(path, limits=settings.limits)
    except NoDepthError:
        return None
    if settings.encoding is not None:
        raise UsageError("knows its own range in metres; an encoding does not apply", where=path,
                         hint="leave the encoding out")
    opener = {"quicktime": reader.open_depth, "mp4-at": mp4at_reader.open_depth}.get(about["container"])
    if opener is None:      # nothing but depth: FFmpeg knows its times
        times = read_video(path, limits=settings.limits).times
    else:
        with opener(path, settings.limits) as track:
            times = tuple(track.seconds(n) for n in range(track.frames))
    oriented = settings.orientation == "display"

    def read(wanted: Sequence[int]) -> Maps:
        if not wanted:
            return
        due = set(wanted)
        chosen = Choice(wanted[0], wanted[-1] + 1)
        for frame in clip.frames(path, chosen, oriented=oriented, limits=settings.limits):
            if frame.index in due:
                yield frame.index, frame.data

    return MapStream(len(times), times, read, notes=tuple(about.get("notes", ())))


def _codes(path: Path, options: ClipSettings, limits: Limits, *, embedded: bool) -> MapStream:
    try:
        infos = video_room.streams(path, limits=limits)
    except UnsupportedError as error:
        if error.hint is not None or not embedded:
            raise
        raise NoDepthError("holds no depth", where=path) from None
    index = _depth_stream(infos, options, path, embedded=embedded)
    video = read_video(path, index, limits=limits)
    crop = box_of(options.depth_crop, video.width, video.height, "clip.depth_crop")

    def read(wanted: Sequence[int]) -> Maps:
        with closing(video.frames(wanted)) as frames:   # type: ignore[type-var]
            for place, frame in frames:
                source = codes(frame, path, options.coding, crop)
                yield place, _turned(source, video)

    notes = []
    if options.coding == "hue":
        notes.append("depth drawn as a hue in lossy video is off by far more than its steps, at edges by anything: "
                     "for measurements export the maps themselves")
    elif infos[index].codec in LOSSY and infos[index].bits <= 8:
        notes.append(f"its maps are 8-bit {infos[index].codec}, which is lossy")
    return MapStream(len(video.times), None if video.counted else video.times, read, notes=tuple(notes))


def _turned(source: SourceMap, video: Video) -> SourceMap:
    return source if video.orientation == 1 else replace(source, orientation=video.orientation)


def _depth_stream(infos: Sequence[StreamInfo], options: ClipSettings, path: Path, *, embedded: bool) -> int:
    """Which stream holds depth. Raises NoDepthError when nothing says so."""
    if options.depth_stream is not None:
        return options.depth_stream
    titled = [i for i in infos if "depth" in i.title.lower()]
    gray = [i for i in infos if i.gray]
    if not embedded:
        return (titled or gray or list(infos))[0].index
    if len(infos) > 1 and (titled or gray):
        return (titled or gray)[0].index
    if options.depth_crop is not None:
        return options.color_stream or 0
    raise NoDepthError("holds no depth: " + video_room.describe(infos), where=path, hint=(
        "source.depth names another file; source.clip: {depth_stream: 1} a stream; {depth_crop: right} the half of a "
        "frame. A Cinematic movie keeps its depth only when it is shared with “All Photos Data”"))
