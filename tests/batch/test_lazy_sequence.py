from __future__ import annotations

from gpudepth.batch.lazy_sequence import View, those


def test_those_that_are_wanted() -> None:
    items = tuple("abcdef")
    some = those(items, lambda letter: letter in "bdf")
    assert isinstance(some, View)
    assert (list(some), len(some), some[1], some[-1], list(some[1:])) == (["b", "d", "f"], 3, "d", "f", ["d", "f"])
    assert list(those(some, lambda letter: letter > "b")) == ["d", "f"]
    assert those(items, str.isalpha) is items       # nothing is held twice
    assert not those(items, str.isdigit)
