"""Finds pairs within one file: frames of Record3D captures (`.r3d`), and OpenEXR renders that hold colours and Z."""

from __future__ import annotations

import re
from pathlib import Path

from ..errors import FileError, UnsupportedError
from ..formats.archive import Index, Member
from ..limits import DEFAULT, Limits
from ..maps.record3d import read_capture
from .archive import ARCHIVE, PairCollector, outer_fields
from .files import list_files
from .pairs import Pair, Pairing, find_collisions, output_template, photo_key
from .stores import located
from .templates import placeholders

FRAME = "frame"
METADATA = "metadata"
_FRAME = re.compile(r"rgbd/([0-9]{1,9})\.(jpg|depth|conf)")


def find_in_captures(base: Path, archive: str, output: str | None = None, *, limits: Limits = DEFAULT) -> Pairing:
    """Find the frames of captures, each with its map, confidence and camera.

    Args:
        base: Folder that relative paths start from.
        archive: Glob or template of the captures.
        output: Template of the output, made of the archive's placeholders, {archive}, {frame} and {stem}, which is the
            frame's number.
        limits: What an archive may ask for.

    Returns:
        The pairs of all captures in natural order.

    Raises:
        UsageError: A template is bad.
        MissingInputError: There is no capture, or none with frames.
    """
    names = placeholders(archive) | {ARCHIVE, FRAME, "stem"}
    gathered = PairCollector(Path(base), names, output)
    for found, index in gathered.iter_archives(archive, limits):
        try:
            frames, camera = _frames(index, limits)
        except FileError as error:
            gathered.refuse(found.path, error)
            continue
        gathered.register(index.members)
        for number, frame in frames.items():
            photo, depth = frame.get("jpg"), frame.get("depth")
            if photo and depth:
                trust = frame.get("conf")
                fields = {**outer_fields(found, archive), FRAME: number, "stem": number}
                gathered.add(Pair("", photo.path, depth.path, {}, confidence=trust.path if trust else None,
                                  camera=camera.path), fields)
            elif photo:
                gathered.unmatched_color.append(photo.path)
            elif depth:
                gathered.unmatched_depth.append(depth.path)
    return gathered.pairing()


def _frames(index: Index, limits: Limits) -> tuple[dict[str, dict[str, Member]], Member]:
    frames: dict[str, dict[str, Member]] = {}
    camera = next((member for member in index.members if member.inside == METADATA), None)
    for member in index.members:
        match = _FRAME.fullmatch(member.inside)
        if match is not None:
            frames.setdefault(match[1], {}).setdefault(match[2], member)
    if camera is None or not frames:
        raise UnsupportedError("not a Record3D capture: metadata or rgbd/0.jpg is missing", where=index.archive,
                               hint="for other archives, set source.color and source.depth")
    read_capture(camera, limits)
    return frames, camera


def find_embedded(base: Path, color: str, output: str | None = None) -> Pairing:
    """Pair every photo that matches with itself.

    Args:
        base: Folder that relative paths start from.
        color: Glob or template of the photos.
        output: Template of the output, made of color's placeholders and {stem}.

    Returns:
        One pair per photo, in natural order.

    Raises:
        UsageError: A template is bad.
        MissingInputError: No photo matches.
    """
    base = Path(base)
    photos = list_files(base, color)
    goals = output_template(output, photos.names)
    pairs = tuple(Pair(photo_key(found.path, base), found.path, found.path, found.fields,
                       located(base, goals.format(found.fields)) if goals else None) for found in photos.files)
    return Pairing(pairs, collisions=find_collisions(pairs, photos.paths), names=photos.names)
