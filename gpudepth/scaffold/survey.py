"""What lies in a folder: its files by folder and suffix, and what each kind is."""

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
MOST_SAID = 20
MANY = 12               # groups; further ones are taken for what the same folder of another scene holds
_NO_MAPS = re.compile(r"mask|conf|valid|normal|semantic|label|segm|preview|albedo|flow", re.IGNORECASE)
_GRAY = 2                           # what JPEG leaves between the channels of gray


@dataclass
class Group:
    """Files of one folder (relative, "" for the surveyed one itself), suffix, and ending of their names ("_depth");
    beginning: that all of them have ("rgb_"), where it is left out of what is different about each."""

    folder: str
    suffix: str
    names: list[str]
    ending: str = ""
    role: Role = "other"
    beginning: str = ""

    def path(self, base: Path, name: str) -> Path:
        return base / self.folder / name

    def stems(self) -> list[str]:
        """What is different about each: the name without suffix, ending and beginning."""
        return [name[len(self.beginning) : len(name) - len(self.suffix) - len(self.ending)] for name in self.names]

    def trimmed(self) -> Iterator[Group]:
        """The same with the ending and the beginning that all names have left out, if they have any."""
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
    """All groups of a folder, and the files that say by themselves what belongs together."""

    base: Path
    groups: list[Group] = field(default_factory=list)
    more: bool = False

    def role(self, role: Role) -> list[Group]:
        return [group for group in self.groups if group.role == role]

    def has(self, *names: str) -> bool:
        return all((self.base / name).is_file() for name in names)

    def of(self, *suffixes: str) -> list[Group]:
        return [group for group in self.groups if group.suffix.lower() in suffixes]

    def said(self) -> list[str]:
        """For people: `photos/*.jpg: 12 photos`."""
        words = {"photo": "photos", "map": "maps", "picture of a map": "pictures of maps, coloured or beside the photo",
                 "damaged": "files that cannot be read", "other": "videos"}
        groups = [group for group in self.groups if group.role != "other" or group.suffix.lower() in VIDEOS]
        more = [f"and {len(groups) - MOST_SAID} more kinds of files"] * (len(groups) > MOST_SAID)
        return [f"{group}: {len(group.names)} {words[group.role]}" for group in groups[:MOST_SAID]] + more


def survey(base: Path) -> Survey:
    """Look into a folder. Raises MissingInputError."""
    if not base.is_dir():
        if base.exists():
            raise MissingInputError("is no folder", where=base, hint=f"gpudepth init {base.parent}")
        raise missing_file(base, "no such folder")
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
                known[alike] = _settled(base, whole)
                out.groups += known[alike]
            else:
                out.groups += _as_before(whole, known[alike])
    return out


def _folders(base: Path) -> Iterator[tuple[str, list[str]]]:
    for folder, below, names in os.walk(base):
        here = Path(folder).relative_to(base)
        if LEDGER in names:     # what a run made
            below.clear()
            continue
        below[:] = sorted(name for name in below if not name.startswith(".")) if len(here.parts) < MOST_DEEP else []
        yield "" if here == Path() else here.as_posix(), [name for name in names if not name.startswith(".")]


def _settled(base: Path, group: Group) -> list[Group]:
    """With its role; split by the endings of names where photos and maps lie in it side by side."""
    roles = [role_of(group.path(base, name)) for name in _some(group.names)]
    endings = {ending(name, group.suffix) for name in group.names}
    if (len(set(roles)) > 1 or group.suffix.lower() in EITHER) and 1 < len(endings) <= len(group.names) // 2:
        parts = [Group(group.folder, group.suffix, [n for n in group.names if ending(n, group.suffix) == e], e)
                 for e in sorted(endings)]
        for part in parts:
            part.role = _one([role_of(part.path(base, name)) for name in _some(part.names)])
    else:
        group.role, parts = _one(roles), [group]
    for part in parts:
        if part.role == "photo" and part.suffix.lower() in EITHER and _holds_both(part.path(base, part.names[0])):
            part.role = "picture of a map"
    return parts


def _as_before(group: Group, known: list[Group]) -> list[Group]:
    """Split as groups that are known, with their roles; without looking at any file."""
    parts = [replace(one, folder=group.folder, suffix=group.suffix,
                     names=[n for n in group.names if len(known) == 1 or ending(n, group.suffix) == one.ending])
             for one in known]
    return [part for part in parts if part.names]


def _common_start(names: list[str]) -> str:
    first, last = min(names), max(names)
    return first[: next((n for n, (a, b) in enumerate(zip(first, last, strict=False)) if a != b), len(first))]


def ending(name: str, suffix: str) -> str:
    """`_depth` of 0001_depth.png: what follows the last number, if it is a word."""
    found = re.search(r"[_.-][A-Za-z]+$", name[: len(name) - len(suffix)])
    return found[0] if found else ""


def _one(roles: list[Role]) -> Role:
    return max(set(roles), key=roles.count)


def _some(names: list[str]) -> list[str]:
    step = max(1, len(names) // PEEKS)
    return names[::step][:PEEKS]


def role_of(path: Path) -> Role:
    """By the suffix where that says it, else by the pixels."""
    suffix = path.suffix.lower()
    if _NO_MAPS.search(f"{path.parent.name}/{path.stem}") and suffix in (*MAPS, *EITHER):
        return "other"
    if suffix in PHOTOS:
        return "photo"
    if suffix in MAPS:
        return "map"
    return _by_pixels(path) if suffix in EITHER else "other"


def _holds_both(path: Path) -> bool:
    """Photo and map side by side, as models write them for people to look at."""
    pixels = _pixels(path)
    return pixels is not None and explain_colours(pixels, where="").hint == ALONE_HINT


def _pixels(path: Path) -> NDArray[np.uint8] | None:
    """In colour; None where it cannot be read."""
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
