"""Makes docs/cli.md, the page about all commands, from the application."""

from __future__ import annotations

import inspect
import re
from typing import Any

from gpudepth.cli.app import app

HEAD = """\
# Every command

<!-- made by `make pages` from gpudepth/cli; do not edit -->

`gpudepth COMMAND --help` prints the same. Results go to stdout, everything else to stderr. Several commands take
`--json`.

| exit code | |
|--:|---|
| 0 | all done |
| 1 | the task failed for the reason given |
| 2 | the command or the job is wrong |
| 3 | some items of a run failed |
| 4 | `check`: the file does not conform |
| 70 | a bug in gpudepth |
| 74 | disk or I/O error |
| 75 | another run uses the folder |
| 130, 143 | interrupted |

"""
_CELL = str.maketrans({"|": "\\|", "\n": " ", "<": "&lt;"})


def page() -> str:
    """Return the page."""
    root: Any = app
    parts = [HEAD]
    for name, command in verbs(root):
        parts.append(_verb(name, command))
    return "".join(parts).rstrip() + "\n"


def verbs(group: Any, above: str = "gpudepth") -> list[tuple[str, Any]]:
    """Return all commands with their full names, including those of groups, sorted."""
    found: list[tuple[str, Any]] = []
    for name in sorted(group.list_commands(None)):
        command = group.get_command(None, name)
        called = f"{above} {name}"
        found += verbs(command, called) if hasattr(command, "list_commands") else [(called, command)]
    return found


def _verb(name: str, command: Any) -> str:
    prose, examples = split(inspect.cleandoc(command.callback.__doc__ or ""))
    arguments = [p for p in command.params if p.param_type_name == "argument"]
    options = [p for p in command.params if p.param_type_name == "option" and not p.hidden]
    usage = " ".join([name, *(["[OPTIONS]"] if options else []), *(_placeholder(p) for p in arguments)])
    parts = [f"## {name}\n\n{prose}\n\n```text\n{usage}\n```\n\n"]
    if examples:
        parts.append("```sh\n" + "\n".join(examples) + "\n```\n\n")
    rows = [f"| `{_name(p)}` | {(p.help or '').translate(_CELL)}{_default(p)} |" for p in [*arguments, *options]]
    if rows:
        parts.append("| | |\n|---|---|\n" + "\n".join(rows) + "\n\n")
    return "".join(parts)


def split(text: str) -> tuple[str, list[str]]:
    """Split a docstring into prose and the examples, which follow click's mark \\b."""
    before, _, after = text.partition("\b")
    examples = [line.strip() for line in after.strip().splitlines() if line.strip()]
    commands = [line for line in examples if line.startswith("gpudepth ")]
    rest = [line for line in examples if not line.startswith("gpudepth ")]
    prose = "\n\n".join(" ".join(p.split()) for p in re.split(r"\n\s*\n", before.strip()))
    return "\n\n".join(filter(None, [prose, " ".join(rest)])), commands


def _placeholder(argument: Any) -> str:
    name = argument.metavar or argument.name.upper()
    name += "..." if argument.nargs != 1 else ""
    return name if argument.required else f"[{name}]"


def _name(parameter: Any) -> str:
    if parameter.param_type_name == "argument":
        return _placeholder(parameter)
    value = "" if parameter.is_flag else " " + (parameter.metavar or parameter.name.upper())
    return (", ".join([*parameter.opts, *parameter.secondary_opts]) + value).replace("|", "\\|")


def _default(parameter: Any) -> str:
    value = parameter.default
    shown = parameter.param_type_name == "option" and parameter.show_default and isinstance(value, str | int | float)
    return f" Default: `{value}`." if shown else ""
