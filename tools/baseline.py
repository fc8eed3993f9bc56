"""Records the behaviour of gpudepth in many cases, and compares two records: a refactoring must not change it.

    python -m tools.baseline record OUT.json [--tree DIR] [--only PREFIX] [--keep DIR] [--fresh]
    python -m tools.baseline compare OLD.json NEW.json

The cases are in tools/baseline_cases.txt, the files that they name come from `baseline_inputs`.
"""

from __future__ import annotations

import argparse
import json
import os
import queue
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from .baseline_inputs import make_inputs
from .baseline_normalise import digest, of_stdout

ROOT = Path(__file__).parents[1]
TABLE = Path(__file__).with_name("baseline_cases.txt")
FORK = Path(__file__).with_name("baseline_fork.py")
CASE_TIMEOUT_S = 300
_NAME = re.compile(r"[\w/.+-]+")


@dataclass(frozen=True)
class Case:
    """One line of the table.

    Attributes:
        name: Unique name; what stands before the slash groups cases.
        commands: The words of each command, without the program.
        only_code: Whether nothing but the exit codes is recorded, because the rest is about the machine.
    """

    name: str
    commands: tuple[tuple[str, ...], ...]
    only_code: bool = False


@dataclass(frozen=True)
class Ended:
    """The end of a command."""

    returncode: int | str
    stdout: str
    stderr: str


