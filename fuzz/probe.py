"""Send files through every reader of the package, each in a process of its own, and say what is not as it should be.

    python fuzz/probe.py FILE-OR-FOLDER...

A reader ends in a result or in an error of `gpudepth.errors`. Told are other exceptions, signals, more than 10 s of
CPU, more than 512 MB above what the process had, and files that a failure left behind (frames of a clip stay that the
table beside them names). Exit code 1 when there are any.
"""

from __future__ import annotations

import argparse
import csv
import os
import resource
import shutil
import signal
import sys
import tempfile
import time
import traceback
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from readers import READERS, Kit, Reader, make_kit, warm

from gpudepth.errors import GpudepthError, UsageError

CPU_SECONDS, GROWTH = 10, 512 << 20
WALL_SECONDS = 60
SHOWN = 12
LONGEST = 2500      # characters of what an error says, with its place and its hint


@dataclass(frozen=True)
class Result:
    """What became of one file in one reader. trouble: nothing when all is well. said: the error's text or "ok"."""

    file: Path
    reader: str
    said: str
    trouble: str
    seconds: float
    growth: int


def attempt(reader: Reader, file: Path, kit: Kit) -> tuple[str, str]:
    """What one reader made of a file: "ok", an error of ours, or what is wrong with that; trouble, or nothing."""
    shutil.rmtree(kit.out)
    kit.out.mkdir()
    signal.alarm(WALL_SECONDS)
    said, trouble = "ok", ""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)
            reader(file, kit)
    except GpudepthError as error:
        said = f"{type(error).__name__}: {error}"
        if len(said) > LONGEST:
            trouble = f"a message of {len(said)} characters: {said[:300]}"
        elif error.where is None and not isinstance(error, UsageError):
            trouble = f"says no place: {said}"
    except BaseException:
        said = trouble = traceback.format_exc()
    left = _left_behind(kit.out, failed=said != "ok")
    if left and not trouble:
        trouble = f"left behind {left}"
    return said, trouble


def _left_behind(folder: Path, *, failed: bool) -> list[str]:
    """Files that nobody asked for: temporary ones, and any of a failure. Of a clip that failed those stay that the
    table of its frames names."""
    left = sorted(p.name for p in folder.rglob("*") if p.is_file())
    table = folder / "frames.csv"
    if failed and table.is_file():
        with table.open(newline="", encoding="utf-8") as rows:
            named = {row["file"]: row["bytes"] for row in csv.DictReader(rows)}
        left = [n for n in left if n != table.name and str((folder / n).stat().st_size) != named.get(n)]
    return [n for n in left if failed or n.startswith(".gpudepth-")]


def forked(work: Callable[[int], None], cpu_seconds: int) -> tuple[str, int, resource.struct_rusage, int]:
    """work(pipe) in a process of its own, silent and with so much time: what it wrote, how it ended, what it used, and
    by how many bytes it grew."""
    receive, send = os.pipe()
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            os.close(receive)
            resource.setrlimit(resource.RLIMIT_CPU, (cpu_seconds, cpu_seconds + 1))
            devnull = os.open(os.devnull, os.O_WRONLY)
            os.dup2(devnull, 1)
            os.dup2(devnull, 2)
            os.write(send, _resident().to_bytes(8, "big"))
            work(send)
            code = 0
        except BaseException:
            os.write(send, traceback.format_exc().encode("utf-8", "backslashreplace"))
        finally:
            os._exit(code)
    os.close(send)
    with os.fdopen(receive, "rb") as pipe:
        answer = pipe.read()
    _, status, usage = os.wait4(pid, 0)
    growth = usage.ru_maxrss * 1024 - int.from_bytes(answer[:8], "big")
    return answer[8:].decode("utf-8", "replace"), status, usage, growth


def _resident() -> int:
    return int(Path("/proc/self/statm").read_text("ascii").split()[1]) * os.sysconf("SC_PAGE_SIZE")


def probe(file: Path, name: str, kit: Kit) -> Result:
    """One file in one reader, in a process of its own."""
    def work(out: int) -> None:
        said, trouble = attempt(READERS[name], file, kit)
        os.write(out, f"{said}\0{trouble}".encode("utf-8", "backslashreplace")[:60_000])

    start = time.monotonic()
    answer, status, usage, growth = forked(work, CPU_SECONDS)
    said, _, trouble = answer.partition("\0")
    if os.WIFSIGNALED(status):
        trouble = f"signal {signal.Signals(os.WTERMSIG(status)).name}"
    elif status or not said:
        trouble = f"ended without a word: {said}"
    elif usage.ru_utime + usage.ru_stime > CPU_SECONDS:
        trouble = trouble or f"{usage.ru_utime + usage.ru_stime:.1f} s of CPU"
    if growth > GROWTH:
        trouble = f"grew by {growth >> 20} MB; {trouble or said}"
    return Result(file, name, said, trouble, time.monotonic() - start, growth)


def all_well(files: Sequence[Path], readers: Iterable[str], kit: Kit) -> bool:
    """Every file in every reader, all in one process: is each result as it should be? Who is not, `probe` tells."""
    def work(out: int) -> None:
        for file in files:
            for name in readers:
                before = time.process_time()
                _, trouble = attempt(READERS[name], file, kit)
                if trouble or time.process_time() - before > CPU_SECONDS:
                    return
        os.write(out, b"well")

    answer, _, _, growth = forked(work, CPU_SECONDS * len(files))
    return answer == "well" and growth <= GROWTH


def files_of(paths: Iterable[Path]) -> Iterator[Path]:
    for path in paths:
        if path.is_dir() and not path.is_symlink():
            yield from files_of(sorted(path.iterdir()))
        else:
            yield path


def run(paths: Iterable[Path], readers: Iterable[str] = READERS, tell: Callable[[Result], Any] | None = None, *,
        together: int = 1) -> list[Result]:
    """Every file in every reader; returns what is not as it should be. together: files for which one process is tried
    first, which is faster, and tells only of trouble."""
    troubles = []
    with tempfile.TemporaryDirectory() as folder:
        kit = make_kit(Path(folder) / "kit")
        warm(kit)
        readers, files = tuple(readers), list(files_of(paths))
        for batch in (files[n : n + together] for n in range(0, len(files), together)):
            if together > 1 and all_well(batch, readers, kit):
                continue
            for file in batch:
                for name in readers:
                    result = probe(file, name, kit)
                    if result.trouble:
                        troubles.append(result)
                    if tell is not None:
                        tell(result)
    return troubles

def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("paths", nargs="+", type=Path)
    parser.add_argument("--reader", action="append", choices=list(READERS), help="only this reader; may be repeated")
    parser.add_argument("--all", action="store_true", help="also tell what went well")
    arguments = parser.parse_args()
    count = [0, 0.0, 0]

    def tell(result: Result) -> None:
        count[0] += 1
        count[1], count[2] = max(count[1], result.seconds), max(count[2], result.growth)
        if result.trouble:
            lines = result.trouble.strip().splitlines()
            print(f"!! {result.file!s} | {result.reader}: " + "\n   ".join(lines[-SHOWN:]), flush=True)
        elif arguments.all:
            print(f"{result.file!s} | {result.reader}: {result.said} ({result.seconds:.2f} s, "
                  f"{result.growth >> 20} MB)", flush=True)

    troubles = run(arguments.paths, arguments.reader or READERS, tell)
    print(f"{count[0]} probes, {len(troubles)} with trouble; the slowest {count[1]:.1f} s, "
          f"the largest {count[2] >> 20} MB")
    return 1 if troubles else 0


if __name__ == "__main__":
    sys.exit(main())
