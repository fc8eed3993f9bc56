"""Pairs by time: the photo and the map whose time stamps are nearest, each used once, as TUM's associate.py does.

Times are decimals, exactly; in TUM's lists and by default they are seconds, but any unit will do that tolerance and
offset share.
"""

from __future__ import annotations

import heapq
import re
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

from ..errors import UsageError
from .files import Found, Listing, by_group, common_names, list_files, without_maps
from .manifest import ListFile
from .pairs import Pair, Pairing, find_collisions, in_order, natural_key, output_template, photo_key
from .templates import placeholders
from .urls import located

TOLERANCE = 0.02
TIME = "time"
_STAMP = re.compile(r"[-+]?(?=[0-9.]{1,28}$)([0-9]+)(\.[0-9]*)?", re.ASCII)
_LINE = re.compile(r"\s*,\s*|\s+")
_WILD = re.compile(r"[*?{}]")


@dataclass(frozen=True)
class _Side:
    """Photos or maps with their times, in order. gone: files that a list names and that are not there."""

    listing: Listing
    times: dict[Path, Decimal]
    gone: frozenset[Path] = frozenset()


def parse_time(text: str) -> Decimal | None:
    """A time stamp of at most 28 characters; None for what is none."""
    return Decimal(text) if _STAMP.fullmatch(text) else None


def associate(first: Sequence[Decimal], second: Sequence[Decimal], tolerance: Decimal) -> list[tuple[int, int]]:
    """Indices of pairs that differ by less than `tolerance`: the nearest first, each used once, earlier before later.

    The times of a side are all different. Then the nearest two of those left over are neighbours, whatever was taken.
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
    """Pair photos with the maps of about the same time.

    color, depth   TUM's rgb.txt and depth.txt (a line for each file: its time and its path, from the list's folder); or
                   globs or templates with {time}. Other placeholders that both have make groups, each for itself
    output         a template of color's placeholders, {time} and {stem}
    tolerance      times differ by less
    offset         added to the times of the maps
    allow_missing  a listed map that is not there leaves its photo unmatched, and is not wrong

    Raises JobError with every mistake of a list, UsageError for a bad template and times that are none or there twice.
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
        tuple(pairs), in_order(path for path in listing.paths if path not in matched),
        in_order(path for path in maps.listing.paths if path not in matched and path not in maps.gone), (),
        find_collisions(pairs, [*listing.paths, *maps.listing.paths, *previews]), previews, listing.names)


def _is_list(text: str) -> bool:
    return not _WILD.search(text)


def _side(base: Path, what: str, text: str, *, allow_missing: bool = False) -> _Side:
    if _is_list(text):
        return _read_times(base, what, text, allow_missing=allow_missing)
    if TIME not in placeholders(text):
        raise UsageError(f"{text!r} does not say where in it the time is", where=f"source.{what}",
                         hint="rgb/{time}.png, or a list of times and files: rgb.txt")
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
            source.wrong(line, f"{words.strip()[:60]!r} is no time and file, such as "
                               "1305031102.175304 rgb/1305031102.175304.png")
            continue
        path = source.resolve(name)
        if path in lines:
            source.wrong(line, f"{name!r} is in line {lines[path]} already")
            continue
        lines[path] = line
        if not source.has(name):
            if not allow_missing:
                source.named(line, what, name)
            gone.add(path)
        times[path] = time
        files.append(Found(path, {"stem": path.stem, TIME: stamp}))
    source.check()
    if not files:
        raise UsageError("lists no files", where=source.path, hint="a line for each: its time and its path")
    files.sort(key=lambda file: natural_key(file.path))
    return _Side(Listing(tuple(files), frozenset({"stem", TIME})), times, frozenset(gone))


def _split(line: str) -> tuple[str, str]:
    parts = _LINE.split(line.strip(), maxsplit=1)
    return parts[0], parts[1] if len(parts) > 1 else ""


def _check_times(what: str, listing: Listing, times: dict[Path, Decimal]) -> None:
    odd = [file for file in listing.files if file.path not in times]
    if odd:
        more = f" ({len(odd)} such files)" if len(odd) > 1 else ""
        raise UsageError(f"{odd[0].fields[TIME]!r} is no time stamp{more}", where=odd[0].path,
                         hint=f"source.{what}: {{time}} has to take digits, with one point at most")


def _check_twice(what: str, files: Sequence[Found], times: dict[Path, Decimal]) -> None:
    first: dict[Decimal, Path] = {}
    for file in files:
        other = first.setdefault(times[file.path], file.path)
        if other != file.path:
            raise UsageError(f"has the time of {other.name}, {times[file.path]}", where=file.path,
                             hint=f"source.{what}: one file for each time; another placeholder keeps cameras apart")
