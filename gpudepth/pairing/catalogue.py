"""Searches for files in folders and in object stores, whose listings identify each object."""

from __future__ import annotations

import os
import sqlite3
import weakref
from collections.abc import Iterator, MutableMapping
from pathlib import Path

from ..errors import MissingInputError, UsageError
from .by_name import no_match_error
from .stores import RemoteFile, check_url, is_url, list_objects
from .templates import Fields, check_placeholders, search, search_names, wild


class Catalogue:
    """Searches folders and object stores, and notes each object under the path that pairs use for it.

    Attributes:
        objects: The objects found, by path.
    """

    def __init__(self, objects: MutableMapping[Path, RemoteFile]) -> None:
        self.objects = objects

    def search(self, base: Path, text: str, *, glob: bool = False) -> Iterator[tuple[Path, Fields]]:
        """Find files or objects as `templates.search` does."""
        if not is_url(text):
            yield from search(base, text, glob=glob)
            return
        check_placeholders(text)
        check_url(text)
        fixed, rest = _split(text, glob)
        for found in list_objects(fixed):
            name = found.url.removeprefix(f"{fixed}/")
            if any(part in {"", ".", ".."} for part in name.split("/")):
                continue        # a folder marker, or a key that no path can express: a//b is not the object a/b
            for _, fields in search_names([name], rest, glob=glob):
                self.objects[found.path] = found
                yield found.path, fields

    def nothing(self, base: Path, text: str) -> MissingInputError:
        """Make the error for a search without a match."""
        if not is_url(text):
            return no_match_error(base, text)
        return MissingInputError(f"no object matches {text!r}", where=_split(text, glob=True)[0])


def _split(text: str, glob: bool) -> tuple[str, str]:
    """Split a template or glob into the folder that it begins with and the rest."""
    protocol, rest = text.split("://", 1)
    parts = [part for part in rest.split("/") if part not in {"", "."}]
    if len(parts) < 2 or wild(parts[0], glob=True):
        raise UsageError(f"{text!r} must name a bucket and an object", hint="for example s3://bucket/photos/*.jpg")
    count = next((i for i, part in enumerate(parts[:-1]) if wild(part, glob=glob)), len(parts) - 1)
    return f"{protocol}://{'/'.join(parts[:count])}", "/".join(parts[count:])


class ObjectsOnDisk(MutableMapping[Path, RemoteFile]):
    """Stores objects by path in a temporary database on the disk, as `pair_table` does."""

    def __init__(self) -> None:
        self.db = sqlite3.connect("", isolation_level=None, check_same_thread=False)      # any thread may collect it
        weakref.finalize(self, self.db.close)
        self.db.executescript("pragma journal_mode = off; pragma synchronous = off; create table object("
                              "path blob primary key, url text, size integer, etag text) without rowid; begin")

    def __setitem__(self, path: Path, found: RemoteFile) -> None:
        self.db.execute("insert or replace into object values (?, ?, ?, ?)",
                        (os.fsencode(path), found.url, found.size, found.etag))

    def __getitem__(self, path: Path) -> RemoteFile:
        row = self.db.execute("select url, size, etag from object where path = ?", (os.fsencode(path),)).fetchone()
        if row is None:
            raise KeyError(path)
        return RemoteFile(*row)

    def __delitem__(self, path: Path) -> None:
        self.db.execute("delete from object where path = ?", (os.fsencode(path),))

    def __iter__(self) -> Iterator[Path]:
        return (Path(os.fsdecode(path)) for path, in self.db.execute("select path from object"))

    def __len__(self) -> int:
        return int(self.db.execute("select count(*) from object").fetchone()[0])
