"""The page of the docs is made of the reports that are there, and says so when there is none."""

from __future__ import annotations

from pathlib import Path

from gpudepth.containers.rules import Finding, Verdicts
from gpudepth.mac.kit import AppleReport
from tools.apple_page import page, page_of


def test_without_a_report_it_says_so(tmp_path: Path) -> None:
    assert "Not run yet" in page(tmp_path)


def test_a_report_becomes_a_table() -> None:
    report = AppleReport.model_validate({"schema": "gpudepth-apple-report", "version": 1, "system": "Version 99.0",
                                    "architecture": "arm64", "files": []})
    good = Verdicts("a.heic", "public.heic", None, (Finding("found", "ok", "", "", ""),))
    bad = Verdicts("b.heic", "public.heic", None, (Finding("found", "fail", "", "", "", "nothing | at all"),))
    text = page_of([(report, [good, bad])])
    assert "Not run yet" not in text and "## Version 99.0 (arm64)" in text
    assert "| `a.heic` | yes |  |" in text and "| `b.heic` | no | found: nothing \\| at all |" in text
