"""Movies of unusual pixels and tables that lie, and playlists that name other files."""

from __future__ import annotations

import tempfile
from pathlib import Path

from heif_kit import u32
from seeds import seeds

from bad_files.builders import Files


def playlists() -> Files:
    """What FFmpeg would open further files for."""
    yield "concat.png", b"ffconcat version 1.0\nfile depth.mp4\n"
    yield "concat.mp4", b"ffconcat version 1.0\nfile /etc/passwd\n"
    yield "hls.m3u8", b"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nfile:///etc/passwd\n#EXT-X-ENDLIST\n"
    yield "hls.mp4", b"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nfile:///etc/passwd\n#EXT-X-ENDLIST\n"
    yield "dash.mp4", b"<?xml version='1.0'?><MPD xmlns='urn:mpeg:dash:schema:mpd:2011'><Period><BaseURL>file:///etc/passwd</BaseURL></Period></MPD>"
    yield "sdp.mp4", b"v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=video 5000 RTP/AVP 96\na=rtpmap:96 H264/90000\n"
    yield "subtitles.mp4", b"1\n00:00:00,000 --> 00:00:01,000\nHello\n"
    yield "lavfi.mp4", b"movie=/etc/passwd"


def films() -> Files:
    """Videos of unusual pixels, sizes and kinds, and headers that lie."""
    import av

    def film(codec: str, pix_fmt: str, suffix: str, width: int = 64, height: int = 48, count: int = 2, **options: str) -> bytes | None:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / f"a{suffix}"
            try:
                with av.open(str(path), "w") as out:
                    stream = out.add_stream(codec, rate=30, options=options)
                    stream.width, stream.height, stream.pix_fmt = width, height, pix_fmt
                    for n in range(count):
                        frame = av.VideoFrame(width, height, pix_fmt)
                        for plane in frame.planes:
                            plane.update(bytes([n * 40 + 20]) * plane.buffer_size)
                        frame.pts = n
                        out.mux(stream.encode(frame))
                    out.mux(stream.encode(None))
                return path.read_bytes()
            except (av.error.FFmpegError, ValueError, LookupError):
                return None

    wanted = [("ffv1", f, ".mkv") for f in ("yuv420p", "yuv444p", "yuv422p10le", "gray", "gray10le", "gray12le", "gray16le", "bgra", "rgb48le", "yuva420p", "gbrp", "ya8")]
    wanted += [("rawvideo", f, ".mkv") for f in ("monob", "monow", "pal8", "rgb24", "gray16be", "yuv410p", "nv12", "yuyv422", "rgb565le", "gray", "rgb8")]
    wanted += [("mjpeg", "yuvj422p", ".mov"), ("mjpeg", "yuvj444p", ".avi"), ("mjpeg", "yuvj420p", ".mkv"), ("png", "rgba", ".mov"), ("png", "monob", ".mov"), ("png", "gray16be", ".mov"),
               ("libx264", "yuv444p", ".mp4"), ("libx264", "gray", ".mp4"), ("libx265", "yuv420p10le", ".mp4"), ("libvpx-vp9", "yuv420p", ".webm"), ("mpeg4", "yuv420p", ".avi"),
               ("gif", "rgb8", ".gif"), ("apng", "rgba", ".apng"), ("qtrle", "rgb24", ".mov"), ("prores_ks", "yuv422p10le", ".mov"), ("dnxhd", "yuv422p", ".mov"), ("huffyuv", "rgb24", ".avi")]
    for codec, pix_fmt, suffix in wanted:
        for width, height in ((64, 48), (63, 47)):
            data = film(codec, pix_fmt, suffix, width, height)
            if data is not None:
                yield f"{codec}.{pix_fmt}.{width}{suffix}", data
    for name in ("depth.mov", "colour.mp4", "auxiliary.mp4", "lerobot.mp4"):
        whole = seeds()[name]
        for kind in (b"stsz", b"stco", b"stsc", b"stts", b"ctts", b"stss", b"stsd", b"mdhd", b"tkhd", b"mvhd", b"elst", b"hdlr", b"tref", b"hvcC", b"avcC", b"disc", b"mdta", b"keys", b"ilst", b"axte"):
            at = whole.find(kind)
            if at < 0:
                continue
            for value in (0, 0xFFFF, 0x7FFFFFFF, 0xFFFFFFFF):
                for offset in (4, 8, 12):
                    yield f"{kind.decode()}.{offset}.{value:x}.{name}", whole[: at + 4 + offset] + u32(value) + whole[at + 8 + offset :]
            yield f"{kind.decode()}.none.{name}", whole.replace(kind, b"free")
    mkv = seeds()["depth.mkv"]
    for n, at in enumerate(range(0, 120, 3)):
        yield f"ebml.{n}.mkv", mkv[:at] + b"\x01\xff\xff\xff\xff\xff\xff\xff" + mkv[at + 8 :]
    for name in (b"NATIVE", b"CALIBRATION", b"GPUDEPTH", b"MIN", b"MAX", b"ACCURACY"):
        if name in mkv:
            yield f"tag.{name.decode()}.mkv", mkv.replace(name, name[:-1] + b"_")
