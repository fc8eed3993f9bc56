from __future__ import annotations

import io
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from PIL import Image

from gpudepth.errors import GpudepthError, LimitError, MalformedError, TruncatedError, UnsupportedError, UsageError
from gpudepth.limits import Limits
from gpudepth.maps.netpbm import encode_pfm, read_pfm

ROWS = np.array([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]], dtype=np.float32)


def read(data: bytes, limits: Limits | None = None) -> np.ndarray:
    return read_pfm(io.BytesIO(data), len(data), where="x.pfm", limits=limits or Limits())


@pytest.mark.parametrize("header", [
    b"Pf\n3 2\n-1.0\n",                         # the usual one
    b"Pf \n3 2 \n-1.0\n",                       # SceneFlow: trailing blanks
    b"Pf\n3 2\n-0.003922\n",                    # Middlebury: the magnitude is not a factor
    b"Pf\r\n3 2\r\n-1\r\n",
    b"Pf 3 2 -1e0 ",
    b"Pf\n3\n2\n-1.000000\n",
])
def test_headers_seen_in_the_wild(header: bytes) -> None:
    values = read(header + ROWS[::-1].astype("<f4").tobytes())
    assert values.dtype == np.float32 and values.flags.c_contiguous
    np.testing.assert_array_equal(values, ROWS)


def test_sign_of_scale_is_the_byte_order() -> None:
    np.testing.assert_array_equal(read(b"Pf\n3 2\n1.0\n" + ROWS[::-1].astype(">f4").tobytes()), ROWS)


def test_floats_that_look_like_white_space_are_not_eaten() -> None:
    blanks = np.frombuffer(b"\n\n\n\n    \r\n\t ", dtype="<f4").reshape(1, 3)
    np.testing.assert_array_equal(read(b"Pf\n3 1\n-1\n" + blanks.tobytes()), blanks)
    np.testing.assert_array_equal(read(b"Pf\n3 1\n-1 \r\n" + blanks.tobytes()), blanks)


@pytest.mark.parametrize(("data", "error", "says"), [
    (b"PF\n1 1\n-1\n" + bytes(12), UnsupportedError, "three values"),
    (b"Pf\n3 2\n-1\n" + bytes(23), TruncatedError, "24 bytes, but the file holds 23"),
    (b"Pf\n3 2\n-1\n", TruncatedError, "but the file holds 0"),
    (b"Pf\n3 2", TruncatedError, "cut off"),
    (b"Pf\n3 2\n-1\n" + bytes(25), MalformedError, "1 bytes more"),
    (b"Pf\n3 2\n-1\n" + bytes(2000), MalformedError, "more than"),
    (b"Pf\n3 2\n0\n" + bytes(24), MalformedError, "scale 0"),
    (b"Pf\n0 2\n-1\n", MalformedError, "0×2"),
    (b"Pf\nthree 2\n-1\n" + bytes(24), MalformedError, "header"),
    (b"Pf\n3 2\n1e999\n" + bytes(24), MalformedError, "scale inf"),
    (b"Pf\n999999999 999999999\n-1\n" + bytes(24), LimitError, "max_pixels"),
])
def test_what_is_wrong_is_said(data: bytes, error: type[GpudepthError], says: str) -> None:
    with pytest.raises(error, match=says) as caught:
        read(data)
    assert caught.value.where == "x.pfm"


def test_limits_come_before_the_rows() -> None:
    with pytest.raises(LimitError, match="max_pixels"):
        read(b"Pf\n3 2\n-1\n", Limits(max_pixels=5))


@given(hnp.arrays(np.float32, hnp.array_shapes(min_dims=2, max_dims=2, max_side=9)), st.sampled_from(["little", "big"]))
def test_round_trip(tmp_path_factory: pytest.TempPathFactory, values: np.ndarray, order: str) -> None:
    path = tmp_path_factory.getbasetemp() / "round.pfm"
    path.write_bytes(encode_pfm(values, byteorder=order))  # type: ignore[arg-type]
    again = read(path.read_bytes())
    assert again.tobytes() == values.tobytes()          # bit for bit: NaN payloads, signs of zero
    with Image.open(path) as other:                     # an independent reader agrees
        assert np.asarray(other).tobytes() == values.tobytes()


@given(st.binary(max_size=80))
def test_garbage_never_escapes(tail: bytes) -> None:
    with suppress(GpudepthError):
        read(b"Pf" + tail)


def test_writer_refuses_what_is_no_map(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="height, width"):
        (tmp_path / "x.pfm").write_bytes(encode_pfm(np.zeros((2, 3, 3))))
