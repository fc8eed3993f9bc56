"""Attach the output of a depth model to its photo, without a file in between.

    python examples/model_output.py photo.jpg out.jpg

`from_model` takes tensors of torch, JAX and CuPy without copying them to the host, arrays, Pillow images, and the
result of transformers' pipeline("depth-estimation"). A relative model has no metres, so near and far are named.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

import gpudepth


def model(photo: Path) -> Any:
    """Stand in for a real model: lower parts of the photo are nearer. Returns a torch tensor (1, H, W) if possible."""
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
