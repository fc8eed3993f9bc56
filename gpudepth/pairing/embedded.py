"""Finds pairs that are one file each, such as OpenEXR renders that hold colours and a Z channel."""

from __future__ import annotations

from pathlib import Path

from .files import list_files
from .pairs import Pair, Pairing, find_collisions, output_template, photo_key
from .urls import located


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
