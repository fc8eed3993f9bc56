"""python -m tools.prose: find phrases that are not plain technical English, in the files that pyproject.toml names.

Prints `file:line: phrase (say …)` for each and exits with 1 when there is any. Spelling is checked by codespell.
"""

from __future__ import annotations

import re
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]
SUFFIXES = {".md", ".py", ".yml", ".yaml", ".toml", ".cu", ".cuh"}

PHRASES = {
    r"\banew\b": "again, or name what is re-encoded",
    r"\bspeaks? of\b": "requires, or mentions",
    r"\bone of the two\b": "either … or …",
    r"\bis (?-i:none)\b": "is not …",
    r"\bare (?-i:none)\b": "are not …",
    r"\btoo\.(?=\s|$)": "also",
    r", too\b": "also",
    r"\bfor one\b(?=[.,;)]|$)": "for example",
    r"\bthe house\b": "the architecture",
    r"(?<!\ba )\brooms?\b": "package, or space",
    r"\broads?\b": "pipeline",
    r"\bjudge[sd]?\b": "check, independent reader",
    r"\bpurses?\b": "memory budget",
    r"\btwins?\b": "CPU and GPU back ends",
    r"\bmends?\b|\bmended\b": "fixes",
    r"\bgoes away again\b": "is temporary",
    r"\bat hand\b": "tested, available",
    r"\bmeans nothing here\b": "unknown field",
    r"\bhow many-th\b": "every n-th",
    r"\bhas no use for\b": "does not take",
    r"\bsaid to be\b": "reported as",
    r"\bdied over\b": "crashed on",
    r"\b1 photos\b": "1 photo",
}
"""Regular expressions, and what to write instead."""


def findings(text: str) -> Iterator[tuple[int, str, str]]:
    """Yield (line number, phrase, advice) for each phrase in a text; code fences are searched like the rest."""
    for number, line in enumerate(text.splitlines(), 1):
        for phrase, advice in PHRASES.items():
            for match in re.finditer(phrase, line, re.IGNORECASE):
                yield number, match.group().strip(), advice


def files(root: Path = ROOT) -> list[Path]:
    """Return the files that `[tool.prose]` of pyproject.toml names."""
    settings = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["prose"]
    found: list[Path] = []
    for name in settings["paths"]:
        path = root / name
        found += [path] if path.is_file() else sorted(p for p in path.rglob("*") if p.suffix in SUFFIXES)
    skipped = {root / name for name in settings["skip"]}
    return [path for path in found if path not in skipped]


def main(arguments: list[str]) -> int:
    """Check the named files, or all; return the exit status."""
    count = 0
    for path in [Path(name) for name in arguments] or files():
        for number, phrase, advice in findings(path.read_text(encoding="utf-8")):
            count += 1
            print(f"{path.relative_to(ROOT) if path.is_relative_to(ROOT) else path}:{number}: {phrase!r}: say {advice}")
    return 1 if count else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
