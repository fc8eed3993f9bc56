from __future__ import annotations

import pickle

import pytest

from gpudepth import errors
from gpudepth.errors import BackendError, GpudepthError, HolesError, JobError, LimitError, listing, readable
from gpudepth.limits import Limits

TREE = [e for e in vars(errors).values() if isinstance(e, type) and issubclass(e, GpudepthError)]


@pytest.mark.parametrize("kind", TREE, ids=lambda e: e.__name__)
def test_every_error_survives_the_way_out_of_a_worker(kind: type[GpudepthError]) -> None:
    error = kind(["a", "b"], where="f") if kind is JobError else kind("wrong", where="f: meta", hint="do this")
    again = pickle.loads(pickle.dumps(error))
    assert type(again) is kind
    assert str(again) == str(error)
    assert vars(again) == vars(error)


def test_exit_codes_are_those_of_the_drawing() -> None:
    """The tree at the top of the module says class, exit code; the classes must agree with it."""
    import re

    drawn = dict(re.findall(r"(\w+Error)\s+exit (\d+)", errors.__doc__ or ""))
    assert {e.__name__: str(e.exit_code) for e in TREE} == drawn


def test_places_nest() -> None:
    error = HolesError("9 pixels", where="auxC")
    assert str(error.within("photo.heic")) == "photo.heic: auxC: 9 pixels"
    assert str(error.within("photo.heic")) == "photo.heic: auxC: 9 pixels"
    assert str(HolesError("9 pixels").within("map.png")) == "map.png: 9 pixels"


def test_limits() -> None:
    limits = Limits(max_pixels=100)
    limits.check_picture(10, 10, 4)
    with pytest.raises(LimitError, match=r"x.png: asks for 110, limits.max_pixels is 100"):
        limits.check_picture(10, 11, 4, where="x.png")
    with pytest.raises(LimitError, match="max_decoded_bytes"):
        Limits(max_pixels=0, max_decoded_bytes=10).check_picture(2, 2, 3)
    Limits(max_pixels=0, max_decoded_bytes=0).check_picture(1 << 20, 1 << 20, 4)


def test_what_is_named_of_a_file_stays_readable() -> None:
    """A file may hold a thousand things, and names of a megabyte."""
    assert listing(["a", "b"], 2) == "a, b"
    assert listing([], 0) == "nothing"
    assert listing([], 0, none="none") == "none"
    many = listing((f"n{n}" for n in range(1_000_000)), 1_000_000, "; ")
    assert many.startswith("n0; n1; ")
    assert many.endswith("; n19; and 999,980 more")
    assert listing(["n" * 1000], 1) == "n" * 99 + "…"


def test_long_messages_are_cut() -> None:
    error: GpudepthError = LimitError("m" * 10_000, hint="h" * 10_000)
    assert len(error.message) == len(error.hint or "") == 1000
    error = BackendError("m" * 10_000, hint="h" * 10_000)
    assert len(error.message) == len(error.hint or "") == 2000
    assert str(error).endswith("…)")
    assert len(JobError(["p" * 10_000] * 100).problems) == 51


def test_coded_bytes() -> None:
    limits = Limits(max_coded=2)
    limits.check_coded(65_536 + 2 * 100, 10, 10)
    with pytest.raises(LimitError, match=r"item 2: 65,737 bytes for a picture of 10×10, limits.max_coded is 2"):
        limits.check_coded(65_536 + 2 * 100 + 1, 10, 10, where="item 2")
    Limits(max_coded=0).check_coded(1 << 40, 10, 10)


@pytest.mark.parametrize(("text", "lines", "shown"), [
    ("a\x1b[31m\x07b", False, r"a\x1b[31m\x07b"), ("a\nerror: b", False, r"a\x0aerror: b"), ("a\nerror: b", True, "a\n  error: b"),
    ("\x9b31m\x7f\r", True, r"\x9b31m\x7f\x0d"), ("深 é\udcff", False, "深 é\udcff")])
def test_what_a_terminal_gets(text: str, lines: bool, shown: str) -> None:
    assert readable(text, lines=lines) == shown
