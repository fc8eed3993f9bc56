"""docs/tour.md as a script: its commands in order, and what they print."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

PAGE = Path(__file__).parents[1] / "docs" / "tour.md"
_BLOCK = re.compile(r"^```(\w+)( skip)?\n(.*?)^```\n", re.DOTALL | re.MULTILINE)
MORE = "…"


@dataclass(frozen=True)
class Step:
    """The commands of one block, and the lines below it that they print, among others."""

    commands: str
    printed: tuple[str, ...] = ()


def steps(text: str) -> Iterator[Step]:
    """All blocks of sh but those marked `skip`, each with the block of text that follows it."""
    blocks = [(m.group(1), bool(m.group(2)), m.group(3), m.start(), m.end()) for m in _BLOCK.finditer(text)]
    for n, (kind, skip, body, _, end) in enumerate(blocks):
        if kind == "sh" and not skip:
            after = blocks[n + 1] if n + 1 < len(blocks) else None
            shown = after[2].splitlines() if after and after[0] == "text" and after[3] == end else []
            yield Step(body, tuple(line for line in shown if line != MORE))


def play(folder: Path, environment: Mapping[str, str]) -> list[tuple[Step, str]]:
    """Type the tour into a shell in `folder`; returns each step with all that it printed. Raises RuntimeError."""
    done = []
    for step in steps(PAGE.read_text(encoding="utf-8")):
        ran = subprocess.run(["/bin/sh", "-e", "-c", step.commands], cwd=folder, env=dict(environment), text=True,
                             stdout=subprocess.PIPE, stderr=subprocess.STDOUT, encoding="utf-8", check=False)
        if ran.returncode:
            raise RuntimeError(f"{step.commands}ended with {ran.returncode}:\n{ran.stdout}")
        done.append((step, ran.stdout))
    return done
