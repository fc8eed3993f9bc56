"""Prints results on stdout, and messages and errors on stderr."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from typing import TYPE_CHECKING

from ..errors import GpudepthError, JobError, readable, render

if TYPE_CHECKING:
    from pathlib import Path

    from ..attachment.clips.photos import ClipOutcome
    from ..attachment.pipeline import Outcome


FAR_AWAY = 200      # metres; maps in millimetres that are read as metres are farther than this everywhere
DARK = 0.31         # share of white: 20 m as 16-bit millimetres


def print_message(text: str) -> None:
    """Print a text on stderr, with settings named as options and control characters escaped."""
    print(readable(_in_options(text), lines=True), file=sys.stderr)


def print_outcome(outcome: Outcome, fill: str | None, *, as_json: bool) -> None:
    """Print warnings, changed tags and filled pixels; then summary and path, or all of it as JSON."""
    _print_warnings(outcome.warnings)
    for change in outcome.changes:
        print_message(f"changed: {change}")
    if outcome.filled:
        share = outcome.filled / (outcome.width * outcome.height)
        print(f"filled {outcome.filled:,} pixels, {share:.2%} of the map ({fill})", file=sys.stderr)
    if as_json:
        import json

        print(json.dumps(outcome.to_dict()))
    else:
        print_message(outcome.describe())
        print(outcome.output)


def doubt_about(outcome: Outcome, encoding: object) -> str:
    """Return a note if the values of the map probably have another meaning than the encoding, or ''."""
    from ..depth.encoding import Depth, Gray

    near, far = outcome.metres
    if isinstance(encoding, Depth) and encoding.scale == 1 and near >= FAR_AWAY:
        return f"all depths are {near:,.0f} m or more; if the values are millimetres, use --scale mm"
    if isinstance(encoding, Gray) and encoding.curve == "depth" and encoding.white == "far":
        ends = [(metres - encoding.near) / (encoding.far - encoding.near) for metres in (near, far)]
        if ends[0] > 0 and ends[1] < DARK:
            return (f"the map uses only gray from {ends[0]:.0%} to {ends[1]:.0%} of white; if the values are "
                    "millimetres, use --scale mm instead of --near and --far")
    return ""


def print_clip_outcome(outcome: ClipOutcome, output: Path, *, as_json: bool) -> None:
    """Print the outcome of a clip like `print_outcome`."""
    _print_warnings(outcome.warnings)
    if outcome.filled:
        print(f"filled {outcome.filled:,} pixels of {outcome.frames} frames", file=sys.stderr)
    if as_json:
        import json

        near, far = outcome.metres
        print(json.dumps({"output": str(output), "said": outcome.summary, "frames": outcome.frames, "near": near,
                          "far": far if far != float("inf") else None, "filled": outcome.filled,
                          "warnings": list(outcome.warnings)}))
    else:
        print_message(outcome.summary)
        print(output)


def _print_warnings(warnings: Iterable[str]) -> None:
    for warning in warnings:
        print_message(f"warning: {warning}")


def print_error(error: GpudepthError) -> None:
    """Print an error on stderr: place, message and hint, with control characters escaped."""
    if isinstance(error, JobError):
        lines = [f"error: {readable(problem)}" for problem in error.problems]
    else:
        place = f"{readable(error.where)}: " if error.where else ""
        lines = [f"error: {place}{readable(error.message, lines=True)}"]
    if error.hint:
        lines.append(f"  {readable(error.hint, lines=True)}")
    print(_in_options("\n".join(lines)), file=sys.stderr)


def _in_options(text: str) -> str:
    """Return the text with settings named as options."""
    if "‹" not in text:
        return text
    from ..settings.options import option

    return render(text, option, joint=" ")
