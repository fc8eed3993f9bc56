"""python -m tools: writes the pages and parts of pages that are made from the code."""

from __future__ import annotations

from pathlib import Path

from . import apple_page, cli_page, job_page, presets_page
from .parts import fill

DOCS = Path(__file__).parents[1] / "docs"
WHOLE = {"cli.md": cli_page.page, "job.md": job_page.page, "presets.md": presets_page.page,
         "apple-software.md": apple_page.page}


def pages() -> dict[Path, str]:
    """Return the contents of all pages that are made, by path."""
    made = {DOCS / name: page() for name, page in WHOLE.items()}
    for path in sorted(DOCS.rglob("*.md")):
        if path not in made and "<!-- made: " in (text := path.read_text(encoding="utf-8")):
            made[path] = fill(text)
    return made


if __name__ == "__main__":
    for path, text in pages().items():
        path.write_text(text, encoding="utf-8")
        print(path.relative_to(DOCS.parent))
