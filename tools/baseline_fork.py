"""Runs gpudepth many times with its modules imported once: each line of stdin is a command, run in a forked child.

It is started by `baseline` as a program of its own, with the tree to run on PYTHONPATH. A request is a JSON object of
words, folder, stdout and stderr (files to write); the answer is the exit code, or "timeout", on a line of stdout.
"""

from __future__ import annotations

import contextlib
import importlib
import io
import json
import os
import pkgutil
import runpy
import signal
import sys
from types import FrameType
from typing import Any

# heavy modules, and modules that start threads, which a fork does not copy
_NOT_AHEAD = ("__main__", "engines", "cuda", "cupy", "nvrtc", "kernel", "probe")


def _import_ahead() -> None:
    """Import the modules of the commands; a module that cannot be imported fails in the command that needs it."""
    package = importlib.import_module("gpudepth")
    for found in pkgutil.walk_packages(package.__path__, "gpudepth."):
        if not any(name in found.name for name in _NOT_AHEAD):
            with contextlib.suppress(Exception):
                importlib.import_module(found.name)
    with contextlib.redirect_stdout(io.StringIO()):
        _command(["--version"])


def _command(words: list[str]) -> int:
    """Run `python -m gpudepth WORDS` and return the exit code."""
    sys.argv = ["gpudepth", *words]
    try:
        runpy.run_module("gpudepth", run_name="__main__", alter_sys=True)
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else int(end.code is not None)
    return 0


def _child(request: dict[str, Any]) -> None:
    """Run one command with its own streams, and end this process."""
    code = 1
    try:
        for number, (path, flags) in enumerate([(os.devnull, os.O_RDONLY),
                                                (request["stdout"], os.O_WRONLY | os.O_CREAT | os.O_TRUNC),
                                                (request["stderr"], os.O_WRONLY | os.O_CREAT | os.O_TRUNC)]):
            opened = os.open(path, flags, 0o644)
            os.dup2(opened, number)
            os.close(opened)
        os.setpgid(0, 0)
        os.chdir(request["folder"])
        code = _command(request["words"])
    except BaseException:
        sys.excepthook(*sys.exc_info())
    finally:
        with contextlib.suppress(Exception):
            importlib.import_module("atexit")._run_exitfuncs()
        for stream in (sys.stdout, sys.stderr):
            with contextlib.suppress(Exception):
                stream.flush()
        os._exit(code)


def main() -> None:
    """Answer requests until stdin ends."""
    _import_ahead()
    for line in sys.stdin:
        request = json.loads(line)
        process = os.fork()
        if process == 0:
            _child(request)
        timed_out = False

        def stop(number: int, frame: FrameType | None, process: int = process) -> None:
            nonlocal timed_out
            timed_out = True
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process, signal.SIGKILL)

        signal.signal(signal.SIGALRM, stop)
        signal.alarm(request["timeout"])
        _, status = os.waitpid(process, 0)
        signal.alarm(0)
        print(json.dumps("timeout" if timed_out else os.waitstatus_to_exitcode(status)), flush=True)


if __name__ == "__main__":
    main()
