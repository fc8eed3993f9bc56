"""gpudepth presets"""

from __future__ import annotations

import json
from typing import Annotated

from . import options as o
from .command import Argument

Name = Annotated[str | None, Argument(help="A preset. [default: all]")]


def presets(name: Name = None, as_json: o.Json = False) -> None:
    """List the presets for data sets, sensors and depth models: values of --preset and of `encoding.preset` in jobs.

    \b
    gpudepth presets
    gpudepth presets middlebury
    """
    from ..maps.presets import PRESETS, find

    chosen = PRESETS if name is None else (find(name),)
    for p in chosen:
        takes = [*(f"{n} (needed)" for n in p.needs), *p.takes]
        if p.relative:
            takes = ["near and far, or metric depth to align to"]
        if as_json:
            print(json.dumps({"name": p.name, "about": p.about, "files": p.files, "needs": p.needs, "takes": p.takes,
                              "accuracy": p.accuracy, "relative": p.relative, "key": p.key, "stated in": p.cited,
                              "note": p.note}))
        elif name is None:
            print(f"{p.name:26}{p.about}" + (f"; {', '.join(takes)}" if takes else ""))
        else:
            lines = [("of", p.about), ("files", p.files), ("takes", ", ".join(takes)), ("key", p.key or ""),
                     ("accuracy", p.accuracy), ("stated in", p.cited), ("note", p.note)]
            print(p.name + "".join(f"\n  {label:10} {text}" for label, text in lines if text))
