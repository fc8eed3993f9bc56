"""How a setting is declared: one dataclass field with its type, default, bounds, unit and help.

    fill: Literal["nearest", "far"] | None = setting(None, key="refine.fill", help="For pixels without a value.")

YAML sections, command-line options and the keywords of Python functions are made from these fields. Nothing here
imports pydantic.
"""

from __future__ import annotations

import dataclasses
import math
import types
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from ..errors import GpudepthError, UsageError


class SettingError(UsageError):
    """A setting has a value that it cannot have.

    Attributes:
        setting: The Python keyword of the setting.
        problem: What is wrong, without the name.
    """

    def __init__(self, setting: str, value: object, problem: str, *, hint: str | None = None) -> None:
        shown = value if isinstance(value, str) else repr(value)
        super().__init__(f"‹{setting}={shown:.80}›: {problem}", hint=hint)
        self.setting, self.problem = setting, problem


@dataclass(frozen=True)
class Spec:
    """What is declared of one setting.

    Attributes:
        name: The Python keyword.
        annotation: The type of its value, as the dataclass has it.
        default: Its value where nobody names one.
        help: One sentence.
        key: The dotted key in a job; empty where jobs do not have it.
        flag: The command-line flag.
        unit: Of the value.
        low: The smallest allowed value.
        high: The largest allowed value.
        above: The value must be greater than this.
        metavar: What help shows in place of the value.
        parse: Turns text and the like into the value; raises UsageError.
        written: The type that YAML has, where that is not the annotation.
        choices: The allowed values; None where any value of the type is allowed.
    """

    name: str
    annotation: Any
    default: Any
    help: str = ""
    key: str = ""
    flag: str = ""
    unit: str = ""
    low: float | None = None
    high: float | None = None
    above: float | None = None
    metavar: str | None = None
    parse: Callable[[Any], Any] | None = None
    written: Any = None
    choices: tuple[Any, ...] | None = None

    @property
    def leaf(self) -> str:
        """The last part of the key."""
        return self.key.rpartition(".")[2] or self.name

    def validated(self, value: Any) -> Any:
        """Return the value in its type. Raises SettingError."""
        if value is None:
            if self.default is None or self.default is dataclasses.MISSING:
                return value
            raise SettingError(self.name, value, "expected a value")
        if hasattr(value, "item") and getattr(value, "ndim", None) == 0:      # a scalar of numpy
            value = value.item()
        if self.parse is not None:
            try:
                value = self.parse(value)
            except SettingError:
                raise
            except GpudepthError as error:
                raise SettingError(self.name, value, error.message, hint=error.hint) from None
            except (TypeError, ValueError):
                raise SettingError(self.name, value, f"expected {self.metavar or 'another value'}") from None
        if self.choices is not None:
            several = isinstance(value, tuple | list)
            return tuple(self._choice(one) for one in value) if several else self._choice(value)
        kinds = _kinds(self.annotation)
        if kinds:
            value = self._number(value, kinds)
        return value

    def _choice(self, value: Any) -> Any:
        assert self.choices is not None
        if any(value == one and type(value) is type(one) for one in self.choices):
            return value
        import difflib  # late: most values are right

        named = [str(one) for one in self.choices]
        close = difflib.get_close_matches(str(value).lower(), named, 1, 0.6)
        expected = " or ".join(filter(None, [", ".join(named[:-1]), named[-1]]))
        raise SettingError(self.name, value, f"expected {expected}",
                           hint=f"did you mean ‹{self.name}={close[0]}›?" if close else None)

    def _number(self, value: Any, kinds: tuple[type, ...]) -> Any:
        expected = {bool: "true or false", int: "a whole number", float: "a number", str: "text"}
        if float in kinds and type(value) is int:
            value = float(value)
        if type(value) not in kinds:
            raise SettingError(self.name, value, "expected " + " or ".join(expected[kind] for kind in kinds))
        if isinstance(value, int | float) and not isinstance(value, bool):
            self._check_bounds(value)
        return value

    def _check_bounds(self, value: float) -> None:
        bounds = [(self.low is not None and not value >= self.low, f"at least {self.low}"),
                  (self.high is not None and not value <= self.high, f"at most {self.high}"),
                  (self.above is not None and not value > self.above, f"more than {self.above}"),
                  (math.isnan(value), "a number")]
        wrong = [text for broken, text in bounds if broken]
        if wrong:
            span = self.low is not None and self.high is not None
            expected = f"a number from {self.low} to {self.high}" if span else " and ".join(wrong)
            raise SettingError(self.name, value, f"expected {expected}")


def setting(default: Any = dataclasses.MISSING, **about: Any) -> Any:
    """Declare a setting as a field of a dataclass; `about` is as the fields of `Spec`."""
    return dataclasses.field(default=default, metadata={"setting": about})


def like(cls: type, name: str, default: Any = None) -> Any:
    """Declare the setting of another class once more, where an option stands for one part of it."""
    about = next(field for field in dataclasses.fields(cls) if field.name == name).metadata["setting"]
    return setting(default, **about)


@cache
def specs(cls: Any) -> Mapping[str, Spec]:
    """Return the settings that a dataclass declares, by field name, without fields that have no `setting`."""
    hints = get_type_hints(cls)
    out = {}
    for field in dataclasses.fields(cls):
        about = field.metadata.get("setting")
        if about is not None:
            annotation = hints[field.name]
            about = {"flag": "--" + field.name.replace("_", "-"), "choices": _literals(annotation), **about}
            out[field.name] = Spec(field.name, annotation, field.default, **about)
    return types.MappingProxyType(out)


def validate(instance: Any) -> None:
    """Check every declared field of a frozen dataclass, and put values into their types. Raises SettingError."""
    kind: Any = type(instance)
    declared = specs(kind)
    for name, spec in declared.items():
        value = getattr(instance, name)
        if value is not spec.default:
            object.__setattr__(instance, name, spec.validated(value))


def unknown(name: str, known: list[str], option: str = "") -> UsageError:
    """Return the error for an unknown keyword; `option` is the KEY=VALUE option that it was given to."""
    import difflib  # late: most names are right

    close = difflib.get_close_matches(name, known, 1, 0.6)
    if option:
        where, near = f"{option} {name}: ", f"did you mean {close[0]}? " if close else ""
        return UsageError(f"{where}unknown setting", hint=f"{near}it takes {', '.join(known)}")
    return UsageError(f"unknown setting {name!r}",
                      hint=f"did you mean ‹{close[0]}›?" if close else "known: " + ", ".join(sorted(known)))


def _kinds(annotation: Any) -> tuple[type, ...]:
    """Return the plain types of a union; empty if it holds any other type."""
    union = get_origin(annotation) in (Union, types.UnionType)
    parts = [part for part in (get_args(annotation) if union else (annotation,)) if part is not type(None)]
    return tuple(parts) if all(part in (bool, int, float, str) for part in parts) else ()


def _literals(annotation: Any) -> tuple[Any, ...] | None:
    """Return the values of a Literal, alone, optional or in a tuple."""
    if get_origin(annotation) is Literal:
        return get_args(annotation)
    parts = [part for part in get_args(annotation) if part not in (type(None), Ellipsis)]
    if len(parts) == 1 and get_origin(annotation) in (Union, types.UnionType, tuple):
        return _literals(parts[0])
    return None
