"""Movies and depth video as far as photos' registry has to know of them: which they are, and their rules."""

from __future__ import annotations

from collections.abc import Callable

from ..containers.rules import Finding, Verdicts
from ..errors import GpudepthError, UsageError
from ..formats.bytesource import ByteSource
from ..formats.quicktime import movie
from .matroska import check as matroska
from .matroska.depth_video import MAGIC
from .mp4at import check as mp4at
from .mp4at.tracks import find_axte
from .quicktime import check as quicktime
from .quicktime.depth_track import FORMATS

_CHECKS: dict[str, Callable[[ByteSource, str | None], list[Finding]]] = {
    "quicktime": quicktime.check, "mp4-at": mp4at.check, "depth-video": matroska.check}
PROFILES = tuple(_CHECKS)


def is_clip(source: ByteSource) -> bool:
    """Is the file a movie or Matroska, by its first bytes? Raises nothing but what reading does."""
    return source.read(0, min(4, source.size)) == MAGIC or movie.is_movie(source)


def check(source: ByteSource, profile: str | None = None) -> Verdicts:
    """Hold a clip against the rules of what it holds, or of a profile. Raises UsageError for profiles of others."""
    kinds = _kinds(source)
    possible = ("depth-video",) if "depth-video" in kinds else ("quicktime", "mp4-at")
    if profile is not None and profile not in possible:
        raise UsageError(f"a clip of this kind has no profile {profile!r}", where=source.name,
                         hint=" or ".join(possible))
    findings: list[Finding] = []
    for kind in (profile,) if profile else kinds:
        findings += _CHECKS[kind](source, profile)
    return Verdicts(source.name, "matroska" if "depth-video" in kinds else "movie", profile, tuple(findings))


def _kinds(source: ByteSource) -> tuple[str, ...]:
    """Which of the profiles a file is of; a movie that is of none is held against Apple's."""
    if source.read(0, min(4, source.size)) == MAGIC:
        return ("depth-video",)
    try:
        content = movie.read(source)
        found = []
        if any(t.entries[0].format in FORMATS for t in content.tracks):
            found.append("quicktime")
        if find_axte(source, content) is not None:
            found.append("mp4-at")
    except GpudepthError:       # the check says what is wrong
        found = []
    return tuple(found) or ("quicktime",)
