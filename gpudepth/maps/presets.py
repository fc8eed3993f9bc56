"""Defines presets: the encodings of well-known data sets, sensors and depth models, each with its source.

Relative models leave scale and shift open: their presets need near and far, or metric samples to align to. Nothing is
guessed. docs/presets.md is made from `PRESETS`.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from ..depth.encoding import Depth, Distance, Encoding, Gray, Kinect, Relative, Stereo, ZBuffer, parse_scale
from ..errors import UsageError
from .raw import RawLayout

Make = Callable[..., Encoding]
MOST_ALIKE = 4


@dataclass(frozen=True)
class Preset:
    """What a data set, sensor or model writes.

    Attributes:
        name: Name of the preset.
        about: What it is for.
        files: Kinds of files.
        make: Makes the encoding from the parameters in `needs` and `takes`.
        cited: Source of the rule.
        needs: Required parameters.
        takes: Optional parameters.
        relative: Quantity that is correct up to scale and shift, or None for absolute values.
        key: Array, channel or data set that holds the map.
        unpack: Function that converts codes to codes before anything else.
        note: Remark for the user.
        metric: Whether the values are in metres instead of units of their own.
        certain: Code that means "certain" in its confidence maps.
        rows: Layout, for files without a header.
    """

    name: str
    about: str
    files: str
    make: Make
    cited: str
    needs: tuple[str, ...] = ()
    takes: tuple[str, ...] = ()
    relative: Literal["depth", "disparity"] | None = None
    key: str | None = None
    unpack: Callable[[NDArray[Any]], NDArray[Any]] | None = None
    note: str = ""
    metric: bool = True
    certain: int | None = None
    rows: RawLayout | None = None

    @property
    def accuracy(self) -> Literal["relative", "absolute"]:
        return "absolute" if self.metric and not self.relative else "relative"

    def encoding(self, *, aligned: bool = False, **parameters: Any) -> Encoding | None:
        """Return the encoding, or None for a relative map that is to be aligned.

        Args:
            aligned: Whether the map will be aligned to metric samples.
            **parameters: Values of `needs` and `takes`; None counts as left out.

        Raises:
            UsageError: A parameter is missing or unknown.
        """
        given = {k: v for k, v in parameters.items() if v is not None}
        unknown = sorted(set(given) - {*self.needs, *self.takes})
        if unknown:
            known = ", ".join((*self.needs, *self.takes)) or "none"
            raise UsageError(f"the preset {self.name} does not take {', '.join(unknown)}", hint=f"it takes {known}")
        if self.relative and not given:
            if not aligned:
                raise UsageError(f"the preset {self.name} is only correct up to scale and shift",
                                 hint="give the distances in metres, ‹near=0.5› ‹far=12›, or metric samples, "
                                      "‹align_to=MAP›")
            return None
        missing = [n for n in self.needs if n not in given]
        if missing:
            raise UsageError(f"the preset {self.name} requires {' and '.join(missing)}", hint=self.note or self.about)
        return self.make(**given)


def find(name: str) -> Preset:
    """Return the preset of a name. Raises UsageError."""
    found = next((p for p in PRESETS if p.name == name), None)
    if found is None:
        close = _alike(name)
        raise UsageError(f"unknown preset {name!r}",
                         hint=f"did you mean {' or '.join(close)}?" if close else "gpudepth presets lists them")
    return found


def _alike(name: str) -> list[str]:
    """Return names that share the first word or begin with a similar one, or else the most similar name."""
    names = [p.name for p in PRESETS]
    words = {n.partition("-")[0] for n in names}
    close = difflib.get_close_matches(name.lower(), words, 1, 0.75)
    return [n for n in names if close and n.partition("-")[0] == close[0]][:MOST_ALIKE] or (
        difflib.get_close_matches(name.lower(), names, 1))


def rotate_bits(codes: NDArray[Any]) -> NDArray[Any]:
    """Undo SUN3D's packing of millimetres, which puts the lowest three bits on top. Raises UsageError."""
    if codes.dtype != np.uint16:
        raise UsageError(f"SUN3D's maps hold uint16 codes, not {codes.dtype}")
    return (codes >> np.uint16(3)) | (codes << np.uint16(13))


