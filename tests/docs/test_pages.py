"""Pages and parts of pages that are made: current, and about everything there is."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import tree_sitter
import tree_sitter_swift
from pydantic import BaseModel

from gpudepth.cli.app import app
from gpudepth.settings.job import Job
from tools import cli_page, job_page
from tools.__main__ import DOCS, pages
from tools.parts import PARTS, fill


@pytest.fixture(scope="module")
def made() -> dict[Path, str]:
    return pages()


def test_every_made_page_is_current(made: dict[Path, str]) -> None:
    """`make pages` writes them."""
    assert len(made) >= 4
    stale = [str(path.relative_to(DOCS)) for path, text in made.items() if path.read_text(encoding="utf-8") != text]
    assert stale == [], "make pages"


def test_every_part_is_shown() -> None:
    shown = set(re.findall(r"<!-- made: ([\w-]+) -->", "".join(p.read_text(encoding="utf-8") for p in DOCS.rglob("*.md"))))
    assert shown == set(PARTS)


def test_a_part_that_nothing_makes_is_an_error() -> None:
    with pytest.raises(KeyError, match="nosuch"):
        fill("<!-- made: nosuch -->\n<!-- end -->")


def test_every_key_of_a_job_is_on_its_page() -> None:
    page = job_page.page()
    schema = Job.model_json_schema()
    for record in [schema, *schema["$defs"].values()]:
        for name in record.get("properties", {}):
            assert f"\n| `{name}` | " in page, name


def test_a_key_that_nothing_describes_is_an_error() -> None:
    class Unsaid(BaseModel):
        word: int

    with pytest.raises(KeyError, match="word"):
        job_page._section("unsaid", Unsaid, {"$defs": {"Unsaid": Unsaid.model_json_schema()}}, 2)


def test_every_option_of_every_verb_is_on_its_page() -> None:
    page = cli_page.page()
    root: Any = app
    verbs = cli_page.verbs(root)
    assert len(verbs) >= 20 and len({name for name, _ in verbs}) == len(verbs)
    for name, command in verbs:
        section = page.split(f"\n## {name}\n")[1].split("\n## ")[0]
        for parameter in command.params:
            for option in parameter.opts if parameter.param_type_name == "option" else [cli_page._placeholder(parameter)]:
                assert option in section, (name, option)


def test_swift_on_pages_parses() -> None:
    """By tree-sitter's grammar: there is no Swift here."""
    found = re.findall(r"^```swift\n(.*?)^```", "".join(p.read_text(encoding="utf-8") for p in DOCS.rglob("*.md")),
                       re.DOTALL | re.MULTILINE)
    parser = tree_sitter.Parser(tree_sitter.Language(tree_sitter_swift.language()))
    assert len(found) >= 2
    for snippet in found:
        assert not parser.parse(snippet.encode()).root_node.has_error, snippet
    assert parser.parse(b"let = (").root_node.has_error


def test_examples_are_commands_and_the_rest_is_prose() -> None:
    said, examples = cli_page.split("Says.\nMore.\n\nNext.\n\n\b\ngpudepth a\ngpudepth b  # c\n")
    assert said == "Says. More.\n\nNext." and examples == ["gpudepth a", "gpudepth b  # c"]
