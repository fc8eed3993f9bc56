"""Makes the parts of pages between `<!-- made: NAME -->` and `<!-- end -->`."""

from __future__ import annotations

import re
from collections.abc import Callable

from . import numbers
from .dumps import DUMPS

PARTS: dict[str, Callable[[], str]] = {**numbers.TABLES, **DUMPS}
_PART = re.compile(r"(<!-- made: ([\w-]+) -->\n).*?(<!-- end -->)", re.DOTALL)


def fill(text: str) -> str:
    """Return a page with its parts made again. Raises KeyError for an unknown name."""
    return _PART.sub(lambda match: f"{match.group(1)}\n{PARTS[match.group(2)]().strip()}\n\n{match.group(3)}", text)
