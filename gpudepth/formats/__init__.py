"""Parses and writes file structures without depth: ISO base media boxes, HEVC parameter sets, XMP packets, Exif."""
