"""The one model of settings: what it refuses, in whose words, and that every caller's options come from it."""

from __future__ import annotations

import ast
import inspect
import subprocess
import sys
import traceback
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from photo_kit import gray, plain

import gpudepth
from gpudepth.cli.app import run_command
from gpudepth.errors import UsageError, render
from gpudepth.settings.declare import specs
from gpudepth.settings.job import Job
from gpudepth.settings.options import ALL, EncodingOptions, MapOptions, item_settings, key, names, option
from gpudepth.settings.settings import Settings

WRONG = [
    ("white", "Far", 'white="far"'), ("fit", "krop", 'fit="crop"'), ("accuracy", "absolut", 'accuracy="absolute"'),
    ("quality", "hi", 'quality="high"'), ("calibration", "EXIF", 'calibration="exif"'),
    ("orientation", "dispay", 'orientation="display"'), ("trailer", "kep", 'trailer="keep"'), ("quality", 80, "high or low"),
    ("fill", "nearst", 'fill="nearest"'), ("curve", "disparety", 'curve="disparity"'), ("bits", 9, "8, 10, 12 or 16"),
    ("crf", 52, "from 0 to 51"), ("jpeg_quality", 0, "from 1 to 100"), ("photo_quality", 101, "from -1 to 100"),
    ("clamp", (3, 1), "0 < min < max"), ("clamp", "x", "two distances"), ("profile", "apple", "apple-depth"),
    ("turn", 45, "0, 90, 180 or 270"), ("smooth", "median4", "3 or 5"), ("resize", "big", "188x250"),
    ("resize_method", "cubic", "bilinear"), ("color_transform", "clipped", "srgb or reinhard"), ("scale", "mmm", "mm"),
    ("replace_depth", "yes", "true or false"), ("also", "gdpth", "gdepth"), ("compression", "zip", "deflate"),
    ("near", "x", "a number"), ("pixel_format", "hdi", "hdis"), ("crf", 3.5, "a whole number"), ("crf", True, "a whole number"),
]


@pytest.mark.parametrize(("name", "value", "expected"), WRONG)
def test_wrong_values_fail_where_they_are_given(tmp_path: Path, name: str, value: Any, expected: str) -> None:
    photo, depth = plain(tmp_path / "p.jpg", 32, 24), gray(tmp_path / "d.png", 32, 24)
    rest: dict[str, Any] = {} if name in ("scale",) else {"near": 0.5, "far": 12}
    if name == "resize_method":
        rest["resize"] = 16
    with pytest.raises(UsageError) as caught:
        gpudepth.attach(photo, depth, tmp_path / "o.jpg", **{**rest, name: value})
    assert str(caught.value).startswith(f"{name}=")
    assert expected in str(caught.value)
    assert "--" not in str(caught.value)
    assert not (tmp_path / "o.jpg").exists()


def test_unknown_keywords_name_the_near_one() -> None:
    with pytest.raises(UsageError, match=r"unknown setting 'neer' \(did you mean near\?\)"):
        gpudepth.attach("p.jpg", "d.png", "o.jpg", near=1, far=2, neer=3)  # type: ignore[call-arg]


def test_one_setting_in_three_languages() -> None:
    text = "‹fill=nearest› or ‹near=0.5› ‹far=12›; ‹replace_depth=True›, ‹orientation=coded›, ‹clamp=(0.3, 20)›, ‹preset›"
    assert render(text) == ('fill="nearest" or near=0.5, far=12; replace_depth=True, orientation="coded", '
                            "clamp=(0.3, 20), preset")
    assert render(text, option, joint=" ") == ("--fill nearest or --near 0.5 --far 12; --replace-depth, --coded, "
                                               "--clamp 0.3,20, --preset")
    assert render(text, key) == ("refine.fill: nearest or encoding.near: 0.5, encoding.far: 12; "
                                 "output.replace_depth: true, source.orientation: coded, refine.clamp: 0.3,20, "
                                 "encoding.preset")


