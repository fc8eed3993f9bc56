"""Send mutations of sound files through the readers that would take them, many in a process.

    python fuzz/mutate.py --count 200000 --seed 1
    python fuzz/mutate.py --seed 1 --first 4711 --count 1 --keep folder       # one of them again, and its bytes

Seeds are what the tests make and, when GPUDEPTH_SAMPLES is set, the real files there. Nothing but errors of
`gpudepth.errors` may come out; what `probe.py` calls trouble is told with the numbers that make the mutant again. Exit
code 1 when there is any.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import resource
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import corpus
from mutations import Mutant, mutant
from probe import CPU_SECONDS, GROWTH, attempt, forked
from readers import READERS, Kit, make_kit, warm

BATCH = 250

PHOTO = ("read", "inspect", "check", "attach photo", "donor", "remove", "convert", "dictionary", "android", "extract",
         "guide", "attach map", "attach auto")
MAP = ("map", "attach map", "attach auto", "convert", "confidence", "align", "stack", "rows", "depth clip")
MOVIE = ("inspect", "check", "frames", "video", "own clip", "attach clip", "depth clip")
TEXT = ("lists", "model", "job", "packet")
PICTURES = ("png", "tiff", "bmp", "webp")
ARRAYS = ("npy", "npz", "pfm", "pgm", "exr", "h5", "hdf5", "dpt", "bin", "raw")
KINDS: dict[str, tuple[str, ...]] = {
    **dict.fromkeys(("heic", "jpg", "jpeg", "dng", "plist", "avif"), PHOTO),
    **dict.fromkeys(PICTURES, (*MAP, "attach photo", "guide")),
    **dict.fromkeys(ARRAYS, MAP),
    **dict.fromkeys(("mov", "mp4", "mkv", "avi"), MOVIE),
    **dict.fromkeys(("zip", "tar", "r3d"), ("archive", "map")),
    **dict.fromkeys(("txt", "csv", "jsonl", "json", "yaml", "xmp"), TEXT)}
READERS_EACH = 2


@dataclass(frozen=True)
class Trouble:
    seed: int
    number: int
    name: str
    reader: str
    what: str

    def __str__(self) -> str:
        return f"--seed {self.seed} --first {self.number} --count 1: {self.name} | {self.reader}: {self.what}"


def readers_of(made: Mutant) -> list[str]:
    """Two of those for files of that name, and now and then one of all."""
    rng = random.Random(f"readers {made.seed} {made.number}")
    likely = KINDS.get(made.name.rpartition(".")[2].lower(), tuple(READERS))
    out = rng.sample(likely, min(READERS_EACH, len(likely)))
    return [*out, rng.choice(list(READERS))] if rng.random() < 0.1 else out


def batch(seed: int, numbers: range, files: Mapping[str, bytes], folder: Path) -> list[Trouble]:
    """These mutants in one process; when it dies, what it was at is told, and another goes on behind that."""
    troubles: list[Trouble] = []
    kit = make_kit(folder / f"kit-{numbers.start}")
    at = numbers.start
    while at < numbers.stop:
        start = at

        def work(out: int, start: int = start) -> None:
            for number in range(start, numbers.stop):
                for line in _one(mutant(seed, number, files), kit):
                    os.write(out, line)

        answer, status, _, growth = forked(work, CPU_SECONDS * (numbers.stop - start))
        lines = [json.loads(line) for line in answer.splitlines() if line.startswith("{") and line.endswith("}")]
        troubles += [Trouble(seed, **line) for line in lines if line.get("what")]
        at = numbers.stop
        if status or not lines or lines[-1]["number"] != at - 1 or "what" not in lines[-1]:
            # it said what it would read, and then no more
            last = lines[-1] if lines else {"number": start, "name": "?", "reader": "?"}
            troubles.append(Trouble(seed, **{**last, "what": f"ended the process, status {status}: {answer[-500:]}"}))
            at = last["number"] + 1
        elif growth > GROWTH and not any("grew by" in line["what"] for line in lines if "what" in line):
            troubles.append(Trouble(seed, start, "one of the batch", "", f"grew by {growth >> 20} MB"))
    return troubles


def _one(made: Mutant, kit: Kit) -> Iterator[bytes]:
    """Lines: which reader is next, and what came of it."""
    file = kit.out.parent / f"mutant.{made.name.rpartition('.')[2]}"
    file.write_bytes(made.data)
    for reader in readers_of(made):
        about = {"number": made.number, "name": made.name, "reader": reader}
        yield _line(about)
        before, peak = time.process_time(), _peak()
        _, trouble = attempt(READERS[reader], file, kit)
        if not trouble and time.process_time() - before > CPU_SECONDS:
            trouble = f"{time.process_time() - before:.0f} s of CPU"
        if not trouble and _peak() - peak > GROWTH:
            trouble = f"grew by {_peak() - peak >> 20} MB"
        yield _line({**about, "what": trouble[-1500:]})


def _peak() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def _line(fields: dict[str, object]) -> bytes:
    return json.dumps(fields).encode() + b"\n"


def run(seed: int, first: int, count: int, files: Mapping[str, bytes]) -> Iterator[Trouble]:
    """What is not as it should be, of so many mutants."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        warm(make_kit(folder / "kit"))
        ranges = (range(n, min(n + BATCH, first + count)) for n in range(first, first + count, BATCH))
        for numbers in ranges:
            yield from batch(seed, numbers, files, folder)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=5000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--keep", type=Path, help="a folder for the mutants that made trouble; of one mutant, for it")
    arguments = parser.parse_args()
    files = {**corpus.made(), **corpus.real()}
    found = 0
    start = time.monotonic()
    for trouble in run(arguments.seed, arguments.first, arguments.count, files):
        found += 1
        print(f"!! {trouble}", flush=True)
        if arguments.keep:
            _keep(mutant(trouble.seed, trouble.number, files), arguments.keep)
    if arguments.keep and arguments.count == 1:
        _keep(mutant(arguments.seed, arguments.first, files), arguments.keep)
    print(f"{arguments.count} mutants of {len(files)} files, {found} with trouble, {time.monotonic() - start:.0f} s")
    return 1 if found else 0


def _keep(made: Mutant, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{made.seed}.{made.number}.{Path(made.name).name}").write_bytes(made.data)


if __name__ == "__main__":
    sys.exit(main())
