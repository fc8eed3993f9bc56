"""Pages as readers see them: rendered, and every command in a code block."""

from __future__ import annotations

import importlib
import re
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import markdown
import pytest
import yaml
from page_kit import PAGES, ROOT

import gpudepth
from gpudepth.cli.app import app
from tools.cli_page import verbs

BLOCKS = {"p", "li", "td", "th", "h1", "h2", "h3"}
MORE_PAGES = [ROOT / "ARCHITECTURE.md", ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md", ROOT / "benchmarks/RESULTS.md"]
ALL = [*PAGES, *MORE_PAGES]
MADE = {"cli.md", "job.md", "presets.md", "apple-software.md"}
_INDENTED = re.compile(r"^(?: {4,}|\t)\S")


def name_of(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


class Texts(HTMLParser):
    """The plain text of every paragraph, item and cell: what stands in code is left out."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.texts: list[str] = []
        self.code = 0
        self.heading = False
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in BLOCKS:
            self.texts.append("")
        self.heading = tag.startswith("h") and tag in BLOCKS
        self.code += tag in ("code", "pre")

    def handle_endtag(self, tag: str) -> None:
        self.code -= tag in ("code", "pre")

    def handle_data(self, data: str) -> None:
        if self.texts and not self.code and not self.heading:
            self.texts[-1] += data


@pytest.fixture(scope="module")
def extensions() -> tuple[list[str], dict[str, Any]]:
    """Those of mkdocs.yml, and the ones that MkDocs adds."""
    named = yaml.safe_load((ROOT / "mkdocs.yml").read_text(encoding="utf-8"))["markdown_extensions"]
    options = {name: value for one in named if isinstance(one, dict) for name, value in one.items()}
    return ["toc", "tables", "fenced_code", *(next(iter(one)) if isinstance(one, dict) else one for one in named)], options


@pytest.fixture(scope="module")
def typed() -> re.Pattern[str]:
    """What a command line looks like: a verb, a target of the Makefile, an installation."""
    known = "|".join(re.escape(name.split()[1]) for name, _ in verbs(app))
    targets = "|".join(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    return re.compile(rf"\bgpudepth (?:{known}) |\bpip install \S|\bmake (?:{targets})\b")


def rendered(page: Path, extensions: tuple[list[str], dict[str, Any]], monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.chdir(ROOT)      # snippets are relative to it
    text = page.read_text(encoding="utf-8")
    return markdown.markdown(text, extensions=extensions[0], extension_configs=extensions[1])


@pytest.mark.parametrize("page", ALL, ids=name_of)
def test_commands_are_in_code(page: Path, extensions: tuple[list[str], dict[str, Any]], typed: re.Pattern[str],
                              monkeypatch: pytest.MonkeyPatch) -> None:
    wrong = [text for text in Texts(rendered(page, extensions, monkeypatch)).texts
             if len(typed.findall(text)) > 1 or typed.match(text.strip())]
    assert wrong == []


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_block_that_lost_its_fence_is_found(extensions: tuple[list[str], dict[str, Any]], typed: re.Pattern[str]) -> None:
    text = "gpudepth run job.yaml --shard 3/16    # one\n    gpudepth merge job.yaml      # two\n"
    found = Texts(markdown.markdown(text, extensions=["tables"])).texts
    assert any(len(typed.findall(one)) > 1 for one in found)


def outside(text: str) -> Iterator[tuple[int, str, str]]:
    """(number, line, fence's language) of lines that open a fence, and of lines outside of fences."""
    inside = False
    for number, line in enumerate(text.splitlines(), 1):
        fence = re.match(r" *```(\w*)", line)
        if fence:
            inside = not inside
            if inside:
                yield number, line, fence.group(1) or "none"
        elif not inside:
            yield number, line, ""


@pytest.mark.parametrize("page", ALL, ids=name_of)
def test_blocks_are_fenced_and_name_a_language(page: Path) -> None:
    wrong = []
    before = ""
    for number, line, language in outside(page.read_text(encoding="utf-8")):
        block = _INDENTED.match(line) and not before.strip() and not language and page.name not in MADE
        if language == "none" or (block and not line.lstrip().startswith("options:")):
            wrong.append(f"{number}: {line}")
        before = line
    assert wrong == []


@pytest.mark.parametrize("page", [p for p in ALL if p.name not in MADE], ids=name_of)
def test_a_page_begins_with_what_it_is_good_for(page: Path) -> None:
    """One heading of the first level, and a paragraph below it."""
    text = page.read_text(encoding="utf-8")
    assert len(re.findall(r"^# ", re.sub(r"^```.*?^```", "", text, flags=re.DOTALL | re.MULTILINE), re.MULTILINE)) == 1
    paragraph = text.split("\n\n")[1]
    assert not paragraph.lstrip().startswith(("#", "|", "- ", "```")) or page.name == "performance.md"


def public() -> set[str]:
    """The names that docs/api.md documents."""
    text = (ROOT / "docs" / "api.md").read_text(encoding="utf-8")
    found = set()
    for entry in re.finditer(r"^::: (\S+)\n((?:    .*\n)*)", text, re.MULTILINE):
        members = re.search(r"members: \[(.*?)\]", entry.group(2), re.DOTALL)
        found |= {entry.group(1)} if members is None else {f"{entry.group(1)}.{n.strip()}" for n in members[1].split(",")}
    return found


def test_every_public_name_has_an_entry() -> None:
    documented = public()
    assert {f"gpudepth.{name}" for name in gpudepth.__all__ if name != "__version__"} <= documented | {"gpudepth.GpudepthError"}
    for module in ("depth.encoding", "errors"):
        found = importlib.import_module(f"gpudepth.{module}")
        for name, value in vars(found).items():
            if isinstance(value, type) and value.__module__ == found.__name__ and not name.startswith("_") and name != "Encoding":
                assert f"gpudepth.{module}.{name}" in documented
    for name in documented:
        module, _, member = name.rpartition(".")
        assert hasattr(importlib.import_module(module), member), name


def test_pages_send_nobody_to_private_modules() -> None:
    """Python on pages imports what the API reference documents, and nothing else of ours."""
    documented = public()
    modules = {name.rpartition(".")[0] for name in documented}
    for page in PAGES:
        for block in re.findall(r"^```python\n(.*?)^```", page.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE):
            for module, names in re.findall(r"^from (gpudepth[\w.]*) import (.+)$", block, re.MULTILINE):
                for name in names.split(","):
                    full = f"{module}.{name.split(' as ')[0].strip()}"
                    assert full in documented or full in modules, (page.name, full)
            for module in re.findall(r"^import (gpudepth\.[\w.]+)", block, re.MULTILINE):
                assert module in modules, (page.name, module)


def test_paths_of_the_architecture_exist() -> None:
    text = "".join((ROOT / name).read_text(encoding="utf-8") for name in ("ARCHITECTURE.md", "CONTRIBUTING.md"))
    paths = set(re.findall(r"`((?:gpudepth|tests|kernels|tools|configs|docs|fuzz|benchmarks)/[\w./-]*)`", text))
    assert len(paths) > 40
    assert [path for path in paths if not (ROOT / path).exists()] == []


def test_the_architecture_names_every_package() -> None:
    text = (ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8")
    packages = {path.parent.name for path in (ROOT / "gpudepth").glob("*/__init__.py")}
    assert len(packages) >= 15
    assert {name for name in packages if f"`{name}/`" not in text} == set()
