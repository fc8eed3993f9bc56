"""All tables, as they go into RESULTS.md: `python -m benchmarks`, or `make bench`."""

from __future__ import annotations

import platform
from importlib.metadata import version


def machine() -> str:
    """One line: processor, Python, the libraries that matter."""
    model = platform.processor() or platform.machine()
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as info:  # noqa: PTH123
            model = next(line.partition(":")[2].strip() for line in info if line.startswith("model name"))
    except (OSError, StopIteration):
        pass
    libraries = ", ".join(f"{name} {version(name)}" for name in ("numpy", "av", "pillow-heif"))
    return f"{model}, {platform.system()}, Python {platform.python_version()}, {libraries}"


def main() -> None:
    from . import attach, conversion  # here: spawned workers import this module too, and need none of that

    print(f"{machine()}\n\n## Conversion\n\n{conversion.table(conversion.rows())}\n")
    print(f"## Attach\n\n{attach.table(attach.rows())}")


if __name__ == "__main__":
    main()
