"""gpudepth report"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from ..errors import UsageError

Run = Annotated[Path, typer.Argument(metavar="OUT", help="The folder that a run wrote to, or its ledger.",
                                     show_default=False)]
Page = Annotated[Path | None, typer.Option("-o", "--output", show_default=False,
                                           help="The page. [default: OUT/report.html]")]

Outputs = Annotated[Path | None, typer.Option(show_default=False, metavar="FOLDER",
                                              help="Where the photos are, if run.ledger has put the ledger elsewhere. "
                                                   "[default: the ledger's folder]")]


def report(out: Run, output: Page = None, outputs: Outputs = None) -> None:
    """Write a page about a run that opens from a file, without a network.

    It shows all items with picture and depth, those first whose depth edges agree least with picture edges; errors,
    warnings and times; each item in 3D, and refocused.

    \b
    gpudepth report demo-out/heic
    gpudepth report demo-out/heic -o demo.html
    gpudepth report logs/ledger.jsonl --outputs out
    """
    from ..attachment.output import atomic
    from ..view.report import report as look

    page = output or (out if out.is_dir() else out.parent) / "report.html"
    if page.suffix.lower() not in (".html", ".htm"):
        raise UsageError("a report is a page", where=page, hint="-o report.html")
    bar = sys.stderr.isatty()
    found = look(out, outputs=outputs,
                 told=lambda n, of: print(f"\r{n} of {of}", end="", file=sys.stderr) if bar else None)
    if bar:
        print(file=sys.stderr)
    with atomic(page) as file:
        file.write(found.write().encode("utf-8", "surrogateescape"))
    print(page)
