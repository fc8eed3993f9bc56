"""The folder of built kernels: GPUDEPTH_CACHE, else one in the user's cache folder, else a temporary one."""

from __future__ import annotations

import os
import tempfile
from functools import lru_cache
from pathlib import Path


@lru_cache(maxsize=4)
def _folder(wanted: str) -> Path:
    for candidate in (wanted, str(Path(tempfile.gettempdir()) / f"gpudepth-{_user()}")):
        path = Path(candidate)
        try:
            path.mkdir(mode=0o700, parents=True, exist_ok=True)
            own = not hasattr(os, "getuid") or path.stat().st_uid == os.getuid()  # others could change its files
            with tempfile.TemporaryFile(dir=path):
                pass
        except OSError:
            continue
        if own:
            return path
    return Path(tempfile.mkdtemp(prefix="gpudepth-"))


def cache_folder() -> Path:
    """Return a folder that exists, belongs to this user and can be written."""
    named = os.environ.get("GPUDEPTH_CACHE")
    if not named:
        base = os.environ.get("XDG_CACHE_HOME") or str(Path("~/.cache").expanduser())
        named = str(Path(base) / "gpudepth")
    return _folder(named)


def _user() -> str:
    return str(os.getuid()) if hasattr(os, "getuid") else os.environ.get("USERNAME", "user")
