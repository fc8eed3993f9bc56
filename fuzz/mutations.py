"""Damages a sound file: bits, size fields, cuts, holes, splices, numbers in texts.

Everything follows from a seed and a number: the same two make the same bytes.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

BYTES = (0, 1, 0x7F, 0x80, 0xFE, 0xFF)
NUMBERS = (0, 1, 2, 7, 8, 0x7F, 0x80, 0xFF, 0x100, 0x7FFF, 0x8000, 0xFFFF, 0x10000, 0x7FFFFFFF,
           0x80000000, 0xFFFFFFF0, 0xFFFFFFFF, 0x7FFFFFFFFFFFFFFF, 0xFFFFFFFFFFFFFFFF)
TEXTS = (b"0", b"-1", b"9" * 20, b"9" * 400, b"1e999", b"-1e999", b"nan", b"inf", b"1e-320",
         b"0x10", b"", b"\xff", b"\0", b"{", b"[" * 50, b"\"")
# names of boxes with their sizes before them, and markers of JPEG segments with their sizes behind
_BORDERS = re.compile(rb"[a-zA-Z\xa9][a-zA-Z0-9 ]{3}|\xff[\xc0-\xfe]")
_DIGITS = re.compile(rb"-?[0-9][0-9.eE+-]*")

Mutation = Callable[[bytes, random.Random, bytes], bytes]


def _place(data: bytes, rng: random.Random) -> int:
    """Anywhere; more often near the start, where headers are, or at a border."""
    way = rng.random()
    if way < 0.3:
        return rng.randrange(min(len(data), 512))
    if way < 0.6:
        start = rng.randrange(len(data))
        found = _BORDERS.search(data, start, start + 4096)
        if found:
            at = found.start() + rng.choice((-8, -4, -4, -4, 0, 2, 2, 4, 4, 8, 12))
            return min(max(0, at), len(data) - 1)
    return rng.randrange(len(data))


def _length(data: bytes, rng: random.Random) -> int:
    return min(len(data), int(2 ** rng.uniform(0, 14)))


def flip(data: bytes, rng: random.Random, other: bytes) -> bytes:
    out = bytearray(data)
    for _ in range(rng.choice((1, 1, 1, 2, 4, 16))):
        out[_place(data, rng)] ^= 1 << rng.randrange(8)
    return bytes(out)


def put_byte(data: bytes, rng: random.Random, other: bytes) -> bytes:
    out = bytearray(data)
    for _ in range(rng.choice((1, 1, 2, 4))):
        out[_place(data, rng)] = rng.choice(BYTES)
    return bytes(out)


def put_number(data: bytes, rng: random.Random, other: bytes) -> bytes:
    width, at = rng.choice((1, 2, 2, 4, 4, 4, 8)), _place(data, rng)
    value = rng.choice((*NUMBERS, len(data), len(data) - at, rng.randrange(1 << 16)))
    raw = (value & (1 << 8 * width) - 1).to_bytes(width, rng.choice(("big", "little")))
    return data[:at] + raw + data[at + width :]


def nudge(data: bytes, rng: random.Random, other: bytes) -> bytes:
    """A number that is there, a little larger or smaller."""
    width, at = rng.choice((1, 2, 4)), _place(data, rng)
    order = rng.choice(("big", "little"))
    value = int.from_bytes(data[at : at + width], order) + rng.choice((-16, -4, -2, -1, 1, 2, 4, 16))
    return data[:at] + (value & (1 << 8 * width) - 1).to_bytes(width, order) + data[at + width :]


def cut(data: bytes, rng: random.Random, other: bytes) -> bytes:
    return data[: _place(data, rng)]


def delete(data: bytes, rng: random.Random, other: bytes) -> bytes:
    at = _place(data, rng)
    return data[:at] + data[at + _length(data, rng) :]


def repeat(data: bytes, rng: random.Random, other: bytes) -> bytes:
    at, length = _place(data, rng), _length(data, rng)
    return data[: at + length] + data[at : at + length] * rng.choice((1, 1, 2, 50)) + data[at + length :]


def fill(data: bytes, rng: random.Random, other: bytes) -> bytes:
    at, length = _place(data, rng), _length(data, rng)
    return data[:at] + bytes([rng.choice(BYTES)]) * length + data[at + length :]


def splice(data: bytes, rng: random.Random, other: bytes) -> bytes:
    at, start, length = _place(data, rng), _place(other, rng), _length(other, rng)
    return data[:at] + other[start : start + length] + data[at + rng.choice((0, length)) :]


def join(data: bytes, rng: random.Random, other: bytes) -> bytes:
    return data[: _place(data, rng)] + other[_place(other, rng) :]


def put_text(data: bytes, rng: random.Random, other: bytes) -> bytes:
    """Another number where one is written in digits."""
    found = _DIGITS.search(data, rng.randrange(len(data)))
    return data if found is None else data[: found.start()] + rng.choice(TEXTS) + data[found.end() :]


MUTATIONS: tuple[Mutation, ...] = (flip, flip, put_byte, put_number, put_number, put_number, nudge,
                                    cut, delete, repeat, fill, splice, join, put_text)


@dataclass(frozen=True)
class Mutant:
    """name: of the file it was made of."""

    seed: int
    number: int
    name: str
    data: bytes

    def __str__(self) -> str:
        return f"--seed {self.seed} --first {self.number} --count 1: {self.name}"


def mutant(seed: int, number: int, files: Mapping[str, bytes]) -> Mutant:
    """The number-th of a seed: one or a few mutations of one of the files."""
    rng = random.Random(f"{seed} {number}")
    names = list(files)
    name = rng.choice(names)
    data = files[name]
    alike = [n for n in names if n.rpartition(".")[2] == name.rpartition(".")[2]]
    for _ in range(rng.choice((1, 1, 1, 2, 3, 6))):
        if data:
            data = rng.choice(MUTATIONS)(data, rng, files[rng.choice(alike if rng.random() < 0.7 else names)])
    return Mutant(seed, number, name, data)