class Scratch:
    """Runs the gpudepth of one tree in temporary folders."""

    def __init__(self, tree: Path, home: Path, *, fresh: bool = False) -> None:
        """Prepare the environment of the commands.

        Args:
            tree: The repository whose package is run.
            home: A folder that is HOME to the commands.
            fresh: Whether each command is a new interpreter; else it is a fork of one that has imported the package,
                which takes a third of the time.
        """
        self._fresh = fresh
        self._servers: queue.SimpleQueue[subprocess.Popen[str]] = queue.SimpleQueue()
        self.environment = {
            **{name: os.environ[name] for name in ("PATH", "LD_LIBRARY_PATH", "TMPDIR") if name in os.environ},
            "PYTHONPATH": str(tree), "HOME": str(home), "GPUDEPTH_BACKEND": "numpy", "LANG": "C.UTF-8", "TZ": "UTC",
            "COLUMNS": "100", "NO_COLOR": "1", "PYTHONDONTWRITEBYTECODE": "1",
        }

    def run(self, words: Sequence[str], folder: Path) -> Ended:
        """Run `gpudepth WORDS` in a folder; wildcards are expanded as in a shell."""
        expanded = [found for word in words
                    for found in (sorted(p.relative_to(folder).as_posix() for p in folder.glob(word))
                                  if "*" in word and not Path(word).is_absolute() else []) or [word]]
        if self._fresh:
            done = subprocess.run([sys.executable, "-m", "gpudepth", *expanded], cwd=folder, env=self.environment,
                                  capture_output=True, encoding="utf-8", errors="replace", check=False,
                                  timeout=CASE_TIMEOUT_S)
            return Ended(done.returncode, done.stdout, done.stderr)
        return self._forked(expanded, folder)

    def _forked(self, words: list[str], folder: Path) -> Ended:
        try:
            server = self._servers.get_nowait()
        except queue.Empty:
            # -P: modules of this folder have names of standard library modules
            server = subprocess.Popen([sys.executable, "-P", FORK], env=self.environment, text=True,
                                      stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        assert server.stdin is not None
        assert server.stdout is not None
        with tempfile.TemporaryDirectory(prefix="baseline-") as name:
            streams = Path(name, "stdout"), Path(name, "stderr")
            request = {"words": words, "folder": str(folder), "timeout": CASE_TIMEOUT_S,
                       "stdout": str(streams[0]), "stderr": str(streams[1])}
            server.stdin.write(json.dumps(request) + "\n")
            server.stdin.flush()
            code = json.loads(server.stdout.readline())
            self._servers.put(server)
            return Ended(code, *(path.read_text(encoding="utf-8", errors="replace") for path in streams))

    def close(self) -> None:
        """Stop the process that runs the commands."""
        while not self._servers.empty():
            server = self._servers.get_nowait()
            server.communicate()

    def package(self) -> Path:
        """Return the folder of the package that the commands import."""
        told = subprocess.run([sys.executable, "-c", "import gpudepth; print(gpudepth.__file__)"], text=True,
                              cwd=self.environment["HOME"], env=self.environment, capture_output=True, check=True)
        return Path(told.stdout.strip()).parent


def read_cases(text: str) -> Iterator[Case]:
    """Yield the cases of a table, one per line: `name: command && command`. After `?` only the exit code counts.

    Raises:
        ValueError: If a line is not a case, or a name is used twice.
    """
    seen: set[str] = set()
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip() or line.startswith("#"):
            continue
        name, colon, commands = line.partition(": ")
        if not colon or not _NAME.fullmatch(name) or name in seen:
            raise ValueError(f"{TABLE.name}:{number}: no case, or a second of its name: {line}")
        seen.add(name)
        only_code = commands.startswith("? ")
        split = [tuple(shlex.split(command)) for command in commands.removeprefix("? ").split(" && ")]
        yield Case(name, tuple(split), only_code)


def copy_named(case: Case, inputs: Path, folder: Path) -> None:
    """Copy the inputs that a case names into its folder: a file, or the top-level folder that contains it."""
    for words in case.commands:
        for word in words:
            for part in re.split("[=,]", word):
                top = Path(part).parts[:1]
                if not top or top[0] in ("/", "..", ".") or (folder / top[0]).exists():
                    continue
                source = inputs / top[0]
                if source.is_dir():
                    shutil.copytree(source, folder / top[0])
                elif source.is_file():
                    shutil.copyfile(source, folder / top[0])


def files_of(folder: Path) -> dict[str, Path]:
    """Return all files below a folder by their relative paths."""
    return {path.relative_to(folder).as_posix(): path for path in sorted(folder.rglob("*")) if path.is_file()}


def run_case(case: Case, scratch: Scratch, inputs: Path, work: Path) -> dict[str, Any]:
    """Run one case in its own folder and describe its results."""
    folder = work / case.name.replace("/", "__")
    folder.mkdir()
    copy_named(case, inputs, folder)
    before = {name: path.read_bytes() for name, path in files_of(folder).items()}
    codes: list[int | str] = []
    printed: list[Any] = []
    for words in case.commands:
        try:
            done = scratch.run(words, folder)
        except subprocess.TimeoutExpired:
            codes.append("timeout")
            continue
        codes.append(done.returncode)
        printed.append(of_stdout(done.stdout, words, folder))
        if "Traceback (most recent call last)" in done.stderr:
            codes[-1] = f"{done.returncode}, with a traceback"
    if case.only_code:
        return {"codes": codes}
    after = files_of(folder)
    made = {name: digest(path, folder) for name, path in after.items() if before.get(name) != path.read_bytes()}
    made.update({name: "removed" for name in before if name not in after})
    return {"codes": codes, "stdout": printed, "files": made}


def record(out: Path, tree: Path, only: str, keep: Path | None, *, fresh: bool = False) -> int:
    """Run the cases with a tree and write their results.

    Args:
        out: The JSON file to write.
        tree: The repository whose gpudepth is run.
        only: What the names of the cases must begin with.
        keep: A folder to leave the scratch folders in; None deletes them.
        fresh: Whether each command is a new interpreter.

    Returns:
        The exit status.
    """
    samples = Path(os.environ.get("GPUDEPTH_SAMPLES", "/work/shared/samples"))
    cases = [case for case in read_cases(TABLE.read_text(encoding="utf-8")) if case.name.startswith(only)]
    start = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="baseline-") as temporary:
        base = keep or Path(temporary)
        for name in ("home", "inputs", "work"):
            (base / name).mkdir(parents=True)
        scratch = Scratch(tree, base / "home", fresh=fresh)
        if scratch.package().parent != tree:
            print(f"gpudepth comes from {scratch.package()}, not from {tree}", file=sys.stderr)
            return 2
        make_inputs(base / "inputs", samples, scratch.run)
        inputs = {name: digest(path, base / "inputs") for name, path in files_of(base / "inputs").items()}
        print(f"{len(inputs)} inputs in {time.monotonic() - start:.0f} s", file=sys.stderr)
        with ThreadPoolExecutor(2) as pool:
            one = partial(run_case, scratch=scratch, inputs=base / "inputs", work=base / "work")
            results = dict(zip((case.name for case in cases), pool.map(one, cases), strict=True))
        scratch.close()
    out.write_text(json.dumps({"only": only, "inputs": inputs, "cases": results}, indent=1, sort_keys=True) + "\n",
                   encoding="utf-8")
    print(f"{len(cases)} cases in {time.monotonic() - start:.0f} s: {out}", file=sys.stderr)
    return 0


