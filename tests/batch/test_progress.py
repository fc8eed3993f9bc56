"""What a run says while it runs."""

from __future__ import annotations

import io
import json
import time
from pathlib import Path

import pytest

from gpudepth.batch import progress
from gpudepth.batch.ledger import Row
from gpudepth.batch.progress import Progress

GOOD = Row("a", "ok", "job", pixels=2_000_000, stages={"read": 0.1, "encode": 0.4})
BAD = Row("b", "error", "job", error="FileError", message="m")


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_lines_now_and_then_where_there_is_no_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = io.StringIO()
    with Progress(3, stream=stream) as bar:
        bar.step(GOOD)
        assert stream.getvalue() == ""
        bar.every = 0
        bar.step(BAD)
        bar.warn("x", "a")
    assert stream.getvalue().startswith("2/3 items, 1 failed")
    assert stream.getvalue().endswith("warning: a: x\n")


def test_figures(monkeypatch: pytest.MonkeyPatch) -> None:
    with Progress(10, quiet=True) as bar:
        bar.step(GOOD)
        bar.step(GOOD)
        bar.started -= 4
        figures = bar.figures()
    assert figures["items_per_s"] == pytest.approx(0.5, abs=0.01)
    assert figures["mpix_per_s"] == pytest.approx(1.0, abs=0.02)
    assert figures["eta_s"] == 16
    assert (figures["bottleneck"], figures["share"]) == ("encode", 0.8)
    assert bar.rate() == "0.5 items/s, 1.0 MPix/s, 0:16 left, encode takes 80%"
    bar.started -= 40000
    assert "12:" not in bar.rate().split(", ")[0]
    assert bar.rate().split(", ")[2].count(":") == 2


def test_quiet_is_quiet() -> None:
    for stream in (io.StringIO(), Terminal()):
        for style in ("text", "json"):
            with Progress(1, quiet=True, stream=stream, style=style) as bar:  # type: ignore[arg-type]
                bar.step(GOOD)
                bar.warn("x")
            assert stream.getvalue() == ""


def test_a_bar_on_a_terminal() -> None:
    stream = Terminal()
    with Progress(2, stream=stream) as bar:
        bar.step(GOOD)
        bar.error("[bold]x[/bold]")
        bar.step(GOOD)
    assert "error: [bold]x[/bold]" in stream.getvalue()
    assert "2/2" in stream.getvalue()


def test_lines_of_json() -> None:
    """Even on a terminal: whoever asks for JSON gets JSON."""
    stream = Terminal()
    with Progress(2, stream=stream, style="json", every=0) as bar:
        bar.step(BAD)
        bar.error("no such\nfile", "b")
        bar.warn("coarse")
    events = [json.loads(line) for line in stream.getvalue().splitlines()]
    assert [e["event"] for e in events] == ["progress", "error", "warning"]
    assert (events[0]["done"], events[0]["failed"], events[0]["total"]) == (1, 1, 2)
    assert (events[1]["key"], events[1]["message"]) == ("b", "no such\nfile")
    assert "key" not in events[2]
    assert abs(events[0]["time"] - time.time()) < 60


def test_heartbeat(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "beat.json"
    with Progress(2, quiet=True, heartbeat=path) as bar:
        assert json.loads(path.read_text())["state"] == "running"
        bar.step(GOOD)
        assert json.loads(path.read_text())["done"] == 0     # not each time
        monkeypatch.setattr(progress, "BEAT_SECONDS", 0)
        bar.step(GOOD)
        assert json.loads(path.read_text())["done"] == 2
    assert json.loads(path.read_text())["state"] == "done"
    assert [p.name for p in tmp_path.iterdir()] == ["beat.json"]
    with pytest.raises(KeyError), Progress(2, quiet=True, heartbeat=path):
        raise KeyError
    assert json.loads(path.read_text())["state"] == "stopped"
    with Progress(1, quiet=True, heartbeat=tmp_path / "none" / "beat.json") as bar:
        bar.step(GOOD)