def kinect_codes(codes: NDArray[Any]) -> NDArray[Any]:
    """Return the raw codes of a Kinect, with 0 for those that have no depth. Raises UsageError for floats."""
    if codes.dtype.kind != "u":
        raise UsageError(f"raw codes of a Kinect are unsigned integers, not {codes.dtype}")
    return np.where(codes > Kinect.zero, codes.dtype.type(0), codes)


def _depth(scale: str | int, invalid: tuple[int, ...] | None = None) -> Make:
    return lambda: Depth(Fraction(scale), 0.0, invalid)


def _scaled(default: str) -> Make:
    return lambda scale=default: Depth(parse_scale(scale))


def _blender(scale: str = "1", focal_px: float | None = None) -> Encoding:
    """Make an encoding along the axis; along the ray when there is a focal length, in pixels of the map."""
    units = parse_scale(scale)
    return Depth(units) if focal_px is None else Distance(units, focal_px=focal_px)


def _stereo(scale: str | int = 1, **fixed: float) -> Make:
    return lambda **given: Stereo(scale=Fraction(scale), **{**fixed, **given})


def _zbuffer(*, reversed: bool = False, ndc: bool = False) -> Make:
    return lambda near, far=float("inf"): ZBuffer(near, far, reversed, ndc)


def _gray(curve: Literal["depth", "disparity"]) -> Make:
    return lambda near, far: Gray(near, far, curve)


def _relative(quantity: Literal["depth", "disparity"]) -> Make:
    return lambda near, far: Relative(near, far, quantity)


_RANGE = ("near", "far")
_ALIGN = "give near and far in metres, or samples to align to: --align-to"
_LANDSCAPE = "maps and pictures are landscape without Exif orientation; use --turn 90 if the phone was upright"