@pytest.mark.parametrize("function", [gpudepth.attach, gpudepth.convert])
def test_keywords_are_spelled_out_with_the_declared_defaults(function: Any) -> None:
    parameters = inspect.signature(function).parameters
    assert not any(p.kind is p.VAR_KEYWORD for p in parameters.values())
    declared = {name: spec for cls in (EncodingOptions, MapOptions, Settings) for name, spec in specs(cls).items()}
    shared = set(parameters) & set(declared)
    for name in shared - {"pixel_format"}:
        assert parameters[name].default == declared[name].default, name
    if function is gpudepth.attach:
        assert set(declared) - set(parameters) == {"export_orientation", "temporal"}


def test_options_have_the_declared_defaults() -> None:
    from gpudepth.cli import attach, convert

    declared = {name: spec for cls in ALL for name, spec in specs(cls).items()}
    for verb in (attach.attach, convert.convert):
        for name, parameter in inspect.signature(verb).parameters.items():
            if name in declared and name not in ("pixel_format", "also", "turn"):
                assert parameter.default == declared[name].default, name
    assert {"near", "fill", "clamp", "crf"} <= set(names())


def test_every_key_is_a_key_of_a_job() -> None:
    schema = Job.model_json_schema()

    def leaves(node: Any, above: str) -> set[str]:
        node = schema["$defs"][node["$ref"].rpartition("/")[2]] if "$ref" in node else node
        out = {above}
        for one in (*node.get("anyOf", ()), *node.get("oneOf", ())):
            out |= leaves(one, above)
        for name, below in node.get("properties", {}).items():
            out |= leaves(below, f"{above}.{name}" if above else name)
        return out

    known = leaves(schema, "")
    for cls in ALL:
        for spec in specs(cls).values():
            assert not spec.key or spec.key in known, spec.key


@pytest.mark.parametrize(("name", "value"), [
    (name, value) for cls in ALL for name, spec in specs(cls).items() if spec.flag and name != "metric"
    for value in spec.choices or ()])
def test_every_value_that_help_names_is_taken(name: str, value: Any) -> None:
    rest = {"resize_method": {"resize": 5}, "align_in": {"align_to": "x.png"}}
    given = {name: [value] if name == "also" else value, **rest.get(name, {})}
    if name in names():
        item_settings(given)


def test_python_conveniences(tmp_path: Path) -> None:
    photo = plain(tmp_path / "p.jpg", 32, 24)
    metres = np.linspace(1, 4, 24 * 32).reshape(24, 32)
    expected = np.asarray(gpudepth.read(gpudepth.attach(photo, metres.astype(np.float32), tmp_path / "f.jpg")))
    assert expected.dtype == np.float32
    assert np.abs(expected - metres).max() < 0.1
    for dtype in (np.int32, np.int64, np.uint32):
        out = gpudepth.attach(photo, np.rint(metres * 1000).astype(dtype), tmp_path / "i.jpg", scale="mm")
        assert np.abs(np.asarray(gpudepth.read(out)) - metres).max() < 0.1
        (tmp_path / "i.jpg").unlink()
    np.save(tmp_path / "m.npy", metres)
    assert np.abs(np.asarray(gpudepth.read(gpudepth.attach(photo, tmp_path / "m.npy", tmp_path / "m.jpg", metric=True)))
                  - metres).max() < 0.1
    with pytest.raises(UsageError, match="uint8 or uint16"):
        gpudepth.attach(photo, np.ones((24, 32), np.int64), tmp_path / "x.jpg", near=1, far=2)


