"""Sound files to start from: those that the tests make, and the small ones below GPUDEPTH_SAMPLES when it is set.

    python fuzz/corpus.py FOLDER        # seeds for each harness, in folders of their names
"""

from __future__ import annotations

import os
import sys
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[1]
LARGEST = 8 << 20       # bytes of a real file that is taken


@cache
def made() -> dict[str, bytes]:
    """Name → bytes, from the builders of the tests."""
    for folder in (ROOT / "tests", ROOT / "tests/hostile"):
        if str(folder) not in sys.path:
            sys.path.append(str(folder))
    from seeds import seeds

    return seeds()


@cache
def real() -> dict[str, bytes]:
    """Path below GPUDEPTH_SAMPLES → bytes."""
    folder = os.environ.get("GPUDEPTH_SAMPLES")
    if not folder:
        return {}
    found = (p for p in sorted(Path(folder).rglob("*")) if p.is_file() and p.suffix not in (".md", ".txt"))
    return {str(p.relative_to(folder)): p.read_bytes() for p in found if p.stat().st_size <= LARGEST}


def write_seeds(folder: Path, ends: tuple[str, ...]) -> int:
    """The files that the tests make whose names end so, into a folder; returns how many there are."""
    folder.mkdir(parents=True, exist_ok=True)
    chosen = {name: data for name, data in made().items() if name.endswith(ends)}
    for name, data in chosen.items():
        (folder / name).write_bytes(data)
    return len(chosen)


if __name__ == "__main__":
    from harnesses import HARNESSES

    for harness, (_, ends) in HARNESSES.items():
        print(f"{harness}: {write_seeds(Path(sys.argv[1]) / harness, ends)}")
