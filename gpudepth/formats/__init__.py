"""File structures, with no depth in them: ISO base media boxes, HEVC parameter sets, XMP packets, Exif."""
