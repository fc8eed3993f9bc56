"""Finds the depth track of a movie, its properties and the colour track it belongs to."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, field

from ...depth.pixel_format import HDEP, HDIS, PixelFormat
from ...errors import FileError, MalformedError, NoDepthError, UnsupportedError, listing, readable
from ...formats.hevc.parameter_sets import Configuration, SequenceParameters
from ...formats.quicktime.metadata import metadata_of
from ...formats.quicktime.movie import Movie, Track
from ..track_decoder import CodedTrack, only_entry
from .log_code import LogRange

FORMATS = {"dish": HDIS, "deph": HDEP}  # kCMVideoCodecType_DisparityHEVC, _DepthHEVC → format they are decoded to
HANDLER = "auxv"  # AVMediaTypeAuxiliaryPicture
CINEMATIC = "com.apple.quicktime.cinematic-video"    # metadata key of Cinematic mode's movies
HOW_TO_KEEP_IT = ("a movie of Cinematic mode has depth in its original, and most exports drop it: when sharing it, "
                  "turn on Options > All Photos Data; in Photos on a Mac, choose File > Export > Export Unmodified "
                  "Original; by cable, set Photos > Transfer to Mac or PC > Keep Originals")
NONE_ON_NEWER = "iPhones 17 reportedly do not record a depth track"
DEFINE_CODES = ("depth of another program does not define what its codes mean: LeRobot's requires its meta/info.json "
                "above it or NAME.json beside it; for others use gpudepth attach CLIP THIS --near M --far M "
                "or a job")


@dataclass(frozen=True)
class DepthTrack(CodedTrack):
    """A depth track.

    Attributes:
        range: Range of the codes in the quantity of `pixel_format`.
        pixel_format: Format of the values.
        related_by: How the colour track was found: "tref/vdep of the colour track", or "the only video track".
        notes: What is unusual.
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
    """Return the first depth track, or None without any. Raises MalformedError, UnsupportedError."""
    found = [t for t in movie.tracks if t.entries[0].format in FORMATS]
    if not found:
        return None
    track = found[0]
    if movie.fragmented:
        raise UnsupportedError("the movie is fragmented (mvex), which is not supported", where=movie.moov.path,
                               hint="remux it without fragments")
    entry = only_entry(track)
    hvcc, sequence = _configuration(movie, track)
    disc = entry.extension(movie.source, "disc")
    colour, related_by = colour_of(movie, track)
    notes = {
        f"there are {len(found)} depth tracks; the first is used": len(found) > 1,
        "there is no disc box: the default range 0 to 16 is used": disc is None,
        f"the handler is {track.handler!r}, not {HANDLER!r}": track.handler != HANDLER,
        "the edit list is more than a shift; times are those of the media": track.shift(movie.time_scale) is None,
        "the matrix differs from the colour track's, which is used": colour is not None
                                                                     and colour.matrix != track.matrix}
    ends = LogRange.parse(disc, f"{entry.path}/disc") if disc is not None else LogRange()
    return DepthTrack(track, sequence.width, sequence.height, sequence.bit_depth, "hevc", hvcc, movie.time_scale,
                      colour, ends, FORMATS[entry.format], related_by, tuple(n for n, holds in notes.items() if holds))


def _configuration(movie: Movie, track: Track) -> tuple[bytes, SequenceParameters]:
    """Return hvcC and its sequence parameters. Raises MalformedError, UnsupportedError for other than 10 bits."""
    entry = track.entries[0]
    hvcc = entry.extension(movie.source, "hvcC")
    if hvcc is None:
        raise MalformedError("hvcC is missing" + ("" if entry.extensions else f"; the handler is {track.handler!r}"),
                             where=entry.path)
    sequence = Configuration.parse(hvcc, f"{entry.path}/hvcC").sequence()
    if sequence.bit_depth != 10:
        raise UnsupportedError(f"codes have {sequence.bit_depth} bits; only 10 are known", where=f"{entry.path}/hvcC")
    return hvcc, sequence


def require(movie: Movie) -> DepthTrack:
    """Return the depth track; the NoDepthError explains how to keep the depth, or what a gray video lacks."""
    found = find(movie)
    if found is None:
        raise NoDepthError(f"the movie has no depth track; its tracks are {kinds(movie)}" + _cinematic(movie),
                           where=movie.source.name, hint=_hint(movie))
    return found


def kinds(movie: Movie) -> str:
    """Describe the tracks, `vide (hvc1), soun (mp4a)`, with control characters escaped."""
    names = (f"{t.handler} ({t.entries[0].format})" for t in movie.tracks)
    return readable(listing(names, len(movie.tracks), none="none", most=8))


def _cinematic(movie: Movie) -> str:
    try:
        cinematic = any(key.startswith(CINEMATIC) for key in metadata_of(movie.source, movie.moov).values)
    except FileError:
        return ""
    return "; it is marked as a movie of Cinematic mode" if cinematic else ""


def _hint(movie: Movie) -> str:
    for track in movie.of_handler("vide"):
        with contextlib.suppress(FileError):
            hvcc = track.entries[0].extension(movie.source, "hvcC")
            if hvcc is not None and Configuration.parse(hvcc).sequence().chroma_format == 0:
                return DEFINE_CODES
    return f"{HOW_TO_KEEP_IT}; {NONE_ON_NEWER}"


def colour_of(movie: Movie, depth: Track) -> tuple[Track | None, str]:
    """Return the colour track that a depth track belongs to, and how it was found.

    References in either direction are followed. Which kind Apple writes is not known, so any kind is accepted.
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
