"""Every operation of a back end on maps of one size, and a measurement of each.

    for stage in stages(backend, 12.2):
        print(stage.name, measure(stage))

The bytes of a stage are those of its inputs, each read once, and of its result, written once: the least that any
machine has to move. They are compared with a copy of as many bytes, half of them read and half written.

The maps show a synthetic scene: slanted surfaces with edges between them, a little noise, and for some stages a tenth
of the pixels as holes at random places. On the CPU a stage uses the same maps each time, so a small map stays in the
cache; above about ten megapixels it does not. On a GPU, whose caches are larger, a stage takes turns with so many
copies of its maps, and keeps so many results, that they exceed the caches.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from itertools import cycle
from math import inf, sqrt
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from ..depth.numeric import Linear
from ..depth.pixel_format import FDEP, FDIS, HDEP, HDIS, L008, L010, L016, Quantity
from .interface import Backend

Floats: TypeAlias = NDArray[np.float32]
Picture: TypeAlias = NDArray[np.uint8]
Put: TypeAlias = Callable[[NDArray[Any]], Any]

F32 = np.float32
NEAR, FAR = 0.5, 8.0        # metres between which the scene lies
HOLES = 0.1
NETWORK = (576, 768)        # rows and columns of a typical map of a neural network
LIDAR = (192, 256)
LIDAR_PICTURE = (1440, 1920)
SHORT = 0.5                 # seconds
FIRST_COPIES = 4            # copies measured before the first round, because a slow stage has only one round
SLOTS, BEYOND_CACHES = 4, 1 << 26
BEYOND_DEVICE_CACHES = 500_000_000
MOST_TURNS = 256


@dataclass(frozen=True)
class Device:
    """Where a back end expects its maps, and how its time is measured.

    Attributes:
        put: Turns a numpy array into the one that is passed to the back end.
        wait: Waits until all work is done; a GPU works asynchronously.
        clock: Returns seconds. The default counts the thread's own time, which suits only a single thread of the CPU.
        beyond: Bytes that the maps and results of a stage together exceed, so that no cache holds them; 0 for one set.
    """

    put: Put = lambda values: values
    wait: Callable[[], None] = lambda: None
    clock: Callable[[], float] = time.thread_time
    beyond: int = 0


HOST = Device()


@dataclass(frozen=True)
class Stage:
    """One operation on one map.

    Attributes:
        name: The name that results are listed under.
        pixels: The pixels of the map or of the result, whichever has more.
        bytes: The bytes read and written.
        run: Runs the operation once.
        method: The operation.
        given: Its arguments.
        named: Its keywords.
    """

    name: str
    pixels: int
    bytes: int
    run: Callable[[], object]
    method: Callable[..., object] = lambda: None
    given: tuple[Any, ...] = ()
    named: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Timing:
    """The fastest of all rounds.

    Attributes:
        ms: Its time in milliseconds.
        gb_per_s: The bytes of the stage per time, in GB/s.
        copies: Its time as a multiple of that of a copy of as many bytes.
    """

    ms: float
    gb_per_s: float
    copies: float


def measure(stage: Stage, seconds: float = 1.0, device: Device = HOST) -> Timing:
    """Run a stage until it has taken that many seconds, with copies in between on the same clock.

    It runs at least once, and twice if the first round is short, since that may include building a table or a kernel.
    """
    copy = _copier(max(1, stage.bytes // 2), device)
    copied = min(_timed(copy, device) for _ in range(FIRST_COPIES))
    run = _in_turns(stage, device)
    least, spent, rounds = inf, 0.0, 0
    while not rounds or spent < seconds or (rounds < 2 and spent < SHORT):
        copied = min(copied, _timed(copy, device))
        took = _timed(run, device)
        least, spent, rounds = min(least, took), spent + took, rounds + 1
    return Timing(1e3 * least, stage.bytes / max(least, 1e-9) / 1e9, least / max(copied, 1e-9))


def stages(backend: Backend, megapixels: float, device: Device = HOST) -> Iterator[Stage]:
    """Yield the stages for maps of that size, 4:3; each is built when it is requested."""
    unit = max(4, round(sqrt(megapixels * 1e6 / 12)))
    gray, picture = scene(3 * unit, 4 * unit, np.random.default_rng(0))
    for group in (_conversions, _shapes, _smoothing, _upsampling):
        yield from group(backend, gray, picture, device.put)


def scene(height: int, width: int, rng: np.random.Generator) -> tuple[Floats, Picture]:
    """Make a gray map (0…1, float32) and its picture: slanted surfaces, blocks in front of them, sensor noise."""
    y, x = (np.arange(n, dtype=F32)[:, None] / F32(n) for n in (height, width))
    x = x.T
    surface = (np.sin(5 * x) + np.cos(4 * y) + 2) / 4
    blocks = ((6 * y).astype(np.int32) + 3 * (8 * x).astype(np.int32)) % 5 == 0
    gray = np.where(blocks, F32(0.3) * surface, F32(0.45) + F32(0.5) * surface).astype(F32)
    gray += rng.standard_normal(gray.shape, F32) * F32(0.001)
    np.clip(gray, 0, 1, out=gray)
    picture = np.empty((height, width, 3), np.uint8)
    for c in range(3):
        shade = (gray if c else 1 - gray) * F32(180 + 20 * c)
        picture[..., c] = shade + rng.random(shade.shape, F32) * F32(16)
    return gray, picture


def _conversions(backend: Backend, gray: Floats, _: Picture, put: Put) -> Iterator[Stage]:
    n, lo, hi = gray.size, 1 / FAR, 1 / NEAR
    by_ends8, by_ends16 = Linear(255, lo, hi), Linear(65535, lo, hi)
    inverse = Linear(1, 0, 1, reciprocal=True, positive=True)   # metres → disparity
    codes8, codes16 = put((gray * 255).astype(np.uint8)), put((gray * 65535).astype(np.uint16))
    metres, metres16 = put(_metres(gray)), put(_metres(gray).astype(np.float16))
    factor = put(F32(0.8) + F32(0.2) * gray)
    yield _stage("convert u8 → hdis", n, 2 * n, backend.convert, codes8, by_ends8, HDIS)
    yield _stage("convert u16 → hdis", n, 2 * n, backend.convert, codes16, by_ends16, HDIS)
    yield _stage("convert f16 metres → hdis", n, 2 * n, backend.convert, metres16, inverse, HDIS)
    yield _stage("convert f32 metres → hdis", n, 2 * n, backend.convert, metres, inverse, HDIS)
    yield _stage("convert f32 metres → fdis", n, 4 * n, backend.convert, metres, inverse, FDIS)
    yield _stage("convert f32 distance → hdis", n, 2 * n, backend.convert, metres, inverse, HDIS, factor=factor)
    yield _stage("convert_span u16 → hdis", n, 2 * n, backend.convert_span, codes16, by_ends16, HDIS)
    half, single = put(_disparity(gray).astype(np.float16)), put(_disparity(gray))
    yield _stage("span f16", n, 0, backend.span, half)
    yield _stage("span f32", n, 0, backend.span, single)
    yield _stage("quantise f16 → L008", n, n, backend.quantise, half, lo, hi, L008)
    yield _stage("quantise f16 → L010", n, 2 * n, backend.quantise, half, lo, hi, L010)
    yield _stage("quantise f16 → L016", n, 2 * n, backend.quantise, half, lo, hi, L016)
    yield _stage("quantise f32 → L008", n, n, backend.quantise, single, lo, hi, L008)
    yield _stage("load L008 → hdis", n, 2 * n, backend.load, codes8, lo, hi, L008, HDIS)
    yield _stage("load L016 → hdis", n, 2 * n, backend.load, codes16, lo, hi, L016, HDIS)
    yield _stage("cast f32 → f16", n, 2 * n, backend.cast, single, HDIS)
    yield _stage("clip f32", n, 4 * n, backend.clip, single, lo, hi)
    yield _stage("mask f32", n, 4 * n, backend.mask, single, codes8)
    yield _stage("positive f32", n, 4 * n, backend.positive, single)
    yield _stage("reciprocal_to f16 → hdep", n, 2 * n, backend.reciprocal_to, half, HDEP)
    yield _stage("reciprocal_to f32 → fdep", n, 4 * n, backend.reciprocal_to, single, FDEP)


def _shapes(backend: Backend, gray: Floats, _: Picture, put: Put) -> Iterator[Stage]:
    n, (height, width) = gray.size, gray.shape
    half, holed = put(_disparity(gray).astype(np.float16)), put(_holed(gray).astype(np.float16))
    yield _stage("orient f16, mirrored", n, 2 * n, backend.orient, half, 2)
    yield _stage("orient f16, turned by 90°", n, 2 * n, backend.orient, half, 6)
    part = width // 8, height // 8, width * 3 // 4, height * 3 // 4
    yield _stage("crop f16", n, 2 * part[2] * part[3], backend.crop, half, part)
    yield _stage("fill f16 nearest, 10 % holes", n, 2 * n, backend.fill, holed, "nearest", Quantity.DISPARITY)
    yield _stage("fill f16 far, 10 % holes", n, 2 * n, backend.fill, holed, "far", Quantity.DISPARITY)
    rows, columns = _smaller(NETWORK, gray)
    yield _stage(f"resize f16 area, to {columns}×{rows}", n, 2 * rows * columns, backend.resize, half, columns, rows,
                 "area")
    low = put(sampled(_disparity(gray), rows, columns).astype(np.float16))
    for method in ("bilinear", "nearest"):
        yield _stage(f"resize f16 {method}, from {columns}×{rows}", n, 2 * n, backend.resize, low, width, height,
                     method)


def _smoothing(backend: Backend, gray: Floats, picture: Picture, put: Put) -> Iterator[Stage]:
    n, single, holed, guide = gray.size, put(_disparity(gray)), put(_holed(gray)), put(picture)
    yield _stage("median 3×3", n, 4 * n, backend.median, single, 3)
    yield _stage("median 5×5", n, 4 * n, backend.median, single, 5)
    yield _stage("bilateral r=2, guide", n, 4 * n, backend.bilateral, single, 2, guide)
    yield _stage("bilateral r=5, guide", n, 4 * n, backend.bilateral, single, 5, guide)
    yield _stage("inpaint 10 % holes, guide", n, 4 * n, backend.inpaint, holed, guide)
    yield _stage("affine", n, 4 * n, backend.affine, single, 1.02, -0.001)
    # A frame later: the colours differ by one, as in a scene that stands still.
    after, shown = put(_disparity(gray) * F32(1.01)), put(picture ^ np.uint8(1))
    yield _stage("blend, two guides", n, 4 * n, backend.blend, after, single, shown, guide, 0.3)
    yield _stage("changes, two guides", n, 0, backend.changes, shown, guide, 96)
    yield _stage("unchanged, two guides", n, 4 * n, backend.unchanged, single, shown, guide, 24)


def _upsampling(backend: Backend, gray: Floats, picture: Picture, put: Put) -> Iterator[Stage]:
    rows, columns = _smaller(LIDAR, gray)
    low = put(sampled(_disparity(gray), rows, columns))
    for height, width in dict.fromkeys((LIDAR_PICTURE, gray.shape)):
        if height <= gray.shape[0] and width <= gray.shape[1]:
            n, guide = height * width, put(sampled(picture, height, width))
            yield _stage(f"upsample {columns}×{rows} → {width}×{height}", n, 4 * n, backend.upsample, low, guide)


def _stage(name: str, pixels: int, written: int, method: Callable[..., object], *given: Any, **named: Any) -> Stage:
    read = sum(a.nbytes for a in (*given, *named.values()) if hasattr(a, "nbytes"))
    return Stage(name, pixels, read + written, partial(method, *given, **named), method, given, named)


def _in_turns(stage: Stage, device: Device) -> Callable[[], object]:
    """Return the operation on a set of maps of its own at each call, in turns, whose last results are kept."""
    turns = min(MOST_TURNS, -(-device.beyond // max(1, stage.bytes)))
    if turns <= 1:
        return stage.run

    def another(value: Any) -> Any:
        return value.copy() if hasattr(value, "nbytes") else value

    sets = cycle([(tuple(map(another, stage.given)), {k: another(v) for k, v in stage.named.items()})
                  for _ in range(turns)])
    kept = deque[object](maxlen=turns)

    def run() -> None:
        given, named = next(sets)
        kept.append(stage.method(*given, **named))

    return run


def _copier(size: int, device: Device) -> Callable[[], None]:
    """Return a copy of that many bytes; each call takes the next slot, so that the cache does not help."""
    beyond = device.beyond or BEYOND_CACHES
    slots = min(MOST_TURNS if device.beyond else SLOTS, 1 + beyond // size)
    source, target = (device.put(np.full((slots, size), i, np.uint8)) for i in range(2))
    turns = cycle(range(slots))

    def copy() -> None:
        slot = next(turns)
        target[slot] = source[slot]

    return copy


def _timed(run: Callable[[], object], device: Device) -> float:
    device.wait()
    start = device.clock()
    run()
    device.wait()
    return device.clock() - start


def _smaller(shape: tuple[int, int], whole: Floats) -> tuple[int, int]:
    """Return rows and columns of a small map: the given ones, or half of the whole map's if that is small itself."""
    return min(shape[0], whole.shape[0] // 2), min(shape[1], whole.shape[1] // 2)


def _holed(gray: Floats) -> Floats:
    values = _disparity(gray)
    values[np.random.default_rng(1).random(values.shape, F32) < HOLES] = np.nan
    return values


def sampled(values: NDArray[Any], rows: int, columns: int) -> NDArray[Any]:
    """Return a smaller map or picture from the pixels at the middle of its own."""
    y, x = ((2 * np.arange(n) + 1) * m // (2 * n) for n, m in zip((rows, columns), values.shape[:2], strict=True))
    return np.ascontiguousarray(values[y[:, None], x])


def _metres(gray: Floats) -> Floats:
    return F32(NEAR) + F32(FAR - NEAR) * gray


def _disparity(gray: Floats) -> Floats:
    return F32(1) / _metres(gray)
