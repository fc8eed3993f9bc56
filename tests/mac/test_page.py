"""The page of the docs is made of the reports that are there, and says so when there is none."""

from __future__ import annotations

from pathlib import Path

from gpudepth.containers.rules import Finding, Verdicts
from gpudepth.mac.page import make_page, page
from gpudepth.mac.report import Report

DOCS = Path(__file__).parents[2] / "docs"


def test_the_page_in_the_docs_is_this_one() -> None:
    assert (DOCS / "apple-software.md").read_text(encoding="utf-8") == make_page(DOCS / "apple-reports")


def test_without_a_report_it_says_so(tmp_path: Path) -> None:
    assert "Not run yet" in make_page(tmp_path)


def test_a_report_becomes_a_table() -> None:
    report = Report.model_validate({"schema": "gpudepth-apple-report", "version": 1, "system": "Version 99.0",
                                    "architecture": "arm64", "files": []})
    good = Verdicts("a.heic", "public.heic", None, (Finding("found", "ok", "", "", ""),))
    bad = Verdicts("b.heic", "public.heic", None, (Finding("found", "fail", "", "", "", "nothing | at all"),))
    text = page([(report, [good, bad])])
    assert "Not run yet" not in text and "## Version 99.0 (arm64)" in text
    assert "| `a.heic` | yes |  |" in text and "| `b.heic` | no | found: nothing \\| at all |" in text
