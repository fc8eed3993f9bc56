"""Writes the text of a job, with the findings as comments and a mark at each value that the user must check."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..attachment.photo import read_picture
from ..batch.ledger import LEDGER
from ..containers import registry
from ..errors import GpudepthError
from ..limits import DEFAULT
from ..maps import presets
from ..maps.reader import read_map
from .guess import EncodingGuess, guess_encoding
from .pairing import PairingPlan, find_pairing
from .survey import survey

WIDE = 46       # column of comments
_PLAIN = ".heic"
ASPECT = 0.01


@dataclass(frozen=True)
class Draft:
    """A drafted job.

    Attributes:
        text: The text of the job.
        found: What was found, in lines for people.
        checks: What the user must check.
    """

    text: str
    found: list[str]
    checks: list[str]


def draft(folder: Path) -> Draft:
    """Draft a job for a folder.

    Raises:
        UsageError: If the folder holds no photos with maps.
        GpudepthError: If a map cannot be read.
    """
    files = survey(folder)
    plan = find_pairing(files)
    guess = None if plan.map is None else guess_encoding(plan.map)
    size, suffix = _photo(plan)
    fit = _fit(size, guess)
    checks = [*(guess.checks if guess else []), *([fit] if fit else [])]
    found = [*files.summary(), plan.why, *([guess.reason] if guess else []), *plan.notes]
    if files.more:
        found.append("not all files were examined")
    target = _target(folder)
    lines = ["# A job written by `gpudepth init`, which found:", *(f"#   {line}" for line in found), "#",
             "#   gpudepth run job.yaml --dry-run     shows what would be done",
             "#   gpudepth run job.yaml               runs the job; finished items are skipped",
             f"#   gpudepth report {target:<20}writes a page with all results", "#",
             "# Paths are relative to this file. `gpudepth config schema` lists all keys.",
             "", "source:", *(_line(2, name, value) for name, value in plan.source.items())]
    if guess is not None:
        lines += _encoding(guess)
    lines += _refine(plan, guess, stretch=bool(fit))
    if guess is not None:
        lines += ["", "map:", _line(2, "accuracy", guess.accuracy,
                                    "absolute: metres; relative: correct up to scale")]
    comment = ""
    if suffix == _PLAIN and plan.photo is not None and registry.by_suffix(plan.photo.suffix) is None:
        comment = f"{plan.photo.suffix} holds no depth: photos are encoded as HEIC"
    lines += ["", "output:", _line(2, "path", f"{target}/{plan.outputs}{suffix}", comment)]
    return Draft("\n".join(lines) + "\n", found, checks)


def _photo(plan: PairingPlan) -> tuple[tuple[int, int], str]:
    """Return the size of a photo as displayed, (0, 0) if it is unknown, and the suffix to write."""
    if plan.photo is None:
        return (0, 0), ".jpg" if "archive" in plan.source or "shards" in plan.source else _PLAIN
    suffix = plan.photo.suffix.lower()
    out = suffix if registry.by_suffix(suffix) is not None else _PLAIN
    try:
        picture = read_picture(plan.photo, DEFAULT)
    except GpudepthError:
        return (0, 0), out
    return (picture.width, picture.height), out


def _fit(size: tuple[int, int], guess: EncodingGuess | None) -> str:
    """Return what to check if the map has another aspect than the photo, or ''."""
    if guess is None or 0 in size or 0 in guess.size:
        return ""
    ratio = guess.size[0] * size[1] / (guess.size[1] * size[0])
    if abs(ratio - 1) <= ASPECT:
        return ""
    if abs(ratio * (size[0] / size[1]) ** 2 - 1) <= ASPECT:
        return ""       # the map is turned by 90 degrees: the run reports this, and stretching would hide it
    return (f"fit: the map is {guess.size[0]}×{guess.size[1]}, the photo {size[0]}×{size[1]}: stretch if it shows the "
            "same, crop if it shows more")


def _encoding(guess: EncodingGuess) -> list[str]:
    """Return the section `encoding`, in which each check stands beside its key."""
    if guess.encoding is None:
        return []
    lines = ["", _line(0, "encoding", None, guess.reason)]
    others = list(guess.checks)
    for name, value in guess.encoding.items():
        mine = [check for check in guess.checks if check.startswith((f"{name}:", f"{name} and"))]
        others = [check for check in others if check not in mine]
        lines.append(_line(2, name, value, "LOOK: " + mine[0].removeprefix(f"{name}: ") if mine else ""))
    return lines + [f"  # LOOK: {check}" for check in others]


def _refine(plan: PairingPlan, guess: EncodingGuess | None, *, stretch: bool) -> list[str]:
    """Return the section `refine`, or nothing."""
    lines = _confidence(plan, guess)
    if stretch:
        lines.append(_line(2, "fit", "stretch", "LOOK: the aspect differs from the photo's; or crop"))
    if guess is not None and (guess.holes or guess.encoding is not None):
        lines.append(_line(2, "fill", "nearest", f"{guess.holes:.1%} of the examined map has no value"
                           if guess.holes else "for pixels without a value"))
    return ["", "refine:", *lines] if lines else []


def _confidence(plan: PairingPlan, guess: EncodingGuess | None) -> list[str]:
    """Return the section `refine.confidence` if there are confidence maps beside the depth maps."""
    if plan.confidence is None:
        return []
    lines = [_line(2, "confidence", None, "0 means no value; other pixels are weighted by their confidence"),
             _line(4, "path", plan.confidence.path)]
    preset = (guess.encoding or {}).get("preset") if guess is not None else None
    try:
        if (preset is None or presets.find(preset).certain is None) and _is_arkit(plan.confidence.file):
            lines.append(_line(4, "highest", 2, "as in ARKit; least: 1 turns low confidence into holes"))
    except GpudepthError:
        return []       # the maps cannot be read
    return lines


def _is_arkit(path: Path) -> bool:
    """Return whether the codes are 0 to 2."""
    return int(read_map(path).codes.max()) in (1, 2)


def _target(base: Path) -> str:
    """Return the name of a new folder, or of the output folder of a run."""
    return next(name for name in ("out", "with_depth", *(f"with_depth_{n}" for n in range(2, 1000)))
                if not (base / name).exists() or (base / name / LEDGER).exists())


def _line(indent: int, name: str, value: Any, comment: str = "") -> str:
    """Return a line of YAML; the value None begins a section."""
    text = f"{'':{indent}}{name}:" + ("" if value is None else f" {_yaml(value)}")
    return f"{text:<{WIDE}}{'' if len(text) < WIDE else ' '}# {comment}" if comment else text


def _yaml(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str) and not value.replace("-", "").isalnum():
        return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
    if isinstance(value, dict):
        return "{" + ", ".join(_line(0, *one) for one in value.items()) + "}"
    return f"{value:g}" if isinstance(value, float) else str(value)
