"""Prints all tables for RESULTS.md: `python -m benchmarks`, or `make bench`."""

from __future__ import annotations

import platform
import subprocess
import sys
from importlib.metadata import version


def machine() -> str:
    """Return a line with processor, Python and libraries."""
    model = platform.processor() or platform.machine()
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as info:  # noqa: PTH123
            model = next(line.partition(":")[2].strip() for line in info if line.startswith("model name"))
    except (OSError, StopIteration):
        pass
    libraries = ", ".join(f"{name} {version(name)}" for name in ("numpy", "av", "pillow", "pillow-heif"))
    return f"{model}, {platform.system()}, Python {platform.python_version()}, {libraries}"


def main() -> None:
    print(f"{machine()}\n")
    for title, module in (("Conversion", "conversion"), ("Stages", "stages"), ("Refining", "refine"),
                          ("Guides at a scale", "scaled"), ("Attach", "attach"), ("HEVC efforts", "effort"),
                          ("JPEG", "jpeg"), ("DNG", "dng"),
                          ("Video", "video"), ("Runs", "runs")):
        # separate processes, so that the memory of one does not slow the others
        command = [sys.executable, "-m", f"{__package__}.{module}"]
        table = subprocess.run(command, check=True, capture_output=True, text=True)
        print(f"## {title}\n\n{table.stdout}", flush=True)


if __name__ == "__main__":
    main()
