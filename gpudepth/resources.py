"""Files that travel with the package: example jobs, kernels. In a wheel they lie inside it, in a checkout beside it."""

from __future__ import annotations

from pathlib import Path

PACKAGE = Path(__file__).parent


def text(folder: str, name: str) -> str:
    """The text of `configs/demo.yaml` and the like. Raises FileNotFoundError for a broken installation."""
    for root in (PACKAGE, PACKAGE.parent):
        path = root / folder / name
        if path.is_file():
            return path.read_text(encoding="utf-8")
    raise FileNotFoundError(f"{folder}/{name} is not part of this installation")


def folder(name: str) -> Path:
    """`kernels` and the like. Raises FileNotFoundError for a broken installation."""
    for root in (PACKAGE, PACKAGE.parent):
        if (root / name).is_dir():
            return root / name
    raise FileNotFoundError(f"{name}/ is not part of this installation")
