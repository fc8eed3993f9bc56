"""Fills the page of a report: one HTML file that contains its style, scripts, pictures and three.js."""

from __future__ import annotations

import html
import json
import re
from importlib import resources
from typing import Any

from .canvas import table

_FILES = {"STYLE": "report.css", "REPORT": "report.js", "VIEWER": "viewer.js"}


def page(name: str, facts: dict[str, Any], items: list[dict[str, Any]]) -> str:
    """Return the page of a run; `report.RunReport` defines facts and items."""
    parts = {key: _static(file) for key, file in _FILES.items()}
    parts |= {"TITLE": html.escape(name), "THREE": script(),
             "DATA": in_script({"name": name, "facts": facts, "items": items, "colours": table().tolist()})}
    return re.sub("%%([A-Z]+)%%", lambda name: parts[name[1]], _static("report.html"))


def in_script(data: Any) -> str:
    """Return JSON that cannot end the script element, whatever names the files have."""
    return json.dumps(data, allow_nan=False).replace("<", "\\u003c")


def _static(name: str) -> str:
    return resources.files(__package__).joinpath("static", name).read_text(encoding="utf-8")


FILES = ("three-0.140.2.min.js", "three-0.140.2.TrackballControls.js")


def script() -> str:
    """Return three.js with TrackballControls: a script that defines THREE."""
    return "\n".join(map(_static, FILES))
