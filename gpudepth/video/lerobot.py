"""Reads and writes depth video of LeRobot's data sets (github.com/huggingface/lerobot): 12-bit codes in lossless HEVC.

The entry of a feature defines the codes 0…4095. A data set keeps it in meta/info.json; its videos are below videos/,
in a folder with the feature's name. A single video has it in NAME.json or info.json beside it, with the same structure:

    {"features": {"observation.images.depth": {"dtype": "video", "shape": [H, W, 1], "names": […], "info": {
        "is_depth_map": true, "video.depth_min": 0.01, "video.depth_max": 10.0, "video.shift": 3.5,
        "video.use_log": true, "video.codec": "hevc", "video.pix_fmt": "gray12le", …}}}}
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Any, BinaryIO, Literal

import numpy as np
from numpy.typing import NDArray

from ..depth.data import DepthData
from ..depth.pixel_format import FDEP
from ..errors import GpudepthError, MalformedError, NoDepthError, UnsupportedError, UsageError, located
from ..formats.bytesource import ByteSource
from ..formats.hevc.codec import MIN_SIDE, require_x265
from ..formats.quicktime import movie
from ..limits import DEFAULT, Limits
from .frame_writer import FrameWriter
from .track_decoder import VideoFrame

TICK = Fraction(1, 90000)
# x265's "lossless" mode loses pixels of noise with blocks of 64, which slower presets use: seen in a fifth of such
# clips, differently in each run, but never with blocks of 32 (superfast). hash adds an MD5 to detect damage.
_OPTIONS = {"preset": "superfast", "x265-params":
            "lossless=1:bframes=0:keyint=30:hash=1:range=full:info=0:log-level=none:pools=none:frame-threads=1"}


class LerobotWriter(FrameWriter):
    """Writes frames to a seekable binary file. It is a context manager; the first frame sets the size.

    Attributes:
        near: Number of pixels that are too near to have a code.
        far: Number of pixels that are too far to have a code of their own.

    Raises:
        UsageError: A frame has another size or is not in order of time.
        UnsupportedError: The size is below 16 pixels, or libx265 is missing.
    """

    format, codec, pixel_format, codec_label = "mp4", "libx265", "gray12le", "libx265"
    tick, options = TICK, _OPTIONS

    def __init__(self, file: BinaryIO, quantiser: Quantiser) -> None:
        super().__init__(file)
        self.quantiser = quantiser
        self.times: list[Fraction] = []
        self.near = self.far = 0
        self._first: DepthData | None = None

    def write(self, frame: DepthData, seconds: float | Fraction) -> None:
        """Write the next frame, shown from `seconds` on, rounded to 1/90000 s."""
        tick = round(Fraction(seconds) / TICK)
        if self.times and tick * TICK <= self.times[-1]:
            raise UsageError(f"the frame at {float(seconds):.3f} s comes after one at {float(self.times[-1]):.3f} s",
                             hint="frames must be in order of time")
        first = self._first or self._begin(frame)
        if frame.map.shape != first.map.shape:
            raise UsageError(f"the frame is {frame.width}×{frame.height}, the video {first.width}×{first.height}")
        metres = frame.depth()
        codes = self.quantiser.codes(metres)
        near, far = self.quantiser.outside(metres, codes)
        self.near, self.far = self.near + near, self.far + far
        self._put(codes, tick)
        self.times.append(tick * TICK)

    def _begin(self, frame: DepthData) -> DepthData:
        if min(frame.width, frame.height) < MIN_SIDE:
            raise UnsupportedError(f"frames of {frame.width}×{frame.height} are too small for HEVC",
                                   hint=f"sides must have at least {MIN_SIDE} pixels")
        require_x265()
        self._open(frame)
        self._stream.codec_context.codec_tag = "hvc1"
        self._first = frame
        return frame

    @property
    def rate(self) -> Fraction:
        """Average number of frames per second; 30 for a single frame."""
        times = self.times
        return Fraction(len(times) - 1) / (times[-1] - times[0]) if len(times) > 1 else Fraction(30)

    def notes(self) -> list[str]:
        """Return warnings about what was written."""
        notes, ends = [], self.quantiser
        if self.near:
            notes.append(f"{self.near:,} pixels at {ends.depth_min:g} m or nearer have no value in the video")
        if self.far:
            notes.append(f"{self.far:,} pixels farther than {ends.depth_max:g} m were stored as {ends.depth_max:g} m")
        steps = np.diff([float(t) for t in self.times])
        if len(steps) and steps.max() - steps.min() > 0.01 * steps.mean():
            notes.append("the frames are not evenly spaced, although LeRobot assumes it: "
                         f"{steps.min():.4f} to {steps.max():.4f} s apart")
        if self._first is not None and self._first.accuracy == "relative":
            notes.append("the depth is NOT metric, although LeRobot reads it as metres")
        return notes

    def metadata(self) -> bytes:
        """Return the JSON file that belongs beside the video. Raises UsageError when there is no frame."""
        if self._first is None:
            raise UsageError("a video needs at least one frame")
        return describe(self.quantiser, self._first.width, self._first.height, self.rate, self._first.accuracy)


def read_lerobot(path: str | Path, feature: Feature | None = None, *, limits: Limits = DEFAULT) -> Iterator[VideoFrame]:
    """Read frames in order of time; one is in memory at a time.

    Args:
        path: The video.
        feature: What its codes mean; found beside or above the video by default.
        limits: What the video may ask for.

    Yields:
        Frames of fdep: float32 metres, NaN where the code is 0.

    Raises:
        NoDepthError: No JSON file declares that the video is depth.
        UnsupportedError: The video is not gray12le.
        LimitError: It asks for too much; raised before decoding.
        MalformedError: It is damaged.
    """
    feature = feature or of_video(path)
    with ByteSource(path, replace(limits, max_file=limits.max_movie)) as source:
        where = source.name
        expected = _frames(source) if feature is not None else 0
    if feature is None:
        raise NoDepthError("the video has no depth, unless a JSON file beside it declares LeRobot's depth", where=where,
                           hint=f"add {Path(path).with_suffix('.json').name}, or meta/info.json with is_depth_map")
    table, number = feature.quantiser.values(), 0
    for seconds, codes in _decoded(str(path), feature.source, limits, where):
        yield VideoFrame(seconds, DepthData(table[codes], FDEP, accuracy=feature.accuracy))
        number += 1
    if number < expected:
        raise MalformedError(f"only {number} of {expected} frames could be decoded", where=where)


def _decoded(path: str, declared_in: Path, limits: Limits, where: str) -> Iterator[tuple[Fraction, NDArray[np.uint16]]]:
    """Yield (seconds, codes) of each frame. Raises UnsupportedError, LimitError, MalformedError."""
    import av
    import av.error

    number = 0
    try:
        with av.open(path, format="mp4", options={"protocol_whitelist": "file"}) as container:
            # FFmpeg has no decoder for some streams, whose context is then None
            stream = next((s for s in container.streams.video if s.codec_context is not None), None)
            kind = (stream.codec_context.name, stream.codec_context.pix_fmt) if stream is not None else None
            if stream is None or kind != ("hevc", "gray12le"):
                raise UnsupportedError(f"the video is {' '.join(map(str, kind)) if kind else 'missing'}, but "
                                       f"{declared_in} declares depth in gray12le", where=where)
            limits.check_picture(stream.codec_context.width, stream.codec_context.height, 4, where=where,
                                 packed=container.size)
            stream.codec_context.options = {"err_detect": "crccheck+explode"}
            for frame in container.decode(stream):
                if frame.is_corrupt or frame.pts is None or frame.time_base is None:
                    raise MalformedError(f"frame {number} is damaged", where=where)
                codes = np.minimum(np.asarray(frame.to_ndarray(format="gray12le"), np.uint16), TOP)
                yield Fraction(frame.pts) * Fraction(frame.time_base), codes
                number += 1
    except (av.error.FFmpegError, UnicodeDecodeError) as error:
        raise MalformedError(f"frame {number} cannot be decoded: {error}", where=where) from None


def _frames(source: ByteSource) -> int:
    """Return how many frames the decoder must give: the samples of the only HEVC track, all within the file.

    FFmpeg reads a truncated file without an error. Where an edit list hides frames, at least one is expected.
    Raises FileError and its subclasses.
    """
    with located(source.name):
        tracks = [t for t in movie.read(source).of_handler("vide") if t.entries[0].format in ("hvc1", "hev1")]
        if len(tracks) != 1:
            return 1        # opening the file reports what it is instead
        samples = tracks[0].samples
        if not samples.count or not len(samples.offsets):
            raise MalformedError("the track has no frame", where=samples.path)
        return samples.count if tracks[0].shift(1) in (None, 0) or len(tracks[0].edits) <= 1 else 1


FEATURE = "observation.images.depth"
MAX_INFO = 16 << 20
MAX_UP = 6      # folders between a video and its data set
ACCURACY = "gpudepth.accuracy"      # our own key: LeRobot's depth is always metres


@dataclass(frozen=True)
class Feature:
    """A depth feature.

    Attributes:
        name: Its name.
        quantiser: What its codes mean.
        accuracy: Whether its values are metric.
        source: The JSON file.
    """

    name: str
    quantiser: Quantiser
    accuracy: Literal["relative", "absolute"]
    source: Path


def of_video(path: str | Path) -> Feature | None:
    """Return the depth feature of a video, or None when no JSON file beside or above it declares one.

    Raises:
        MalformedError: The entry does not define what the codes mean, or several features match.
    """
    path = Path(path)
    for info in _candidates(path):
        features = _features(info)
        depth = {name: f for name, f in features.items() if _is_depth(f)}
        named = [part for part in path.absolute().parts[:-1] if part in features]
        if named:       # the path contains the feature's name
            return _feature(named[-1], depth[named[-1]], info) if named[-1] in depth else None
        if not depth or info.parent.name == "meta":
            continue
        if len(depth) > 1:
            raise MalformedError(f"the file declares {len(depth)} depth features, and {path.name} could be any of them",
                                 where=info, hint=f"put {path.with_suffix('.json').name} with one feature beside it")
        return _feature(*next(iter(depth.items())), info)
    return None


def _candidates(path: Path) -> Iterator[Path]:
    above = [parent / "meta" / "info.json" for parent in path.absolute().parents[1 : MAX_UP + 1]]
    for info in (path.with_suffix(".json"), path.with_name("info.json"), *above):
        if info.is_file():
            yield info


def _features(info: Path) -> dict[str, Any]:
    """Read the features of a JSON file; empty when it is another kind of file."""
    try:
        with ByteSource(info) as source:
            if source.size > MAX_INFO:
                return {}
            about = json.loads(source.read(0, source.size))
    except (GpudepthError, ValueError, RecursionError):
        return {}
    features = about.get("features") if isinstance(about, dict) else None
    return features if isinstance(features, dict) else {}


def _is_depth(feature: Any) -> bool:
    info = feature.get("info") if isinstance(feature, dict) else None
    return isinstance(info, dict) and True in (info.get("is_depth_map"), info.get("video.is_depth_map"))


def _feature(name: str, feature: dict[str, Any], source: Path) -> Feature:
    info, where = feature["info"], f"{source}: features/{name}/info"
    numbers = []
    for key in ("depth_min", "depth_max", "shift"):
        value = info.get(f"video.{key}")
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise MalformedError(f"video.{key} is {value!r}; it must be a number", where=where)
        numbers.append(float(value))
    logarithmic = info.get("video.use_log")
    if not isinstance(logarithmic, bool):
        raise MalformedError(f"video.use_log is {logarithmic!r}; it must be true or false", where=where)
    pixels = info.get("video.pix_fmt", "gray12le")
    if pixels != "gray12le":
        raise UnsupportedError(f"video.pix_fmt is {pixels!r}", where=where, hint="only gray12le is supported")
    try:
        quantiser = Quantiser(numbers[0], numbers[1], numbers[2], logarithmic)
    except GpudepthError as error:
        raise MalformedError(error.message, where=where) from None
    return Feature(name, quantiser, "relative" if info.get(ACCURACY) == "relative" else "absolute", source)


def describe(quantiser: Quantiser, width: int, height: int, fps: Fraction, accuracy: str) -> bytes:
    """Return the JSON file of a single video, whose entry can be copied into a data set's meta/info.json."""
    info: dict[str, Any] = {
        "is_depth_map": True, "depth_unit": "m", "video.depth_min": quantiser.depth_min,
        "video.depth_max": quantiser.depth_max, "video.shift": quantiser.shift, "video.use_log": quantiser.use_log,
        "video.codec": "hevc", "video.pix_fmt": "gray12le", "video.height": height, "video.width": width,
        "video.channels": 1, "video.fps": round(float(fps), 6), "has_audio": False}
    if accuracy == "relative":
        info[ACCURACY] = accuracy
    feature = {"dtype": "video", "shape": [height, width, 1], "names": ["height", "width", "channels"], "info": info}
    return (json.dumps({"features": {FEATURE: feature}}, indent=1) + "\n").encode()


