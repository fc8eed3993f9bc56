"""Finds pairs by time: photos and maps with the nearest time stamps, each used once, as TUM's associate.py does.

Times are exact decimals. They are seconds in TUM's lists and by default; any other unit works as long as tolerance and
offset use it as well.
"""

from __future__ import annotations

import heapq
import re
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

from ..errors import UsageError
from .files import FoundFile, Listing, by_group, common_names, list_files, without_maps
from .manifest import ListFile
from .pairs import Pair, Pairing, find_collisions, natural_key, natural_sorted, output_template, photo_key
from .stores import located
from .templates import placeholders

TOLERANCE = 0.02
TIME = "time"
_STAMP = re.compile(r"[-+]?(?=[0-9.]{1,28}$)([0-9]+)(\.[0-9]*)?", re.ASCII)
_LINE = re.compile(r"\s*,\s*|\s+")
_WILD = re.compile(r"[*?{}]")


@dataclass(frozen=True)
class _Side:
    """Photos or maps with their times, in order.

    Attributes:
        listing: The files.
        times: Time of each file that has a valid one.
        gone: Files that a list names and that do not exist.
    """

    listing: Listing
    times: dict[Path, Decimal]
    gone: frozenset[Path] = frozenset()


def parse_time(text: str) -> Decimal | None:
    """Return the time stamp that a text of at most 28 characters holds, or None when it is not one."""
    return Decimal(text) if _STAMP.fullmatch(text) else None


def associate(first: Sequence[Decimal], second: Sequence[Decimal], tolerance: Decimal) -> list[tuple[int, int]]:
    """Match times that differ by less than `tolerance`: the nearest first, each used once, earlier before later.

    Times of one side are all different, so the two nearest of the remaining times are always neighbours.

    Args:
        first: Times of one side.
        second: Times of the other side, in the same unit.
        tolerance: Upper bound of the difference, exclusive.

    Returns:
        Pairs of indices into `first` and `second`, in rising order.

    Source: TUM RGB-D benchmark tools, associate.py.
    """
    times = sorted([(t, 0, i) for i, t in enumerate(first)] + [(t, 1, i) for i, t in enumerate(second)])
    after, before = list(range(1, len(times) + 1)), list(range(-1, len(times) - 1))
    heap: list[tuple[Decimal, Decimal, int, int]] = []

    def offer(low: int, high: int) -> None:
        if low >= 0 and high < len(times) and times[low][1] != times[high][1]:
            gap = times[high][0] - times[low][0]
            if gap < tolerance:
                heapq.heappush(heap, (gap, times[low][0] if times[low][1] == 0 else times[high][0], low, high))

    for place in range(len(times) - 1):
        offer(place, place + 1)
    found, used = [], set[int]()
    while heap:
        _, _, low, high = heapq.heappop(heap)
        if low in used or high in used:
            continue
        used |= {low, high}
        one, other = sorted((times[low], times[high]), key=lambda time: time[1])
        found.append((one[2], other[2]))
        left, right = before[low], after[high]
        if left >= 0:
            after[left] = right
        if right < len(times):
            before[right] = left
        offer(left, right)
    return sorted(found)


