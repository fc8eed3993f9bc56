from __future__ import annotations

import io

import pytest

from gpudepth.pipeline import progress
from gpudepth.pipeline.progress import Progress


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_lines_now_and_then_where_there_is_no_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = io.StringIO()
    with Progress(3, stream=stream) as bar:
        bar.step()
        assert stream.getvalue() == ""
        monkeypatch.setattr(progress, "LINE_SECONDS", 0)
        bar.step(failed=True)
        bar.say("warning: x")
    assert stream.getvalue().startswith("2/3 items, 1 failed")
    assert stream.getvalue().endswith("warning: x\n")


def test_quiet_is_quiet() -> None:
    for stream in (io.StringIO(), Terminal()):
        with Progress(1, quiet=True, stream=stream) as bar:
            bar.step()
            bar.say("warning: x")
        assert stream.getvalue() == ""


def test_a_bar_on_a_terminal() -> None:
    stream = Terminal()
    with Progress(2, stream=stream) as bar:
        bar.step()
        bar.say("warning: [bold]x[/bold]")
        bar.step()
    assert "warning: [bold]x[/bold]" in stream.getvalue()
    assert "2/2" in stream.getvalue()
