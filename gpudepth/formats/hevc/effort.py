"""How much an encoder may spend on a small file."""

from __future__ import annotations

from typing import Literal

Effort = Literal["small", "balanced", "fast"]
"""Small files, a compromise, or speed."""