def test_an_attach_imports_no_pydantic(tmp_path: Path) -> None:
    photo, depth = plain(tmp_path / "p.jpg", 32, 24), gray(tmp_path / "d.png", 32, 24)
    code = ("import sys, gpudepth\n"
            f"gpudepth.attach({str(photo)!r}, {str(depth)!r}, {str(tmp_path / 'o.jpg')!r}, near=0.5, far=12)\n"
            "print([m for m in ('pydantic', 'cupy', 'onnxruntime', 'h5py', 'ray', 'yaml', 'click') if m in sys.modules])")
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_few_frames_lie_between_the_command_line_and_the_pixels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    depths: list[list[str]] = []
    take = np.take

    def watch(*args: Any, **options: Any) -> Any:
        code = [frame.f_code for frame, _ in traceback.walk_stack(sys._getframe(1))]
        depths.append([c.co_name for c in code if "/gpudepth/" in c.co_filename])
        return take(*args, **options)

    monkeypatch.setattr("gpudepth.compute.cpu.np.take", watch)
    photo, depth = plain(tmp_path / "p.jpg", 32, 24), gray(tmp_path / "d.png", 32, 24)
    assert run_command(["attach", str(photo), str(depth), "-o", str(tmp_path / "o.jpg"), "--near", "0.5", "--far", "12",
                        "--backend", "numpy"]) == 0
    deepest = max(depths, key=len)
    assert deepest[0] == "stage" and deepest[-1] == "run_command"
    assert len(deepest) <= 12, deepest


def test_help_lists_every_verb() -> None:
    from gpudepth.cli.app import VERBS, app

    group: Any = app
    for name, line in VERBS.items():
        command = group.get_command(None, name)
        text = (command.help or "").strip()
        assert command is not None
        assert text.split()[0] == line.split()[0] or name == "config", name
    assert run_command(["--help"]) == 0


@pytest.mark.parametrize("given", [{"near": 1, "far": 2, "offset": 3}, {"near": 1, "far": 2, "invalid": [80]}, {"disparity_range": (0, 1), "invalid": [80]},
                                   {"offset": 3}])
def test_an_offset_needs_a_unit(tmp_path: Path, given: dict[str, Any]) -> None:
    """It would be ignored otherwise."""
    photo, depth = plain(tmp_path / "p.jpg", 32, 24), gray(tmp_path / "d.png", 32, 24)
    name = "offset" if "offset" in given else "invalid"
    with pytest.raises(UsageError, match=rf"{name} requires metric, values or scale"):
        gpudepth.attach(photo, depth, tmp_path / "o.jpg", **given)


def test_an_offset_of_floats_is_added(tmp_path: Path) -> None:
    photo, metres = plain(tmp_path / "p.jpg", 32, 24), np.linspace(1, 4, 24 * 32, dtype=np.float32).reshape(24, 32)
    moved = gpudepth.attach(photo, metres, tmp_path / "a.jpg", offset=10)
    assert moved.read_bytes() == gpudepth.attach(photo, metres + 10, tmp_path / "b.jpg").read_bytes()


def test_numpy_scalars_and_single_names_are_values(tmp_path: Path) -> None:
    photo, depth = plain(tmp_path / "p.png", 32, 24), gray(tmp_path / "d.png", 32, 24)
    one = gpudepth.attach(photo, depth, tmp_path / "a.heic", near=1, far=2, turn=np.int64(90), bits=np.int64(10))
    assert one.read_bytes() == gpudepth.attach(photo, depth, tmp_path / "b.heic", near=1, far=2, turn=90, bits=10).read_bytes()
    assert item_settings({"near": 1, "far": 2, "also": "gdepth"}).also == ("gdepth",)


def test_a_set_of_values_has_one_order_everywhere() -> None:
    """typing treats Literals of equal sets as one inside a Union, so that a second order would change with imports."""
    orders: dict[frozenset[str], set[tuple[str, ...]]] = {}
    for path in Path(gpudepth.__file__).parent.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Subscript) and isinstance(node.value, ast.Name) and node.value.id == "Literal":
                names = tuple(one.value for one in ast.walk(node.slice) if isinstance(one, ast.Constant))
                orders.setdefault(frozenset(map(str, names)), set()).add(names)
    assert len(orders) > 20
    assert {names: found for names, found in orders.items() if len(found) > 1} == {}
