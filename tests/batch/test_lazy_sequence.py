from __future__ import annotations

from gpudepth.batch.plan import LazySequence, select


def test_those_that_are_wanted() -> None:
    items = tuple("abcdef")
    some = select(items, lambda letter: letter in "bdf")
    assert isinstance(some, LazySequence)
    assert (list(some), len(some), some[1], some[-1], list(some[1:])) == (["b", "d", "f"], 3, "d", "f", ["d", "f"])
    assert list(select(some, lambda letter: letter > "b")) == ["d", "f"]
    assert select(items, str.isalpha) is items       # nothing is held twice
    assert not select(items, str.isdigit)
