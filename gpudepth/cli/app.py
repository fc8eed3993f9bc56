"""The application: verbs, errors, exit codes.

0 done · 1 could not be done · 2 usage or job error · 3 some items of a run failed · 4 does not conform ·
70 a bug of ours · 74 disk or I/O trouble · 75 another run holds the folder · 130/143 interrupted
"""

from __future__ import annotations

import errno
import io
import logging
import os
import signal
import sys
import traceback
from typing import Any

import typer

from ..errors import GpudepthError, Interrupted, OutputError, readable
from .telling import tell_error

# Click's base of all usage errors. Newer typers carry a click of their own and export only this branch of the tree.
_CommandLineError: Any = next(c for c in typer.BadParameter.__mro__ if c.__name__ == "ClickException")

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None, pretty_exceptions_enable=False,
                  context_settings={"help_option_names": ["-h", "--help"]},
                  help="Depth maps in photos, the way Apple devices keep them: in, out, many at a time.")


def _register() -> None:
    from . import (
        attach,
        bench,
        check,
        config,
        convert,
        demo,
        doctor,
        extract,
        init,
        inspect,
        mac_kit,
        merge,
        plan,
        presets,
        preview,
        remove,
        report,
        run,
    )

    app.command("attach")(attach.attach)
    app.command("bench")(bench.bench)
    app.command("check")(check.check)
    app.command("convert")(convert.convert)
    app.command("extract")(extract.extract)
    app.command("init")(init.init)
    app.command("inspect")(inspect.inspect)
    app.command("merge")(merge.merge)
    app.command("plan")(plan.plan)
    app.command("presets")(presets.presets)
    app.command("preview")(preview.preview)
    app.command("remove")(remove.remove)
    app.command("report")(report.report)
    app.command("run")(run.run)
    app.command("demo")(demo.demo)
    app.command("doctor")(doctor.doctor)
    app.command("mac-kit")(mac_kit.mac_kit)
    app.add_typer(config.app, name="config")


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
        result = typer.main.get_command(app)(args=arguments, prog_name="gpudepth", standalone_mode=False)
        sys.stdout.flush()
        return result if isinstance(result, int) else 0
    except GpudepthError as error:
        tell_error(error)
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
        tell_error(OutputError(f"{error.strerror}", where=error.filename, hint=hint))
        return OutputError.exit_code
    except Exception:
        return _bug()
    finally:
        logging.getLogger("gpudepth").removeHandler(handler)
        logging.getLogger("gpudepth").setLevel(logging.NOTSET)


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


_register()
