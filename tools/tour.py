"""Runs the commands of docs/tour.md in order, and compares what they print."""

from __future__ import annotations

import difflib
import re
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

PAGE = Path(__file__).parents[1] / "docs" / "tour.md"
_BLOCK = re.compile(r"^```(\w+)\n(.*?)^```\n", re.DOTALL | re.MULTILINE)
MORE = "…"


@dataclass(frozen=True)
class Step:
    """The commands of one block, and lines of their output that the page shows."""

    commands: str
    printed: tuple[str, ...] = ()


def steps(text: str) -> Iterator[Step]:
    """Yield all `sh` blocks with the `text` block that follows; blocks marked `shell` are not run."""
    blocks = [(m.group(1), m.group(2), m.start(), m.end()) for m in _BLOCK.finditer(text)]
    for n, (kind, body, _, end) in enumerate(blocks):
        if kind == "sh":
            after = blocks[n + 1] if n + 1 < len(blocks) else None
            shown = after[1].splitlines() if after and after[0] == "text" and after[2] == end else []
            yield Step(body, tuple(line for line in shown if line != MORE))


def renewed(text: str, done: Sequence[tuple[Step, str]]) -> str:
    """Return the page with each line that was not printed replaced by the most similar printed line."""
    for step, printed in done:
        lines = [line.rstrip() for line in printed.splitlines()]
        for line in step.printed:
            if line not in lines and (like := difflib.get_close_matches(line, lines, 1, 0.5)):
                text = text.replace(f"\n{line}\n", f"\n{like[0]}\n", 1)
    return text


def play(folder: Path, environment: Mapping[str, str]) -> list[tuple[Step, str]]:
    """Run the tour in a shell in `folder`; return each step with its output. Raises RuntimeError."""
    done = []
    for step in steps(PAGE.read_text(encoding="utf-8")):
        ran = subprocess.run(["/bin/sh", "-e", "-c", step.commands], cwd=folder, env=dict(environment), text=True,
                             stdout=subprocess.PIPE, stderr=subprocess.STDOUT, encoding="utf-8", check=False)
        if ran.returncode:
            raise RuntimeError(f"{step.commands}ended with {ran.returncode}:\n{ran.stdout}")
        done.append((step, ran.stdout))
    return done
