"""Settings in messages, in the words of the command line and of jobs; `errors.keyword` has Python's."""

from __future__ import annotations

import re

from .declare import Spec, specs
from .options import ALL


def option(name: str, value: str | None) -> str:
    """A setting as the command line names it: `--fill nearest`."""
    if (name, value) == ("orientation", "coded"):
        return "--coded"
    spec = _spec(name)
    flag = spec.flag if spec and spec.flag else "--" + name.replace("_", "-")
    return flag if value is None or value == "True" else f"{flag} {_unquoted(value)}"


def key(name: str, value: str | None) -> str:
    """A setting as a job names it: `refine.fill: nearest`."""
    spec = _spec(name)
    if spec is None or not spec.key:
        return option(name, value)
    return spec.key if value is None else f"{spec.key}: {_unquoted(value).replace('True', 'true')}"


def _spec(name: str) -> Spec | None:
    return next((specs(cls)[name] for cls in ALL if name in specs(cls)), None)


def _unquoted(value: str) -> str:
    tuple_ = re.fullmatch(r"\(([^()]*)\)", value)
    return tuple_[1].replace(" ", "") if tuple_ else value.strip("'\"")
