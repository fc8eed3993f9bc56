"""Five thousand mutations of the files that we make, through the readers that take such files: the same ones each time."""

from __future__ import annotations

import corpus
import mutate
import numpy as np
import pytest
from mutations import MUTATIONS, mutant
from seeds import seeds

SEED, COUNT, PARTS = 1, 5000, 5


@pytest.mark.parametrize("part", range(PARTS))
def test_mutations(part: int) -> None:
    """For more of them: python fuzz/mutate.py --count 200000 --seed 2"""
    size = COUNT // PARTS
    troubles = list(mutate.run(SEED, part * size, size, corpus.made()))
    assert not troubles, "\n".join(map(str, troubles))


@pytest.mark.soak
def test_many_mutations_of_real_files() -> None:
    if not corpus.real():
        pytest.skip("needs real files under GPUDEPTH_SAMPLES")
    troubles = list(mutate.run(SEED, 0, 200_000, {**corpus.made(), **corpus.real()}))
    assert not troubles, "\n".join(map(str, troubles))


def test_a_mutant_is_made_again_from_its_numbers() -> None:
    files = corpus.made()
    first, again = mutant(3, 14, files), mutant(3, 14, files)
    assert (first.name, first.data) == (again.name, again.data)
    made = [mutant(3, n, files) for n in range(400)]
    assert {m.name for m in made} == set(seeds())
    assert np.mean([m.data != files[m.name] for m in made]) > 0.97


@pytest.mark.parametrize("change", MUTATIONS, ids=lambda change: change.__name__)
def test_every_mutation_takes_the_smallest_files(change: object) -> None:
    import random

    for data in (b"1", b"\xff\xd8", b"ftypheic", bytes(100)):
        for n in range(50):
            assert isinstance(change(data, random.Random(n), data), bytes)  # type: ignore[operator]


@pytest.mark.parametrize(("reader", "says"), [
    ("raise", "KeyError"), ("exit", "ended the process"), ("kill", "ended the process"), ("well", "")])
def test_what_is_told(monkeypatch: pytest.MonkeyPatch, reader: str, says: str) -> None:
    """The mutant that made trouble is named, and those behind it are tried all the same."""
    import os

    tried = mutate.mutant(SEED, 4, {"a.x": b"12345678"}).data

    def bad(file: object, kit: object) -> None:
        if file.read_bytes() == tried:  # type: ignore[attr-defined]
            if reader == "raise":
                raise KeyError
            if reader == "exit":
                os._exit(0)
            if reader == "kill":
                os.kill(os.getpid(), 9)

    monkeypatch.setattr(mutate, "READERS", {"bad": bad})
    found = list(mutate.run(SEED, 0, 8, {"a.x": b"12345678"}))
    assert {t.number for t in found} == ({4} if says else set())
    assert all(says in str(t) for t in found)
