"""URLs of object stores where paths stand: `s3://bucket/photos/a.jpg`.

In pairs an object is a path like any other, so that all rules of pairing hold; as a path it has one slash behind the
colon, and `said` gives the other one back.
"""

from __future__ import annotations

import re
from pathlib import Path, PurePath

_URL = re.compile(r"([a-z][a-z0-9+.-]+)://(?=[^/])")
_AS_PATH = re.compile(r"([a-z][a-z0-9+.-]+):/(?=[^/])")


def is_url(text: str) -> bool:
    return _URL.match(text) is not None


def located(base: Path, text: str) -> Path:
    """What a path of a job stands for: below the base, unless it is absolute or a URL."""
    return Path(text) if is_url(text) else base / text


def said(path: PurePath) -> str:
    """The path, or the URL it stands for, with `/`."""
    text = path.as_posix()
    return _AS_PATH.sub(r"\1://", text, count=1) if _AS_PATH.match(text) else text
