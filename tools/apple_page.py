"""Makes docs/apple-software.md, the page on what is established on Apple software, from the reports of Macs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from gpudepth.containers.rules import Verdicts
from gpudepth.mac.kit import AppleReport, compare, load

REPORTS = Path(__file__).parents[1] / "docs" / "apple-reports"
HEAD = """\
# What is established on Apple software

<!-- made by `make pages` from docs/apple-reports/*.json; do not edit -->

gpudepth is written and tested without Apple software. Two things replace it:

- Files that Apple software wrote, whose metadata the tests rebuild byte for byte
  (`tests/containers/test_heif_golden.py`, `tests/containers/test_jpeg.py`).
- Reports of a probe that anyone with a Mac can run.

```sh
gpudepth mac-kit kit          # on this machine
swift probe.swift > report.json          # on the Mac, in that folder
gpudepth check --apple-report report.json          # in the folder of the kit
```

"""
NOT_YET = """\
## Reports

**Not run yet.** No report has arrived. What ImageIO, AVFoundation and Photos make of the files that gpudepth writes is
therefore not established, whatever other pages say.
"""
PORTRAIT = """\

## Photos and Portrait mode

A probe cannot examine Photos. According to public reports, which are not verified here, Photos refuses depth that is
unfiltered, of low quality or without calibration. Editing the blur needs a rendering blob
(`depthBlurEffect:RenderingParameters`), which only photos taken in Portrait mode have. The profile `apple-portrait`
writes all of this, with the blob, the aperture and the Exif tag CustomRendered of the photo named by `--donor`.
`gpudepth check --profile apple-portrait` lists what a file lacks.
"""


def page(folder: Path = REPORTS) -> str:
    """Return the page for the reports in a folder; the kit of each report is in a folder of the report's name."""
    reports = [(load(path), path.with_suffix("")) for path in sorted(folder.glob("*.json"))]
    return page_of([(report, compare(report, kit)) for report, kit in reports])


def page_of(reports: Sequence[tuple[AppleReport, Sequence[Verdicts]]]) -> str:
    """Return the page for reports and the results of comparing them."""
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
