"""What is measured: every operation, on maps that hold what the stage's name says, and bytes counted as they are."""

from __future__ import annotations

from itertools import count
from typing import Any

import numpy as np
import pytest

from gpudepth.compute import Backend, backend
from gpudepth.compute.stages import HOST, Device, Stage, Timing, measure, sampled, scene, stages

TINY = 0.005
NO_ARITHMETIC = {"name", "put", "host", "sample", "attempt", "keep_codes"}


class Counting:
    """numpy's back end; notes which method ran, and the bytes of all arrays that went in and came out."""

    def __init__(self) -> None:
        self.numpy, self.method, self.bytes = backend("numpy"), "", 0

    def __getattr__(self, method: str) -> Any:
        def call(*given: Any, **named: Any) -> Any:
            result = getattr(self.numpy, method)(*given, **named)
            arrays = [*given, *named.values(), *(result if isinstance(result, tuple) else [result])]
            self.method, self.bytes = method, sum(a.nbytes for a in arrays if isinstance(a, np.ndarray))
            return result

        return call


def test_every_operation_is_a_stage_and_its_bytes_are_those_that_move() -> None:
    counting, seen, names = Counting(), set(), []
    for stage in stages(counting, TINY):  # type: ignore[arg-type]
        stage.run()
        assert stage.bytes == counting.bytes, stage.name
        assert stage.name.split()[0] == counting.method or counting.method in stage.name
        seen.add(counting.method)
        names.append(stage.name)
    offered = {name for name in vars(Backend) if not name.startswith("_")}
    assert seen == offered - NO_ARITHMETIC
    assert len(set(names)) == len(names)


def test_they_are_of_the_size_asked_for() -> None:
    first = next(stages(backend("numpy"), 4032 * 3024 / 1e6))
    assert first.pixels == 4032 * 3024 and first.bytes == 3 * first.pixels


def test_a_size_is_measured_once() -> None:
    names = [stage.name for stage in stages(backend("numpy"), 1920 * 1440 / 1e6)]
    assert names[-1] == "upsample 256×192 → 1920×1440" and not names[-2].startswith("upsample")


def test_arrays_are_put_where_the_back_end_wants_them() -> None:
    class Far(np.ndarray):
        pass

    for stage in stages(backend("numpy"), TINY, Device(put=lambda values: values.view(Far))):
        given = (*stage.run.args, *stage.run.keywords.values())  # type: ignore[attr-defined]
        assert all(isinstance(a, Far) for a in given if isinstance(a, np.ndarray)), stage.name


def test_the_timing_is_the_least_of_the_rounds_against_a_copy() -> None:
    """On a clock that goes a second further each time it is read: a copy takes one second, the rounds 9, 5 and 7."""
    now, rounds = count(), iter([9, 5, 7])

    def run() -> None:
        for _ in range(next(rounds) - 1):
            next(now)

    got = measure(Stage("three rounds", 10, 1000, run), 20, Device(clock=lambda: float(next(now))))
    assert got == Timing(5000, 1000 / 5 / 1e9, 5) and next(rounds, None) is None


def test_the_clock_stops_when_the_device_is_done() -> None:
    said: list[str] = []
    device = Device(wait=lambda: said.append("wait"), clock=lambda: float(said.append("clock") or len(said)))
    measure(Stage("once", 1, 1, lambda: said.append("run")), 0, device)
    assert said[-5:] == ["wait", "clock", "run", "wait", "clock"]


def test_a_slow_stage_runs_once_and_a_fast_one_twice() -> None:
    for step, times in ((1.0, 1), (0.001, 2)):
        runs: list[int] = []
        ticks = count()
        timing = measure(Stage("once", 1, 1, lambda runs=runs: runs.append(1)), 0.0,
                         Device(clock=lambda ticks=ticks, step=step: next(ticks) * step))
        assert len(runs) == times
        assert timing.ms == pytest.approx(step * 1000)
    assert HOST.clock() > 0


def test_the_scene_has_surfaces_edges_and_its_picture() -> None:
    gray, picture = scene(96, 128, np.random.default_rng(0))
    assert gray.shape == (96, 128) and picture.shape == (96, 128, 3)
    assert gray.min() >= 0 and gray.max() <= 1
    jumps = np.abs(np.diff(gray, axis=1))
    assert 0.005 < (jumps > 0.1).mean() < 0.1 and np.median(jumps) < 0.01
    edges = np.abs(np.diff(picture[..., 1].astype(int), axis=1))
    assert edges[jumps > 0.1].mean() > 3 * edges[jumps <= 0.1].mean()


def test_a_sample_is_the_pixel_in_the_middle() -> None:
    assert sampled(np.arange(24).reshape(4, 6), 2, 2).tolist() == [[7, 10], [19, 22]]
