"""Checks a photo or a clip against the rules of its container."""

from __future__ import annotations

from ..containers.registry import require
from ..containers.rules import PRESENT, STRUCTURE, Checklist, Checks, Verdicts
from ..errors import FileError, GpudepthError, UsageError
from ..formats.bytesource import ByteSource
from ..video import checks


def check_file(source: ByteSource, profile: str | None = None) -> Verdicts:
    """Check a photo or clip against the rules of its container; a file without a container breaks the first rule.

    Raises UsageError for a profile that the file cannot have.
    """
    if checks.is_clip(source):
        return checks.check(source, profile)
    if profile in checks.PROFILES:
        raise UsageError(f"{profile!r} is a profile of clips", where=source.name)
    out = Checklist(profile, source.name)
    try:
        container = require(source)
    except FileError as error:
        out.broken(STRUCTURE, error, source.name)
        return Verdicts(source.name, "unknown", profile, tuple(out.findings))
    if isinstance(container, Checks):
        findings = container.check(source, profile)
    else:
        try:
            out.test(PRESENT, container.read(source) is not None, source.name, "it holds none")
        except GpudepthError as error:
            out.broken(STRUCTURE, error, source.name)
        findings = out.findings
    return Verdicts(source.name, container.name, profile, tuple(findings))
