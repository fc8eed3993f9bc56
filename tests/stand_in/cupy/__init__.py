"""The stand-in for CuPy as a package, for processes that tests start: `run` and its owners use it unchanged.

GPUDEPTH_STAND_IN holds the fields of `cupy_on_cpu.Faults` as JSON. The folder of this package comes before
site-packages in PYTHONPATH.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))
import cupy_on_cpu

globals().update(vars(cupy_on_cpu.modules(**json.loads(os.environ.get("GPUDEPTH_STAND_IN", "{}")))["cupy"]))
