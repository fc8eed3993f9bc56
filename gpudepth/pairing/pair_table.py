"""Matches photos and maps by name in a table, which may hold more files than fit into memory.

The table is an unnamed database of SQLite, which disappears with the process however that ends. Beyond a cache of
16 MiB it is in a file in SQLITE_TMPDIR or /var/tmp, with about 700 bytes per pair. Problems (collisions, several maps
for a photo) are kept in memory.
"""

from __future__ import annotations

import contextlib
import json
import os
import sqlite3
import weakref
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar, overload

from ..errors import OutputError
from .pairs import (
    MOST_FOLDERS,
    Duplicate,
    Name,
    Pair,
    Previews,
    natural_bytes,
    natural_sorted,
    photo_key,
    real_paths,
    root_of,
    stem_of,
)
from .stores import located
from .templates import Fields, Template

T = TypeVar("T")
CACHE_KIB = 16 << 10

_SCHEMA = """
    create table color(id integer primary key, path blob, fields text, key text);
    create table map(id integer primary key, path blob, key text);
    create table found(path blob, fields text, key text);
    create table first(id integer primary key, maps integer, map integer);
    create table claimed(path blob primary key) without rowid;
    create table photo(id integer primary key, map integer);
    create table preview(path blob primary key) without rowid;
    create table pair(id integer primary key, color integer, map integer);
    create table unmatched(id integer primary key, path blob);
    create table extra(id integer primary key, path blob);
    create table shown(id integer primary key, path blob);
    create table named(kind text, folder blob, name text, path blob);
    create table goal(real blob, pair integer);
"""


_PAIR = ("select c.path, c.fields, m.path from pair p cross join color c on c.id = p.color "
         "cross join map m on m.id = p.map")


class TableRows(Sequence[T]):
    """The rows of a table as a sequence; each row is converted when it is accessed. Row numbers start at 1."""

    def __init__(self, table: PairTable, name: str, select: str, make: Callable[..., T]) -> None:
        self.table, self.make = table, make
        self.select = select.format(name)
        self.number: int = table.one(f"select count(*) from {name}")

    def __len__(self) -> int:
        return self.number

    @overload
    def __getitem__(self, index: int) -> T: ...

    @overload
    def __getitem__(self, index: slice) -> Sequence[T]: ...

    def __getitem__(self, index: int | slice) -> T | Sequence[T]:
        places = range(self.number)[index]
        return [self[place] for place in places] if isinstance(places, range) else self._row(places + 1)

    def _row(self, number: int) -> T:
        return self.make(*next(self.table.rows(f"{self.select} where p.id = ?", number)))

    def __iter__(self) -> Iterator[T]:
        return (self.make(*row) for row in self.table.rows(f"{self.select} order by p.id"))


@contextlib.contextmanager
def disk_errors() -> Iterator[None]:
    """Convert errors of a full disk into OutputError."""
    try:
        yield
    except sqlite3.OperationalError as error:
        raise OutputError(f"the table of pairs cannot be written: {error}",
                          hint="set SQLITE_TMPDIR to a folder with more space") from None


def _path(data: bytes) -> Path:
    return Path(os.fsdecode(data))



