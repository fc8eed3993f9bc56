"""Checks movies and depth videos against their rules, for the commands that take photos as well."""

from __future__ import annotations

from collections.abc import Callable

from ..containers.rules import Finding, Verdicts
from ..errors import GpudepthError, UsageError
from ..formats.bytesource import ByteSource
from ..formats.quicktime import movie
from . import matroska
from .mp4at import check as mp4at
from .mp4at.tracks import find_axte
from .quicktime import check as quicktime
from .quicktime.depth_track import FORMATS
from .sniff import is_matroska

_CHECKS: dict[str, Callable[[ByteSource, str | None], list[Finding]]] = {
    "quicktime": quicktime.check, "mp4-at": mp4at.check, "depth-video": matroska.check}
PROFILES = tuple(_CHECKS)


def check(source: ByteSource, profile: str | None = None) -> Verdicts:
    """Check a clip against the rules of its kinds, or of one profile. Raises UsageError for profiles of other kinds."""
    kinds = _kinds(source)
    possible = ("depth-video",) if "depth-video" in kinds else ("quicktime", "mp4-at")
    if profile is not None and profile not in possible:
        raise UsageError(f"profile {profile!r} does not apply to a clip of this kind", where=source.name,
                         hint="use " + " or ".join(possible))
    findings: list[Finding] = []
    for kind in (profile,) if profile else kinds:
        findings += _CHECKS[kind](source, profile)
    return Verdicts(source.name, "matroska" if "depth-video" in kinds else "movie", profile, tuple(findings))


def _kinds(source: ByteSource) -> tuple[str, ...]:
    """Return the profiles of a file; a movie without depth is checked against Apple's."""
    if is_matroska(source):
        return ("depth-video",)
    try:
        content = movie.read(source)
        found = []
        if any(t.entries[0].format in FORMATS for t in content.tracks):
            found.append("quicktime")
        if find_axte(source, content) is not None:
            found.append("mp4-at")
    except GpudepthError:       # the check reports what is wrong
        found = []
    return tuple(found) or ("quicktime",)
