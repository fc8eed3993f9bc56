"""What a depth model returned, into the photo it was asked about: no file in between.

    python examples/model_output.py photo.jpg out.jpg

`from_model` takes tensors of torch, JAX and CuPy where they lie, arrays, Pillow's images, and what transformers'
pipeline("depth-estimation") returns. A relative model says what is nearer, not how near: that is near and far.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

import gpudepth


def model(photo: Path) -> Any:
    """Stands for yours: what is lower in the photo is nearer. A tensor (1, H, W) where torch is installed."""
    with Image.open(photo) as image:
        shape = (image.height // 4, image.width // 4)
    disparity = np.repeat(np.linspace(0, 1, shape[0], dtype=np.float32)[:, None], shape[1], axis=1)[None]
    try:
        import torch
    except ImportError:
        return disparity
    return torch.from_numpy(disparity)


def main(photo: str, out: str) -> Path:
    depth = gpudepth.from_model(model(Path(photo)), near=0.5, far=12)
    return gpudepth.attach(photo, depth, out)


if __name__ == "__main__":
    print(main(*sys.argv[1:]))
