"""The text of a job, with what was found as comments, and what only its user can know marked."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..attachment.pipeline import photo_of
from ..batch.ledger import LEDGER
from ..containers import registry
from ..errors import GpudepthError
from ..limits import DEFAULT
from ..maps import presets
from ..maps.reader import read_map
from .meaning import EncodingGuess, meaning_of
from .pairing import PairingPlan, find_way
from .survey import survey

WIDE = 46       # where comments begin
_PLAIN = ".heic"
ASPECT = 0.01


@dataclass(frozen=True)
class Draft:
    """text: of the job. found: lines about it for people; unsure: what they have to look at."""

    text: str
    found: list[str]
    unsure: list[str]


def draft(folder: Path) -> Draft:
    """Raises UsageError when there is nothing to make a job of, what reading a map raises, OSError's kinds as ours."""
    seen = survey(folder)
    way = find_way(seen)
    meaning = None if way.map is None else meaning_of(way.map)
    size, suffix = _photo(way)
    fit = _fit(size, meaning)
    unsure = [*([] if meaning is None else meaning.unsure), *([fit[1]] if fit else [])]
    found = [*seen.said(), way.why, *([] if meaning is None else meaning.said), *way.notes]
    if seen.more:
        found.append("not all files were looked at")
    return Draft(_text(way, meaning, suffix, fit[0] if fit else None, found=found, out=_target(folder)), found, unsure)


def _photo(way: PairingPlan) -> tuple[tuple[int, int], str]:
    """Size as displayed, and the suffix to write; (0, 0) where no photo was looked at."""
    if way.photo is None:
        return (0, 0), ".jpg" if "archive" in way.source or "shards" in way.source else _PLAIN
    suffix = way.photo.suffix.lower()
    out = suffix if registry.by_suffix(suffix) is not None else _PLAIN
    try:
        picture = photo_of(way.photo, DEFAULT)
    except GpudepthError:
        return (0, 0), out
    return (picture.width, picture.height), out


def _fit(size: tuple[int, int], meaning: EncodingGuess | None) -> tuple[str, str] | None:
    """What to do about maps of another aspect, and what to say of it."""
    if meaning is None or 0 in size or 0 in meaning.size:
        return None
    ratio = meaning.size[0] * size[1] / (meaning.size[1] * size[0])
    if abs(ratio - 1) <= ASPECT:
        return None
    if abs(ratio * (size[0] / size[1]) ** 2 - 1) <= ASPECT:
        return None     # turned by 90 degrees: stretching would hide it, the run says so
    sizes = f"the map is {meaning.size[0]}×{meaning.size[1]}, the photo {size[0]}×{size[1]}"
    return "stretch", f"fit: {sizes}: stretch if it shows the same, crop if it shows more"


def _text(way: PairingPlan, meaning: EncodingGuess | None, suffix: str, fit: str | None, *, found: list[str],
          out: str) -> str:
    lines = ["# A job made by `gpudepth init` of what it found here:", *(f"#   {line}" for line in found), "#",
             "#   gpudepth run job.yaml --dry-run     what would be done",
             "#   gpudepth run job.yaml               do it; what is done is not done again",
             f"#   gpudepth report {out:<20}a page to look at", "#",
             "# Paths are relative to this file. All keys: gpudepth config schema.", "", "source:"]
    lines += [_line(2, name, value) for name, value in way.source.items()]
    if meaning is not None and meaning.encoding is not None:
        lines += ["", f"encoding:{'':{WIDE - 9}}# {'; '.join(meaning.said)}"]
        for name, value in meaning.encoding.items():
            told = [u.removeprefix(f"{name}: ") for u in meaning.unsure if u.startswith((f"{name}:", f"{name} and"))]
            lines.append(_line(2, name, value, "LOOK: " + told[0] if told else ""))
        keys = tuple(f"{name}{mark}" for name in meaning.encoding for mark in (":", " and"))
        lines += [f"  # LOOK: {u}" for u in meaning.unsure if not u.startswith(keys)]
    refine = _confidence(way, meaning)
    if fit:
        refine.append(_line(2, "fit", fit, "LOOK: another aspect than the photo's; or crop"))
    if meaning is not None and (meaning.holes or (way.map is not None and meaning.encoding is not None)):
        refine.append(_line(2, "fill", "nearest", f"{meaning.holes:.1%} of the map that was looked at has no value"
                            if meaning.holes else "for pixels without a value, if there are any"))
    if refine:
        lines += ["", "refine:", *refine]
    if meaning is not None:
        lines += ["", "map:", _line(2, "accuracy", meaning.accuracy, "absolute: metres; relative: right up to scale")]
    lines += ["", "output:", _line(2, "path", f"{out}/{way.outputs}{suffix}")]
    if suffix == _PLAIN and way.photo is not None and registry.by_suffix(way.photo.suffix) is None:
        lines[-1] += f"{'':{max(1, WIDE - len(lines[-1]))}}# {way.photo.suffix} holds no depth: photos are encoded once"
    return "\n".join(lines) + "\n"


def _confidence(way: PairingPlan, meaning: EncodingGuess | None) -> list[str]:
    """How far pixels are to be trusted, where there are maps of that beside those of depth."""
    if way.confidence is None:
        return []
    lines = ["  confidence:" + f"{'':{WIDE - 13}}# 0 is no value, the others count by their trust",
             _line(4, "path", way.confidence.path)]
    preset = (meaning.encoding or {}).get("preset") if meaning is not None else None
    try:
        if (preset is None or presets.find(preset).certain is None) and _is_arkit(way.confidence.file):
            lines.append(_line(4, "highest", 2, "as ARKit has it; least: 1 makes its low ones holes"))
    except GpudepthError:
        return []       # they cannot be read
    return lines


def _is_arkit(path: Path) -> bool:
    """Codes from 0 to 2."""
    return int(read_map(path).codes.max()) in (1, 2)


def _target(base: Path) -> str:
    """The folder to write to: a new one, or that of a run."""
    return next(name for name in ("out", "with_depth", *(f"with_depth_{n}" for n in range(2, 1000)))
                if not (base / name).exists() or (base / name / LEDGER).exists())


def _line(indent: int, name: str, value: Any, comment: str = "") -> str:
    if isinstance(value, bool):
        value = str(value).lower()
    elif isinstance(value, str) and not value.replace("-", "").isalnum():
        value = '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
    elif isinstance(value, float):
        value = f"{value:g}"
    elif isinstance(value, dict):
        value = "{" + ", ".join(_line(0, *one) for one in value.items()) + "}"
    text = f"{'':{indent}}{name}: {value}"
    return f"{text:<{WIDE}}# {comment}" if comment else text
