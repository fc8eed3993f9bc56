"""Checks and measures everything that needs a GPU, in one command without a network: `make gpu`.

    python -m tools.gpu_check --budget 560
    python -m tools.gpu_check --rehearse --budget 45

Each phase is a process with its share of the budget, whose rows are printed as they are found, so that a phase that
fails, hangs or crashes is a row as well. The tables at the end have the form of benchmarks/RESULTS.md. A rehearsal runs
the same phases, commands and processes where there is no GPU: it replaces the module `cupy` alone, by the stand-in of
the tests.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import subprocess
import sys
import threading
import time
from dataclasses import asdict, dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
REHEARSAL = "GPUDEPTH_REHEARSAL"
LEAST_SECONDS = 2.0

PHASES = {"versions": 0.03, "probe": 0.04, "tests": 0.16, "sanitizer": 0.16, "ceilings": 0.05, "stages": 0.18,
          "rivals": 0.05, "transfers": 0.06, "jobs": 0.18, "faults": 0.09}
"""The phases in order, and their shares of the budget. What one leaves over goes to those after it."""


@dataclass(frozen=True)
class Row:
    """One finding.

    Attributes:
        phase: The phase that found it.
        name: What was checked or measured.
        value: The result in words, or with its unit.
        ok: Whether it is as it should be; None for a measurement without a limit.
    """

    phase: str
    name: str
    value: str
    ok: bool | None = None


def emit(row: Row) -> None:
    """Report a row to the main process."""
    print(json.dumps(asdict(row)), flush=True)


def run_phase(name: str, seconds: float) -> list[Row]:
    """Run a phase in a process of its own; return its rows, and one about a failure."""
    if seconds < LEAST_SECONDS:
        return [Row(name, "phase", "not run: no time was left", ok=False)]
    process = subprocess.Popen([sys.executable, "-m", "tools.gpu_check", "--phase", name, "--budget", f"{seconds:.1f}"],
                               cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                               start_new_session=True)
    timer = threading.Timer(seconds, _kill_group, [process.pid])
    timer.start()
    errors: list[str] = []
    reader = threading.Thread(target=lambda: errors.extend(process.stderr or ()), daemon=True)
    reader.start()
    rows = []
    for line in process.stdout or ():
        try:
            rows.append(Row(**json.loads(line)))
        except (ValueError, TypeError):     # something else that was printed
            continue
        print(f"  {rows[-1].name}: {rows[-1].value}", file=sys.stderr, flush=True)
    code, in_time = process.wait(), timer.is_alive()
    timer.cancel()
    reader.join(1)
    if not in_time:
        rows.append(Row(name, "phase", f"stopped after {seconds:.0f} s", ok=False))
    elif code:
        last = next((line.strip() for line in reversed(errors) if line.strip()), "no message")
        rows.append(Row(name, "phase", f"failed with status {code}: {last[:300]}", ok=False))
    return rows


def _kill_group(pid: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(pid, 9)


def check(budget: float) -> list[Row]:
    """Run all phases within a number of seconds."""
    start, rows, ahead = time.monotonic(), list[Row](), sum(PHASES.values())
    for name, share in PHASES.items():
        left = budget - (time.monotonic() - start)
        seconds = left * max(share / ahead, min(1.0, 2 * share))    # a slow phase may take from those after it
        ahead -= share
        print(f"{name}: up to {seconds:.0f} s", file=sys.stderr, flush=True)
        rows += run_phase(name, seconds)
    return rows


def tables(rows: list[Row]) -> str:
    """Return the rows as Markdown, a table for each phase."""
    out = []
    for phase in PHASES:
        mine = [row for row in rows if row.phase == phase]
        if mine:
            out += [f"### {phase.capitalize()}", "", "| | measured | |", "|---|--:|---|"]
            out += [f"| {row.name} | {row.value} | {'**failed**' if row.ok is False else ''} |" for row in mine] + [""]
    return "\n".join(out)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--budget", type=float, default=560, help="seconds for everything")
    parser.add_argument("--rehearse", action="store_true", help="run on the stand-in for CuPy of the tests")
    parser.add_argument("--phase", choices=list(PHASES), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.phase:
        from . import gpu_phases

        gpu_phases.run(options.phase, options.budget)
        return
    if options.rehearse and not os.environ.get(REHEARSAL):
        sys.path[:0] = [str(ROOT / "tests")]
        from stand_in_kit import environment

        again = [sys.executable, "-m", "tools.gpu_check", "--rehearse", "--budget", str(options.budget)]
        sys.exit(subprocess.run(again, cwd=ROOT, env={**environment(), REHEARSAL: "1"}, check=False).returncode)
    rows = check(options.budget)
    print(f"## GPU{', rehearsed on a stand-in: no figure here is one of a GPU' if options.rehearse else ''}\n")
    print(tables(rows))
    failed = sum(row.ok is False for row in rows)
    print(f"{len(rows)} rows, {failed} failed", file=sys.stderr)
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
