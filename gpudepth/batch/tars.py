"""Outputs as members of tar files, as WebDataset reads them: `out/{tar}.tar/{stem}.heic`.

A photo's tar is the hash of its key modulo `output.tars`: adding photos changes the tars they go to, and no other; the
members of each come from all over the set. A tar is made whole, and is what is retried, resumed, and done by one shard.
The same inputs give the same bytes: members lie in the order of their keys, and have no times and no owners.
"""

from __future__ import annotations

import hashlib
import re
import tarfile
import tempfile
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

from ..attachment.output import atomic
from ..errors import GpudepthError, OutputError, PartialRunError
from ..formats.bytesource import Input
from ..limits import ASKED
from ..pairing.stores import Target, target
from ..pairing.templates import INSIDE, NUMBER, tar_of
from ..timing import add, rounded
from .ledger import Row, sha256
from .work_item import PhotoItem, Task, below, key_hash
from .workers import heartbeat

NAMED = 5           # photos that failed, in a message
WARNINGS = 20       # of a tar's members, in its row


@dataclass(frozen=True)
class Tar:
    """Photos that go into one tar, in the order of their keys; output of each: its name in there. key: the tar's own
    name, from the plan's root."""

    key: str
    items: tuple[PhotoItem, ...]
    output: Path | Target

    @property
    def target(self) -> str:
        return self.key

    @property
    def depth(self) -> object:
        return f"{len(self.items)} photos"

    @cached_property
    def inputs(self) -> tuple[Input, ...]:
        return tuple(file for item in self.items for file in item.inputs)

    @property
    def members(self) -> str:
        """SHA-256 of the names in it: a photo that is called otherwise now has the same bytes as before."""
        names = "\0".join(item.target for item in self.items)
        return hashlib.sha256(names.encode("utf-8", "surrogateescape")).hexdigest()

    def is_whole(self, row: Row) -> bool:
        """There is one file; are the photos in it called as now?"""
        return row.members == self.members

    def do(self, task: Task) -> Row:
        """See `WorkItem.do`. Photos that fail are left out, and then named by PartialRunError when the tar is there."""
        try:
            return self._do(task)
        except OSError as error:        # of the scratch folder; the others are ours already
            raise OutputError(f"cannot be written: {error.strerror or error}", where=str(self.output)) from None

    def _do(self, task: Task) -> Row:
        failed: list[str] = []
        rows: list[Row] = []
        spent: dict[str, float] = {}
        with tempfile.TemporaryDirectory(prefix="gpudepth-", dir=task.scratch) as name:
            made = Path(name) / "tar"
            whole = made.open("wb") if isinstance(self.output, Target) else atomic(self.output, make_folder=True)
            with whole as file:
                with tarfile.open(fileobj=file, mode="w", format=tarfile.PAX_FORMAT) as archive:
                    for n, item in enumerate(self.items):
                        heartbeat(n)
                        ASKED.let_go()      # what the photo before it took
                        try:
                            row = _member(archive, item, Path(name), task)
                        except OutputError:
                            raise
                        except GpudepthError as error:
                            failed.append(f"{item.key}: {error}")
                            continue
                        add(spent, row.stages)
                        rows.append(row)
                if not rows:
                    raise self._failed(failed)
            there = made if isinstance(self.output, Target) else self.output
            digest, size = sha256(there), there.stat().st_size
            etag = self.output.put(made)[1] if isinstance(self.output, Target) else ""
        if failed:
            raise self._failed(failed)
        return replace(self._row(rows, task, spent), output_size=size, output_sha256=digest, output_etag=etag)

    def _failed(self, failed: list[str]) -> PartialRunError:
        more = f"; and {len(failed) - NAMED} more" if len(failed) > NAMED else ""
        return PartialRunError(f"{len(failed)} of {len(self.items)} photos failed and are not in it: "
                               + "; ".join(failed[:NAMED]) + more, where=str(self.output))

    def _row(self, rows: list[Row], task: Task, spent: dict[str, float]) -> Row:
        states = [state for row in rows for state in (row.photo, row.depth, *row.beside) if state is not None]
        near = min((row.metres[0] for row in rows if row.metres and row.metres[0] is not None), default=None)
        fars = [row.metres[1] for row in rows if row.metres]
        far = None if None in fars else max((f for f in fars if f is not None), default=None)
        warnings = [f"{row.key}: {warning}" for row in rows for warning in row.warnings]
        return Row(self.key, "ok", task.job, states[0], states[1], self.target, said=f"{len(rows)} photos",
                   metres=(near, far), filled=sum(row.filled for row in rows), warnings=tuple(warnings[:WARNINGS]),
                   members=self.members, beside=tuple(states[2:]), pixels=sum(row.pixels for row in rows),
                   stages=rounded(spent))


def _member(archive: tarfile.TarFile, item: PhotoItem, scratch: Path, task: Task) -> Row:
    """Do one photo, and put it in."""
    here = scratch / f"photo{item.output.suffix}"
    row = replace(item, output=here).do(task)
    try:
        about = tarfile.TarInfo(str(item.output))
        about.size = here.stat().st_size
        with here.open("rb") as file:
            archive.addfile(about, file)
        here.unlink()
    except OSError as error:
        raise OutputError(f"cannot be written: {error.strerror or error}", where=here) from None
    return row


def gather(items: Iterable[PhotoItem], template: str, count: int, root: Path) -> tuple[Tar, ...]:
    """The tars that items with outputs like `out/{tar}.tar/a.heic` go to, by number."""
    found: dict[int, list[PhotoItem]] = {}
    for item in items:
        found.setdefault(key_hash(item.key) % count, []).append(item)
    out = []
    for number, members in sorted(found.items()):
        path = target(tar_of(str(members[0].output), template, number, count))
        inside = sorted(map(_inside, members), key=lambda member: member.key)
        out.append(Tar(below(path, root), tuple(inside), path))
    return tuple(out)


def left_over(tars: Sequence[Tar], template: str) -> list[Path]:
    """Tars in the same folders that would be read with these and are none of them: of another `output.tars`, or of
    photos that have gone. Of stores nothing is asked."""
    before, _, after = (template.partition(INSIDE)[0].rpartition("/")[2] + INSIDE[:-1]).partition(NUMBER)
    name = re.compile(re.escape(before) + "[0-9]+" + re.escape(after))
    ours = {tar.output for tar in tars if isinstance(tar.output, Path)}
    found = []
    for folder in sorted({path.parent for path in ours}):
        with suppress(OSError):     # it is not there yet
            found += sorted(path for path in folder.iterdir() if name.fullmatch(path.name) and path not in ours)
    return found


def _inside(item: PhotoItem) -> PhotoItem:
    name = str(item.output).partition(INSIDE)[2]
    return replace(item, output=Path(name), target=name)
