"""What a verb says of a photo it has written: results on stdout, all else on stderr."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING

from ..errors import GpudepthError, JobError, readable, render

if TYPE_CHECKING:
    from pathlib import Path

    from ..attachment.clips.photos import Outcome as ClipOutcome
    from ..attachment.pipeline import Outcome


FAR_AWAY = 200      # metres: what is nearer than anything in millimetres
DARK = 0.31         # of white: 20 m in millimetres, of 16 bits


def print_message(text: str) -> None:
    """Print a text on stderr, with settings named as options; names of files in it cannot control the terminal."""
    print(readable(_in_options(text), lines=True), file=sys.stderr)


def print_outcome(outcome: Outcome, fill: str | None, *, as_json: bool) -> None:
    """Warnings, changed tags, what was filled; then what was understood and the path, or all of it as JSON."""
    for warning in outcome.warnings:
        print_message(f"warning: {warning}")
    for change in outcome.changes:
        print_message(f"changed: {change}")
    if outcome.filled:
        share = outcome.filled / (outcome.width * outcome.height)
        print(f"filled {outcome.filled:,} pixels, {share:.2%} of the map ({fill})", file=sys.stderr)
    if as_json:
        print(json.dumps(outcome.to_dict()))
    else:
        print_message(outcome.line())
        print(outcome.output)


def doubt_about(outcome: Outcome, encoding: object) -> str:
    """What looks as if the values meant something else than was said; nothing is done about it."""
    from ..depth.encoding import Depth, Gray

    near, far = outcome.metres
    if isinstance(encoding, Depth) and encoding.scale == 1 and near >= FAR_AWAY:
        return f"everything is {near:,.0f} m away or farther: are the values millimetres? --scale mm"
    if isinstance(encoding, Gray) and encoding.curve == "depth" and encoding.white == "far":
        ends = [(metres - encoding.near) / (encoding.far - encoding.near) for metres in (near, far)]
        if ends[0] > 0 and ends[1] < DARK:
            return (f"only gray from {ends[0]:.0%} to {ends[1]:.0%} of white is used: if the values are millimetres, "
                    "--scale mm in the place of --near and --far")
    return ""


def print_clip_outcome(outcome: ClipOutcome, output: Path, *, as_json: bool) -> None:
    """The same of a clip."""
    for warning in outcome.warnings:
        print_message(f"warning: {warning}")
    if outcome.filled:
        print(f"filled {outcome.filled:,} pixels of {outcome.frames} frames", file=sys.stderr)
    if as_json:
        near, far = outcome.metres
        print(json.dumps({"output": str(output), "said": outcome.said, "frames": outcome.frames, "near": near,
                          "far": far if far != float("inf") else None, "filled": outcome.filled,
                          "warnings": list(outcome.warnings)}))
    else:
        print_message(outcome.said)
        print(output)


def print_error(error: GpudepthError) -> None:
    """An error as people read it: what, where, what next. What a file says or is called is no command to a terminal."""
    place = f"{readable(error.where)}: " if error.where else ""
    said = error.problems if isinstance(error, JobError) else [place + readable(error.message, lines=True)]
    lines = [f"error: {readable(line) if isinstance(error, JobError) else line}" for line in said]
    if error.hint:
        lines.append(f"  {readable(error.hint, lines=True)}")
    print(_in_options("\n".join(lines)), file=sys.stderr)


def _in_options(text: str) -> str:
    """The text with settings named as options."""
    if "‹" not in text:
        return text
    from ..settings.options import option

    return render(text, option, joint=" ")