PRESETS = (
    Preset("kitti-depth", "KITTI depth completion and prediction", "PNG, 16 bits", _depth("1/256"),
           "KITTI depth devkit: 0 is invalid, metres = value / 256"),
    Preset("kitti-disparity", "KITTI stereo 2012 and 2015", "PNG, 16 bits", _stereo("1/256"),
           "KITTI stereo devkit, disp_read: pixels = value / 256, 0 is invalid", ("focal_px", "baseline_m"),
           note="take them from P_rect of the calibration; the baseline is about 0.54 m"),
    Preset("vkitti2", "Virtual KITTI 2", "PNG, 16 bits", _depth("1/100", (65535,)),
           "Marigold, vkitti_dataset.py: centimetres", note="655.35 m means sky, which has no value"),
    Preset("tum-rgbd", "TUM RGB-D", "PNG, 16 bits", _depth("1/5000"), "TUM file formats: value / 5000, 0 missing"),
    Preset("nyu", "NYU Depth V2, labelled", "MAT v7.3", _depth(1), "NYU Depth V2: depths, in metres", key="depths",
           note="a stack: --key 'depths[0]'"),
    Preset("nyu-raw", "NYU Depth V2, raw", "PGM, 16 bits", Kinect,
           "NYU's toolbox, depth_rel2depth_abs: 351.3 / (1092.5 − v), not verified against the toolbox; Open3D's "
           "rgbd_nyu tutorial: big-endian", unpack=kinect_codes, note="not aligned with the pictures"),
    Preset("nyu-sync", "NYU Depth V2, synchronised (BTS)", "PNG, 16 bits", _depth("1/1000"),
           "Marigold, nyu_dataset.py: millimetres"),
    Preset("scannet", "ScanNet, ScanNet++", "PNG, 16 bits", _depth("1/1000"), "Marigold, scannet_dataset.py"),
    Preset("replica", "Replica, rendered by NICE-SLAM", "PNG, 16 bits", _depth("2/13107"),
           "NICE-SLAM, replica.yaml: png_depth_scale 6553.5"),
    Preset("7scenes", "7-Scenes", "PNG, 16 bits", _depth("1/1000", (0, 65535)),
           "tsdf-fusion-python: millimetres, 65535 is no value"),
    Preset("sun3d", "SUN3D, SUN RGB-D", "PNG, 16 bits", _depth("1/1000"),
           "SUN3D's reader: millimetres, bits rotated by three", unpack=rotate_bits),
    Preset("ibims", "iBims-1", "PNG, 16 bits", _depth("50/65535"), "ZoeDepth, ibims.py: value · 50 / 65535"),
    Preset("middlebury", "Middlebury 2014 and 2021", "PFM", _stereo(),
           "Middlebury 2014: Z = baseline · f / (d + doffs)", ("focal_px", "baseline_m", "doffs"),
           note="take them from calib.txt: cam0, baseline (in mm) and doffs; without doffs far values are wrong"),
    Preset("sceneflow", "SceneFlow, FlyingThings3D", "PFM", _stereo(focal_px=1050.0),
           "SceneFlow's page: 1050 px, Driving with 15 mm: 450 px", ("baseline_m",), ("focal_px",),
           metric=False, note="give the baseline in metres, because the scenes have no unit of their own"),
    Preset("diode", "DIODE", ".npy", _depth(1), "DIODE devkit: metres", note="its mask can be used as the confidence"),
    Preset("hypersim", "Hypersim", "HDF5", lambda focal_px=886.81: Distance(focal_px=focal_px),
           "ml-hypersim: distance along the ray, in metres; Marigold's dist_2_depth: 886.81 px", takes=("focal_px",),
           key="dataset"),
    Preset("eth3d", "ETH3D, high resolution", "rows without a header", _depth(1),
           "eth3d.net, documentation; Marigold, eth3d_dataset.py: float32 metres, infinity is no value",
           rows=RawLayout(), note="the size is the photo's; otherwise --shape 6048x4032"),
    Preset("2d3ds", "2D-3D-Semantics, DL3DV and Matterport as UniDepth has them", "PNG, 16 bits", _depth("1/512"),
           "UniDepth, datasets: depth_scale 512"),
    Preset("megadepth", "MegaDepth as UniDepth has it", "PNG, 16 bits", _depth("1/50"),
           "UniDepth, datasets: depth_scale 50", metric=False),
    Preset("nerfstudio", "nerfstudio's depth files", "PNG, .npy", _scaled("1/1000"),
           "nerfstudio, data_conventions.md: depth_unit_scale_factor 1e-3, 0 is no value", takes=("scale",),
           note="source: {transforms: …} in jobs"),
    Preset("sintel", "MPI Sintel depth", ".dpt", _scaled("1"), "Sintel's depth_read: float32 rows behind a tag",
           takes=("scale",), metric=False, note="in units of the scene; scale is the length of one in metres"),
    Preset("colmap", "COLMAP's dense maps", ".bin", _scaled("1"), "colmap.github.io/format.html", takes=("scale",),
           metric=False, note="in units of the reconstruction; scale is the length of one in metres; 0 is no value"),
    Preset("arkitscenes", "ARKitScenes", "PNG, 16 bits", _depth("1/1000"), "ARKitScenes DATA.md: millimetres",
           note=f"{_LANDSCAPE}; confidence 0 to 2", certain=2),
    Preset("stray-scanner", "Stray Scanner", "PNG, 16 bits", _depth("1/1000"), "docs.strayrobots.io: millimetres",
           note=f"{_LANDSCAPE}; confidence 0 to 2", certain=2),
    Preset("polycam", "Polycam, raw data", "PNG, 16 bits", _depth("1/1000"), "PolyCam's polyform README: millimetres",
           note=f"{_LANDSCAPE}; confidence 0, 127, 255"),
    Preset("record3d", "Record3D, .r3d", "LZFSE, floats", _depth(1),
           "RGBD-Video-iPhone12Pro README: float32 metres; NaN or 0 is no value", certain=2,
           note="source: {archive: …} in jobs, which reads the camera as well; confidence 0 to 2"),
    Preset("realsense-z16", "Intel RealSense z16", "PNG, 16 bits", _scaled("1/1000"),
           "librealsense: rs2_get_depth_scale, of the device", takes=("scale",), note="the default is 1/1000"),
    Preset("azure-kinect", "Azure Kinect", "PNG, 16 bits", _depth("1/1000"), "Azure Kinect SDK, k4atypes.h: DEPTH16"),
    Preset("midas", "MiDaS, DPT", "PNG, PFM", _relative("disparity"),
           "MiDaS, utils.py: inverse depth up to scale and shift, white is near", _RANGE, relative="disparity",
           note=_ALIGN),
    Preset("depth-anything-v2", "Depth Anything, V1 and V2, relative", "PNG, .npy", _relative("disparity"),
           "Depth-Anything-V2, run.py: inverse depth, per picture from 0 to 255", _RANGE, relative="disparity",
           note=f"--grayscale; {_ALIGN}"),
    Preset("video-depth-anything", "Video Depth Anything, relative", ".npz, OpenEXR", _relative("disparity"),
           "Video-Depth-Anything, run.py: depths (T, H, W) of inverse depth; one EXR a frame, channel Z", _RANGE,
           relative="disparity", note=f"a stack: --key 'depths[0]'; {_ALIGN}"),
    Preset("depth-anything-v2-metric", "Depth Anything V2, metric", ".npy", _depth(1),
           "Depth-Anything-V2, metric_depth/run.py: metres"),
    Preset("zoedepth", "ZoeDepth", "PNG, 16 bits", _depth("1/256"), "ZoeDepth, misc.py: save_raw_16bit, metres · 256"),
    Preset("marigold", "Marigold", ".npy, PNG", _relative("depth"),
           "Marigold, run.py: depth up to scale and shift, 0 is near", _RANGE, relative="depth", note=_ALIGN),
    Preset("depth-pro", "Depth Pro", ".npz", _depth(1), "ml-depth-pro, run.py: depth, in metres", key="depth"),
    Preset("metric3d", "Metric3D", ".npy", _depth(1), "Metric3D, hubconf.py: metres",
           note="after conversion from the canonical focal length"),
    Preset("unidepth", "UniDepth", ".npy, PNG", _scaled("1"), "UniDepth README: depth, in metres", takes=("scale",)),
    Preset("google-depth", "GDepth and Dynamic Depth, RangeInverse", "PNG, JPEG", _gray("disparity"),
           "developers.google.com/depthmap-metadata: RangeInverse, far · near / (far − g(far − near))", _RANGE,
           metric=False, note="near and far are those of the XMP; photos that hold such depth need no preset"),
    Preset("google-depth-linear", "GDepth and Dynamic Depth, RangeLinear", "PNG, JPEG", _gray("depth"),
           "developers.google.com/depthmap-metadata: RangeLinear, near + g(far − near)", _RANGE, metric=False,
           note="as for google-depth"),
    Preset("blender-exr", "Blender's Z pass", "OpenEXR", _blender, "docs.blender.org: Z, distance to surfaces",
           takes=("scale", "focal_px"), metric=False,
           note="scale is the length of a unit in metres; give focal_px where Z is along the ray, as in some engines "
                "and versions; the background, 1e10, is infinitely far unless --clamp 0.1,100 bounds it"),
    Preset("opengl-zbuffer", "OpenGL's depth buffer, 0 to 1", "any", _zbuffer(), "nf / (f − z(f − n))", ("near",),
           ("far",)),
    Preset("opengl-ndc", "OpenGL's device coordinates, −1 to 1", "floats", _zbuffer(ndc=True), "z = (zₙ + 1) / 2",
           ("near",), ("far",)),
    Preset("d3d-zbuffer", "Direct3D's depth buffer", "any", _zbuffer(), "as OpenGL's, 0 to 1", ("near",), ("far",)),
    Preset("unity-zbuffer", "Unity's depth buffer, reversed", "any", _zbuffer(reversed=True),
           "docs.unity.com, usesReversedZBuffer: 1 at the near plane", ("near",), ("far",)),
    Preset("unreal-zbuffer", "Unreal's depth buffer, reversed", "any", _zbuffer(reversed=True),
           "reversed, infinite far: z = near / value", ("near",), ("far",)),
)
