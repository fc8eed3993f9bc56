"""The application: verbs, errors, exit codes.

0 done · 1 could not be done · 2 usage or job error · 3 some items of a run failed · 4 does not conform ·
70 a bug of ours · 74 disk or I/O trouble · 75 another run holds the folder · 130/143 interrupted
"""

from __future__ import annotations

import errno
import importlib
import io
import logging
import os
import signal
import sys
import traceback
import warnings
from typing import Any

import typer
from typer.core import TyperGroup

from ..errors import GpudepthError, Interrupted, OutputError, readable
from .output import print_error

# Click's base of all usage errors. Newer typers carry a click of their own and export only this branch of the tree.
_CommandLineError: Any = next(c for c in typer.BadParameter.__mro__ if c.__name__ == "ClickException")

VERBS = {
    "attach": "Put a depth map into a photo; the picture itself is not touched.",
    "bench": "Measure what every operation takes on this machine.",
    "check": "Check files against the rules of their format.",
    "convert": "Convert depth from one kind of file into another.",
    "extract": "Extract depth out of photos, folders of photos and clips.",
    "init": "Write a job from what lies in a folder.",
    "inspect": "Show what photos and clips say of their depth.",
    "merge": "Merge the ledgers of a job's shards into one.",
    "plan": "Show what a job would do.",
    "presets": "List what data sets, sensors and depth models write.",
    "preview": "Draw depth as a picture.",
    "remove": "Remove the depth from a photo.",
    "report": "Write a page about a run.",
    "run": "Run a job: many photos, one set of rules.",
    "demo": "Render a small scene with exact depth and attach it to photos.",
    "doctor": "Show what works on this machine.",
    "mac-kit": "Write files and a script that ask Apple software on a Mac.",
    "config": "Show the schema, the mistakes or the defaults of a job file.",
}
"""The verbs in the order of help, each with its line there. A verb's module is imported when it is used."""


class _Verbs(TyperGroup):
    """The verbs, loaded one at a time."""

    def __init__(self, **attributes: Any) -> None:
        super().__init__(**{**attributes, "commands": dict.fromkeys(VERBS)})      # the names, for suggestions

    def list_commands(self, ctx: Any) -> list[str]:
        return list(VERBS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        if cmd_name not in VERBS:
            return None
        name = cmd_name.replace("-", "_")
        module = importlib.import_module(f".{name}", __package__)
        verb = getattr(module, "app", None)
        if verb is None:
            verb = typer.Typer(add_completion=False, rich_markup_mode=None)
            verb.command(cmd_name)(getattr(module, name))
        command = typer.main.get_command(verb)
        command.name = cmd_name
        return command

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(VERBS.items()))


app = typer.Typer(cls=_Verbs, no_args_is_help=True, rich_markup_mode=None, pretty_exceptions_enable=False,
                  context_settings={"help_option_names": ["-h", "--help"]},
                  help="Depth maps in photos, the way Apple devices keep them: in, out, many at a time.")


@app.callback(invoke_without_command=True)
def _root(version: bool = typer.Option(False, "--version", help="Print the version.")) -> None:
    if version:
        from .. import __version__

        print(f"gpudepth {__version__}")
        raise typer.Exit


def main(arguments: list[str] | None = None) -> None:
    """The entry point; always ends with SystemExit."""
    # also as process 1 of a container, which gets no signal that it has no handler for; a run has its own
    signal.signal(signal.SIGTERM, lambda signum, frame: sys.exit(128 + signum))
    sys.exit(run_command(arguments))


def run_command(arguments: list[str] | None = None) -> int:
    """Run one command line; returns the exit code."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # names may hold bytes that are no text; results give them back as they are, terminals may not know ×
            utf8 = (stream.encoding or "").lower().replace("-", "") == "utf8"
            stream.reconfigure(errors="surrogateescape" if utf8 else "backslashreplace")
    handler = _log_to_stderr()
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("default", category=DeprecationWarning, module=r"gpudepth\.")
            warnings.showwarning = _show_warning
            return _run(arguments)
    finally:
        logging.getLogger("gpudepth").removeHandler(handler)
        logging.getLogger("gpudepth").setLevel(logging.NOTSET)


def _show_warning(message: Warning | str, *_: Any, **__: Any) -> None:
    """Old names in jobs and on the command line are told to whoever typed them."""
    print(f"warning: {readable(str(message))}", file=sys.stderr)


def _run(arguments: list[str] | None) -> int:
    try:
        result = typer.main.get_command(app)(args=arguments, prog_name="gpudepth", standalone_mode=False)
        sys.stdout.flush()
        return result if isinstance(result, int) else 0
    except GpudepthError as error:
        print_error(error)
        return error.exit_code
    except typer.Exit as error:
        return error.exit_code
    except _CommandLineError as error:
        error.show()
        return 2
    except (KeyboardInterrupt, typer.Abort):
        print("interrupted", file=sys.stderr)
        return 130
    except Interrupted as interrupted:
        print("interrupted; what was done is in the ledger, run the job again to go on", file=sys.stderr)
        return interrupted.code
    except BrokenPipeError:
        # the reader of our output went away: not an error worth a message
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    except OSError as error:
        hint = _SHORT.get(error.errno or 0)
        if hint is None:
            return _bug()
        print_error(OutputError(f"{error.strerror}", where=error.filename, hint=hint))
        return OutputError.exit_code
    except Exception:
        return _bug()


def _bug() -> int:
    traceback.print_exc()
    print("error: this is a bug in gpudepth; please report it with the lines above", file=sys.stderr)
    return 70


# what a machine may be short of, wherever it shows
_SHORT = {errno.EMFILE: "ulimit -n allows too few open files", errno.ENFILE: "the system has too many open files",
          errno.EAGAIN: "ulimit -u allows too few processes", errno.ENOSPC: "the disk is full",
          errno.EDQUOT: "the quota of the disk is used up", errno.EIO: "a disk that fails?"}


class _Readable(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        return readable(super().format(record), lines=True)


def _log_to_stderr() -> logging.Handler:
    """Warnings, and with -v what runs where; for this one command line."""
    logger = logging.getLogger("gpudepth")
    logger.setLevel(logging.WARNING)
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_Readable("%(message)s"))
    logger.addHandler(handler)
    return handler