def differences(old: Any, new: Any, at: str = "") -> Iterator[str]:
    """Return the differences of two recorded values, one per line."""
    if isinstance(old, dict) and isinstance(new, dict):
        for key in sorted(old.keys() | new.keys()):
            if key not in old or key not in new:
                there, value = ("only in old", old[key]) if key in old else ("only in new", new[key])
                yield f"{at}/{key}: {there}: {_short(value)}"
            else:
                yield from differences(old[key], new[key], f"{at}/{key}")
    elif isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
        for number, (one, other) in enumerate(zip(old, new, strict=True)):
            yield from differences(one, other, f"{at}[{number}]")
    elif old != new or type(old) is not type(new):
        yield f"{at}: {_short(old)} -> {_short(new)}"


def _short(value: Any) -> str:
    text = json.dumps(value)
    return text if len(text) <= 100 else text[:97] + "..."


def compare(old_path: Path, new_path: Path) -> int:
    """Print all differences of two records; records made with --only are compared in the cases that they have.

    Returns:
        0 without differences, otherwise 1.
    """
    old, new = (json.loads(path.read_text(encoding="utf-8")) for path in (old_path, new_path))
    for record, other in ((old, new), (new, old)):
        if record["only"]:
            other["cases"] = {name: case for name, case in other["cases"].items() if name.startswith(record["only"])}
    found = [*(f"inputs{line}" for line in differences(old["inputs"], new["inputs"])),
             *(line.removeprefix("/") for line in differences(old["cases"], new["cases"]))]
    for line in found:
        print(line)
    print(f"{len(found)} differences, {len(new['cases'])} cases", file=sys.stderr)
    return 1 if found else 0


def main() -> int:
    """Run the command line."""
    parser = argparse.ArgumentParser(prog="python -m tools.baseline", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    verbs = parser.add_subparsers(dest="verb", required=True)
    recording = verbs.add_parser("record", help="run every case and write what it did")
    recording.add_argument("out", type=Path)
    recording.add_argument("--tree", type=Path, default=ROOT, help="the repository to run (default: this one)")
    recording.add_argument("--only", default="", metavar="PREFIX", help="only cases whose names begin so")
    recording.add_argument("--keep", type=Path, metavar="DIR", help="leave the scratch folders there")
    recording.add_argument("--fresh", action="store_true", help="a new interpreter for each command; slower")
    comparing = verbs.add_parser("compare", help="list every difference of two records")
    comparing.add_argument("old", type=Path)
    comparing.add_argument("new", type=Path)
    given = parser.parse_args()
    if given.verb == "record":
        return record(given.out, given.tree.resolve(), given.only, given.keep and given.keep.resolve(),
                      fresh=given.fresh)
    return compare(given.old, given.new)


if __name__ == "__main__":
    sys.exit(main())
