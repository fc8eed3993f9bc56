"""Frames that go together: against a search through all pairs."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gpudepth.errors import UsageError
from gpudepth.video.matching import by_place, by_time


def test_same_times() -> None:
    times = [Fraction(n, 30) for n in range(5)]
    assert by_time(times, times).pairs == tuple((n, n) for n in range(5))


def test_half_the_rate() -> None:
    """Maps at 15 a second go to every other picture, not to both of them."""
    matched = by_time([Fraction(n, 30) for n in range(6)], [Fraction(n, 15) for n in range(3)])
    assert matched.pairs == ((0, 0), (2, 1), (4, 2))
    assert matched.pictures_alone == (1, 3, 5)
    assert by_time([Fraction(n, 15) for n in range(3)], [Fraction(n, 30) for n in range(6)]).maps_alone == (1, 3, 5)


def test_milliseconds() -> None:
    """As Matroska rounds them."""
    times = [Fraction(n, 30) for n in range(900)]
    assert by_time(times, [Fraction(round(t * 1000), 1000) for t in times]).pairs == tuple((n, n) for n in range(900))


def test_a_missing_map_moves_nothing() -> None:
    times = [Fraction(n, 30) for n in range(10)]
    matched = by_time(times, times[:4] + times[5:])
    assert matched.pairs == tuple((n, n - (n > 4)) for n in range(10) if n != 4)
    assert matched.pictures_alone == (4,)


def test_offset_and_tolerance() -> None:
    pictures, maps = [Fraction(0), Fraction(1), Fraction(2)], [Fraction(10), Fraction(11), Fraction(12, 1) + Fraction(3, 10)]
    assert by_time(pictures, maps).pairs == ()
    assert by_time(pictures, maps, offset=Fraction(-10)).pairs == ((0, 0), (1, 1), (2, 2))
    assert by_time(pictures, maps, Fraction(2, 10), Fraction(-10)).pairs == ((0, 0), (1, 1))
    assert by_time([Fraction(0)], [Fraction(1, 100)]).pairs == ((0, 0),)
    assert by_time([], [Fraction(0)]).maps_alone == (0,)
    assert by_time([Fraction(0)], []).pictures_alone == (0,)


times = st.lists(st.integers(0, 200), unique=True, max_size=25).map(sorted)


@given(times, times, st.integers(1, 20))
def test_each_others_nearest(one: list[int], other: list[int], tolerance: int) -> None:
    matched = by_time([Fraction(t) for t in one], [Fraction(t) for t in other], Fraction(tolerance))
    wanted = []
    for i, a in enumerate(one):
        for j, b in enumerate(other):
            nearest_map = min(range(len(other)), key=lambda k: (abs(other[k] - a), k))
            nearest_picture = min(range(len(one)), key=lambda k: (abs(one[k] - b), k))
            if nearest_map == j and nearest_picture == i and abs(a - b) <= tolerance:
                wanted.append((i, j))
    assert matched.pairs == tuple(wanted)
    assert {i for i, _ in matched.pairs} | set(matched.pictures_alone) == set(range(len(one)))


def test_by_place() -> None:
    assert by_place(3, 3).pairs == ((0, 0), (1, 1), (2, 2))
    assert by_place(3, 5, 2).pairs == ((0, 2), (1, 3), (2, 4))
    with pytest.raises(UsageError, match="3 pictures and 4 maps"):
        by_place(3, 4)
    assert by_place(3, 4, allow_missing=True).maps_alone == (3,)
