"""gpudepth report"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

from ..errors import UsageError
from .command import Argument, Option

Run = Annotated[Path, Argument(metavar="OUT", help=(
    "The output folder of a run, or its ledger."))]
Page = Annotated[Path | None, Option("-o", "--output", show_default=False, help=(
    "The page. [default: OUT/report.html]"))]

Outputs = Annotated[Path | None, Option(show_default=False, metavar="FOLDER", help=(
    "The output folder, if run.ledger names a ledger elsewhere. [default: the ledger's folder]"))]


def report(out: Run, output: Page = None, outputs: Outputs = None) -> None:
    """Write a page about a run, which needs no network.

    The page shows errors, warnings and times, and the picture and depth of each item, also in 3D and refocused. The
    items whose depth edges agree least with picture edges come first.

    \b
    gpudepth report demo-out/heic
    gpudepth report demo-out/heic -o demo.html
    gpudepth report logs/ledger.jsonl --outputs out
    """
    from ..attachment.output import atomic
    from ..view.report import report as make_report

    page = output or (out if out.is_dir() else out.parent) / "report.html"
    if page.suffix.lower() not in (".html", ".htm"):
        raise UsageError("the name of a report must end in .html or .htm", where=page, hint="-o report.html")
    bar = sys.stderr.isatty()
    made = make_report(out, outputs=outputs,
                       progress=lambda n, of: print(f"\r{n} of {of}", end="", file=sys.stderr) if bar else None)
    if bar:
        print(file=sys.stderr)
    with atomic(page) as file:
        file.write(made.html().encode("utf-8", "surrogateescape"))
    print(page)