TOP = 4095


@dataclass(frozen=True)
class Quantiser:
    """What the codes mean. The defaults are LeRobot's.

    Attributes:
        depth_min: Smallest depth in metres.
        depth_max: Largest depth in metres.
        shift: Added to the depth before the logarithm, in metres.
        use_log: Whether codes are logarithmic.

    Raises:
        UsageError: The range is not valid.
    """

    depth_min: float = 0.01
    depth_max: float = 10.0
    shift: float = 3.5
    use_log: bool = True

    def __post_init__(self) -> None:
        finite = np.isfinite([self.depth_min, self.depth_max, self.shift]).all()
        if not (finite and 0 <= self.depth_min < self.depth_max):
            raise UsageError(f"{self.depth_min:g} to {self.depth_max:g} m, shift {self.shift:g}, is not a valid range",
                             hint="0 ≤ depth_min < depth_max")
        if self.use_log and self.depth_min + self.shift <= 0:
            raise UsageError(f"depth_min + shift is {self.depth_min + self.shift:g}, which has no logarithm")

    def codes(self, metres: NDArray[np.float32]) -> NDArray[np.uint16]:
        """Convert metres (H, W) to codes; NaN becomes 0, values outside the range become the code of its nearer end."""
        d = np.asarray(metres, np.float64)
        clipped = np.clip(np.where(np.isnan(d), self.depth_min, d), self.depth_min, self.depth_max)
        if self.use_log:
            start, end = np.log(self.depth_min + self.shift), np.log(self.depth_max + self.shift)
            share = (np.log(clipped + self.shift) - start) / (end - start)
        else:
            share = (clipped - self.depth_min) / (self.depth_max - self.depth_min)
        rounded: NDArray[np.float64] = np.rint(share * TOP)
        return rounded.astype(np.uint16)

    def outside(self, metres: NDArray[np.float32], codes: NDArray[np.uint16]) -> tuple[int, int]:
        """Return how many pixels with a value are too near for a code of their own, and how many too far."""
        return int(((codes == 0) & ~np.isnan(metres)).sum()), int((metres > self.depth_max).sum())

    def values(self) -> NDArray[np.float32]:
        """Return the metres of each code, (4096,) float32; NaN for code 0."""
        share = np.arange(TOP + 1) / TOP
        if self.use_log:
            start, end = np.log(self.depth_min + self.shift), np.log(self.depth_max + self.shift)
            metres = np.exp(start + share * (end - start)) - self.shift
        else:
            metres = self.depth_min + share * (self.depth_max - self.depth_min)
        out: NDArray[np.float32] = np.clip(metres, self.depth_min, self.depth_max).astype(np.float32)
        out[0] = np.nan
        return out
