"""The page of a report: one HTML file with style, scripts, pictures and three.js inside; it asks for nothing else."""

from __future__ import annotations

import html as escape
import json
from importlib import resources
from typing import Any

from .canvas import table

_FILES = {"STYLE": "report.css", "REPORT": "report.js", "VIEWER": "viewer.js"}


def html(name: str, facts: dict[str, Any], items: list[dict[str, Any]]) -> str:
    """name: of the run. facts, items: see `report.RunReport`."""
    held = {key: _static(file) for key, file in _FILES.items()}
    held |= {"TITLE": escape.escape(name), "THREE": script(),
             "DATA": in_script({"name": name, "facts": facts, "items": items, "colours": table().tolist()})}
    out = []
    for n, part in enumerate(_static("report.html").split("%%")):      # NAME between two of them
        out.append(held[part] if n % 2 else part)
    return "".join(out)


def in_script(data: Any) -> str:
    """JSON that no HTML parser ends, whatever names files have."""
    return json.dumps(data, allow_nan=False).replace("<", "\\u003c")


def _static(name: str) -> str:
    return resources.files(__package__).joinpath("static", name).read_text(encoding="utf-8")


FILES = ("three-0.140.2.min.js", "three-0.140.2.TrackballControls.js")


def script() -> str:
    """Return three.js with TrackballControls: a script that defines THREE."""
    folder = resources.files(__package__).joinpath("static")
    return "\n".join(folder.joinpath(name).read_text(encoding="utf-8") for name in FILES)
