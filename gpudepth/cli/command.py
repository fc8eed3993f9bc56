"""Makes Click commands from functions whose parameters are annotated with an `Option` or an `Argument`.

    def remove(file: Annotated[Path, Argument(help="A photo.")], output: Annotated[Path, Option("-o")]) -> None: ...

Typer offers the same, but it builds a pydantic model for each parameter, which took longer than attaching a map.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from pathlib import Path
from types import UnionType
from typing import Any, Union, get_args, get_origin

import click


class Argument:
    """A positional parameter."""

    def __init__(self, *, help: str, metavar: str | None = None) -> None:
        self.help, self.metavar = help, metavar


class Option:
    """A parameter with flags; without flags, the flag is the name of the parameter."""

    def __init__(self, *flags: str, help: str, metavar: str | None = None, show_default: bool = True,
                 envvar: str | None = None, callback: Callable[[Any], Any] | None = None,
                 completion: Callable[[], Sequence[str]] | None = None) -> None:
        self.flags, self.help, self.metavar, self.show_default = flags, help, metavar, show_default
        self.envvar, self.callback, self.completion = envvar, callback, completion


def command(function: Callable[..., Any], name: str | None = None) -> click.Command:
    """Return the command that calls a function; its help is the function's docstring."""
    parameters = inspect.signature(function, eval_str=True).parameters.values()
    return click.Command(name or function.__name__.replace("_", "-"), callback=function,
                         params=[_parameter(one) for one in parameters], help=inspect.cleandoc(function.__doc__ or ""))


def _parameter(parameter: inspect.Parameter) -> click.Parameter:
    kind, is_list = _kind(parameter.annotation.__origin__)
    about = parameter.annotation.__metadata__[0]
    required = parameter.default is inspect.Parameter.empty
    default: dict[str, Any] = {} if required or parameter.default is None else {"default": parameter.default}
    type_: Any = click.Path(path_type=Path) if kind is Path else kind
    callback = _callback(getattr(about, "callback", None), is_list=is_list)
    if isinstance(about, Argument):
        return click.Argument([parameter.name], type=type_, required=required, nargs=-1 if is_list else 1,
                              help=about.help, metavar=about.metavar, callback=callback, **default)
    flags = about.flags or ["--" + parameter.name.replace("_", "-")]
    kind_of_option: dict[str, Any] = {"is_flag": True} if kind is bool else {"type": type_, "multiple": is_list}
    return click.Option([parameter.name, *flags], required=required, help=about.help, metavar=about.metavar,
                        envvar=about.envvar, show_default=about.show_default and kind is not bool,
                        callback=callback, shell_complete=_completion(about.completion),
                        **kind_of_option, **default)


def _kind(annotation: Any) -> tuple[Any, bool]:
    """Return the type of one value, and whether the parameter takes several."""
    if get_origin(annotation) in (Union, UnionType):        # always with None
        annotation = get_args(annotation)[0]
    if get_origin(annotation) is list:
        return get_args(annotation)[0], True
    return annotation, False


def _callback(function: Callable[[Any], Any] | None, *, is_list: bool) -> Any:
    """Return what is done with the value of a parameter."""
    if is_list:     # Click gives () where nobody named a value
        return lambda context, parameter, values: list(values) or None
    return None if function is None else lambda context, parameter, value: function(value)


def _completion(choices: Callable[[], Sequence[str]] | None) -> Any:
    """Return the function that completes an option's value in a shell."""
    if choices is None:
        return None
    return lambda context, parameter, typed: [one for one in choices() if one.startswith(typed)]
