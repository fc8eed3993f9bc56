"""What a verb says of a photo it has written: results on stdout, all else on stderr."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from ..pipeline.clips.photos import Outcome as ClipOutcome
    from ..pipeline.road import Outcome


def tell(outcome: Outcome, fill: str | None, *, as_json: bool) -> None:
    """Warnings, changed tags, what was filled; then what was understood and the path, or all of it as JSON."""
    for warning in outcome.warnings:
        print(f"warning: {warning}", file=sys.stderr)
    for change in outcome.changes:
        print(f"changed: {change}", file=sys.stderr)
    if outcome.filled:
        share = outcome.filled / (outcome.width * outcome.height)
        print(f"filled {outcome.filled:,} pixels, {share:.2%} of the map ({fill})", file=sys.stderr)
    if as_json:
        print(json.dumps(outcome.to_dict()))
    else:
        print(outcome.line(), file=sys.stderr)
        print(outcome.output)


def tell_clip(outcome: ClipOutcome, output: Path, *, as_json: bool) -> None:
    """The same of a clip."""
    for warning in outcome.warnings:
        print(f"warning: {warning}", file=sys.stderr)
    if outcome.filled:
        print(f"filled {outcome.filled:,} pixels of {outcome.frames} frames", file=sys.stderr)
    if as_json:
        near, far = outcome.metres
        print(json.dumps({"output": str(output), "said": outcome.said, "frames": outcome.frames, "near": near,
                          "far": far if far != float("inf") else None, "filled": outcome.filled,
                          "warnings": list(outcome.warnings)}))
    else:
        print(outcome.said, file=sys.stderr)
        print(output)
