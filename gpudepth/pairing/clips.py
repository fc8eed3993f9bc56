"""Clips: a video, or a sequence of numbered or timed pictures, and what holds its depth; found by templates.

`{frame}` in a template makes it a sequence: all files whose other placeholders agree are one clip, in the order of
their numbers. `{time}` does the same with times.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from pathlib import Path

from ..errors import UsageError
from .by_name import nothing_found
from .by_time import TIME, parse_time
from .pairs import natural_key, output_template, photo_key
from .templates import Fields, Template, placeholders, search

FRAME = "frame"
_OWN = (FRAME, TIME, "stem")


@dataclass(frozen=True)
class Footage:
    """One side of a clip: a single file, or a sequence of files.

    numbers    of {frame}, rising; times of {time}, rising, in the unit of the names; else None
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
    """A video and its depth; None: the video holds it. key: the video's path, relative to the base. output: the path
    with {frame} left in it, or that of a movie. fields: what the placeholders were."""

    key: str
    video: Footage
    depth: Footage | None
    output: str
    fields: Fields


@dataclass(frozen=True)
class Clips:
    """All that was found, in natural order."""

    clips: tuple[Clip, ...]
    without_depth: tuple[str, ...] = ()
    without_video: tuple[str, ...] = ()


def find_clips(base: Path, video: str, depth: str | None, output: str) -> Clips:
    """Pair videos with what holds their depth.

    video    a glob or template; with {frame} or {time} in it, sequences
    depth    a template of video's placeholders and {stem}, and {frame} or {time} of its own; None: the videos hold it
    output   a template of video's placeholders, {stem} and {frame}

    Raises UsageError for bad templates, several files where one was meant, sequences with numbers or times that are
    none or there twice; MissingInputError when there is no video.
    """
    videos = _group(base, "video", video)
    if not videos:
        raise nothing_found(base, video)
    names = frozenset().union(*(fields for fields, _ in videos.values()))
    output_template(output, names | {FRAME})
    depths: dict[tuple[str, ...], tuple[Fields, Footage]] = {}
    if depth is not None:
        wanted = placeholders(depth) - {FRAME, TIME}
        Template(depth).check_names(names | {FRAME, TIME})
        depths = _group(base, "depth", depth, sorted(wanted))
    clips, alone, used = [], [], set[tuple[str, ...]]()
    for key in sorted(videos, key=lambda key: natural_key(videos[key][1].path)):
        fields, footage = videos[key]
        name = photo_key(footage.path.parent if footage.sequence else footage.path, base)
        found = None
        if depth is not None:
            mine = tuple(fields[n] for n in sorted(wanted))
            if mine not in depths:
                alone.append(name)
                continue
            used.add(mine)
            found = depths[mine][1]
        if found is not None and found.path == footage.path and not found.sequence:
            found = None
        clips.append(Clip(name, footage, found, _fill(base, output, fields), fields))
    left = [str(footage) for key, (_, footage) in depths.items() if key not in used]
    maps = {path for clip in clips if clip.depth for path in clip.depth.files}
    clips = [clip for clip in clips if clip.depth is None or not maps & set(clip.video.files)]
    alone = [name for name in alone if base / name not in maps]
    return Clips(tuple(clips), tuple(alone), tuple(left))


def footage(text: str) -> Footage:
    """One side of a clip by its path, or by a template with {frame} or {time}. Raises UsageError, MissingInputError."""
    names = placeholders(text)
    if not names:
        return Footage((Path(text),))
    if names - {FRAME, TIME}:
        raise UsageError(f"{text!r}: of a single clip only {{{FRAME}}} or {{{TIME}}} is known")
    members = list(search(Path(), text))
    if not members:
        raise nothing_found(Path(), text)
    return _footage("depth", members, text)


def _fill(base: Path, output: str, fields: Fields) -> str:
    """The output with everything but {frame} filled in."""
    mark = "{" + FRAME + "}"
    parts = output.split(mark)
    if len(parts) > 2:
        raise UsageError(f"{output!r} names {mark} more than once")
    if len(parts) == 2 and "/" in parts[1]:
        raise UsageError(f"{output!r} has {mark} in a folder", hint=f"out/{{stem}}/{mark}.heic")
    token = "0frame0"
    while any(token in value for value in fields.values()) or token in output:
        token += "0"
    return str(base / Template(output).format({**fields, FRAME: token})).replace(token, mark)


def _group(base: Path, what: str, text: str,
           by: Sequence[str] | None = None) -> dict[tuple[str, ...], tuple[Fields, Footage]]:
    """Files by their placeholders but {frame}, {time} and {stem} (of sequences); each a footage."""
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
            raise UsageError(f"{text!r} finds {len(members)} files for one clip: "
                             + ", ".join(str(path) for path, _ in members[:5]),
                             hint="source.depth needs another placeholder; {frame} makes it a sequence")
        return Footage((members[0][0],))
    if FRAME in names:
        values: dict[Path, int] = {}
        for path, fields in members:
            if not fields[FRAME].isdecimal():
                raise UsageError(f"{fields[FRAME]!r} is no frame number", where=path,
                                 hint=f"source.{what}: {{frame}} has to take digits")
            values[path] = int(fields[FRAME])
        files = sorted(values, key=lambda path: values[path])
        _rising(files, [values[path] for path in files])
        return Footage(tuple(files), True, numbers=tuple(values[path] for path in files))
    times: dict[Path, Decimal] = {}
    for path, fields in members:
        time = parse_time(fields[TIME])
        if time is None:
            raise UsageError(f"{fields[TIME]!r} is no time stamp", where=path,
                             hint=f"source.{what}: {{time}} has to take digits, with one point at most")
        times[path] = time
    files = sorted(times, key=lambda path: times[path])
    _rising(files, [times[path] for path in files])
    return Footage(tuple(files), True, times=tuple(Fraction(times[path]) for path in files))


def _rising(files: list[Path], values: Sequence[int | Decimal]) -> None:
    for i in range(1, len(files)):
        if values[i] == values[i - 1]:
            raise UsageError(f"has the place of {files[i - 1].name}, {values[i]}", where=files[i],
                             hint="another placeholder keeps cameras apart")
