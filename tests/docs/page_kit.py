"""The commands that pages print, in order, and a folder with every file that they name."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", ROOT / "deploy" / "README.md", ROOT / "fuzz" / "README.md",
         *sorted(p for p in (ROOT / "docs").rglob("*.md") if p.name != "performance.md")]
INDENTED = ("    gpudepth ", "    swift ")
_FENCE = re.compile(r"^ *```(\w*)")
_CODE = re.compile(r"exit code (\d+)(?! if)")


@dataclass(frozen=True)
class Command:
    """One line of a page, or a whole block of Python; and how it ends."""

    text: str
    code: int = 0
    python: bool = False

    @property
    def program(self) -> str:
        return self.text.split(maxsplit=1)[0]


def commands(text: str) -> Iterator[Command]:
    """Lines of fenced blocks of sh, in lists as well; blocks of Python as a whole. Pages that are made from the code may
    have indented blocks."""
    kind, block = None, []
    for line in text.splitlines():
        fence = _FENCE.match(line)
        if fence:
            if kind == "python":
                yield Command("\n".join(block) + "\n", python=True)
            kind, block = (fence.group(1), []) if kind is None else (None, [])
        elif kind == "python":
            block.append(line)
        elif kind in ("sh", "shell") or (kind is None and line.startswith(INDENTED)):
            command, _, comment = _split(line.strip())
            if command:
                found = _CODE.search(comment)
                yield Command(command, int(found.group(1)) if found else 0)


def _split(line: str) -> tuple[str, str, str]:
    """A command and the comment behind it."""
    if line.startswith("#"):
        return "", "#", line[1:]
    match = re.search(r"\s+#\s", line)
    return (line, "", "") if match is None else (line[:match.start()], "#", line[match.end():])