class PairTable:
    """The table and the steps of pairing.

    Args:
        base: The folder that keys and outputs are relative to.
        outputs: The template of outputs, or None.
        names: The placeholders by which maps are looked up.
    """

    def __init__(self, base: Path, outputs: Template | None, names: list[str]) -> None:
        self.base, self.template, self.names = base, outputs, names
        self.db = sqlite3.connect("", isolation_level=None, check_same_thread=False)      # any thread may collect it
        weakref.finalize(self, self.db.close)
        for setting in (f"cache_size = -{CACHE_KIB}", "journal_mode = off", "synchronous = off", "temp_store = file"):
            self.db.execute(f"pragma {setting}")
        self.db.executescript(_SCHEMA)
        self.db.create_function("place", 1, lambda data: natural_bytes(os.fsdecode(data)), deterministic=True)
        self.db.execute("begin")

    def rows(self, sql: str, *values: Any) -> Iterator[tuple[Any, ...]]:
        """Yield the rows of a query."""
        return iter(self.db.execute(sql, values))

    def one(self, sql: str, *values: Any) -> Any:
        """Return the first value of a query, or None."""
        row = self.db.execute(sql, values).fetchone()
        return row[0] if row else None

    def load(self, colors: Iterable[tuple[Path, Fields]], maps: Iterable[tuple[Path, Fields]]) -> None:
        """Store all files of both sides; photos in natural order, each once, with the fields of its first match."""
        names = self.names

        def found() -> Iterator[tuple[bytes, str, str]]:
            for path, more in colors:
                fields = {"stem": path.stem, **more}
                yield os.fsencode(path), json.dumps(fields), json.dumps([fields[name] for name in names])

        def once() -> Iterator[tuple[bytes, str, str]]:
            before = None
            for row in self.rows("select path, fields, key from found order by place(path), rowid"):
                if row[0] != before:
                    yield row
                before = row[0]

        self.db.executemany("insert into found values (?, ?, ?)", found())
        self.db.executemany("insert into color(path, fields, key) values (?, ?, ?)", once())
        self.db.execute("delete from found")
        self.db.executemany("insert into map(path, key) values (?, ?)", (
            (os.fsencode(path), json.dumps([fields[name] for name in names])) for path, fields in maps))
        self.db.execute("create index map_key on map(key)")
        self.db.execute("create index map_path on map(path)")
        self.db.execute("create index color_path on color(path)")

    def match(self) -> list[Duplicate]:
        """Store the one map of each photo, and return the photos that have several."""
        self.db.execute("insert into first select c.id, count(m.id), min(m.id) from color c left join map m "
                        "on m.key = c.key and m.path != c.path group by c.id")
        several = []
        for path, key in self.rows("select c.path, c.key from first f cross join color c on c.id = f.id "
                                   "where f.maps > 1 order by f.id"):
            maps = natural_sorted(_path(m) for m, in self.rows(
                "select path from map where key = ? and path != ?", key, path))
            several.append(Duplicate("several maps for one photo", photo_key(_path(path), self.base), maps))
            self.db.executemany("insert or ignore into claimed values (?)", ((os.fsencode(m),) for m in maps))
        return several

    def choose(self) -> None:
        """Store the pairs. A file that is the map of an earlier photo, or the preview of a map, is not a photo."""
        dropped = self._dropped()
        self.db.execute("insert into photo select id, map from first where maps = 1")
        self.db.executemany("delete from photo where id = ?", ((number,) for number in dropped))
        self.db.execute("create index photo_map on photo(map)")
        alone = "from first f cross join color c on c.id = f.id where f.maps = 0 and c.path not in claimed"
        several = "(select map from photo group by map having count(*) > 1)"
        if self.one(f"select 1 {alone} limit 1") or self.one(f"select 1 from {several} limit 1"):
            self._previews(f"select c.path {alone} order by f.id", several)
        self.db.execute("insert into pair(color, map) select p.id, p.map from photo p cross join color c "
                        "on c.id = p.id where c.path not in preview order by p.id")
        self.db.execute(f"insert into unmatched(path) select c.path {alone} and c.path not in preview order by f.id")
        self.db.execute("insert into extra(path) select path from map where path not in claimed "
                        "and id not in (select map from photo) and path not in (select path from color) "
                        "order by place(path)")
        self.db.execute("insert into shown(path) select path from preview order by place(path)")

    def _dropped(self) -> list[int]:
        """Return the photos that are maps. Order matters, because a dropped photo claims no map itself."""
        dropped = []
        for number, photo, depth in self.rows(
                "select f.id, c.path, m.path from first f cross join color c on c.id = f.id cross join map m "
                "on m.id = f.map where f.maps = 1 and (c.path in (select path from map) "
                "or m.path in (select path from color)) order by f.id"):
            if self.one("select 1 from claimed where path = ?", photo):
                dropped.append(number)
            else:
                self.db.execute("insert or ignore into claimed values (?)", (depth,))
        return dropped

    def _previews(self, alone: str, several: str) -> None:
        self.db.executemany("insert into named values (?, ?, ?, ?)", (
            (kind, os.fsencode(folder), os.fsencode(name), path) for path, in self.rows("select path from map")
            for kind, (folder, name) in (("root", root_of(_path(path))), ("stem", stem_of(_path(path))))))
        self.db.execute("create index named_name on named(kind, folder, name)")

        def used(path: Path) -> bool:
            return bool(self.one("select 1 from photo where map in (select id from map where path = ?) limit 1",
                                 os.fsencode(path)))

        def groups() -> Iterator[list[Path]]:
            for number, in self.rows(f"select map from {several}"):
                yield [_path(path) for path, in self.rows(
                    "select c.path from photo p cross join color c on c.id = p.id where p.map = ? order by p.id",
                    number)]

        known = Previews(_Named(self, "root"), _Named(self, "stem"))
        unmatched = (_path(path) for path, in self.rows(alone))
        self.db.executemany("insert or ignore into preview values (?)", (
            (os.fsencode(path),) for path in known.iter_previews(unmatched, used, groups())))

    def output(self, fields: str) -> Path | None:
        """Return the output of a pair with these fields, which are JSON."""
        return located(self.base, self.template.format(json.loads(fields))) if self.template else None

    def pair(self, color: bytes, fields: str, depth: bytes) -> Pair:
        """Return a pair."""
        path = _path(color)
        return Pair(photo_key(path, self.base), path, _path(depth), json.loads(fields), self.output(fields))

    @property
    def pairs(self) -> TableRows[Pair]:
        """The pairs."""
        return TableRows(self, "pair", _PAIR, self.pair)

    def paths(self, name: str) -> TableRows[Path]:
        """Return the paths of a table: unmatched (photos), extra (maps) or shown (previews)."""
        return TableRows(self, name, "select p.path from {0} p", _path)

    def shared(self) -> Iterator[Pair]:
        """Return the pairs whose map belongs to other pairs as well."""
        return (self.pair(*row) for row in self.rows(
            _PAIR + " where p.map in (select map from pair group by map having count(*) > 1) order by p.id"))

    def colliding(self) -> tuple[list[Pair], list[Path]]:
        """Return the pairs whose output is written by others or is an input, and these inputs."""
        if self.template is None:
            return [], []
        real, folders = real_paths(), set[str]()

        def outputs() -> Iterator[tuple[bytes, int]]:
            for number, fields in self.rows("select p.id, c.fields from pair p cross join color c on c.id = p.color "
                                            "order by p.id"):
                goal = real(self.output(fields) or Path())
                if len(folders) <= MOST_FOLDERS:
                    folders.add(goal.rpartition("/")[0])
                yield os.fsencode(goal), number

        self.db.executemany("insert into goal values (?, ?)", outputs())
        self.db.execute("create index goal_real on goal(real)")
        odd = {number for number, in self.rows(
            "select pair from goal where real in (select real from goal group by real having count(*) > 1)")}
        inputs = []
        for data, in self.rows("select path from color union all select path from map"):
            goal = real(_path(data))
            if len(folders) > MOST_FOLDERS or goal.rpartition("/")[0] in folders:
                writers = [n for n, in self.rows("select pair from goal where real = ?", os.fsencode(goal))]
                if writers:
                    inputs.append(_path(data))
                    odd |= set(writers)
        return [self.pair(*next(self.rows(_PAIR + " where p.id = ?", number))) for number in sorted(odd)], inputs


class _Named(Mapping[Name, set[Path]]):
    """Looks up maps by folder and name in the table."""

    def __init__(self, table: PairTable, kind: str) -> None:
        self.table, self.kind = table, kind

    def __getitem__(self, key: Name) -> set[Path]:
        found = {_path(path) for path, in self.table.rows(
            "select path from named where kind = ? and folder = ? and name = ?", self.kind, os.fsencode(key[0]),
            os.fsencode(key[1]))}
        if not found:
            raise KeyError(key)
        return found

    def __iter__(self) -> Iterator[Name]:
        raise NotImplementedError

    def __len__(self) -> int:
        raise NotImplementedError
