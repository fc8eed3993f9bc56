"""Surveys a folder: groups its files by folder and suffix, and determines the role of each group."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from ..batch.ledger import LEDGER
from ..errors import GpudepthError, MissingInputError, missing_file
from ..limits import DEFAULT
from ..maps.pictures import ALONE_HINT, explain_colours, palette_of
from ..pairing.pairs import natural_key

Role = Literal["photo", "map", "picture of a map", "damaged", "other"]
PHOTOS = (".heic", ".heif", ".hif", ".jpg", ".jpeg", ".dng", ".webp", ".bmp")
MAPS = (".npy", ".npz", ".pfm", ".pgm", ".dpt", ".h5", ".hdf5")
EITHER = (".png", ".tif", ".tiff")
VIDEOS = (".mp4", ".mov", ".m4v", ".mkv", ".webm")
MOST_FILES, MOST_DEEP, PEEKS = 50_000, 6, 3
MOST_LISTED = 20
MANY = 12               # groups whose files are examined; later groups get the role of a similar folder
_NO_MAPS = re.compile(r"mask|conf|valid|normal|semantic|label|segm|preview|albedo|flow", re.IGNORECASE)
_GRAY = 2                           # largest difference between the channels of gray after JPEG


@dataclass
class Group:
    """Files of one folder with the same suffix.

    Attributes:
        folder: The folder relative to the surveyed one, "" for the surveyed one itself.
        suffix: The suffix of the names.
        names: The names.
        ending: The ending that all names have before the suffix ("_depth").
        role: What the files are.
        beginning: The beginning of all names ("rgb_"), if it is not part of the stems.
    """

    folder: str
    suffix: str
    names: list[str]
    ending: str = ""
    role: Role = "other"
    beginning: str = ""

    def path(self, base: Path, name: str) -> Path:
        return base / self.folder / name

    def stems(self) -> list[str]:
        """Return the names without beginning, ending and suffix."""
        return [name[len(self.beginning) : len(name) - len(self.suffix) - len(self.ending)] for name in self.names]

    def trimmed(self) -> Iterator[Group]:
        """Yield the group with the common ending, and with the common beginning, removed from the stems."""
        if not self.ending and not self.beginning:
            endings = {ending(name, self.suffix) for name in self.names}
            start = re.match(r"\D*", _common_start(self.names))
            for group in (replace(self, ending=max(endings)) if len(endings) == 1 else self,
                          replace(self, beginning=start[0] if start else "")):
                if group != self and all(group.stems()):
                    yield group

    def __str__(self) -> str:
        return str(PurePosixPath(self.folder) / f"*{self.ending}{self.suffix}")


@dataclass
class Survey:
    """The groups of files in a folder; `more` if there are too many files to examine all."""

    base: Path
    groups: list[Group] = field(default_factory=list)
    more: bool = False

    def role(self, role: Role) -> list[Group]:
        return [group for group in self.groups if group.role == role]

    def has(self, *names: str) -> bool:
        return all((self.base / name).is_file() for name in names)

    def of(self, *suffixes: str) -> list[Group]:
        return [group for group in self.groups if group.suffix.lower() in suffixes]

    def summary(self) -> list[str]:
        """Return lines for people such as `photos/*.jpg: 12 photos`."""
        words = {"photo": "photo{s}", "map": "map{s}", "picture of a map": "picture{s} of coloured maps or with photo "
                 "and map side by side", "damaged": "unreadable file{s}", "other": "video{s}"}
        groups = [group for group in self.groups if group.role != "other" or group.suffix.lower() in VIDEOS]
        more = [f"and {len(groups) - MOST_LISTED} more kinds of files"] * (len(groups) > MOST_LISTED)
        return [f"{group}: {len(group.names)} {words[group.role].format(s='s' * (len(group.names) != 1))}"
                for group in groups[:MOST_LISTED]] + more


def survey(base: Path) -> Survey:
    """Survey a folder. Raises MissingInputError."""
    if not base.is_dir():
        if base.exists():
            raise MissingInputError("a folder is expected, not a file", where=base, hint=f"gpudepth init {base.parent}")
        raise missing_file(base, "the folder does not exist")
    out, count = Survey(base), 0
    known: dict[tuple[tuple[str, ...], str], list[Group]] = {}
    for folder, names in _folders(base):
        count += len(names)
        if count > MOST_FILES:
            out.more = True
            break
        by_suffix: dict[str, list[str]] = {}
        for name in names:
            by_suffix.setdefault(PurePosixPath(name).suffix.lower(), []).append(name)
        for suffix, found in sorted(by_suffix.items()):
            whole = Group(folder, PurePosixPath(found[0]).suffix, sorted(found, key=natural_key))
            alike = PurePosixPath(folder).parts[1:], suffix
            if len(out.groups) < MANY or alike not in known:
                known[alike] = _with_roles(base, whole)
                out.groups += known[alike]
            else:
                out.groups += _split_alike(whole, known[alike])
    return out


def _folders(base: Path) -> Iterator[tuple[str, list[str]]]:
    for folder, below, names in os.walk(base):
        here = Path(folder).relative_to(base)
        if LEDGER in names:     # the output of a run
            below.clear()
            continue
        below[:] = sorted(name for name in below if not name.startswith(".")) if len(here.parts) < MOST_DEEP else []
        yield "" if here == Path() else here.as_posix(), [name for name in names if not name.startswith(".")]


def _with_roles(base: Path, group: Group) -> list[Group]:
    """Return the group with its role, split by the endings of names if it mixes photos and maps."""
    roles = [role_of(group.path(base, name)) for name in _some(group.names)]
    endings = {ending(name, group.suffix) for name in group.names}
    if (len(set(roles)) > 1 or group.suffix.lower() in EITHER) and 1 < len(endings) <= len(group.names) // 2:
        parts = [Group(group.folder, group.suffix, [n for n in group.names if ending(n, group.suffix) == e], e)
                 for e in sorted(endings)]
        for part in parts:
            part.role = _most_common([role_of(part.path(base, name)) for name in _some(part.names)])
    else:
        group.role, parts = _most_common(roles), [group]
    for part in parts:
        if part.role == "photo" and part.suffix.lower() in EITHER and _holds_both(part.path(base, part.names[0])):
            part.role = "picture of a map"
    return parts


def _split_alike(group: Group, known: list[Group]) -> list[Group]:
    """Split a group like the groups of a similar folder, with their roles, without examining files."""
    parts = [replace(one, folder=group.folder, suffix=group.suffix,
                     names=[n for n in group.names if len(known) == 1 or ending(n, group.suffix) == one.ending])
             for one in known]
    return [part for part in parts if part.names]


def _common_start(names: list[str]) -> str:
    first, last = min(names), max(names)
    return first[: next((n for n, (a, b) in enumerate(zip(first, last, strict=False)) if a != b), len(first))]


def ending(name: str, suffix: str) -> str:
    """Return the word at the end of a name: `_depth` of 0001_depth.png."""
    found = re.search(r"[_.-][A-Za-z]+$", name[: len(name) - len(suffix)])
    return found[0] if found else ""


def _most_common(roles: list[Role]) -> Role:
    return max(set(roles), key=roles.count)


def _some(names: list[str]) -> list[str]:
    step = max(1, len(names) // PEEKS)
    return names[::step][:PEEKS]


def role_of(path: Path) -> Role:
    """Return the role of a file by its suffix, or by its pixels if the suffix allows several."""
    suffix = path.suffix.lower()
    if _NO_MAPS.search(f"{path.parent.name}/{path.stem}") and suffix in (*MAPS, *EITHER):
        return "other"
    if suffix in PHOTOS:
        return "photo"
    if suffix in MAPS:
        return "map"
    return _by_pixels(path) if suffix in EITHER else "other"


def _holds_both(path: Path) -> bool:
    """Return whether a picture shows photo and map side by side, as models write them for people."""
    pixels = _pixels(path)
    return pixels is not None and explain_colours(pixels, where="").hint == ALONE_HINT


def _pixels(path: Path) -> NDArray[np.uint8] | None:
    """Return the picture as RGB, or None if it cannot be read."""
    from ..containers.heif.photo_encoder import decode, open_photo

    try:
        with open_photo(path, DEFAULT) as image:
            return np.asarray(decode(image, "RGB", path))
    except GpudepthError:
        return None


def _by_pixels(path: Path) -> Role:
    from ..containers.heif.photo_encoder import open_photo

    try:
        with open_photo(path, DEFAULT) as image:
            if image.mode in ("I;16", "I;16B", "I", "F", "L"):
                return "map"
            if image.mode not in ("RGB", "RGBA", "P"):
                return "other"
    except GpudepthError:
        return "damaged"
    pixels = _pixels(path)
    if pixels is None:
        return "damaged"
    if np.ptp(pixels.astype(np.int16), axis=2).max() <= _GRAY:
        return "map"
    return "picture of a map" if palette_of(pixels) else "photo"
