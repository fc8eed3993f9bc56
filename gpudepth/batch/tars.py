"""Writes outputs as members of tar files, as WebDataset reads them: `out/{tar}.tar/{stem}.heic`.

The tar of a photo is the hash of its key modulo `output.tars`, so that adding photos changes only the tars they belong
to, and each tar is a sample of the whole set. A tar is written, retried, resumed and assigned to a shard as a whole.
The same inputs give the same bytes: members are in the order of their keys, without times and owners.
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
from ..errors import GpudepthError, OutputError, PartialRunError, counted
from ..formats.bytesource import Input
from ..pairing.stores import Target, target
from ..pairing.templates import INSIDE, NUMBER, tar_of
from ..timing import StageTimes
from .ledger import Row, sha256
from .work_item import ItemContext, PhotoItem, Task, below, key_hash

NAMED = 5           # failed photos in a message
WARNINGS = 20       # warnings of members in the row of a tar


@dataclass(frozen=True)
class Tar:
    """Photos that are written into one tar.

    Attributes:
        key: Name of the tar, relative to the plan's root.
        items: Its photos in the order of their keys; the output of each is its name in the tar.
        output: The tar.
    """


    key: str
    items: tuple[PhotoItem, ...]
    output: Path | Target

    @property
    def target(self) -> str:
        """See `WorkItem`."""
        return self.key

    @property
    def depth(self) -> object:
        """See `WorkItem`."""
        return counted(len(self.items), "photo")

    @cached_property
    def inputs(self) -> tuple[Input, ...]:
        """See `WorkItem`."""
        return tuple(file for item in self.items for file in item.inputs)

    @property
    def members(self) -> str:
        """SHA-256 of the names of its members, because renaming a photo does not change its bytes."""
        names = "\0".join(item.target for item in self.items)
        return hashlib.sha256(names.encode("utf-8", "surrogateescape")).hexdigest()

    def is_complete(self, row: Row) -> bool:
        """See `WorkItem`: whether the photos in the tar have their present names."""
        return row.members == self.members

    def run(self, task: Task, context: ItemContext) -> Row:
        """See `WorkItem`. Photos that fail are left out; PartialRunError names them when the tar is written."""
        try:
            return self._run(task, context)
        except OSError as error:        # of the scratch folder
            raise OutputError(f"the tar cannot be written: {error.strerror or error}", where=str(self.output)) from None

    def _run(self, task: Task, context: ItemContext) -> Row:
        failed: list[str] = []
        rows: list[Row] = []
        times = StageTimes()
        with tempfile.TemporaryDirectory(prefix="gpudepth-", dir=task.scratch) as name:
            made = Path(name) / "tar"
            whole = made.open("wb") if isinstance(self.output, Target) else atomic(self.output, make_folder=True)
            with whole as file:
                with tarfile.open(fileobj=file, mode="w", format=tarfile.PAX_FORMAT) as archive:
                    for n, item in enumerate(self.items):
                        context.worker.heartbeat(n)
                        context.worker.lease.release()      # the memory of the previous photo
                        try:
                            row = _add_member(archive, item, Path(name), task, context)
                        except OutputError:
                            raise
                        except GpudepthError as error:
                            failed.append(f"{item.key}: {error}")
                            continue
                        times.add(row.stages)
                        rows.append(row)
                if not rows:
                    raise self._failed(failed)
            there = made if isinstance(self.output, Target) else self.output
            digest, size = sha256(there), there.stat().st_size
            etag = self.output.put(made)[1] if isinstance(self.output, Target) else ""
        if failed:
            raise self._failed(failed)
        return replace(self._row(rows, task, times), output_size=size, output_sha256=digest, output_etag=etag)

    def _failed(self, failed: list[str]) -> PartialRunError:
        more = f"; and {len(failed) - NAMED} more" if len(failed) > NAMED else ""
        return PartialRunError(f"{len(failed)} of {len(self.items)} photos failed and are not in the tar: "
                               + "; ".join(failed[:NAMED]) + more, where=str(self.output))

    def _row(self, rows: list[Row], task: Task, times: StageTimes) -> Row:
        states = [state for row in rows for state in (row.photo, row.depth, *row.beside) if state is not None]
        warnings = [f"{row.key}: {warning}" for row in rows for warning in row.warnings]
        return Row(self.key, "ok", task.job, states[0], states[1], self.target, summary=counted(len(rows), "photo"),
                   metres=_range(rows), filled=sum(row.filled for row in rows), warnings=tuple(warnings[:WARNINGS]),
                   members=self.members, beside=tuple(states[2:]), pixels=sum(row.pixels for row in rows),
                   stages=times.rounded())


def _range(rows: Sequence[Row]) -> tuple[float | None, float | None]:
    """Return nearest and farthest metres of all photos; None for infinity."""
    found = [row.metres for row in rows if row.metres]
    fars = [far for _, far in found]
    return (min((near for near, _ in found if near is not None), default=None),
            None if None in fars else max((far for far in fars if far is not None), default=None))


def _add_member(archive: tarfile.TarFile, item: PhotoItem, scratch: Path, task: Task, context: ItemContext) -> Row:
    """Process one photo and add it to the archive."""
    here = scratch / f"photo{item.output.suffix}"
    row = replace(item, output=here).run(task, context)
    try:
        about = tarfile.TarInfo(str(item.output))
        about.size = here.stat().st_size
        with here.open("rb") as file:
            archive.addfile(about, file)
        here.unlink()
    except OSError as error:
        raise OutputError(f"the file cannot be written: {error.strerror or error}", where=here) from None
    return row


def gather(items: Iterable[PhotoItem], template: str, count: int, root: Path) -> tuple[Tar, ...]:
    """Return the tars of items with outputs such as `out/{tar}.tar/a.heic`, by number."""
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
    """Return stale tars in the folders of these tars, which would be read along with them.

    They were written with another `output.tars`, or hold photos that no longer exist. Object stores are not searched.
    """
    before, _, after = (template.partition(INSIDE)[0].rpartition("/")[2] + INSIDE[:-1]).partition(NUMBER)
    name = re.compile(re.escape(before) + "[0-9]+" + re.escape(after))
    ours = {tar.output for tar in tars if isinstance(tar.output, Path)}
    found = []
    for folder in sorted({path.parent for path in ours}):
        with suppress(OSError):     # the folder does not exist yet
            found += sorted(path for path in folder.iterdir() if name.fullmatch(path.name) and path not in ours)
    return found


def _inside(item: PhotoItem) -> PhotoItem:
    name = str(item.output).partition(INSIDE)[2]
    return replace(item, output=Path(name), target=name)
