"""Defines the application: its commands, how errors are printed, and exit codes.

0 done · 1 failed · 2 usage or job error · 3 some items of a run failed · 4 a file does not conform ·
70 bug in gpudepth · 74 disk or I/O error · 75 another run uses the folder · 130/143 interrupted
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

import click

from ..errors import GpudepthError, Interrupted, OutputError, readable
from .command import command
from .output import print_error

VERBS = {
    "attach": "Attach a depth map to a photo; the picture is not re-encoded.",
    "bench": "Measure how long each operation takes on this machine.",
    "check": "Check files against the rules of their format.",
    "convert": "Convert depth from one kind of file into another.",
    "extract": "Extract depth from photos, folders of photos and clips.",
    "init": "Write a job for the photos and maps in a folder.",
    "inspect": "Show the depth and its metadata in photos and clips.",
    "merge": "Merge the ledgers of a job's shards into one.",
    "plan": "Show what a job would do.",
    "presets": "List the presets for data sets, sensors and depth models.",
    "preview": "Draw depth as a picture.",
    "remove": "Remove the depth from a photo.",
    "report": "Write a page about a run.",
    "run": "Run a job: many photos, one set of rules.",
    "demo": "Render a small scene with exact depth and attach it to photos.",
    "doctor": "Show what works on this machine.",
    "mac-kit": "Write test files, and a script that shows what Apple software on a Mac finds in them.",
    "config": "Print the schema of job files, check a job file, or print it with its defaults.",
}
"""The commands and their lines in the help, in that order. A command's module is imported when it is used."""


class _Verbs(click.Group):
    """Imports the module of a command when it is used."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in VERBS:
            return None
        name = cmd_name.replace("-", "_")
        module = importlib.import_module(f".{name}", __package__)
        verb: click.Command | None = getattr(module, "app", None)
        return verb or command(getattr(module, name), cmd_name)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(VERBS.items()))


def _print_version(context: click.Context, parameter: click.Parameter, wanted: bool) -> None:
    if wanted:
        from .. import __version__

        print(f"gpudepth {__version__}")
        context.exit()


def _print_completion(context: click.Context, parameter: click.Parameter, shell: str | None) -> None:
    if shell is not None:
        from click.shell_completion import get_completion_class

        script = get_completion_class(shell)
        assert script is not None
        print(script(app, {}, "gpudepth", "_GPUDEPTH_COMPLETE").source())
        context.exit()


app = _Verbs(
    "gpudepth", commands=dict.fromkeys(VERBS, click.Command(None)),      # their names are used in suggestions
    help="Attach, read and convert depth maps in photos, stored the way Apple devices store them.",
    context_settings={"help_option_names": ["-h", "--help"]}, params=[
        click.Option(["--version"], is_flag=True, expose_value=False, is_eager=True, callback=_print_version,
                     help="Print the version."),
        click.Option(["--show-completion"], type=click.Choice(("bash", "zsh", "fish")), expose_value=False,
                     is_eager=True, callback=_print_completion,
                     help="Print the script that completes commands and options in a shell."),
    ])


def run_command(arguments: list[str] | None = None) -> int:
    """Run one command line and return the exit code; None is the command line of this process."""
    if arguments is None:
        # numpy's OpenBLAS starts a thread for each core when it is imported. That costs more than attaching a map, and
        # nothing here multiplies large matrices.
        os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
        # Process 1 of a container receives only signals that it has handlers for. A run installs its own handler.
        signal.signal(signal.SIGTERM, lambda signum, frame: sys.exit(128 + signum))
    _prepare_streams()
    handler = _log_to_stderr()
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("default", category=DeprecationWarning, module=r"gpudepth\.")
            warnings.showwarning = _show_warning
            result = app(args=arguments, prog_name="gpudepth", standalone_mode=False)
            sys.stdout.flush()
        return result if isinstance(result, int) else 0
    except GpudepthError as error:
        print_error(error)
        return error.exit_code
    except click.exceptions.Exit as error:
        return error.exit_code
    except click.ClickException as error:
        error.show()
        return 2
    except (KeyboardInterrupt, click.Abort):
        print("interrupted", file=sys.stderr)
        return 130
    except Interrupted as interrupted:
        print("interrupted: run the job again to continue; finished items are in the ledger", file=sys.stderr)
        return interrupted.code
    except BrokenPipeError:
        # The reader of stdout has closed it; this needs no message.
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
    finally:
        logging.getLogger("gpudepth").removeHandler(handler)
        logging.getLogger("gpudepth").setLevel(logging.NOTSET)


def _prepare_streams() -> None:
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # File names may contain bytes that are not text; they are written unchanged. A terminal may lack × and …
            utf8 = (stream.encoding or "").lower().replace("-", "") == "utf8"
            stream.reconfigure(errors="surrogateescape" if utf8 else "backslashreplace")


def _show_warning(message: Warning | str, *_: Any, **__: Any) -> None:
    """Print a warning about a deprecated name."""
    print(f"warning: {readable(str(message))}", file=sys.stderr)


def _bug() -> int:
    traceback.print_exc()
    print("error: this is a bug in gpudepth; please report it with the lines above", file=sys.stderr)
    return 70


# hints for errors of the system that any command may meet
_SHORT = {errno.EMFILE: "ulimit -n allows too few open files", errno.ENFILE: "the system has too many open files",
          errno.EAGAIN: "ulimit -u allows too few processes", errno.ENOSPC: "the disk is full",
          errno.EDQUOT: "the quota of the disk is used up", errno.EIO: "the disk may be failing"}


class _Readable(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        return readable(super().format(record), lines=True)


def _log_to_stderr() -> logging.Handler:
    """Print warnings of the package, and with -v where the work runs, on stderr; return the handler to remove."""
    logger = logging.getLogger("gpudepth")
    logger.setLevel(logging.WARNING)
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_Readable("%(message)s"))
    logger.addHandler(handler)
    return handler

