"""The page of the docs that says what is established on Apple software: made of the reports that are there."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from ..containers.rules import Verdicts
from .report import Report, compare, load

HEAD = """\
# What is established on Apple software

<!-- made by `make apple-page` from docs/apple-reports/*.json; do not edit -->

gpudepth is written and tested where no Apple software runs. Two things stand in for it: files that Apple software
wrote, whose metadata is rebuilt byte for byte (`tests/containers/test_heif_golden.py`,
`tests/containers/test_jpeg.py`), and reports of a probe that anyone with a Mac can run:

    gpudepth mac-kit kit          # here
    swift probe.swift > report.json          # on the Mac, in that folder
    gpudepth check --apple-report report.json          # where the kit lies

"""
NOT_YET = """\
## Reports

**Not run yet.** No report has come in. What ImageIO, AVFoundation and Photos make of the files that gpudepth writes is
therefore not established, whatever else this documentation says.
"""
PORTRAIT = """\

## Photos and Portrait mode

Not something a probe can see. It is publicly reported, and not proven here, that Photos refuses depth that is
unfiltered, of low quality or without calibration, and that editing the blur needs a rendering blob
(`depthBlurEffect:RenderingParameters`) that only a photo taken in Portrait mode has. The profile `apple-portrait`
writes all of that, with the blob, the aperture and the Exif tag CustomRendered of a photo named by `--donor`;
`gpudepth check --profile apple-portrait` says what a file lacks.
"""


def page(reports: Sequence[tuple[Report, Sequence[Verdicts]]]) -> str:
    """The whole page, for reports and what comparing them gave."""
    if not reports:
        return HEAD + NOT_YET + PORTRAIT
    parts = [HEAD]
    for report, verdicts in reports:
        parts.append(f"## {report.system} ({report.architecture})\n")
        parts.append("| file | as we wrote it | what differs |\n|---|---|---|")
        for v in verdicts:
            broken = "; ".join(f"{f.rule}: {f.found}" for f in v.findings if f.verdict != "ok").replace("|", "\\|")
            parts.append(f"| `{v.file}` | {'yes' if v.conforms else 'no'} | {broken} |")
        parts.append("")
    return "\n".join(parts) + PORTRAIT


def make_page(folder: Path) -> str:
    """The page for the reports in a folder; each lies beside a folder of its own name that holds the kit."""
    found = []
    for path in sorted(folder.glob("*.json")):
        report = load(path)
        found.append((report, compare(report, path.with_suffix(""))))
    return page(found)


if __name__ == "__main__":
    Path(sys.argv[2]).write_text(make_page(Path(sys.argv[1])), encoding="utf-8")
