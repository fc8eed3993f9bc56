"""Lists the containers and finds that of a file by its first bytes; plug-ins add theirs as entry points."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any, cast

from ..errors import TruncatedError, UnsupportedError, UsageError
from ..formats.bytesource import ByteSource
from ..limits import DEFAULT, Limits
from .base import PROTOCOL, Container, Donates, Donor, SharesItsHead, capabilities
from .dictionary import Dictionary
from .dng.dng import Dng
from .heif.heif import Heif
from .jpeg.jpeg import Jpeg

GROUP = "gpudepth.containers"


BUILT_IN: tuple[Container, ...] = (Heif(), Jpeg(), Dng(), Dictionary())


@cache
def plug_ins() -> tuple[Container, ...]:
    """Return the containers of entry points in the group `gpudepth.containers`."""
    if not _may_exist():
        return ()
    from importlib.metadata import entry_points

    return tuple(_plug_in(entry.name, entry.load()()) for entry in entry_points(group=GROUP))


def _may_exist() -> bool:
    """Return whether an installed package may have an entry point of the group.

    Each map that is no photo asks for the plug-ins, and `importlib.metadata` takes longer to load than most maps. This
    search only looks for the name of the group in the files where entry points are; what it cannot search may have one.
    """
    for folder in dict.fromkeys(sys.path):
        try:
            with os.scandir(folder or ".") as entries:
                found = [entry.path for entry in entries if entry.name.endswith(("-info", ".egg"))]
        except NotADirectoryError:      # a zip file
            return True
        except OSError:
            continue
        for path in found:
            if path.endswith(".egg"):
                return True
            with suppress(OSError):
                if GROUP.encode() in Path(path, "entry_points.txt").read_bytes():
                    return True
    return False


def containers() -> Iterator[Container]:
    """Yield the built-in containers, then the plug-ins, which are looked for when no earlier container is enough."""
    yield from BUILT_IN
    yield from plug_ins()


def _plug_in(name: str, container: Any) -> Container:
    """Return a plug-in's container. Raises UnsupportedError for a later version of the protocol."""
    version = getattr(container, "protocol", 1)
    if version not in (1, PROTOCOL):
        raise UnsupportedError(f"the plug-in {name} needs version {version} of the container protocol, not {PROTOCOL}",
                               hint="upgrade gpudepth, or install an older version of the plug-in")
    return cast(Container, container)


def find(source: ByteSource) -> Container | None:
    """Return the container of a file, by its first bytes and, if necessary, more of it; None when none matches."""
    head = source.read(0, min(32, source.size))
    return next((c for c in containers()
                 if c.sniff(head) and (not isinstance(c, SharesItsHead) or c.recognises(source))), None)


def require(source: ByteSource) -> Container:
    """Return the container of a file. Raises UnsupportedError without one, TruncatedError for an empty file."""
    found = find(source)
    if found is None:
        known = ", ".join(s for c in containers() for s in c.suffixes)
        if source.size == 0:
            raise TruncatedError("the file is empty", where=source.name)
        from ..formats.quicktime.brands import is_movie

        if is_movie(source):
            raise UnsupportedError("the file is a movie; expected a photo", where=source.name,
                                   hint=f"extract its depth with gpudepth extract {source.name} -o depth/%06d.npy")
        raise UnsupportedError("the format of this file cannot hold depth", where=source.name,
                               hint=f"supported are {known}")
    return found


def donor(path: str | Path, limits: Limits = DEFAULT) -> Donor:
    """Return what a Portrait photo provides as a donor. Raises NoDepthError, UnsupportedError, MissingInputError."""
    with ByteSource(path, limits) as source:
        container = require(source)
        if not isinstance(container, Donates):
            raise UnsupportedError(f"a {container.name.upper()} file cannot be a donor", where=source.name,
                                   hint="use a HEIC or JPEG that an iPhone took in Portrait mode")
        return container.donor(source)


def by_suffix(suffix: str) -> Container | None:
    """Return the container that writes files with this suffix (".heic"), or None."""
    return next((c for c in containers() if suffix.lower() in c.suffixes), None)


def profiles() -> tuple[str, ...]:
    """Return the layouts that containers write, and those that can be written beside them."""
    return tuple(dict.fromkeys(name for c in containers() for name in (*c.profiles, *c.companions)))


def named(name: str) -> Container:
    """Return the container of a name or suffix, such as "heif" or "heic". Raises UsageError."""
    found = next((c for c in containers() if name in (c.name, *(s.lstrip(".") for s in c.suffixes))), None)
    if found is None:
        raise UsageError(f"unknown container {name!r}", hint="use " + ", ".join(c.name for c in containers()))
    return found


def encoder() -> Container:
    """Return the container that encodes pictures whose own format cannot hold depth."""
    return next(c for c in containers() if capabilities(c).encodes)
