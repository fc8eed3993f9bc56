"""Defines rules with their sources, and what was found in a file that is checked against them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import Any, Literal, Protocol, TypeVar, runtime_checkable

import numpy as np

from ..depth.aspect import compare
from ..depth.data import DepthData
from ..errors import GpudepthError
from ..formats.bytesource import ByteSource

T = TypeVar("T")
Verdict = Literal["ok", "warn", "fail"]
ANY = "*"


@dataclass(frozen=True)
class Rule:
    """One rule.

    Attributes:
        name: Its id.
        says: What it requires.
        source: Its source: a clause of a standard, a reader's code, or what Apple's files have in common.
        must: Profiles in which breaking it is a failure; in others it is a warning.
        only: Profiles that it applies to; () means all.
    """

    name: str
    says: str
    source: str
    must: tuple[str, ...] = (ANY,)
    only: tuple[str, ...] = ()


@dataclass(frozen=True)
class Finding:
    """A rule applied to a file.

    Attributes:
        rule: Id of the rule.
        verdict: Whether the file keeps it.
        says: What the rule requires.
        source: Source of the rule.
        where: Place in the file.
        found: What was found there when the rule is broken.
    """

    rule: str
    verdict: Verdict
    says: str
    source: str
    where: str
    found: str = ""

    def describe(self) -> str:
        """Return the finding as lines of text."""
        mark = {"ok": "ok  ", "warn": "warn", "fail": "FAIL"}[self.verdict]
        if self.verdict == "ok":
            return f"  {mark}  {self.rule}: {self.says}"
        return (f"  {mark}  {self.rule}: {self.found}\n        rule: {self.says} [{self.source}]\n"
                f"        at: {self.where}")


@dataclass
class Checklist:
    """Collects findings for a profile; None stands for the rules that apply to every profile."""

    profile: str | None = None
    file: str = ""
    findings: list[Finding] = field(default_factory=list)

    def test(self, rule: Rule, ok: bool, where: str, found: str = "") -> bool:
        """Note whether a rule is kept; return `ok`."""
        if not rule.only or self.profile in rule.only:
            binding = ANY in rule.must or self.profile in rule.must
            verdict: Verdict = "ok" if ok else "fail" if binding else "warn"
            self.findings.append(Finding(rule.name, verdict, rule.says, rule.source, where, "" if ok else found))
        return ok

    def broken(self, rule: Rule, error: GpudepthError, where: str) -> None:
        """Note a rule as broken by an error, at the error's own place if it has one."""
        place = (error.where or where).removeprefix(self.file).removeprefix(": ")
        self.test(rule, False, place or "the whole file", error.message)

    def decoded(self, where: str, read: Callable[[], DepthData | None]) -> DepthData | None:
        """Note whether a map can be read; return it, or None."""
        try:
            data = read()
        except GpudepthError as error:
            self.broken(DECODES, error, where)
            return None
        self.test(DECODES, data is not None, where, "there is no map")
        return data

    def check_values(self, data: DepthData, where: str) -> None:
        """Apply the rules about the values of a map."""
        lo, hi = data.range()
        holes = int((~np.isfinite(data.map)).sum())
        self.test(VALUES, not holes and lo >= 0, where, f"{lo:g} to {hi:g}, {holes} not finite")
        self.test(VARIES, hi > lo, where, f"{lo:g} everywhere")

    def check_aspect(self, size: tuple[int, int], frame: tuple[int, int], where: str) -> None:
        """Apply the rule about the (width, height) of map and picture."""
        self.test(ASPECT, compare(size, frame, min(size)).fits, where,
                  f"the map is {size[0]}×{size[1]}, the picture {frame[0]}×{frame[1]}")


@dataclass(frozen=True)
class Verdicts:
    """The result of checking a file.

    Attributes:
        file: Name of the file.
        container: Name of its container.
        profile: Profile it was checked against, or None.
        findings: The findings.
    """

    file: str
    container: str
    profile: str | None
    findings: tuple[Finding, ...]

    @property
    def conforms(self) -> bool:
        return not any(f.verdict == "fail" for f in self.findings)

    def to_dict(self) -> dict[str, Any]:
        return {"file": self.file, "container": self.container, "profile": self.profile, "conforms": self.conforms,
                "findings": [asdict(f) for f in self.findings]}

    def lines(self, *, every: bool = False) -> list[str]:
        """Return lines of text: broken rules, and with `every` also kept ones."""
        shown = [f for f in self.findings if every or f.verdict != "ok"]
        count = {v: sum(f.verdict == v for f in self.findings) for v in ("ok", "warn", "fail")}
        kind = f"{self.container}, {self.profile}" if self.profile else self.container
        verdict = "conforms" if self.conforms else "does not conform"
        return [f"{self.file}: {verdict} ({kind}): {count['ok']} rules kept, {count['fail']} broken, "
                f"{count['warn']} warnings", *(f.describe() for f in shown)]


@runtime_checkable
class Checks(Protocol):
    """A container that can check files."""

    def check(self, source: ByteSource, profile: str | None = None) -> list[Finding]:
        """Return a finding for every rule applied, also for damaged files. Raises UsageError for unknown profiles."""


STRUCTURE = Rule("structure", "the file can be parsed", "the file format")
PRESENT = Rule("depth-present", "the file holds depth", "what the check is for")
ONE_MAP = Rule("one-map", "there is one depth map", "readers differ in which of several they use", must=())
DECODES = Rule("decodes", "the map can be decoded, at the declared size", "the codec's standard")
VALUES = Rule("values", "every value is finite, and none is negative", "AVDepthData: metres or 1/metres")
VARIES = Rule("varies", "the map is not constant", "a constant map causes no blur", must=())
ASPECT = Rule("aspect", "map and picture have the same aspect, within 1 % or a pixel",
              "AVDepthData: the map has the field of view of its picture")


def check_file(source: ByteSource, profile: str | None, parse: Callable[[ByteSource], T],
               rules: Callable[[Checklist, T], None], *, where: str) -> list[Finding]:
    """Parse a file and apply its rules; damage becomes a finding at its place.

    Args:
        source: The file.
        profile: Profile that it is checked against, or None.
        parse: Returns the parsed file.
        rules: Applies the rules to the parsed file.
        where: Place of its structure.
    """
    out = Checklist(profile, source.name)
    try:
        content = parse(source)
        out.test(STRUCTURE, True, where)
        rules(out, content)
    except GpudepthError as error:
        out.broken(STRUCTURE, error, source.name)
    return out.findings
