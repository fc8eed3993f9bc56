"""Describes a missing file: which folder does not exist, or which name was probably meant."""

from __future__ import annotations

import difflib
import os
from itertools import islice
from pathlib import Path

from ..errors import MissingInputError

LOOKED_AT = 2000        # names of a folder that are compared
CLOSE = 0.7             # similarity of names from which one is suggested


def missing(path: str | os.PathLike[str] | bytes, what: str = "the file does not exist",
            hint: str | None = None) -> MissingInputError:
    """Make the error for a missing file; `hint` is used if no name in the folder is similar."""
    file = Path(os.fsdecode(path))
    there, wanted = file.parent, file.name
    while not there.is_dir() and there != there.parent:
        there, wanted = there.parent, there.name
    if there != file.parent:
        what += f": there is no folder {there / wanted}"
    meant = _meant(there, wanted, a_folder=there != file.parent)
    return MissingInputError(what, where=os.fsdecode(path), hint=f"did you mean {meant}?" if meant else hint)


def _meant(folder: Path, wanted: str, *, a_folder: bool) -> Path | None:
    """Return the entry of a folder with the most similar name."""
    try:
        with os.scandir(folder) as entries:
            names = {entry.name.casefold(): entry.name for entry in islice(entries, LOOKED_AT)
                     if entry.is_dir() or not a_folder}
    except (OSError, ValueError):
        return None
    for found in difflib.get_close_matches(wanted.casefold(), names, 5, CLOSE):
        stems = Path(found).stem, Path(wanted.casefold()).stem      # a common .png does not make names similar
        if difflib.SequenceMatcher(None, *stems).ratio() >= CLOSE:
            return folder / names[found]
    return None
