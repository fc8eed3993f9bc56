"""Finds pairs in WebDataset's tar shards, where the files of one sample share the name up to its first dot.

    000001.jpg, 000001.depth.png, 000001.json   key 000001; extensions jpg, depth.png, json

Extensions ignore case, as in webdataset.

Source: webdataset, tariterators.py, base_plus_ext: `^((?:.*/|)[^.]+)[.]([^/]*)$`.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

from ..errors import UsageError
from ..formats.archive.member import Member
from ..limits import DEFAULT, Limits
from .archive import PairCollector, outer_fields
from .pairs import Pair, Pairing, photo_key
from .templates import placeholders

SHARD, KEY = "shard", "key"
COLOR = ("jpg", "jpeg", "png", "webp", "heic", "heif")
DEPTH = ("depth.png", "depth.npy", "depth.npz", "depth.tiff", "depth.tif", "depth.pfm", "depth.exr")
_SAMPLE = re.compile(r"((?:.*/|)[^.]+)[.]([^/]*)", re.DOTALL)
_EXTENSION = re.compile(r"[^./\\*?{}\0]+(\.[^./\\*?{}\0]+)*")


def split_name(inside: str) -> tuple[str, str] | None:
    """Return key and lower-case extension of a member, or None for names that cannot belong to a sample."""
    found = _SAMPLE.fullmatch(inside)
    return (found[1], found[2].lower()) if found else None


def check_extension(text: str) -> str:
    """Return an extension of a job, written without a leading dot, in lower case. Raises UsageError."""
    if not _EXTENSION.fullmatch(text):
        raise UsageError(f"{text!r} is not an extension",
                         hint="for example jpg or depth.png: all after a name's first dot")
    return text.lower()


def find_in_shards(base: Path, shards: str, color: Sequence[str] = COLOR, depth: Sequence[str] = DEPTH,
                   output: str | None = None, *, limits: Limits = DEFAULT) -> Pairing:
    """Pair the photos and maps of the samples in tar files.

    Args:
        base: Folder that relative paths start from.
        shards: Glob or template of the tar files.
        color: Extensions of photos; the first that a sample has is used.
        depth: Extensions of maps; the first that a sample has is used.
        output: Template of the shards' placeholders, {shard} (a tar's name without .tar), {key} and {stem} (the last
            part of the key).
        limits: What an archive may ask for.

    Returns:
        The pairs of all shards in natural order.

    Raises:
        UsageError: A template or extension is bad.
        MissingInputError: There is no shard, or no photo in any of them.
    """
    names = placeholders(shards) | {SHARD, KEY, "stem"}
    gathered = PairCollector(Path(base), names, output, folders=frozenset({KEY}))
    colors, depths = [check_extension(e) for e in color], [check_extension(e) for e in depth]
    for found, index in gathered.iter_archives(shards, limits):
        samples: dict[str, dict[str, Member]] = defaultdict(dict)
        for member in index.members:
            parts = split_name(member.inside)
            if parts is not None:
                samples[parts[0]].setdefault(parts[1], member)
        gathered.register(index.members)
        before = len(gathered.pairs) + len(gathered.unmatched_color)
        for key, sample in samples.items():
            photo, map_ = _first(sample, colors), _first(sample, depths)
            if photo and map_:
                fields = {**outer_fields(found, shards, SHARD), KEY: key, "stem": key.rpartition("/")[2]}
                gathered.add(Pair("", photo.path, map_.path, {}), fields)
            elif photo:
                gathered.unmatched_color.append(photo.path)
            elif map_:
                gathered.unmatched_depth.append(map_.path)
        if len(gathered.pairs) + len(gathered.unmatched_color) == before:
            there = sorted({extension for sample in samples.values() for extension in sample})
            gathered.notes.append(f"{photo_key(found.path, gathered.base)} has no sample with {' or '.join(colors)}; "
                                  f"its extensions are {', '.join(there[:8]) or 'none'}")
    return gathered.pairing()


def _first(sample: dict[str, Member], extensions: Sequence[str]) -> Member | None:
    return next((sample[e] for e in extensions if e in sample), None)
