"""Recognises clips by their first bytes, without the modules that read them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from ..formats.bytesource import ByteSource
from ..formats.quicktime.brands import is_movie
from ..limits import DEFAULT, Limits

MATROSKA = b"\x1a\x45\xdf\xa3"    # begins every EBML file


def is_matroska(source: ByteSource) -> bool:
    """Return whether the file is Matroska or WebM. Raises only errors of reading."""
    return source.read(0, min(4, source.size)) == MATROSKA


def is_clip(source: ByteSource) -> bool:
    """Return whether the file is a movie or Matroska. Raises only errors of reading."""
    return is_matroska(source) or is_movie(source)


def is_clip_file(path: str | Path, limits: Limits = DEFAULT) -> bool:
    """Return whether a file is a movie or Matroska. Raises MissingInputError."""
    with ByteSource(path, replace(limits, max_file=limits.max_movie)) as source:
        return is_clip(source)
