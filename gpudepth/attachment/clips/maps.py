"""Opens the depth side of a clip as a stream of maps.

    a sequence of files            PNG, EXR, .npy…: paths, which are read when the map is needed
    .npz, .npy of (T, H, W)        arrays
    depth video in metres          Apple's tracks, MP4-AT, LeRobot's, our Matroska: DepthData
    any other video                codes: gray, luma or hue; or one half of frames that show photo and map side by side
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from fractions import Fraction
from pathlib import Path

from ...errors import GpudepthError, NoDepthError, UnsupportedError, UsageError
from ...limits import Limits
from ...maps.reader import SourceMap
from ...maps.stacks import is_stack_file, read_stack
from ...maps.video_codes import codes
from ...pairing.clips import Footage
from ...settings.clip import Box, ClipSettings
from ...settings.settings import Settings
from ...video import frames as clip
from ...video import reader as streams
from ...video.choice import Choice
from ...video.mp4at import tracks as mp4at_reader
from ...video.quicktime import reader
from ...video.reader import StreamInfo, Video, read_video
from ...video.sniff import is_clip_file
from ..decode import DepthInput

LOSSY = ("h264", "hevc", "vp8", "vp9", "av1", "mpeg4", "mpeg2video", "mjpeg", "theora")

Maps = Iterator[tuple[int, DepthInput]]


@dataclass(frozen=True)
class MapStream:
    """The maps of a clip.

    Attributes:
        count: Number of maps.
        times: When each is shown, in seconds; None if that is unknown.
        read: Yields (place, map) for places in rising order. A map that cannot be read is left out, or raises an error.
        numbers: The numbers in the names of a sequence.
        notes: Remarks for people.
        errors: Why maps were left out, by place, as far as they were read.
    """


    count: int
    times: tuple[Fraction, ...] | None
    read: Callable[[Sequence[int]], Maps]
    numbers: tuple[int, ...] | None = None
    notes: tuple[str, ...] = ()
    errors: dict[int, GpudepthError] = field(default_factory=dict)


def open_maps(depth: Footage | None, video: Path, options: ClipSettings, settings: Settings) -> MapStream:
    """Open the maps of a clip.

    Args:
        depth: What holds them; None if the video does.
        video: The video.
        options: Settings of the clip.
        settings: Settings of its frames.

    Raises:
        NoDepthError: The video holds no depth.
        UsageError: The settings name an encoding for depth in metres.
        FileError: A file cannot be read.
    """
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
    """Return x, y, width and height of a half, or of a box inside the frame. Raises UsageError for one outside."""
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
    """Return when frames of these numbers are shown: the first at 0, with gaps where numbers are missing."""
    return tuple((n - numbers[0]) / fps for n in numbers) if fps else None


def _known(path: Path, settings: Settings) -> MapStream | None:
    """Return the maps of a depth video in metres, or None for other videos."""
    if not is_clip_file(path, settings.limits):
        return None
    try:
        about = clip.about(path, limits=settings.limits)
    except NoDepthError:
        return None
    if settings.encoding is not None:
        raise UsageError("an encoding does not apply to depth video that has a range in metres", where=path,
                         hint="leave the encoding out")
    opener = {"quicktime": reader.open_depth, "mp4-at": mp4at_reader.open_depth}.get(about["container"])
    if opener is None:      # depth alone: FFmpeg reads its times
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
        infos = streams.streams(path, limits=limits)
    except UnsupportedError as error:
        if error.hint is not None or not embedded:
            raise
        raise NoDepthError("the file holds no depth", where=path) from None
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
        notes.append("depth as hue in lossy video has large errors, above all at edges: for measurements export the "
                     "maps themselves")
    elif infos[index].codec in LOSSY and infos[index].bits <= 8:
        notes.append(f"the maps are 8-bit {infos[index].codec}, which is lossy")
    return MapStream(len(video.times), None if video.counted else video.times, read, notes=tuple(notes))


def _turned(source: SourceMap, video: Video) -> SourceMap:
    return source if video.orientation == 1 else replace(source, orientation=video.orientation)


def _depth_stream(infos: Sequence[StreamInfo], options: ClipSettings, path: Path, *, embedded: bool) -> int:
    """Return which stream holds depth. Raises NoDepthError if none can be found."""
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
    raise NoDepthError("the file holds no depth: " + streams.describe(infos), where=path, hint=(
        "name another file with source.depth, a stream with source.clip: {depth_stream: 1}, or the half of a frame "
        "with {depth_crop: right}. A Cinematic movie keeps its depth only when it is shared with “All Photos Data”"))
