"""An item whose files are in an object store: fetched into a folder of its own, done as any other, put there again."""

from __future__ import annotations

import os
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import GpudepthError, OutputError
from ..formats.inputs import Input
from ..sources.stores import Stored, Target
from .ledger import FileState, Row
from .stopwatch import lap, rounded, stage

if TYPE_CHECKING:
    from .item import Item
    from .task import Task

LONGEST_NAME = 200      # bytes of a file's; keys may have more


def do_stored(item: Item, task: Task) -> Row:
    """See `Work.do`. What is read is checked against its listing, before and after; the row is made when the output is
    in the store."""
    try:
        scratch_folder = tempfile.TemporaryDirectory(prefix="gpudepth-", dir=task.scratch)
    except OSError as error:
        raise OutputError(f"cannot be written: {error.strerror}", where=task.scratch or tempfile.gettempdir()) from None
    with scratch_folder as name:
        scratch = Path(name)
        called: dict[str, str] = {}

        def fetch(file: Input) -> Input:
            if not isinstance(file, Stored):
                return file
            path = scratch / str(len(called)) / _shortened(file.name)
            path.parent.mkdir()
            called[str(path)] = file.url
            file.fetch(path, task.recipe.limits)
            return path

        output = item.output
        made = scratch / "out" / _shortened(output.name) if isinstance(output, Target) else output
        called[str(made)] = str(output)
        lap()       # what a failed item before this one left
        try:
            with stage("fetch"):
                here = replace(
                    item, photo=fetch(item.photo), depth=fetch(item.depth), output=made,
                    metric=item.metric and fetch(item.metric), confidence=item.confidence and fetch(item.confidence),
                    camera=item.camera and fetch(item.camera), ahead=(), aids=tuple(fetch(file) for file in item.aids))
            fetched = rounded(lap())
            row = here.do(task)
        except GpudepthError as error:
            raise _renamed(error, called) from None
        photo, depth, *beside = map(_state, (row.photo, row.depth, *row.beside), item.inputs)
        with stage("put"):
            etag = output.put(made)[1] if isinstance(output, Target) else ""
    return replace(row, photo=photo, depth=depth, beside=tuple(state for state in beside if state), output_etag=etag,
                   stages={**fetched, **row.stages, **rounded(lap())})


def _shortened(name: str) -> str:
    """Its end, which has the suffix, as long as file systems take it."""
    return os.fsencode(name)[-LONGEST_NAME:].decode(errors="ignore")


def _state(state: FileState | None, file: Input) -> FileState | None:
    """What the ledger keeps of an object."""
    if state is None or not isinstance(file, Stored):
        return state
    return FileState(file.size, 0, 0, state.sha256, etag=file.etag)


def _renamed(error: GpudepthError, called: dict[str, str]) -> GpudepthError:
    """With the names that files have in the store, wherever they were here."""
    for path, url in called.items():
        error.message = error.message.replace(path, url)
        error.where = error.where and error.where.replace(path, url)
        error.hint = error.hint and error.hint.replace(path, url)
    return error
