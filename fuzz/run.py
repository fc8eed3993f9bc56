"""Give harnesses to atheris, which mutates what their coverage makes worth while.

    python fuzz/run.py heif -max_total_time=600
    python fuzz/run.py all -runs=2000                   # each in turn; fuzz/harnesses.py has their names
    python fuzz/run.py heif crash-1234                  # one input again

What follows the name is libFuzzer's. A corpus is kept in fuzz/corpus/NAME, and begun with the seeds of the tests; an
input that makes anything but an error of `gpudepth.errors`, takes 2 s or 512 MB is written as crash-…, timeout-… or
oom-…, and makes the exit code 1.
"""

from __future__ import annotations

import os
import sys
import warnings
from pathlib import Path

import atheris
from corpus import write_seeds

with atheris.instrument_imports(include=["gpudepth"]):
    from harnesses import HARNESSES

DEFAULTS = ("-timeout=2", "-rss_limit_mb=2048", "-malloc_limit_mb=512", "-print_final_stats=0", "-max_len=65536")


def fuzz(name: str, arguments: list[str], corpora: Path) -> None:
    """Does not return: libFuzzer ends the process."""
    harness, seeds = HARNESSES[name]
    if not any(not a.startswith("-") for a in arguments):
        folder = corpora / name
        write_seeds(folder, seeds)
        arguments = [*arguments, str(folder)]
    given = {a.partition("=")[0] for a in arguments}
    defaults = [d for d in DEFAULTS if d.partition("=")[0] not in given]

    def one(data: bytes) -> None:
        harness(data)

    atheris.Setup([name, *defaults, *arguments], one)
    atheris.Fuzz()


def main() -> int:
    if len(sys.argv) < 2 or sys.argv[1] not in (*HARNESSES, "all"):
        print(__doc__)
        print("harnesses: " + ", ".join(HARNESSES))
        return 2
    warnings.simplefilter("ignore")
    corpora = Path(os.environ.get("GPUDEPTH_CORPORA", Path(__file__).with_name("corpus")))
    name, arguments = sys.argv[1], sys.argv[2:]
    if name != "all":
        fuzz(name, arguments, corpora)
    failed = []
    for each in HARNESSES:      # what is loaded and instrumented is shared
        print(f"== {each}", flush=True)
        pid = os.fork()
        if pid == 0:
            fuzz(each, arguments, corpora)
        if os.waitpid(pid, 0)[1] != 0:
            failed.append(each)
    print(f"{len(HARNESSES)} harnesses, failed: {', '.join(failed) or 'none'}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
