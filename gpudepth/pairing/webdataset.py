"""Pairs in WebDataset's tar shards: files of one sample share the name up to its first dot.

    000001.jpg, 000001.depth.png, 000001.json   key 000001; extensions jpg, depth.png, json

Source: webdataset, tariterators.py, base_plus_ext: `^((?:.*/|)[^.]+)[.]([^/]*)$`. Extensions ignore case there, too.
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
    """(key, extension in lower case) of a member; None for names that no sample has."""
    found = _SAMPLE.fullmatch(inside)
    return (found[1], found[2].lower()) if found else None


def check_extension(text: str) -> str:
    """An extension as it is written in a job, without a dot before it. Raises UsageError."""
    if not _EXTENSION.fullmatch(text):
        raise UsageError(f"{text!r} is no extension", hint="jpg, depth.png: what follows the first dot of a name")
    return text.lower()


def find_in_shards(base: Path, shards: str, color: Sequence[str] = COLOR, depth: Sequence[str] = DEPTH,
                   output: str | None = None, *, limits: Limits = DEFAULT) -> Pairing:
    """Pair the photos and maps of the samples in tar files.

    shards         a glob or template of tar files
    color, depth   extensions; the first that a sample has is taken
    output         a template of the shards' placeholders, {shard}: a tar's name without .tar, {key} and {stem}: the
                   last part of the key

    Raises UsageError for a bad template, MissingInputError when there is no shard, or no photo in any.
    """
    names = placeholders(shards) | {SHARD, KEY, "stem"}
    gathered = PairCollector(Path(base), names, output, folders=frozenset({KEY}))
    colors, depths = [check_extension(e) for e in color], [check_extension(e) for e in depth]
    for found, index in gathered.each(shards, limits):
        samples: dict[str, dict[str, Member]] = defaultdict(dict)
        for member in index.members:
            parts = split_name(member.inside)
            if parts is not None:
                samples[parts[0]].setdefault(parts[1], member)
        gathered.use(index.members)
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
            gathered.notes.append(f"{photo_key(found.path, gathered.base)} has no sample with {' or '.join(colors)}, "
                                  f"but {', '.join(there[:8]) or 'none at all'}")
    return gathered.pairing()


def _first(sample: dict[str, Member], extensions: Sequence[str]) -> Member | None:
    return next((sample[e] for e in extensions if e in sample), None)
