"""The report of a run of a thousand photos: what it weighs, and how long a browser takes to show it."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

import pytest
from browser_kit import opened

from gpudepth.batch.ledger import LEDGER
from gpudepth.demo.tour import tour
from gpudepth.view.report import report

COUNT = 1000


@pytest.mark.soak
def test_a_thousand_photos(tmp_path: Path) -> None:
    """Of the demo's scene, whose noise and edges cost as much as real photos' do."""
    assert len(list(tour(tmp_path / "demo"))) > 12
    made, out = tmp_path / "demo/heic", tmp_path / "out"
    out.mkdir()
    rows = [json.loads(line) for line in (made / LEDGER).read_text().splitlines()]
    with (out / LEDGER).open("w") as ledger:
        for n in range(COUNT):
            row = dict(rows[n % len(rows)])
            os.link(made / row["output"], out / f"{n:04}.heic")
            ledger.write(json.dumps({**row, "key": f"photos/{n:04}.jpg", "output": f"{n:04}.heic"}) + "\n")
    started = time.monotonic()
    text = report(out).html()
    written = time.monotonic() - started
    (out / "report.html").write_text(text, encoding="utf-8")
    size = (out / "report.html").stat().st_size
    with opened(out / "report.html") as page:
        page.wait_for_selector("#rows tr")
        page.wait_for_function("[...document.querySelectorAll('#rows canvas')].filter(c => c.width > 1).length > 5")
        seconds = page.evaluate("performance.now()") / 1000
        assert page.inner_text("#count") == f"{COUNT} of {COUNT}"
        page.fill("#search", "0999")
        assert page.locator("#rows tr").count() == 1
    print(f"\nreport of {COUNT}: {written:.1f} s to make, {size / 1e6:.1f} MB, {seconds:.2f} s until its first rows are drawn")
    assert size < 30e6
    assert seconds < 3
