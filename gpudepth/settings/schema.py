"""Sections of a job as pydantic models, made from the dataclasses that declare the settings."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Iterable
from typing import Annotated, Any, get_origin, get_type_hints

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    create_model,
    model_validator,
)

from ..depth.encoding import parse_scale
from ..errors import GpudepthError, UsageError, render
from .declare import SettingError, Spec, specs
from .options import key

_SIZES = {"": 1, "B": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30}


class Config(BaseModel):
    """A frozen section that refuses unknown keys."""

    model_config = ConfigDict(extra="forbid", frozen=True)


def as_value_error(error: GpudepthError) -> ValueError:
    """Return the error that pydantic expects, with settings named as job keys."""
    if not isinstance(error, SettingError):
        return ValueError(error.describe(key))
    return ValueError(render(error.problem + (f" ({error.hint})" if error.hint else ""), key))


def first_problem(error: ValidationError, option: str) -> UsageError:
    """Return the error for the first problem that pydantic found in the settings of an option."""
    first = error.errors()[0]
    name = ".".join(map(str, first["loc"]))
    return UsageError(f"{option} {name}: {first['msg'].removeprefix('Value error, ')}")


def checked(check: Callable[[Any], Any]) -> AfterValidator:
    """Return a validator that keeps a value as it was written, and raises what `check` raises."""
    def validator(value: Any) -> Any:
        if value is not None:
            try:
                check(value)
            except GpudepthError as error:
                raise as_value_error(error) from None
        return value
    return AfterValidator(validator)


def _scale(value: Any) -> str:
    try:
        parse_scale(value)
    except GpudepthError as error:
        raise as_value_error(error) from None
    return str(value)


def _bytes(value: Any) -> Any:
    match = re.fullmatch(r"\s*([0-9.]+)\s*([KMG]i?B|B|)\s*", value) if isinstance(value, str) else None
    return int(float(match.group(1)) * _SIZES[match.group(2)]) if match else value


Scale = Annotated[str, BeforeValidator(_scale)]
ByteSize = Annotated[int, BeforeValidator(_bytes), Field(ge=0)]


def field(spec: Spec, default: Any = ...) -> tuple[Any, Any]:
    """Return a setting as a field of a model, with its own default unless named."""
    kind: Any = spec.written or spec.annotation
    is_list = get_origin(kind) is list
    optional = spec.default is None
    if spec.leaf == "scale":
        kind = Scale
    elif spec.parse is not None:
        kind = Annotated[kind, checked(spec.validated)]
    if optional and default is ...:
        kind = kind | None
    if default is ...:
        default = spec.default if _is_plain(spec.default) else str(spec.default)
        default = list(default) if is_list else default
    about = Field(default, description=spec.help.partition(" [default")[0],
                  ge=spec.low, le=spec.high, gt=spec.above)
    if spec.annotation in (float, float | None) and spec.key.startswith("source.clip"):
        about = Field(default, description=spec.help, gt=spec.above, allow_inf_nan=False)
    return kind, about


def _is_plain(value: Any) -> bool:
    return value is None or isinstance(value, bool | int | float | str | tuple)


def section(cls: type, name: str, doc: str = "", *, called: str = "", base: type[BaseModel] = Config,
            check: bool = False) -> Any:
    """Return a model of the settings that a dataclass declares for one section of a job.

    Args:
        cls: The dataclass.
        name: The dotted key of the section: "refine", "source.clip".
        doc: The docstring of the model.
        called: The name that `settings.sections` has for the model; pickle finds it there.
        base: What the model derives from.
        check: The dataclass is made of the values, and its errors become those of the section.
    """
    fields = {spec.leaf: field(spec) for spec in specs(cls).values() if spec.key == f"{name}.{spec.leaf}"}
    return _model(called or f"{cls.__name__}_{name.replace('.', '_')}", fields, doc, base, cls if check else None)


def plain_section(cls: type, doc: str = "", *, bytes_of: Iterable[str] = (), written: dict[str, Any] | None = None,
                  exclude: Iterable[str] = (), extra: dict[str, Any] | None = None,
                  describe: dict[str, str] | None = None) -> Any:
    """A model of a dataclass of a lower package, whose fields are its own declaration.

    Args:
        cls: The dataclass.
        doc: The docstring of the model.
        bytes_of: Fields that take sizes such as 2GiB.
        written: Fields with a type or bounds of their own.
        exclude: Fields that the model lacks.
        extra: Fields that the dataclass lacks.
        describe: What each field says.
    """
    hints, written, describe = get_type_hints(cls), written or {}, describe or {}
    fields = {name: (kind, Field(default, description=describe.get(name)))
              for name, (kind, default) in (extra or {}).items()}
    for one in dataclasses.fields(cls):
        if one.name not in exclude:
            kind = ByteSize if one.name in bytes_of else written.get(one.name, hints[one.name])
            default = ... if one.default is dataclasses.MISSING else one.default
            fields[one.name] = (kind, Field(default, description=describe.get(one.name)))
    return _model(cls.__name__, fields, doc, Config, None)


def attributes_of(cls: type) -> dict[str, str]:
    """Return the description of each field in the docstring of a dataclass."""
    section_ = (cls.__doc__ or "").partition("Attributes:")[2]
    found = re.findall(r"^        (\w+): (.*(?:\n            .*)*)", section_, re.MULTILINE)
    return {name: " ".join(text.split()) for name, text in found}


def _model(name: str, fields: dict[str, Any], doc: str, base: type[BaseModel], check: type | None) -> Any:
    validators: dict[str, Any] = {}
    if check is not None:
        def validate(self: BaseModel) -> BaseModel:
            try:
                check(**{leaf: getattr(self, leaf) for leaf in fields})
            except GpudepthError as error:
                raise as_value_error(error) from None
            return self
        validators["_check"] = model_validator(mode="after")(validate)
    return create_model(name, __base__=base, __doc__=doc, __module__="gpudepth.settings.sections",
                        __validators__=validators, **fields)
