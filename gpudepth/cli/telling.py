"""What a verb says of a photo it has written: results on stdout, all else on stderr."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING

from ..errors import readable

if TYPE_CHECKING:
    from pathlib import Path

    from ..pipeline.clips.photos import Outcome as ClipOutcome
    from ..pipeline.road import Outcome


def say(text: str) -> None:
    """On stderr, what may have names out of files in it."""
    print(readable(text, lines=True), file=sys.stderr)


def tell(outcome: Outcome, fill: str | None, *, as_json: bool) -> None:
    """Warnings, changed tags, what was filled; then what was understood and the path, or all of it as JSON."""
    for warning in outcome.warnings:
        say(f"warning: {warning}")
    for change in outcome.changes:
        say(f"changed: {change}")
    if outcome.filled:
        share = outcome.filled / (outcome.width * outcome.height)
        print(f"filled {outcome.filled:,} pixels, {share:.2%} of the map ({fill})", file=sys.stderr)
    if as_json:
        print(json.dumps(outcome.to_dict()))
    else:
        say(outcome.line())
        print(outcome.output)


def tell_clip(outcome: ClipOutcome, output: Path, *, as_json: bool) -> None:
    """The same of a clip."""
    for warning in outcome.warnings:
        say(f"warning: {warning}")
    if outcome.filled:
        print(f"filled {outcome.filled:,} pixels of {outcome.frames} frames", file=sys.stderr)
    if as_json:
        near, far = outcome.metres
        print(json.dumps({"output": str(output), "said": outcome.said, "frames": outcome.frames, "near": near,
                          "far": far if far != float("inf") else None, "filled": outcome.filled,
                          "warnings": list(outcome.warnings)}))
    else:
        say(outcome.said)
        print(output)
