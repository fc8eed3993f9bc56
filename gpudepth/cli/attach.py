"""gpudepth attach"""

from __future__ import annotations

import shlex
from dataclasses import replace
from pathlib import Path

from ..containers import registry
from ..errors import GpudepthError, NoDepthError, UnsupportedError, UsageError
from ..formats.bytesource import ByteSource
from ..maps.network import Network
from ..settings.clip import of_clips
from . import options as o
from .output import doubt_about, print_clip_outcome, print_message, print_outcome


def attach(
    photo: o.Photo, depth: o.MaybeDepth = None, output: o.Out = None, near: o.Near = None, far: o.Far = None,
    white: o.White = "far", curve: o.Curve = "depth", disparity_range: o.DisparityRange = None,
    metric: o.Metric = False, values: o.Values = None, scale: o.Scale = None, offset: o.Offset = 0.0,
    invalid: o.Invalid = None, preset: o.PresetName = None, focal_px: o.FocalPx = None, baseline_m: o.Baseline = None,
    doffs: o.Doffs = None, clamp: o.Clamp = None, resize: o.ResizeTo = None,
    resize_method: o.ResizeMethod = None, smooth: o.Smoothing = None, fill: o.Fill = None, align_to: o.AlignTo = None,
    align_scale: o.AlignScale = None, align_in: o.AlignIn = None, confidence: o.ConfidenceMap = None,
    confidence_highest: o.HighestConfidence = None, confidence_least: o.LeastConfidence = None,
    fit: o.Fit = "error", shape: o.Shape = None, dtype: o.Dtype = None, bytes_per_row: o.RowBytes = None,
    coded: o.Coded = False, turn: o.Turn = 0, color_transform: o.ColorTransform = None,
    pixel_format: o.Format = "hdis", bits: o.Bits = None, crf: o.Crf = None,
    jpeg_quality: o.JpegQuality = None, compression: o.Compression = None,
    profile: o.Profile = None, also: o.Also = None, donor: o.DonorPhoto = None, trailer: o.Trailer = "keep",
    accuracy: o.Accuracy = None, calibration: o.Calibration = "source",
    replace_depth: o.ReplaceDepth = False, transcode: o.Transcode = False, photo_quality: o.Quality = 90,
    key: o.Key = None, frames: o.Frames = None, stride: o.Stride = 1, clip: o.ClipSettings = None,
    estimate: o.Estimate = None, network: o.NetworkSettings = None,
    backend: o.Backend = "auto", in_place: o.InPlace = False, as_json: o.Json = False,
    verbose: o.Verbose = False,
) -> None:
    """Put a depth map into a photo; the picture itself is not touched.

    Gray g runs from 0 (black) to 1 (white): depth = near·(1−g) + far·g, in metres; with --white near the ends change
    places; with --curve disparity the same is done with 1/near and 1/far.

    \b
    gpudepth attach photo.heic depth.png --near 0.5 --far 12 -o out.heic
    gpudepth attach photo.heic depth.png --near 0.5 --far 12 --white near -o out.heic
    gpudepth attach photo.heic depth.npy --metric -o out.heic
    gpudepth attach color.png kitti.png --preset kitti-depth --fill inpaint -o out.heic
    gpudepth attach photo.heic lidar.png --scale mm --resize 1440x1920 --resize-method guided --fill inpaint -o out.heic
    gpudepth attach photo.heic midas.png --align-to lidar.png --align-scale mm -o out.heic
    gpudepth attach edited.heic IMG_0001.HEIC -o out.heic
    gpudepth attach clip.mp4 depth.mkv -o frames/%06d.heic --frames 0:300 --stride 10
    gpudepth attach clip.mp4 clip_depths.npz --preset video-depth-anything --near 0.5 --far 12 -o frames/%06d.jpg
    gpudepth attach clip.mov depth.mkv -o with_depth.mov     # an experiment
    gpudepth attach photo.jpg --estimate model.onnx --preset depth-anything-v2 --near 0.5 --far 12 -o out.jpg
    """
    settings = o.settings(locals())
    from ..attachment.estimate import estimated
    from ..attachment.pipeline import run_item
    from ..attachment.side_inputs import SideInputs
    from ..maps.network import SOURCES

    if photo.is_dir():
        raise UsageError("is a folder, and attach takes one photo", where=photo,
                         hint=f"gpudepth init {shlex.quote(str(photo.parent))} makes a job of all photos and maps")
    target = o.target(photo, output, depth, in_place=in_place)
    if estimate is not None:
        if depth is not None:
            raise UsageError("pass either a map or ‹estimate›", where=depth)
        settings = replace(settings, network=_network(estimate, network, backend))
    elif depth is None:
        raise UsageError("no map is given", hint="gpudepth attach PHOTO MAP; or ‹estimate=MODEL.onnx› without a map. "
                         + SOURCES[0].upper() + SOURCES[1:])
    elif network:
        raise UsageError("--network requires ‹estimate›")
    if output is not None and of_clips(output):
        from ..attachment.clips.attach import attach_clip

        if depth is None:
            raise UsageError("‹estimate› takes photos, not clips", where=photo,
                             hint="write the frames as photos first, then a job over them with source.depth.kind: onnx")
        options = {"frames": frames, "stride": stride, **o.key_values("--clip", clip)}
        print_clip_outcome(attach_clip(photo, depth, output, settings, o.engine(backend), options=options), output,
                  as_json=as_json)
        return
    if frames is not None or stride != 1 or clip:
        raise UsageError("--frames, --stride and --clip apply to clips", hint="-o frames/%06d.heic, or a .mov")
    source = estimated(photo, settings) if depth is None else depth
    try:
        outcome = run_item(photo, source, target, settings, o.engine(backend), side_inputs=SideInputs(align_to,
                                                                                                      confidence))
    except (NoDepthError, UnsupportedError):
        if depth is not None and _swapped(photo, depth):
            raise UsageError("the photo comes first, then its map",
                             hint=shlex.join(["gpudepth", "attach", str(depth), str(photo)]) + " …") from None
        raise
    print_outcome(outcome, fill, as_json=as_json)
    doubt = doubt_about(outcome, settings.encoding)
    if doubt:
        print_message(f"note: {doubt}")


def _network(model: Path, options: list[str] | None, backend: str) -> Network:
    """The network of --estimate and --network. Raises UsageError."""
    from ..settings.sections import network_of

    return network_of(model, o.key_values("--network", options), backend)


def _swapped(photo: Path, depth: Path) -> bool:
    """Is the photo a map, and the map none?"""
    from ..maps.reader import read_map

    try:
        with ByteSource(depth) as source:
            taken = registry.find(source) is not None or depth.suffix.lower() == ".png"
        read_map(photo)
    except GpudepthError:
        return False
    return taken
