"""Whether two sizes can be of one field of view."""

from __future__ import annotations

import pytest

from gpudepth.depth.aspect import compare


@pytest.mark.parametrize(("one", "other", "fits", "turned"), [
    ((768, 576), (4032, 3024), True, False), ((576, 768), (4032, 3024), False, True), ((100, 100), (200, 200), True, True),
    ((1000, 1000), (1010, 1000), True, True), ((1000, 1000), (1020, 1000), False, False),
    ((188, 250), (375, 500), True, False),      # 187.5 was rounded
    ((1, 1), (4032, 3024), True, True)])
def test_sizes(one: tuple[int, int], other: tuple[int, int], fits: bool, turned: bool) -> None:
    found = compare(one, other, min(one))
    assert (found.fits, found.turned) == (fits, turned)


def test_how_far_off() -> None:
    assert compare((8, 8), (96, 64), 8).off == "33.3%"
    assert compare((200, 100), (100, 100), 100).ratio == 2
