"""Checks a movie against the rules of Apple's depth track.

Apple documents none of it. The sources are files of iPhones and what is publicly reported of VideoToolbox and
Cinematic.framework.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ...containers.rules import ONE_MAP, PRESENT, Checklist, Finding, Rule, check_file
from ...errors import GpudepthError, NoDepthError, UnsupportedError
from ...formats.bytesource import ByteSource
from ...formats.hevc.nal import SPS
from ...formats.hevc.parameter_sets import RANGE_EXTENSIONS, Configuration, ProfileTierLevel
from ...formats.quicktime import movie
from ...formats.quicktime.movie import Movie, Track
from ..track_decoder import decode_ends
from . import depth_track
from .depth_track import FORMATS, HANDLER
from .log_code import LogRange

TOOLBOX, CINEMATIC = "publicly reported of VideoToolbox", "publicly reported of Cinematic.framework"
FILES, ISO = "files of iPhones, as publicly shown", "ISO/IEC 14496-12"
ENTRIES = " or ".join(FORMATS)

ENTRY = Rule("sample-entry", f"the sample entry of a track with a disc box is {ENTRIES}", f"{TOOLBOX}; {FILES}")
ONE_ENTRY = Rule("one-entry", "the depth track has one sample entry", "decoders of one configuration")
HANDLED = Rule("handler", f"the depth track's handler is {HANDLER!r}", f"AVMediaTypeAuxiliaryPicture; {FILES}")
HVCC = Rule("hvcc", "the sample entry holds an hvcC box with parameter sets", f"ISO/IEC 14496-15 8.3.2; {TOOLBOX}")
MONOCHROME = Rule("monochrome", "it is coded 4:0:0, in the Range Extensions profile", TOOLBOX)
BITS = Rule("bits", "its codes have 10 bits", TOOLBOX)
DISC = Rule("disc", "the sample entry declares the range in a disc box", f"{TOOLBOX}: the default is 0 to 16", must=())
DISC_PARSES = Rule("disc-parses", "the disc box is version 0, 1, then min and max as 16.16, 0 ≤ min < max", TOOLBOX)
COLOUR = Rule("colour-track", "there is a video track that the depth belongs to", "a map belongs to a picture")
REFERENCE = Rule("reference", "the colour track refers to the depth track (a tref of any kind)",
                 f"{CINEMATIC}; which kind is not established")
ENABLED = Rule("enabled", "the depth track is enabled (tkhd flags)", CINEMATIC)
MATRIX = Rule("matrix", "its matrix is the colour track's", f"{ISO} 8.3.2; maps share the coded orientation", must=())
TABLES = Rule("sample-tables", "its sample tables fit each other and the file", f"{ISO} 8.6 and 8.7")
SYNC = Rule("sync", "the first sample is a sync sample", f"{ISO} 8.6.2")
DISTINCT = Rule("distinct-times", "no two frames have the same time", f"{ISO} 8.6.1")
TIMES = Rule("times", "every frame is shown when a colour frame is", "players take the frame of the same time", must=())
DECODES = Rule("decodes", "the first and the last frame can be decoded, at the declared size", "H.265")


def check(source: ByteSource, profile: str | None) -> list[Finding]:
    """Check a movie against the rules; damage becomes a finding at its place."""
    return check_file(source, profile, movie.read, lambda out, content: _Check(out, content).run(), where="moov")


@dataclass
class _Check:
    out: Checklist
    content: Movie

    def run(self) -> None:
        content, out = self.content, self.out
        strays = [t for t in content.tracks if t.entries[0].format not in FORMATS and "disc" in t.entries[0].extensions]
        out.test(ENTRY, not strays, strays[0].entries[0].path if strays else content.moov.path,
                 "; ".join(f"track {t.id} has a disc box and is {t.entries[0].format!r}" for t in strays))
        depth = [t for t in content.tracks if t.entries[0].format in FORMATS]
        if not out.test(PRESENT, bool(depth), content.moov.path,
                        f"no track is {ENTRIES}; the tracks: {depth_track.kinds(content)}"):
            return
        out.test(ONE_MAP, len(depth) == 1, depth[-1].path, f"tracks {', '.join(str(t.id) for t in depth)}")
        for track in depth:
            self._track(track)

    def _track(self, track: Track) -> None:
        out, entry = self.out, track.entries[0]
        out.test(ONE_ENTRY, len(track.entries) == 1, entry.path, f"{len(track.entries)} of them")
        out.test(HANDLED, track.handler == HANDLER, f"{track.path}/mdia/hdlr", f"it is {track.handler!r}")
        out.test(ENABLED, track.enabled, f"{track.path}/tkhd", f"flags {track.flags:06x}")
        size = self._pictures(track)
        ranged = self._range(track)
        tables = self._tables(track)
        colour = self._colour(track, size, tables=tables)
        if size and ranged and tables and colour is not None and len(track.entries) == 1:
            self._decodes()

    def _pictures(self, track: Track) -> tuple[int, int] | None:
        """Return (width, height) if hvcC declares them."""
        out, entry, source = self.out, track.entries[0], self.content.source
        where, size = f"{entry.path}/hvcC", None
        try:
            hvcc = entry.extension(source, "hvcC")
            if hvcc is None:
                out.test(HVCC, False, entry.path, "it is missing")
            else:
                configuration = Configuration.parse(hvcc, where)
                sequence = configuration.sequence()
                sps = configuration.first(SPS)
                assert sps is not None
                out.test(HVCC, True, where)
                profile = ProfileTierLevel.of(sps).profile & 0x1F
                out.test(MONOCHROME, sequence.chroma_format == 0 and profile == RANGE_EXTENSIONS, where,
                         f"chroma_format_idc {sequence.chroma_format}, profile {profile}")
                out.test(BITS, sequence.bit_depth == 10, where, f"{sequence.bit_depth} bits")
                size = sequence.width, sequence.height
        except GpudepthError as error:
            out.broken(HVCC, error, where)
        return size

    def _range(self, track: Track) -> bool:
        out, entry = self.out, track.entries[0]
        where = f"{entry.path}/disc"
        try:
            disc = entry.extension(self.content.source, "disc")
            if out.test(DISC, disc is not None, entry.path, "it is missing: the range is 0 to 16"):
                assert disc is not None
                LogRange.parse(disc, where)
                out.test(DISC_PARSES, True, where)
        except GpudepthError as error:
            out.broken(DISC_PARSES, error, where)
            return False
        return True

    def _tables(self, track: Track) -> bool:
        out, samples = self.out, track.samples
        try:
            times, sync = samples.presentation_times, samples.sync
            if not len(samples.offsets):
                raise NoDepthError("there is no sample", where=samples.path)
        except GpudepthError as error:
            out.broken(TABLES, error, samples.path)
            return False
        out.test(TABLES, True, samples.path)
        out.test(SYNC, bool(sync[0]), f"{samples.path}/stss", "it is not in stss")
        same = len(times) - len(np.unique(times))
        return out.test(DISTINCT, same == 0, samples.path, f"{same} are shown at the time of another")

    def _colour(self, track: Track, size: tuple[int, int] | None, *, tables: bool) -> Track | None:
        out, content = self.out, self.content
        colour, _ = depth_track.colour_of(content, track)
        if not out.test(COLOUR, colour is not None, content.moov.path,
                        f"{len(content.of_handler('vide'))} video tracks, and no reference"):
            return None
        assert colour is not None
        named = [kind for kind, ids in colour.references.items() if track.id in ids]
        out.test(REFERENCE, bool(named), f"{colour.path}/tref", f"track {colour.id} names no track {track.id}")
        out.test(MATRIX, colour.matrix == track.matrix, f"{track.path}/tkhd", "they differ")
        if size is not None and colour.width and colour.height:
            # tkhd's size is before the matrix, as maps are
            out.check_aspect(size, (round(colour.width), round(colour.height)), track.path)
        if tables:
            self._times(track, colour)
        return colour

    def _times(self, track: Track, colour: Track) -> None:
        """Check the times; a difference of one tick of either clock is rounding."""
        out, scale = self.out, self.content.time_scale
        try:
            one, other = ((t.samples.presentation_times * float(t.unit()) + float(t.shift(scale) or 0))
                          for t in (track, colour))
            tick = float(max(track.unit(), colour.unit()))
        except GpudepthError as error:
            out.broken(TIMES, error, colour.path)
            return
        other = np.sort(other)
        at = np.searchsorted(other, one)
        other = np.concatenate([[-np.inf], other, [np.inf]])
        off = int((np.minimum(one - other[at], other[at + 1] - one) > tick).sum())
        out.test(TIMES, off == 0, track.samples.path, f"{off} of {len(one)} frames are shown when no colour frame is")

    def _decodes(self) -> None:
        out = self.out
        try:
            depth = depth_track.find(self.content)
            assert depth is not None
            decode_ends(depth)
        except UnsupportedError:
            return      # another rule reports it
        except GpudepthError as error:
            out.broken(DECODES, error, self.content.moov.path)
            return
        out.test(DECODES, True, depth.track.samples.path)
