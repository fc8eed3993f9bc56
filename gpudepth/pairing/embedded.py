"""Pairs of one file each: the map is in the photo, as in an OpenEXR render with colours and a Z channel."""

from __future__ import annotations

from pathlib import Path

from .files import list_files
from .pairs import Pair, Pairing, find_collisions, output_template, photo_key
from .urls import located


def find_embedded(base: Path, color: str, output: str | None = None) -> Pairing:
    """Every photo that `color`, a glob or template, finds, with itself as its map.

    output   a template of color's placeholders and {stem}

    Raises UsageError for a bad template, MissingInputError when there is none.
    """
    base = Path(base)
    photos = list_files(base, color)
    goals = output_template(output, photos.names)
    pairs = tuple(Pair(photo_key(found.path, base), found.path, found.path, found.fields,
                       located(base, goals.format(found.fields)) if goals else None) for found in photos.files)
    return Pairing(pairs, collisions=find_collisions(pairs, photos.paths), names=photos.names)
