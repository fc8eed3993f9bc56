"""The site: built with every warning an error, and whole: each link, anchor and picture is there, nothing is fetched."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

ROOT = Path(__file__).parents[2]
_FETCHED = {"img": "src", "script": "src", "link": "href", "iframe": "src", "source": "src", "video": "src", "use": "href"}
_HARMLESS = ("canonical", "next", "prev", "edit", "alternate")


class Page(HTMLParser):
    """What a page names: ids, links, and what a browser fetches by itself."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.ids: set[str] = set()
        self.links: list[str] = []
        self.fetched: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = {name: value or "" for name, value in attrs}
        self.ids |= {found[name] for name in ("id", "name") if found.get(name)}
        if tag == "a" and "href" in found:
            self.links.append(found["href"])
        if found.get(_FETCHED.get(tag, "-")) and found.get("rel") not in _HARMLESS:
            self.fetched.append(found[_FETCHED[tag]])


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The built site. A proxy that is not there shows whether building asks the network for anything."""
    folder = tmp_path_factory.mktemp("site") / "site"
    nowhere = dict.fromkeys(("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"), "http://127.0.0.1:9")
    done = subprocess.run([sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", folder], cwd=ROOT,
                          env=os.environ | nowhere | {"NO_MKDOCS_2_WARNING": "1"}, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "WARNING" not in done.stderr
    return folder


@pytest.fixture(scope="module")
def pages(site: Path) -> dict[Path, Page]:
    return {path.resolve(): Page(path.read_text(encoding="utf-8")) for path in site.rglob("*.html")}


def test_every_page_is_built(site: Path, pages: dict[Path, Page]) -> None:
    docs = ROOT / "docs"
    for path in docs.rglob("*.md"):
        assert site / path.relative_to(docs).with_suffix(".html") in pages
    assert not list(site.rglob("*.json")) or not (site / "apple-reports").exists()


def targets(names: list[str], page: Path, site: Path) -> Iterator[tuple[str, Path, str]]:
    """(as written, file, anchor) of what lies in the site."""
    for name in names:
        parts = urlsplit(name)
        if not parts.scheme and not parts.netloc:
            base = site if page.name == "404.html" else page.parent        # served from anywhere, its names are absolute
            yield name, (base / unquote(parts.path).lstrip("/")).resolve() if parts.path else page, parts.fragment


def test_links_and_anchors_resolve(site: Path, pages: dict[Path, Page]) -> None:
    wrong = []
    count = 0
    for path, page in pages.items():
        for name, target, anchor in targets(page.links, path, site):
            count += 1
            if not target.is_file() or (anchor and target in pages and unquote(anchor) not in pages[target].ids):
                wrong.append(f"{path.name}: {name}")
    assert wrong == [] and count > 500


def test_nothing_is_fetched_from_elsewhere(site: Path, pages: dict[Path, Page]) -> None:
    wrong = []
    for path, page in pages.items():
        found = list(targets(page.fetched, path, site))
        wrong += [f"{path.name}: {name}" for name in set(page.fetched) - {name for name, _, _ in found}
                  if not name.startswith("data:")]
        wrong += [f"{path.name}: {name}" for name, target, _ in found if not target.is_file()]
    assert wrong == []
    assert any("images/preview.png" in name for page in pages.values() for name in page.fetched)


def test_it_opens_from_a_file(site: Path) -> None:
    """In Chromium, without a network: no error, no request that is not of a file, and its style applies."""
    from browser_kit import opened

    with opened(site / "tour.html") as page:
        assert page.locator("h1").inner_text().startswith("Five minutes")
        assert page.evaluate("document.querySelector('.md-content img').naturalWidth") > 300
        page.click("text=What the numbers mean >> nth=0")
        page.wait_for_selector("h1:has-text('What the numbers mean')")


def test_its_search_works_from_a_file(site: Path) -> None:
    """By a frame in the place of a worker (docs/scripts)."""
    from browser_kit import opened

    with opened(site / "recipes" / "swift.html") as page:
        page.click(".md-search__input")
        page.keyboard.type("guided")
        page.wait_for_selector(".md-search-result__link")
        assert any("refine.html" in link.get_attribute("href") for link in page.locator(".md-search-result__link").all())


def test_links_of_the_readmes_resolve() -> None:
    """They are read where the repository is."""
    for path in (ROOT / "README.md", ROOT / "deploy" / "README.md", ROOT / "fuzz" / "README.md"):
        for name in re.findall(r"\]\(([^)#]+)[^)]*\)", path.read_text(encoding="utf-8")):
            assert name.startswith("https://") or (path.parent / name).exists(), (path, name)


def test_no_machine_is_named() -> None:
    for path in [*(ROOT / "docs").rglob("*.md"), ROOT / "README.md", ROOT / "mkdocs.yml"]:
        text = path.read_text(encoding="utf-8")
        assert not [word for word in ("/work/", "/tmp/wt", "/home/") if word in text], path
