from __future__ import annotations

from pathlib import Path

import pytest

from gpudepth.errors import UsageError
from gpudepth.pairing.pairs import Pair, find_collisions, natural_sorted, output_template, photo_key, shared_maps


def pair(key: str, depth: str, output: str | None = None, **fields: str) -> Pair:
    return Pair(key, Path(key), Path(depth), fields, Path(output) if output else None)


def test_collisions_name_what_would_tell_apart() -> None:
    pairs = [pair("d1/c1/5.png", "a", "out/5.heic", stem="5", drive="d1", cam="c1"),
             pair("d2/c1/5.png", "b", "out/5.heic", stem="5", drive="d2", cam="c1"),
             pair("d1/c1/6.png", "c", "out/6.heic", stem="6", drive="d1", cam="c1")]
    assert [(c.keys, c.reason, c.differ) for c in find_collisions(pairs, [])] == [
        (("d1/c1/5.png", "d2/c1/5.png"), "several pairs write it", ("drive",))]


def test_when_no_placeholder_alone_tells_apart_all_that_differ_are_named() -> None:
    pairs = [pair(f"{a}{b}", "d", "out", a=a, b=b) for a in "12" for b in "12"]
    assert find_collisions(pairs, [])[0].differ == ("a", "b")


def test_an_output_that_is_an_input() -> None:
    assert [c.reason for c in find_collisions([pair("a", "b", "x/b", stem="a")], [Path("x/b")])] == ["it is an input"]
    assert not find_collisions([pair("a", "b")], [Path("a")])


def test_shared_maps() -> None:
    found = shared_maps([pair("a", "m"), pair("b", "n"), pair("c", "m")])
    assert [(d.key, d.paths, d.shared) for d in found] == [("a", (Path("a"), Path("c")), True)]


def test_keys_and_order() -> None:
    assert photo_key(Path("/x/p/a.jpg"), Path("/x")) == "p/a.jpg"
    assert photo_key(Path("/y/a.jpg"), Path("/x")) == "/y/a.jpg"
    assert natural_sorted([Path("a10"), Path("a9")]) == (Path("a9"), Path("a10"))


def test_output_templates() -> None:
    assert output_template(None, frozenset()) is None
    with pytest.raises(UsageError, match=r"'out/\{id\}\.heic' uses the undefined placeholder \{id\}"):
        output_template("out/{id}.heic", frozenset({"stem"}))
    with pytest.raises(UsageError, match="after its beginning"):
        output_template("out/../{stem}.heic", frozenset({"stem"}))
