"""Which track of a movie is depth, what it says of itself, and the colour track it belongs to."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, field

from ...depth.pixel_format import HDEP, HDIS, PixelFormat
from ...errors import FileError, MalformedError, NoDepthError, UnsupportedError, readable
from ...formats.hevc.configuration import Configuration
from ...formats.quicktime.metadata import metadata_of
from ...formats.quicktime.movie import Movie
from ...formats.quicktime.track import Track
from ..coded_track import CodedTrack
from .log_code import LogRange

FORMATS = {"dish": HDIS, "deph": HDEP}  # kCMVideoCodecType_DisparityHEVC, _DepthHEVC → what they are decoded to
HANDLER = "auxv"  # AVMediaTypeAuxiliaryPicture
CINEMATIC = "com.apple.quicktime.cinematic-video"    # a key that movies of Cinematic mode have
HOW_TO_KEEP_IT = ("a movie of Cinematic mode has depth in its original, and most exports drop it: when sharing it, "
                  "turn on Options > All Photos Data; in Photos on a Mac, choose File > Export > Export Unmodified "
                  "Original; by cable, set Photos > Transfer to Mac or PC > Keep Originals")
NONE_ON_NEWER = "iPhones 17 reportedly record no depth track at all"
SAY_WHAT_IT_MEANS = ("if it is depth of another program, it does not say what its codes mean: LeRobot's needs its "
                     "meta/info.json above it, or NAME.json beside it; of others gpudepth attach CLIP THIS --near M "
                     "--far M, or a job, says it")


@dataclass(frozen=True)
class DepthTrack(CodedTrack):
    """A depth track: `range` in the quantity of `pixel_format`.

    related_by   how we know the colour track: "tref/vdep", or "the only video track"
    notes        what is unusual
    """

    range: LogRange = field(default_factory=LogRange)
    pixel_format: PixelFormat = HDIS
    related_by: str = ""
    notes: tuple[str, ...] = ()

    @property
    def coding(self) -> str:
        """The sample entry: dish (disparity) or deph (depth)."""
        return self.track.entries[0].format


def find(movie: Movie) -> DepthTrack | None:
    """The first depth track, or None when the movie has none. Raises MalformedError, UnsupportedError."""
    found = [t for t in movie.tracks if t.entries[0].format in FORMATS]
    if not found:
        return None
    track = found[0]
    entry = track.entries[0]
    if movie.fragmented:
        raise UnsupportedError("the movie is fragmented (mvex), and its samples are not in its tables",
                               where=movie.moov.path, hint="remux it without fragments")
    notes = [f"{len(found)} depth tracks; this is the first"] if len(found) > 1 else []
    if len(track.entries) > 1:
        raise UnsupportedError(f"{len(track.entries)} sample descriptions in one depth track", where=entry.path)
    hvcc = entry.extension(movie.source, "hvcC")
    if hvcc is None:
        raise MalformedError("has no hvcC box" + ("" if entry.extensions else f"; its handler is {track.handler!r}"),
                             where=entry.path)
    sequence = Configuration.parse(hvcc, f"{entry.path}/hvcC").sequence()
    if sequence.bit_depth != 10:
        raise UnsupportedError(f"codes of {sequence.bit_depth} bits; what 10 mean is known", where=f"{entry.path}/hvcC")
    disc = entry.extension(movie.source, "disc")
    if disc is None:
        notes.append("no disc box: the range is the default, 0 to 16")
    if track.handler != HANDLER:
        notes.append(f"its handler is {track.handler!r}, not {HANDLER!r}")
    if track.shift(movie.time_scale) is None:
        notes.append("its edit list is more than a shift; times are those of the media")
    colour, related_by = colour_of(movie, track)
    if colour is not None and colour.matrix != track.matrix:
        notes.append("its matrix differs from the colour track's; the colour track's is used")
    ends = LogRange.parse(disc, f"{entry.path}/disc") if disc is not None else LogRange()
    return DepthTrack(track, sequence.width, sequence.height, sequence.bit_depth, "hevc", hvcc, movie.time_scale,
                      colour, ends, FORMATS[entry.format], related_by, tuple(notes))


def require(movie: Movie) -> DepthTrack:
    """`find`, or NoDepthError that says how to keep the depth, or what a gray video lacks."""
    found = find(movie)
    if found is None:
        raise NoDepthError(f"holds no depth track; its tracks: {kinds(movie)}" + _said_of_itself(movie),
                           where=movie.source.name, hint=_hint(movie))
    return found


def kinds(movie: Movie) -> str:
    """`vide (hvc1), soun (mp4a)`, whatever bytes stand there."""
    return readable(", ".join(f"{t.handler} ({t.entries[0].format})" for t in movie.tracks[:8])) or "none"


def _said_of_itself(movie: Movie) -> str:
    try:
        cinematic = any(key.startswith(CINEMATIC) for key in metadata_of(movie.source, movie.moov).values)
    except FileError:
        return ""
    return "; it calls itself a movie of Cinematic mode" if cinematic else ""


def _hint(movie: Movie) -> str:
    for track in movie.of_handler("vide"):
        with contextlib.suppress(FileError):
            hvcc = track.entries[0].extension(movie.source, "hvcC")
            if hvcc is not None and Configuration.parse(hvcc).sequence().chroma_format == 0:
                return SAY_WHAT_IT_MEANS
    return f"{HOW_TO_KEEP_IT}; {NONE_ON_NEWER}"


def colour_of(movie: Movie, depth: Track) -> tuple[Track | None, str]:
    """The colour track that a depth track belongs to, and how we know: by reference, in either direction.

    Which kind of reference Apple writes is not known, so any will do.
    """
    videos = movie.of_handler("vide")
    videos = [t for t in videos if t.id != depth.id]
    for track in videos:
        for kind, ids in track.references.items():
            if depth.id in ids:
                return track, f"tref/{kind} of the colour track"
    for kind, ids in depth.references.items():
        for track in videos:
            if track.id in ids:
                return track, f"tref/{kind} of the depth track"
    if len(videos) == 1:
        return videos[0], "the only video track"
    return None, ""
