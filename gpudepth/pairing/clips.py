"""Finds clips by templates: a video or a sequence of numbered or timed pictures, and the file that holds its depth.

With `{frame}` in a template, all files that agree in their other placeholders form one clip, in the order of their
numbers. `{time}` does the same with times.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from pathlib import Path

from ..errors import UsageError
from .by_name import no_match_error
from .by_time import TIME, parse_time
from .pairs import natural_key, output_template, photo_key
from .templates import Fields, Template, placeholders, search

FRAME = "frame"
_OWN = (FRAME, TIME, "stem")


@dataclass(frozen=True)
class Footage:
    """One side of a clip: a single file or a sequence of files.

    Attributes:
        files: The file, or the files of the sequence in order.
        sequence: Whether it is a sequence.
        numbers: Values of {frame}, rising, or None.
        times: Values of {time}, rising, in the unit of the names, or None.
    """

    files: tuple[Path, ...]
    sequence: bool = False
    numbers: tuple[int, ...] | None = None
    times: tuple[Fraction, ...] | None = None

    @property
    def path(self) -> Path:
        """The file, or the first one of the sequence."""
        return self.files[0]

    def __str__(self) -> str:
        return f"{self.path} … {self.files[-1].name}" if self.sequence else str(self.path)


@dataclass(frozen=True)
class Clip:
    """A video and its depth.

    Attributes:
        key: The video's path relative to the base.
        video: The video.
        depth: The file or sequence that holds the depth; None when the video holds it.
        output: Path of the output movie, or of its pictures with {frame} left in it.
        fields: Values of the placeholders.
    """

    key: str
    video: Footage
    depth: Footage | None
    output: str
    fields: Fields


@dataclass(frozen=True)
class Clips:
    """All clips found, in natural order.

    Attributes:
        clips: The clips with depth.
        without_depth: Videos that have no depth.
        without_video: Depth that has no video.
    """

    clips: tuple[Clip, ...]
    without_depth: tuple[str, ...] = ()
    without_video: tuple[str, ...] = ()


def find_clips(base: Path, video: str, depth: str | None, output: str) -> Clips:
    """Pair videos with the files that hold their depth.

    Args:
        base: Folder that relative paths start from.
        video: Glob or template of the videos; with {frame} or {time} in it, of sequences.
        depth: Template of video's placeholders and {stem}, and {frame} or {time} of its own. None when the videos
            hold the depth.
        output: Template of video's placeholders, {stem} and {frame}.

    Returns:
        The clips in natural order, and the videos and maps left over.

    Raises:
        UsageError: A template is bad, several files match one clip, or a frame number or time is invalid or repeated.
        MissingInputError: There is no video.
    """
    videos = _group(base, "video", video)
    if not videos:
        raise no_match_error(base, video)
    names = frozenset().union(*(fields for fields, _ in videos.values()))
    output_template(output, names | {FRAME})
    wanted, depths = _depths(base, depth, names)
    clips, without, left = [], [], dict(depths)
    for name, fields, footage in _in_order(videos.values(), base):
        key = tuple(fields[n] for n in wanted)
        if depth is not None and key not in depths:
            without.append(name)
            continue
        left.pop(key, None)
        clips.append(Clip(name, footage, _other(depths.get(key), footage), _fill(base, output, fields), fields))
    maps = {path for clip in clips if clip.depth for path in clip.depth.files}
    return Clips(tuple(clip for clip in clips if not _is_depth(clip, maps)),
                 tuple(name for name in without if base / name not in maps),
                 tuple(str(footage) for _, footage in left.values()))


def _is_depth(clip: Clip, maps: set[Path]) -> bool:
    """Return whether the files of a clip are the depth of another."""
    return clip.depth is not None and not maps.isdisjoint(clip.video.files)


def _in_order(videos: Iterable[tuple[Fields, Footage]], base: Path) -> Iterator[tuple[str, Fields, Footage]]:
    """Yield videos with their keys, in natural order."""
    for fields, footage in sorted(videos, key=lambda video: natural_key(video[1].path)):
        yield photo_key(footage.path.parent if footage.sequence else footage.path, base), fields, footage


def _depths(base: Path, depth: str | None,
            names: frozenset[str]) -> tuple[list[str], dict[tuple[str, ...], tuple[Fields, Footage]]]:
    """Return the placeholders by which depth is looked up, and the footage that holds it."""
    if depth is None:
        return [], {}
    wanted = sorted(placeholders(depth) - {FRAME, TIME})
    Template(depth).check_names(names | {FRAME, TIME})
    return wanted, _group(base, "depth", depth, wanted)


def _other(depth: tuple[Fields, Footage] | None, video: Footage) -> Footage | None:
    """Return what holds the depth of a video; None if the video does."""
    if depth is None or (depth[1].path == video.path and not depth[1].sequence):
        return None
    return depth[1]


def footage(text: str) -> Footage:
    """Return one side of a clip, given by a path or by a template with {frame} or {time}.

    Raises:
        UsageError: The template has other placeholders.
        MissingInputError: No file matches.
    """
    names = placeholders(text)
    if not names:
        return Footage((Path(text),))
    if names - {FRAME, TIME}:
        raise UsageError(f"{text!r}: the template of a single clip can only use {{{FRAME}}} or {{{TIME}}}")
    members = list(search(Path(), text))
    if not members:
        raise no_match_error(Path(), text)
    return _footage("depth", members, text)


def _fill(base: Path, output: str, fields: Fields) -> str:
    """Return the output with every placeholder except {frame} filled in."""
    mark = "{" + FRAME + "}"
    parts = output.split(mark)
    if len(parts) > 2:
        raise UsageError(f"{output!r} uses {mark} more than once")
    if len(parts) == 2 and "/" in parts[1]:
        raise UsageError(f"{output!r} uses {mark} in a folder name",
                         hint=f"use it in the file name: out/{{stem}}/{mark}.heic")
    token = "0frame0"
    while any(token in value for value in fields.values()) or token in output:
        token += "0"
    return str(base / Template(output).format({**fields, FRAME: token})).replace(token, mark)


def _group(base: Path, what: str, text: str,
           by: Sequence[str] | None = None) -> dict[tuple[str, ...], tuple[Fields, Footage]]:
    """Group files by all placeholders except {frame}, {time} and, for sequences, {stem}; each group is one footage."""
    sequence = bool(placeholders(text) & {FRAME, TIME})
    groups: dict[tuple[str, ...], list[tuple[Path, Fields]]] = defaultdict(list)
    for path, found in search(base, text, glob=True):
        fields = found if sequence else {"stem": path.stem, **found}
        if by is None:
            key = tuple(f"{n}={fields[n]}" for n in sorted(set(fields) - {FRAME, TIME}))
            key = key if sequence else (*key, str(path))
        else:
            key = tuple(fields[n] for n in by)
        groups[key].append((path, fields))
    return {key: (_shared(members, sequence=sequence), _footage(what, members, text))
            for key, members in groups.items()}


def _shared(members: list[tuple[Path, Fields]], *, sequence: bool) -> Fields:
    path, fields = members[0]
    rest = {n: v for n, v in fields.items() if n not in (FRAME, TIME)}
    return {"stem": path.parent.name, **rest} if sequence else rest


def _footage(what: str, members: list[tuple[Path, Fields]], text: str) -> Footage:
    names = placeholders(text)
    if not names & {FRAME, TIME}:
        if len(members) > 1:
            raise UsageError(f"{text!r} matches {len(members)} files for one clip: "
                             + ", ".join(str(path) for path, _ in members[:5]),
                             hint="add a placeholder to source.depth, or {frame} to make it a sequence")
        return Footage((members[0][0],))
    if FRAME in names:
        values: dict[Path, int] = {}
        for path, fields in members:
            if not fields[FRAME].isdecimal():
                raise UsageError(f"{fields[FRAME]!r} is not a frame number", where=path,
                                 hint=f"in source.{what}, {{frame}} must match digits")
            values[path] = int(fields[FRAME])
        files = sorted(values, key=lambda path: values[path])
        _rising(files, [values[path] for path in files])
        return Footage(tuple(files), True, numbers=tuple(values[path] for path in files))
    times: dict[Path, Decimal] = {}
    for path, fields in members:
        time = parse_time(fields[TIME])
        if time is None:
            raise UsageError(f"{fields[TIME]!r} is not a time stamp", where=path,
                             hint=f"in source.{what}, {{time}} must match digits with at most one decimal point")
        times[path] = time
    files = sorted(times, key=lambda path: times[path])
    _rising(files, [times[path] for path in files])
    return Footage(tuple(files), True, times=tuple(Fraction(times[path]) for path in files))


def _rising(files: list[Path], values: Sequence[int | Decimal]) -> None:
    for i in range(1, len(files)):
        if values[i] == values[i - 1]:
            raise UsageError(f"the file has the same number or time as {files[i - 1].name}, {values[i]}",
                             where=files[i],
                             hint="use another placeholder to separate cameras")
