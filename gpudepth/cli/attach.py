"""gpudepth attach"""

from __future__ import annotations

import shlex
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..containers import registry
from ..errors import GpudepthError, NoDepthError, UnsupportedError, UsageError
from ..formats.bytesource import ByteSource
from ..settings.clip import of_clips
from . import options as o
from .output import doubt_about, print_clip_outcome, print_message, print_outcome

if TYPE_CHECKING:
    from ..attachment.clips.photos import ClipOutcome
    from ..attachment.decode import DepthInput
    from ..attachment.pipeline import Outcome
    from ..maps.network import Network
    from ..settings.settings import Settings


@o.with_settings()
def attach(
    photo: o.Photo, depth: o.MaybeDepth = None, output: o.Out = None, *, given: dict[str, Any], coded: o.Coded = False,
    frames: o.Frames = None, stride: o.Stride = 1, clip: o.ClipOptions = None, estimate: o.Estimate = None,
    network: o.NetworkSettings = None, backend: o.Backend = "auto", in_place: o.InPlace = False,
    as_json: o.Json = False, verbose: o.Verbose = False,
) -> None:
    """Attach a depth map to a photo; the picture is not re-encoded.

    Gray g from 0 (black) to 1 (white) means depth = near·(1−g) + far·g, in metres. --white near exchanges the ends;
    --curve disparity interpolates between 1/near and 1/far instead.

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
    settings = o.settings(given, coded=coded)
    if photo.is_dir():
        raise UsageError("attach takes one photo, but this is a folder", where=photo,
                         hint=f"gpudepth init {shlex.quote(str(photo.parent))} writes a job for all photos and maps")
    target = o.target(photo, output, depth, in_place=in_place)
    settings = replace(settings, network=_network(depth, estimate, network, backend))
    if output is not None and of_clips(output):
        options = {"frames": frames, "stride": stride, **o.key_values("--clip", clip)}
        print_clip_outcome(_attach_clip(photo, depth, output, settings, backend, options), output, as_json=as_json)
        return
    if frames is not None or stride != 1 or clip:
        raise UsageError("--frames, --stride and --clip require a clip", hint="-o frames/%06d.heic, or a .mov")
    outcome = _attach_photo(photo, depth, target, settings, backend, given)
    print_outcome(outcome, given["fill"], as_json=as_json)
    doubt = doubt_about(outcome, settings.encoding)
    if doubt:
        print_message(f"note: {doubt}")


def _network(depth: Path | None, model: Path | None, options: list[str] | None, backend: str) -> Network | None:
    """Return the network of --estimate and --network, or None if there is a map. Raises UsageError."""
    if model is None:
        if depth is None:
            from ..maps.network import SOURCES

            raise UsageError("the map is missing", hint="gpudepth attach PHOTO MAP; or ‹estimate=MODEL.onnx› without a "
                             "map. " + SOURCES[0].upper() + SOURCES[1:])
        if options:
            raise UsageError("--network requires ‹estimate›")
        return None
    if depth is not None:
        raise UsageError("pass either a map or ‹estimate›", where=depth)
    from ..settings.sections import network_of

    return network_of(model, o.key_values("--network", options), backend)


def _attach_clip(video: Path, depth: Path | None, output: Path, settings: Settings, backend: str,
                 options: dict[str, Any]) -> ClipOutcome:
    from ..attachment.clips.attach import attach_clip

    if depth is None:
        raise UsageError("‹estimate› takes photos, not clips", where=video,
                         hint="write the frames as photos first, then run a job over them with source.depth.kind: onnx")
    return attach_clip(video, depth, output, settings, o.engine(backend), options=options)


def _attach_photo(photo: Path, depth: Path | None, target: Path, settings: Settings, backend: str,
                  given: dict[str, Any]) -> Outcome:
    from ..attachment.pipeline import run_item
    from ..attachment.side_inputs import SideInputs

    source: DepthInput | None = depth
    if source is None:
        from ..attachment.estimate import Estimator

        source = Estimator().estimate(photo, settings)
    try:
        return run_item(photo, source, target, settings, o.engine(backend),
                        side_inputs=SideInputs(given["align_to"], given["confidence"]))
    except (NoDepthError, UnsupportedError):
        if depth is not None and _are_swapped(photo, depth):
            raise UsageError("the photo comes first, then its map",
                             hint=shlex.join(["gpudepth", "attach", str(depth), str(photo)]) + " …") from None
        raise


def _are_swapped(photo: Path, depth: Path) -> bool:
    """Return whether the photo is a map and the map is a photo."""
    from ..maps.reader import read_map

    try:
        with ByteSource(depth) as source:
            is_photo = registry.find(source) is not None or depth.suffix.lower() == ".png"
        read_map(photo)
    except GpudepthError:
        return False
    return is_photo
