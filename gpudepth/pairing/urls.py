"""Handles URLs of object stores that stand where paths do: `s3://bucket/photos/a.jpg`.

Pairs hold an object as a `Path`, so that all pairing rules apply to it. A `Path` keeps only one slash after the colon;
`display_path` restores the other.
"""

from __future__ import annotations

import re
from pathlib import Path, PurePath

_URL = re.compile(r"([a-z][a-z0-9+.-]+)://(?=[^/])")
_AS_PATH = re.compile(r"([a-z][a-z0-9+.-]+):/(?=[^/])")


def is_url(text: str) -> bool:
    return _URL.match(text) is not None


def located(base: Path, text: str) -> Path:
    """Return the path that a job's path stands for: below the base, unless it is absolute or a URL."""
    return Path(text) if is_url(text) else base / text


def display_path(path: PurePath) -> str:
    """Return the path, or the URL that it stands for, with `/`."""
    text = path.as_posix()
    return _AS_PATH.sub(r"\1://", text, count=1) if _AS_PATH.match(text) else text
