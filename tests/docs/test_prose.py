"""Phrases that must not come back, and the tool that finds them."""

from __future__ import annotations

from pathlib import Path

import pytest

from tools import prose


def test_pages_use_plain_words() -> None:
    assert prose.main([]) == 0


@pytest.mark.parametrize("phrase", ["encoded anew", "it reads that, too", "which is none", "the house", "two rooms",
                                    "as judges", "exiftool judges", "mends it", "depth, for one.", "1 photos"])
def test_a_phrase_is_found(phrase: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    page = tmp_path / "page.md"
    page.write_text(f"Plain words.\n{phrase}\n")
    assert prose.main([str(page)]) == 1
    assert f"{page}:2: " in capsys.readouterr().out


def test_plain_sentences_pass() -> None:
    text = "It renders a room.\nFor one photo, use attach.\nAdjudged broadly, one of the two hundred files is too large.\n"
    assert [found for found in prose.findings(text) if found[0] < 3] == []


def test_the_files_are_those_of_people() -> None:
    names = {path.name for path in prose.files()}
    assert {"README.md", "ARCHITECTURE.md", "tour.md", "model_output.py"} <= names
    assert "cli.md" not in names
