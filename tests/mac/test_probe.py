"""The Swift script: it parses, it needs nothing but Apple's frameworks, and it prints what the report's reader expects."""

from __future__ import annotations

import re
import shutil
import subprocess
import typing
from pathlib import Path

import pytest
import tree_sitter
import tree_sitter_swift
from pydantic import BaseModel

from gpudepth.mac import kit
from gpudepth.mac.kit import PROBE

SOURCE = PROBE.read_text(encoding="utf-8")
STRUCTS = {"Report": kit.AppleReport, "FileReport": kit.FileReport, "AuxiliaryReport": kit.AuxiliaryReport,
           "DepthReport": kit.DepthReport, "CalibrationReport": kit.CalibrationReport}


def errors(source: str) -> list[str]:
    """Places where tree-sitter's Swift grammar gives up."""
    parser = tree_sitter.Parser(tree_sitter.Language(tree_sitter_swift.language()))
    found, todo = [], [parser.parse(source.encode()).root_node]
    while todo:
        node = todo.pop()
        if node.is_error or node.is_missing:
            found.append(f"{node.start_point}: {node.text!r}"[:120])
        todo += node.children
    return found


def test_it_parses() -> None:
    assert errors(SOURCE) == []


def test_the_judge_judges() -> None:
    assert errors(SOURCE.replace("func fourCC(", "func fourCC((", 1))
    assert errors(SOURCE.rstrip() + "\n}\n")


def test_it_parses_with_swift(tmp_path: Path) -> None:
    if shutil.which("swiftc") is None:
        pytest.skip("no Swift toolchain here; tree-sitter's grammar parsed it")
    script = tmp_path / "probe.swift"
    script.write_text(SOURCE, encoding="utf-8")
    subprocess.run(["swiftc", "-parse", script], check=True, capture_output=True)


def test_it_needs_apples_frameworks_only() -> None:
    assert re.findall(r"^import (\w+)$", SOURCE, re.M) == ["AVFoundation", "CryptoKit", "Foundation", "ImageIO"]
    assert "http" not in SOURCE


def snake(name: str) -> str:
    """JSONEncoder's convertToSnakeCase, for names such as ours."""
    return re.sub(r"(?<=[a-z0-9])([A-Z])", lambda m: "_" + m[1].lower(), name)


@pytest.mark.parametrize("name", STRUCTS)
def test_its_structs_are_the_readers_records(name: str) -> None:
    """Same names in the same order; what Swift may leave out, the reader does without."""
    body = re.search(rf"struct {name}: Codable {{(.*?)\n}}", SOURCE, re.S)
    assert body is not None
    swift = {snake(field): kind for field, kind in re.findall(r"var (\w+): (\S+)", body[1])}
    model: type[BaseModel] = STRUCTS[name]
    fields = {f.alias or n: f for n, f in model.model_fields.items()}
    assert list(swift) == list(fields)
    simple = {"String": str, "Int": int, "Double": float, "Bool": bool}
    for field, kind in swift.items():
        optional = kind.endswith("?")
        assert optional is (not fields[field].is_required() and not kind.startswith("[")
                            and field not in ("images",)), field
        annotation = typing.get_type_hints(model, include_extras=False)[{"schema": "schema_"}.get(field, field)]
        bare = kind.rstrip("?")
        if bare in simple and typing.get_origin(annotation) is not typing.Literal:
            assert simple[bare] in ({annotation} | set(typing.get_args(annotation))), field