def find_by_time(base: Path, color: str, depth: str, output: str | None = None, *, tolerance: float = TOLERANCE,
                 offset: float = 0.0, allow_missing: bool = False) -> Pairing:
    """Pair photos with the maps whose time is nearest.

    Args:
        base: Folder that relative paths start from.
        color: TUM's rgb.txt (one line per file: its time and its path relative to the list), or a glob or template with
            {time}. Other placeholders that both sides share make groups, which are matched separately.
        depth: TUM's depth.txt, or a glob or template with {time}.
        output: Template of the output, made of color's placeholders, {time} and {stem}.
        tolerance: Times differ by less than this, in the unit of the times.
        offset: Added to the times of the maps.
        allow_missing: Leave a photo unmatched when its listed map does not exist, instead of raising an error.

    Returns:
        The pairs in natural order.

    Raises:
        JobError: A list has mistakes; all of them are reported.
        UsageError: A template is bad, or a time is invalid or occurs twice.
    """
    base = Path(base)
    maps = _side(base, "depth", depth, allow_missing=allow_missing)
    photos = _side(base, "color", color)
    listing, previews = photos.listing, tuple[Path, ...]()
    if not _is_list(color):
        listing, previews = without_maps(listing, maps.listing)
    _check_times("color", listing, photos.times)
    _check_times("depth", maps.listing, maps.times)
    shared = () if _is_list(depth) else common_names(listing, maps.listing, depth, own=(TIME,))
    goals = output_template(output, listing.names)
    left, right = by_group(listing, shared), by_group(maps.listing, shared)
    shift, limit = Decimal(str(offset)), Decimal(str(tolerance))
    pairs, matched = [], set[Path]()
    for group, mine in left.items():
        theirs = right.get(group, [])
        _check_twice("color", mine, photos.times)
        _check_twice("depth", theirs, maps.times)
        when = [photos.times[file.path] for file in mine], [maps.times[file.path] + shift for file in theirs]
        for i, j in associate(*when, limit):
            matched.add(theirs[j].path)
            if theirs[j].path not in maps.gone:
                photo = mine[i]
                matched.add(photo.path)
                goal = located(base, goals.format(photo.fields)) if goals else None
                pairs.append(Pair(photo_key(photo.path, base), photo.path, theirs[j].path, photo.fields, goal))
    pairs.sort(key=lambda pair: natural_key(pair.color))
    return Pairing(
        tuple(pairs), natural_sorted(path for path in listing.paths if path not in matched),
        natural_sorted(path for path in maps.listing.paths if path not in matched and path not in maps.gone), (),
        find_collisions(pairs, [*listing.paths, *maps.listing.paths, *previews]), previews, listing.names)


def _is_list(text: str) -> bool:
    return not _WILD.search(text)


def _side(base: Path, what: str, text: str, *, allow_missing: bool = False) -> _Side:
    if _is_list(text):
        return _read_times(base, what, text, allow_missing=allow_missing)
    if TIME not in placeholders(text):
        raise UsageError(f"{text!r} has no {{time}} placeholder", where=f"source.{what}",
                         hint="write rgb/{time}.png, or name a list of times and files: rgb.txt")
    listing = list_files(base, text)
    times = {file.path: parse_time(file.fields[TIME]) for file in listing.files}
    return _Side(listing, {path: time for path, time in times.items() if time is not None})


def _read_times(base: Path, what: str, text: str, *, allow_missing: bool) -> _Side:
    source = ListFile(base / text)
    files, times, lines, gone = [], dict[Path, Decimal](), dict[Path, int](), set[Path]()
    for line, words in source.lines():
        stamp, name = _split(words)
        time = parse_time(stamp)
        if time is None or not name:
            source.wrong(line, f"{words.strip()[:60]!r} is not a time and a file, such as "
                               "1305031102.175304 rgb/1305031102.175304.png")
            continue
        path = source.resolve(name)
        if path in lines:
            source.wrong(line, f"{name!r} is already in line {lines[path]}")
            continue
        lines[path] = line
        if not source.has(name):
            if not allow_missing:
                source.named(line, what, name)
            gone.add(path)
        times[path] = time
        files.append(FoundFile(path, {"stem": path.stem, TIME: stamp}))
    source.check()
    if not files:
        raise UsageError("the list names no files", where=source.path,
                         hint="write one line per file: its time and its path")
    files.sort(key=lambda file: natural_key(file.path))
    return _Side(Listing(tuple(files), frozenset({"stem", TIME})), times, frozenset(gone))


def _split(line: str) -> tuple[str, str]:
    parts = _LINE.split(line.strip(), maxsplit=1)
    return parts[0], parts[1] if len(parts) > 1 else ""


def _check_times(what: str, listing: Listing, times: dict[Path, Decimal]) -> None:
    odd = [file for file in listing.files if file.path not in times]
    if odd:
        more = f" ({len(odd)} such files)" if len(odd) > 1 else ""
        raise UsageError(f"{odd[0].fields[TIME]!r} is not a time stamp{more}", where=odd[0].path,
                         hint=f"in source.{what}, {{time}} must match digits with at most one decimal point")


def _check_twice(what: str, files: Sequence[FoundFile], times: dict[Path, Decimal]) -> None:
    first: dict[Decimal, Path] = {}
    for file in files:
        other = first.setdefault(times[file.path], file.path)
        if other != file.path:
            raise UsageError(f"the file has the same time as {other.name}, {times[file.path]}", where=file.path,
                             hint=f"in source.{what}, times must differ; use another placeholder to separate cameras")
